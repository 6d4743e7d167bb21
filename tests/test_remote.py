"""An engine asked over HTTP, without a network: what it is asked, what comes back, and what is said when it is lost."""

import json
import threading

import httpx
import numpy as np
import pytest

from dlm_core.canvas import Canvas
from dlm_core.engine import LocalEngine, Request
from dlm_core.engine.edit import Cell
from dlm_core.engine.remote import METHODS, WAIT, RemoteEngine, checked, handle, pack, unpack
from dlm_core.lines import make_line
from dlm_core.trace import Trace


class Wire:
    """The other machine: an engine behind HTTP, whose lines of a run pass through `change` on their way."""

    def __init__(self, engine, change=lambda lines: lines):
        self.engine, self.change = engine, change
        self.asked, self.hung_up = [], []

    def __call__(self, request):
        method = request.url.path.strip("/")
        self.asked.append(method)
        lines = handle(self.engine, method, request.content, threading.Event())
        said = self.change(lines) if method == "run" else lines

        def hang_up():
            lines.close()
            self.hung_up.append(method)

        return httpx.Response(200, stream=Said(said, hang_up))


class Said(httpx.SyncByteStream):
    def __init__(self, lines, when_closed):
        self.lines, self.close = lines, when_closed

    def __iter__(self):
        return (line.encode() for line in self.lines)


def ask(handler):
    return RemoteEngine("http://engine:8000", httpx.MockTransport(handler))


@pytest.fixture(scope="module")
def local(bundled):
    return LocalEngine(bundled)


@pytest.fixture
def wire(local):
    return Wire(local)


def untimed(lines):
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def ends(lines):
    return json.loads(list(lines)[-1])


