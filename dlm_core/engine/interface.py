"""What the page, the command line and programs ask: an engine, wherever its model is."""

import threading
from collections.abc import Iterator
from typing import Protocol

from numpy import ndarray

from dlm_core.engine.describe import About
from dlm_core.engine.lesson import Kind, Lesson
from dlm_core.engine.request import Request
from dlm_core.trace import Trace


class Engine(Protocol):
    """Whatever turns a request into run-file lines, with the model that the request names."""

    def about(self, model: str | None = None) -> About: ...

    def run(self, request: Request, stop: threading.Event | None = None) -> Iterator[str]: ...

    def opening(self, request: Request) -> str: ...

    def hindsight(self, trace: Trace) -> ndarray: ...

    def foresight(self, trace: Trace) -> ndarray: ...

    def lesson(self, text: str, kind: Kind, schedule: str, seed: int, model: str | None = None) -> Lesson: ...
