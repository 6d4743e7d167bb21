"""Where the page and the cluster's engine listen: slips are sentences, before anything is loaded."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dlm_core.engine.cluster.deploy import parser
from dlm_core.engine.listen import address, refuse_taken

ROOT = Path(__file__).parents[1]


def test_what_is_not_set_is_gradios_and_what_is_empty_is_not_set():
    for empty in ({}, {"PORT": "", "HOST": " ", "GRADIO_SERVER_PORT": " ", "GRADIO_ROOT_PATH": ""}):
        assert address(empty) == ("127.0.0.1", 7860)
    assert address({"SPACE_ID": "someone/unmask"}) == ("0.0.0.0", 7860)
    gradio = {"GRADIO_SERVER_PORT": "7000", "GRADIO_SERVER_NAME": "0.0.0.0"}
    assert address(dict(gradio)) == ("0.0.0.0", 7000)
    assert address(gradio | {"PORT": " 80 ", "HOST": "::1"}) == ("::1", 80)


@pytest.mark.parametrize("variable", ["PORT", "GRADIO_SERVER_PORT"])
@pytest.mark.parametrize(
    "text", ["abc", "0", "-1", "70000", "65536", "7860.0", "7860;", "８０", "²", "9" * 5000, "0x10"]
)
def test_a_wrong_port_is_one_sentence_that_names_the_variable(variable, text):
    with pytest.raises(ValueError, match=f"^{variable} must be a whole number between 1 and 65535, got '") as error:
        address({variable: text})
    assert len(str(error.value)) < 150


def test_gradio_finds_a_port_that_it_can_read_and_a_root_without_a_slash_at_its_end():
    environment = {"PORT": "80", "GRADIO_SERVER_PORT": " ", "GRADIO_ROOT_PATH": "/unmask/"}
    address(environment)
    assert (environment["GRADIO_SERVER_PORT"], environment["GRADIO_ROOT_PATH"]) == ("80", "/unmask")
    with pytest.raises(ValueError, match=r"^GRADIO_ROOT_PATH must be a path such as /unmask, .* got 'unmask'"):
        address({"GRADIO_ROOT_PATH": "unmask"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_that_is_taken_is_one_sentence_and_a_free_one_is_left_free(host):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"^nobody can listen on {host}:{port} \(Address .*\): set HOST and PORT"):
            refuse_taken(host, port)
    refuse_taken(host, port)
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))


@pytest.mark.parametrize("host", ["no.such.host.invalid", "256.1.1.1", "a" * 300, "192.0.2.1", "x y"])
def test_a_host_that_is_none_of_this_machine_is_one_sentence(host):
    with pytest.raises(
        ValueError, match=rf"^nobody can listen on {host[:80]}:7860 \(.+\): set HOST and PORT to others$"
    ):
        refuse_taken(host, 7860)


def test_the_page_does_not_start_where_it_cannot_listen():
    ended = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | {"GRADIO_SERVER_PORT": "abc"}, capture_output=True,
        encoding="utf-8",
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr == "error: GRADIO_SERVER_PORT must be a whole number between 1 and 65535, got 'abc'\n"


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1", "8000.5"])
def test_a_wrong_port_of_an_engine_is_one_sentence(port, capsys):
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(["--port", port])
    assert "the port must be a whole number between 1 and 65535" in capsys.readouterr().err
