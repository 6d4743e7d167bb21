"""The line in front of the models: one at a time, first come first served, and what whoever waits is told."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

_RECENT = 16  # turns that tell how long the next ones will take
_PATIENCE = 0.5  # seconds between two looks at a stop request while waiting


def is_notice(line: str) -> bool:
    """Whether a line an engine yields tells of the line and is no part of the run."""
    return line.startswith('{"waiting"')


class Line:
    """Who is at work and who waits; whatever holds a place is timed alone once it is first."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._waiting: list[object] = []
        self._took: deque[float] = deque(maxlen=_RECENT)  # seconds of the latest turns

    def __len__(self) -> int:
        return len(self._waiting)

    @contextmanager
    def place(self) -> Iterator[object]:
        """Stand in line; what this gives is a ticket for `wait`."""
        ticket = object()
        with self._turn:
            self._waiting.append(ticket)
        try:
            yield ticket
        finally:
            with self._turn:
                self._waiting.remove(ticket)
                self._turn.notify_all()

    def wait(self, ticket: object, stop: threading.Event) -> Iterator[str]:
        """Notices of how many are ahead, and how long that took lately, until it is this ticket's turn or `stop`."""
        told = 0
        while not stop.is_set():
            with self._turn:
                ahead = self._waiting.index(ticket)
                if ahead and ahead == told:
                    self._turn.wait(_PATIENCE)
                    ahead = self._waiting.index(ticket)
            if not ahead:
                return
            if ahead != told:
                told = ahead
                usual = {"seconds": round(ahead * median(self._took), 1)} if self._took else {}
                yield json.dumps({"waiting": ahead} | usual) + "\n"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, and hold it."""
        with self.place() as ticket:
            for _ in self.wait(ticket, threading.Event()):
                pass
            yield

    def took(self, seconds: float) -> None:
        """A turn took so long."""
        self._took.append(seconds)
