"""An engine on another machine: calls go there over HTTP, and the same lines come back.

A call is a POST to the method's name.  The answer is lines of text: an empty line says that there is none yet, a
line of the type "error" that there will be none, and why.  `handle` is the other machine's side, for any engine.
"""

import json
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from numpy import ndarray

from dlm_core.canvas import Canvas
from dlm_core.engine.describe import About
from dlm_core.engine.edit import Cell
from dlm_core.engine.interface import Engine, Run
from dlm_core.engine.lesson import Kind, Lesson, NoisyState
from dlm_core.engine.request import Request
from dlm_core.engine.unavailable import UnavailableEngine, unmeasured
from dlm_core.lines import is_waiting, make_line, read_line, type_of
from dlm_core.policies.parameter import shown
from dlm_core.proxies import is_loopback
from dlm_core.trace import Trace, decode_token_texts, encode_token_texts

CONNECT, SILENCE = 5, 30  # seconds to wait for a connection, and for the next line of an answer, be it an empty one
WAIT = "\n"  # there is no answer yet

# --- values as JSON ---------------------------------------------------------------------------------------------------


def pack(request: Request) -> dict[str, Any]:
    """Return a request as JSON can hold it."""
    canvas, cells = request.canvas, request.cells
    return {
        "prompt": request.prompt, "policy": request.policy, "length": request.length,
        "block_length": request.block_length, "seed": request.seed, "params": dict(request.params),
        "canvas": canvas and {"ids": canvas.ids.tolist(), "fixed": canvas.fixed.tolist()},
        "cells": cells and [list(cell) for cell in cells], "pins": list(map(list, request.pins.items())),
        "windows": request.windows and [list(window) for window in request.windows], "branch": request.branch,
        "cache": request.cache, "conversation": list(request.conversation),
    }  # fmt: skip


def unpack(record: Any) -> Request:
    """Return the request in a record that may come from anywhere; ValueError for one that is none.

    Whether the request makes sense is for the engine to say.
    """
    return Request(**_read("request", _REQUEST, record))


def _unread(value: Any) -> Any:
    return value  # the engine says what it must be


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


_REQUEST: Mapping[str, Callable[[Any], Any]] = {
    "prompt": _unread,
    "policy": _unread,
    "length": _unread,
    "block_length": _unread,
    "seed": _unread,
    "params": dict,
    "canvas": _optional(lambda canvas: Canvas(canvas["ids"], canvas["fixed"])),
    "cells": _optional(
        lambda cells: [Cell(token if isinstance(token, str) else int(token), bool(fixed)) for token, fixed in cells]
    ),
    "pins": lambda pins: {int(position): str(word) for position, word in pins},
    "windows": _optional(lambda windows: [(int(lo), int(hi)) for lo, hi in windows]),
    "branch": _optional(dict),
    "cache": _unread,
    "conversation": lambda messages: () if messages is None else messages,
}
_LESSON: Mapping[str, Callable[[Any], Any]] = {
    "text": _text, "kind": _text, "schedule": _text, "seed": _unread,
}  # fmt: skip


def _read(what: str, fields: Mapping[str, Callable[[Any], Any]], record: Any) -> dict[str, Any]:
    """Return the fields of a record by name, each read; one that cannot be is a ValueError that names it."""
    if not isinstance(record, Mapping):
        raise ValueError(f"a {what} is one JSON object, got {shown(record)}")
    values = {}
    for name, read in fields.items():
        try:
            values[name] = read(record.get(name))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{name} of a {what} cannot be read, got {shown(record.get(name))}") from error
    return values


def _pack_lesson(lesson: Lesson) -> dict[str, Any]:
    states = [state._asdict() for state in lesson.states]
    return lesson._asdict() | {"pieces": encode_token_texts(lesson.pieces), "states": states}


def _unpack_lesson(record: Mapping[str, Any]) -> Lesson:
    states = [NoisyState(**state) for state in record["states"]]
    return Lesson(**{**record, "pieces": decode_token_texts(record), "states": states})