REQUESTS = {
    "a prompt": Request("A cat", length=8, seed=3, params={"steps": 4, "temperature": 0.7}),
    "blocks": Request("A cat", "threshold", 16, 8, params={"threshold": 0.4}),
    "a canvas": Request(canvas=Canvas([2, 360, 1, 1, 1], [True, True, False, False, False])),
    "cells": Request(cells=[Cell(2, True), Cell("the cat", True), *[Cell(1, False)] * 3], windows=[(3, 5), (5, 6)]),
    "pins": Request("A", length=8, pins={2: "cat", 5: "mat"}),
    "a branch": Request("A", length=4, branch={"step": 3, "policy": "llada", "seed": 1, "forced": 2}),
    "a cache": Request("A", length=16, block_length=8, cache="dual"),
    "left to right": Request("A", "autoregressive", 8, seed=4),
    "letters of every kind": Request('"\u2028\x85\n<b> 🎭 猫', length=4),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_run_is_the_same_here_and_there(name, local, wire):
    request = REQUESTS[name]
    there, here = list(ask(wire).run(request)), list(local.run(request))
    assert untimed(there) == untimed(here)
    assert [line[-1] for line in there] == ["\n"] * len(here)
    assert ask(wire).header_line(request) == local.header_line(request)


@pytest.mark.parametrize(
    "request_",
    [
        Request(length=0), Request(length=None), Request(length=float("nan")), Request(policy="best"),
        Request(params={"temperature": -1}), Request(params={"hurry": 1}), Request(seed=2**70),
        Request(cells=[Cell(2, True)]), Request(pins={900: "x"}), Request("dog " * 300),
    ],
)  # fmt: skip
def test_a_wrong_request_hears_the_same_sentence_before_it_takes_a_place_in_line(request_, local, wire):
    with pytest.raises(ValueError, match=r".") as here:
        local.run(request_)
    with pytest.raises(ValueError, match=r".") as there:
        ask(wire).run(request_)
    assert str(there.value) == str(here.value)
    assert wire.asked == ["header_line"]


def test_a_run_nobody_begins_to_read_is_not_asked_for(wire):
    ask(wire).run(REQUESTS["a prompt"])
    assert wire.asked == ["header_line"]


def test_readings_and_lessons_are_the_same_here_and_there(local, wire):
    trace = Trace.parse("".join(local.run(REQUESTS["left to right"])).encode())
    np.testing.assert_array_equal(ask(wire).pseudo_likelihood(trace), local.pseudo_likelihood(trace))
    np.testing.assert_array_equal(ask(wire).autoregressive_likelihood(trace), local.autoregressive_likelihood(trace))
    for kind in ("mask", "replace"):
        assert ask(wire).lesson("A cat sat.", kind, "linear", 1) == local.lesson("A cat sat.", kind, "linear", 1)
    with pytest.raises(ValueError, match="a sentence for this page has 1 to"):
        ask(wire).lesson("", "mask", "linear", 1)


def test_a_page_learns_of_the_model_what_it_learns_here(local, wire):
    assert ask(wire).about() == local.about()


def test_a_stop_ends_the_run_within_a_step_and_hangs_up(wire):
    stop, lines = threading.Event(), []
    for line in ask(wire).run(Request("A", length=32, params={"steps": 32}), stop):
        lines.append(line)
        if len(lines) == 4:
            stop.set()
    trace = Trace.parse("".join(lines).encode())
    assert (len(trace.steps), trace.totals["end"]) == (3, "stopped")
    assert wire.hung_up == ["header_line", "run"]


def test_a_run_stopped_while_it_waits_has_no_step(local):
    stop = threading.Event()

    def in_line(lines):
        yield make_line("waiting", waiting=2)
        while True:
            yield WAIT

    run = ask(Wire(local, in_line)).run(REQUESTS["a prompt"], stop)
    assert json.loads(next(run)) == {"type": "waiting", "waiting": 2}
    stop.set()
    header, end = map(json.loads, run)
    assert header["prompt"] == "A cat"
    assert (end["end"], end["steps"]) == ("stopped", 0)


def test_whoever_leaves_hangs_up(wire):
    run = ask(wire).run(REQUESTS["a prompt"])
    next(run)
    assert wire.hung_up == ["header_line"]
    run.close()
    assert wire.hung_up == ["header_line", "run"]


def broken(lines):
    yield from (line for line, _ in zip(lines, range(4)))
    raise httpx.ReadError("gone")


def cut(lines):
    yield from (line for line, _ in zip(lines, range(4)))


def at_once(lines):
    return iter(())


def halved(lines):
    yield from (line for line, _ in zip(lines, range(4)))
    yield '{"step":3,"wind'


@pytest.mark.parametrize(("change", "steps"), [(broken, 3), (cut, 3), (at_once, 0), (halved, 3)])
def test_a_run_whose_machine_is_lost_is_kept_as_far_as_it_came_and_says_so(change, steps, local):
    lines = list(ask(Wire(local, change)).run(REQUESTS["a prompt"]))
    trace = Trace.parse("".join(lines).encode())
    assert trace.notice is None
    assert (len(trace.steps), trace.totals["end"]) == (steps, "error")
    assert trace.totals["message"].startswith(f"the machine of this run was lost after {steps} steps (")
    assert trace.totals["message"].endswith("): run it again")


def refuse(request):
    raise httpx.ConnectError("refused")


def test_an_engine_out_of_reach_says_so_and_measures_nothing(local):
    engine = ask(refuse)
    trace = Trace.parse("".join(local.run(REQUESTS["a prompt"])).encode())
    for call in (lambda: engine.run(Request()), lambda: engine.lesson("A cat", "mask", "linear", 1)):
        with pytest.raises(ValueError, match=r"^the engine at http://engine:8000 does not answer$"):
            call()
    assert engine.about().name is None
    assert "llada" in engine.about().policies
    assert np.isnan(engine.pseudo_likelihood(trace)).all()
    assert np.isnan(engine.autoregressive_likelihood(trace)).all()


def test_an_address_that_is_no_engine_says_what_it_answered():
    with pytest.raises(ValueError, match="answers with HTTP status 404"):
        ask(lambda request: httpx.Response(404)).header_line(Request())


@pytest.mark.parametrize(
    "address",
    ["", "here", "host:8000", "ftp://host", "http://", "http://host:port", "http://host:0", "http://host?x=1"],
)
def test_a_wrong_address_is_one_sentence(address):
    with pytest.raises(ValueError, match=r"^the address of an engine is like http://host:8000, got '"):
        RemoteEngine(address)


def test_an_address_may_end_in_a_slash():
    assert checked(" http://127.0.0.1:8000/ ") == "http://127.0.0.1:8000"


WRONG = [
    {"prompt": 3}, {"params": [1]}, {"cells": [1]}, {"canvas": {"ids": [[1]]}}, {"windows": [[0]]}, {"pins": {"a": 1}}
]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"x"', b"{}", b"\xff", *(json.dumps(pack(Request()) | field).encode() for field in WRONG)],
)
@pytest.mark.parametrize("method", sorted(set(METHODS) - {"about"}))
def test_whatever_is_asked_gets_one_line_that_says_what_is_wrong(method, body, local):
    (line,) = handle(local, method, body, threading.Event())
    record = json.loads(line)
    assert record["type"] == "error"
    assert isinstance(record["message"], str)


def test_a_request_comes_out_as_it_went_in():
    request = REQUESTS["cells"]
    assert pack(unpack(json.loads(json.dumps(pack(request))))) == pack(request)
