"""What the page, the command line and programs use: an engine, wherever its model is."""

import threading
from collections.abc import Callable, Generator, Iterator
from typing import Protocol

from numpy import ndarray

from dlm_core.engine.describe import About
from dlm_core.engine.lesson import Kind, Lesson
from dlm_core.engine.request import Request
from dlm_core.trace import Trace


class Run(Iterator[str]):
    """The lines of a run file as they come, notices of the queue among them, and the trace they make."""

    def __init__(self, lines: Generator[str, None, None], trace: Callable[[], Trace]) -> None:
        self._lines, self._trace = lines, trace

    def __next__(self) -> str:
        return next(self._lines)

    def close(self) -> None:
        """End the run after the step it is in."""
        self._lines.close()

    @property
    def trace(self) -> Trace:
        """Return the run as far as its lines have come."""
        return self._trace()

    def complete(self) -> Trace:
        """Run to the end, and return the finished trace."""
        for _ in self._lines:
            pass
        return self.trace


class Engine(Protocol):
    """Whatever turns a request into run-file lines, with the model that the request names."""

    def about(self, model: str | None = None) -> About: ...

    def run(self, request: Request, stop: threading.Event | None = None) -> Run: ...

    def header_line(self, request: Request) -> str: ...

    def pseudo_likelihood(self, trace: Trace) -> ndarray: ...

    def autoregressive_likelihood(self, trace: Trace) -> ndarray: ...

    def lesson(self, text: str, kind: Kind, schedule: str, seed: int, model: str | None = None) -> Lesson: ...
