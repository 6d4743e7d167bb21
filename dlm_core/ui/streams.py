"""A run as the growing value of a component, and the signals that stop it."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from typing import Any, TypeVar

import gradio as gr

from dlm_core.engine import Engine, Request
from dlm_core.ui.player import envelope

T = TypeVar("T")
SEND_EVERY = 0.05  # seconds; a faster model's lines travel together


class StopSignals:
    """One stop signal for every visitor's run in progress."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}

    def start(self, visitor: str) -> threading.Event:
        """Return a fresh signal for this visitor's new run; one that still runs is asked to end."""
        self.stop(visitor)
        self._events[visitor] = event = threading.Event()
        return event

    def newest(self, visitor: str, values: Callable[[threading.Event], Iterator[T]]) -> Iterator[T]:
        """Yield the values of a visitor's new run, which get its signal, until the visitor begins another one."""
        signal = self.start(visitor)
        try:
            for value in values(signal):
                if self._events.get(visitor) is not signal:
                    return
                yield value
        finally:
            self.end(visitor, signal)

    def end(self, visitor: str, event: threading.Event) -> None:
        """Forget the visitor's run with this signal; a newer one may have begun."""
        if self._events.get(visitor) is event:
            del self._events[visitor]

    def at_work(self, visitor: str) -> bool:
        """Return whether this visitor has something running."""
        return visitor in self._events

    def stop(self, visitor: str) -> None:
        """Ask the visitor's run to end after the step it is in."""
        if event := self._events.get(visitor):
            event.set()


def stream(engine: Engine, request: Request, stop: threading.Event, **about: Any) -> Iterator[str]:
    """Yield the player's growing value for one run; a wrong request becomes a sentence and keeps the run on screen.

    `about` goes into the envelope.
    """
    try:
        lines = engine.run(request, stop)
    except ValueError as error:
        yield envelope("error", message=f"{error}.")
        return
    # the envelope travels with the first line: alone it would use up the moment in which that line, perhaps one that
    # says to wait, should be shown
    yield from throttled(islice(accumulate(lines, initial=envelope("live", **about)), 1, None))


def throttled(values: Iterator[str]) -> Iterator[str]:
    """Yield a growing value no more often than the page needs it, and always the last one."""
    value, sent = "", 0.0
    for value in values:
        if time.monotonic() - sent >= SEND_EVERY:
            yield value
            sent = time.monotonic()
    yield value


def newest(
    stops: StopSignals, visitor: str, values: Callable[[threading.Event], Iterator[str]]
) -> Iterator[str | dict[str, Any]]:
    """Yield `values` for a visitor's screen until the visitor starts something else there."""
    try:
        yield from stops.newest(visitor, lambda signal: throttled(values(signal)))
        yield gr.skip()  # Gradio sends the last value once more, whole: let that be nothing
    except ValueError as error:
        yield envelope("error", message=f"{error}.")