# --- the side that answers --------------------------------------------------------------------------------------------


def _probabilities(values: ndarray) -> list[str]:
    """Return the line with the values; None where nothing was measured."""
    known = [None if np.isnan(value) else float(value) for value in values]
    return [make_line("probabilities", values=known)]


def _record(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body of a call is JSON, and this cannot be read as JSON") from error


def _parse_request(body: bytes) -> Request:
    return unpack(_record(body))


def _parse_lesson(body: bytes) -> dict[str, Any]:
    return _read("lesson", _LESSON, _record(body))


METHODS: Mapping[str, Callable[[Engine, bytes, threading.Event], Iterable[str]]] = {
    "about": lambda engine, _body, _stop: [make_line("about", **asdict(engine.about()))],
    "header_line": lambda engine, body, _stop: [engine.header_line(_parse_request(body))],
    "run": lambda engine, body, stop: engine.run(_parse_request(body), stop),
    "pseudo_likelihood": lambda engine, body, _stop: _probabilities(engine.pseudo_likelihood(Trace.parse(body))),
    "autoregressive_likelihood": lambda engine, body, _stop: _probabilities(
        engine.autoregressive_likelihood(Trace.parse(body))
    ),
    "lesson": lambda engine, body, _stop: [
        make_line("lesson", lesson=_pack_lesson(engine.lesson(**_parse_lesson(body))))
    ],
}


def handle(engine: Engine, method: str, body: bytes, stop: threading.Event) -> Iterator[str]:
    """Yield the lines of an engine's answer to one of `METHODS`; `stop` ends a run after the step it is in."""
    try:
        yield from METHODS[method](engine, body, stop)
    except ValueError as error:
        yield make_line("error", message=str(error))


def error_of(line: str) -> str | None:
    """Return the message of a line that says that a call failed, else None."""
    record = read_line(line)
    return str(record["message"]) if type_of(record) == "error" else None


# --- the side that calls ----------------------------------------------------------------------------------------------


class LostError(ValueError):
    """The other machine cannot be reached, or fell silent; the message says which."""


def checked(address: str) -> str:
    """Return the address of an engine, `http://host:port`; anything else is a ValueError of one sentence."""
    parts = urlsplit(address.strip())
    try:
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        right = False
    if not right or parts.query or parts.fragment or parts.username:
        raise ValueError(f"the address of an engine is like http://host:8000, got {address[:80]!r}")
    return address.strip().rstrip("/")


class _Received:
    """The lines of a run as they came, and their trace, which is parsed once it is needed."""

    def __init__(self, header_line: str) -> None:
        self._header_line, self._lines = header_line, list[str]()
        self._trace: Trace | None = None
        self._read = 1  # lines that the trace has; the first is the header, which is known

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, line: str) -> None:
        """Take in the next line."""
        self._lines.append(line)

    def trace(self) -> Trace:
        """Return the run as far as its lines have come."""
        if self._trace is None:
            self._trace = Trace.parse(self._header_line.encode())
            self._trace.notice = None  # it is not cut off, but still to come
        for line in self._lines[self._read :]:
            self._trace.feed(line.rstrip("\n").encode())
        self._read = max(self._read, len(self._lines))
        return self._trace


