"""Proxies in the environment: the loopback is never asked through one, and one that cannot be used is a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from dlm_core.engine.remote import RemoteEngine
from dlm_core.models import ModelError, load_model
from dlm_core.proxies import EVERYWHERE, LOOPBACK, is_loopback, without_proxy

ROOT = Path(__file__).parents[1]
DEAD = "http://127.0.0.1:9"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def mounted():
    """What a client of httpx would ask through a proxy, and what not."""
    with httpx.Client() as client:
        return {pattern.pattern: transport is not None for pattern, transport in client._mounts.items()}


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_hosts_are_spared_for_a_while_beside_those_that_are_spared_anyway(monkeypatch, name):
    monkeypatch.setenv("http_proxy", DEAD)
    monkeypatch.setenv(name, "example.org")
    before = dict(os.environ)
    with without_proxy(LOOPBACK):
        told = mounted()
        assert not told["all://localhost"]
        assert not told["all://127.0.0.1"]
        assert not told["all://*example.org"]
        assert told["http://"]
    assert dict(os.environ) == before


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9", DEAD])
def test_where_everything_is_spared_no_proxy_can_do_harm(monkeypatch, proxy):
    monkeypatch.setenv("all_proxy", proxy)
    with without_proxy(EVERYWHERE):
        assert mounted() == {}


def test_the_page_is_imported_whatever_the_proxy():
    script = "from dlm_core.ui.page import build_page"
    environment = {**os.environ, "all_proxy": "socks5://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-500:]


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("gpu", False),
    ],
)
def test_this_machine_is_known_by_its_loopback(host, here):
    assert is_loopback(host) == here


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9"])
def test_an_engine_is_asked_through_a_proxy_only_if_it_is_elsewhere(monkeypatch, proxy):
    monkeypatch.setenv("all_proxy", proxy)
    RemoteEngine("http://127.0.0.1:8000").close()
    with pytest.raises(ValueError, match=r"proxy in the environment cannot be used to ask http://gpu:8000") as error:
        RemoteEngine("http://gpu:8000")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "error", [ImportError("Using SOCKS proxy, but the 'socksio' package is not installed."),
              ValueError("Unknown scheme for proxy URL URL('socks://127.0.0.1:7891')")]
)  # fmt: skip
def test_a_model_that_cannot_be_fetched_through_the_proxy_says_so(hub, error):
    hub(error)
    with pytest.raises(ModelError, match="the proxy in the environment cannot be used") as told:
        load_model("owner/name")
    assert "\n" not in str(told.value)


def test_a_hub_on_this_machine_is_asked_directly(hub, monkeypatch):
    monkeypatch.setenv("http_proxy", DEAD)
    seen = []
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: seen.append(os.environ["no_proxy"]))
    with pytest.raises(ModelError):
        load_model("owner/name")
    assert "127.0.0.1" in seen[0].split(",")
