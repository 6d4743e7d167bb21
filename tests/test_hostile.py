"""Hostile requests: whatever a program sends, it gets what it asked for or a sentence, and never a traceback.

What is sent are the page's own endpoints as their schema describes them, and an engine's calls, with any values.
"""

import json
import math
import threading
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from visitor import Server

from dlm_core.engine import LocalEngine, Request
from dlm_core.engine.remote import METHODS, error_of, handle, pack
from dlm_core.lines import read_line
from dlm_core.policies import POLICIES

NASTY = [
    "", "\0", "\ud800", "\n" * 99, "<script>alert(1)</script>", "../../etc/passwd", "{0.__class__}", "%s%n",
    "a" * 70_000,
    "llada", "p2", "threshold", "bundled", "prefix", "NaN", "-1", "1e999", "null", "[]", "🏴" * 50,
    -1, 0, 1, 2, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308, math.nan, math.inf, -math.inf,
    True, False, None, [], {}, [[]], [None], {"": None}, {"steps": 10**9}, {"temperature": math.nan},
    {"block_length": -1}, {"role": "user"}, [{"role": "user", "content": None}], {"path": "/etc/passwd"},
    {"__type__": "update"}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
]  # fmt: skip
VALUES = st.sampled_from(NASTY) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def bent(request: dict) -> st.SearchStrategy[dict]:
    """Some of the request's fields have other values, some are missing, and some are unknown."""
    changed = st.dictionaries(st.sampled_from(sorted(request)), VALUES, max_size=3)
    gone = st.sets(st.sampled_from(sorted(request)), max_size=2)
    more = st.dictionaries(st.text(max_size=8), VALUES, max_size=1)
    return st.builds(
        lambda a, b, c: {name: value for name, value in (request | a | c).items() if name not in b}, changed, gone, more
    )


def check_sentence(message: object) -> None:
    """A message that a person can read: one line of some length, and no trace of a program."""
    assert isinstance(message, str), message
    assert 0 < len(message) < 1000, len(message)
    assert "\n" not in message, message
    for inside in ("Traceback", 'File "', "<class ", "object at 0x", "site-packages", "NoneType", "unhashable"):
        assert inside not in message, message


# --- the page's endpoints ---------------------------------------------------------------------------------------------

ASKED = {"prompt": "Once", "policy": "llada", "steps": 1, "length": 4, "seed": 1}
ENDPOINTS = {"denoise": ASKED, "write": ASKED, "policies": {}}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A client of a server that serves nobody else, and where that server's messages go."""
    log = tmp_path_factory.mktemp("hostile") / "log"
    with log.open("w", encoding="utf-8") as messages:
        server = Server(messages=messages)
        with httpx.Client(base_url=f"{server.url}/gradio_api", timeout=60) as client:
            yield client
        server.close()
    said = log.read_text("utf-8", "replace")
    assert "Traceback" not in said, said[-3000:]


def test_the_endpoints_tried_here_are_all_that_the_schema_has(page):
    named = page.get("/info").json()["named_endpoints"]
    assert {f"/{name}" for name in ENDPOINTS} == set(named)
    for name, request in ENDPOINTS.items():
        assert set(request) <= {one["parameter_name"] for one in named[f"/{name}"]["parameters"]}


def events(page: httpx.Client, name: str, key: str) -> list[tuple[str, str]]:
    answer = page.get(f"/call/{name}/{key}").text.strip().split("\n\n")
    pairs = (block.split("\n", 1) for block in answer)
    return [(event.removeprefix("event: "), data.removeprefix("data: ")) for event, data in pairs]


@pytest.fixture(scope="module")
def parameters(page):
    return {
        name.strip("/"): {one["parameter_name"]: one["parameter_default"] for one in endpoint["parameters"]}
        for name, endpoint in page.get("/info").json()["named_endpoints"].items()
    }


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_the_page_answers_every_request_with_what_was_asked_or_a_sentence(page, parameters, data):
    name = data.draw(st.sampled_from(sorted(ENDPOINTS)))
    body = data.draw(bent(parameters[name] | ENDPOINTS[name]) if parameters[name] else st.just({}))
    posted = page.post(f"/call/v2/{name}", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert posted.status_code < 500, posted.text[:500]
    if posted.status_code != httpx.codes.OK:
        assert "Traceback" not in posted.text
        return
    *_, (event, said) = events(page, name, posted.json()["event_id"])
    assert event in ("complete", "error")
    if event == "error":
        check_sentence(json.loads(said)["error"])


NAMES = st.sampled_from(sorted(ENDPOINTS)) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=NAMES, body=st.binary() | VALUES)
def test_what_is_no_request_is_refused_by_its_status(page, name, body):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    address = f"/call/{quote(name, safe='')}"
    posted = page.post(address, content=content, headers={"Content-Type": "application/json"})
    assert posted.status_code < 500, posted.text[:500]
    assert "Traceback" not in posted.text


# --- an engine's calls ------------------------------------------------------------------------------------------------

RUN = pack(Request("Once", "llada", length=4, params={"steps": 1}))
LESSON = {"text": "One day", "kind": "mask", "schedule": "linear", "seed": 1}
BODIES = st.one_of(
    st.binary(), VALUES.map(json.dumps).map(str.encode), bent(RUN).map(json.dumps).map(str.encode),
    bent(LESSON).map(json.dumps).map(str.encode),
    st.builds(lambda name, params: json.dumps(RUN | {"policy": name, "params": params}).encode(),
              st.sampled_from(sorted(POLICIES)), VALUES),
)  # fmt: skip


@settings(max_examples=1000)
@given(method=st.sampled_from(sorted(METHODS)), body=BODIES)
def test_an_engine_answers_every_call_with_lines_or_a_sentence(bundled, method, body):
    stop = threading.Event()
    stop.set()  # a run that begins ends after its first step
    for line in handle(LocalEngine(bundled), method, body, stop):
        if line.strip() and (message := error_of(line)) is not None:
            check_sentence(message)
        assert line.endswith("\n") or read_line(line)