class RemoteEngine:
    """Calls the engine at an address, and needs no model here.

    Where that engine cannot be reached, a request is a ValueError, as for its own mistakes; a run that loses its
    machine is kept as far as it came, and ends with a line that says so.
    """

    def __init__(self, address: str, transport: httpx.BaseTransport | None = None) -> None:
        self.address = checked(address)
        host = urlsplit(self.address).hostname or ""
        try:
            self._client = httpx.Client(
                base_url=self.address, timeout=httpx.Timeout(SILENCE, connect=CONNECT), transport=transport,
                limits=httpx.Limits(max_connections=None), trust_env=not is_loopback(host),
            )  # fmt: skip
        except (ImportError, ValueError) as error:  # httpx knows no such proxy, or lacks a package for it
            raise ValueError(
                f"the proxy in the environment cannot be used to ask {self.address} ({str(error)[:120]}): name that "
                "machine in no_proxy, or `pip install 'httpx[socks]'` for a proxy of SOCKS"
            ) from error

    def close(self) -> None:
        """Close the connections that are kept for the next call."""
        self._client.close()

    def about(self, model: str | None = None) -> About:
        """Return what a page must know of the model there, or of none while nothing answers."""
        try:
            record = read_line(self._call("about", b""))
        except LostError as error:
            return UnavailableEngine(str(error)).about()
        del record["type"]
        return About(**record | {name: tuple(record[name]) for name in ("policies", "caches")})

    def run(self, request: Request, stop: threading.Event | None = None) -> Run:
        """Return a run as `LocalEngine.run` does; it joins the queue there when its first line is taken."""
        received = _Received(self.header_line(request))
        return Run(self._lines(received, request, stop or threading.Event()), received.trace)

    def header_line(self, request: Request) -> str:
        return self._call("header_line", json.dumps(pack(request)))

    def pseudo_likelihood(self, trace: Trace) -> ndarray:
        """Measure as `LocalEngine` does; NaN where the engine is lost."""
        return self._measure("pseudo_likelihood", trace)

    def autoregressive_likelihood(self, trace: Trace) -> ndarray:
        """Measure as `LocalEngine` does; NaN where the engine is lost."""
        return self._measure("autoregressive_likelihood", trace)

    def lesson(self, text: str, kind: Kind, schedule: str, seed: int, model: str | None = None) -> Lesson:
        arguments = {"text": text, "kind": kind, "schedule": schedule, "seed": seed}
        return _unpack_lesson(read_line(self._call("lesson", json.dumps(arguments)))["lesson"])

    def _lines(self, received: "_Received", request: Request, stop: threading.Event) -> Generator[str, None, None]:
        try:
            with closing(self._stream("run", json.dumps(pack(request)))) as lines:
                for line in lines:
                    if line != WAIT:
                        if not is_waiting(line):
                            received.add(line)
                        yield line
                    if stop.is_set():  # closing the answer stops the run there
                        break
            lost = "it ended without a word"
        except ValueError as error:
            lost = str(error)
        trace = received.trace()
        if trace.totals:
            return
        if not received:
            yield trace.lines[0] + "\n"
        if stop.is_set():
            yield trace.finish("stopped") + "\n"
        else:
            where = f"after {len(trace.steps)} steps ({lost})"
            yield trace.finish("error", f"the machine of this run was lost {where}: run it again") + "\n"

    def _measure(self, method: str, trace: Trace) -> ndarray:
        try:
            record = read_line(self._call(method, "".join(f"{line}\n" for line in trace.lines)))
            return np.array(record["values"], dtype=np.float64)  # None becomes NaN
        except ValueError:
            return unmeasured(trace)

    def _call(self, method: str, body: str | bytes) -> str:
        """Return the one line that answers a call."""
        for line in self._stream(method, body):
            if line != WAIT and not is_waiting(line):
                return line
        raise LostError(f"the engine at {self.address} was lost: try again")

    def _stream(self, method: str, body: str | bytes) -> Generator[str, None, None]:
        try:
            with self._client.stream("POST", f"/{method}", content=body) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise LostError(f"the engine at {self.address} answers with HTTP status {answer.status_code}")
                partial = b""
                for part in answer.iter_bytes():
                    *complete, partial = (partial + part).split(b"\n")
                    for line in complete:
                        text = line.decode() + "\n"
                        if text != WAIT and (why := error_of(text)):
                            raise ValueError(why)
                        yield text
        except httpx.TransportError as error:
            what = "does not answer" if isinstance(error, httpx.ConnectError | httpx.TimeoutException) else "was lost"
            raise LostError(f"the engine at {self.address} {what}") from error
