"""The queue in front of a model: one run at a time, first come first served, with notices for those who wait."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from dlm_core.lines import make_line

_RECENT = 16  # runs whose durations are expected of the next ones
_PATIENCE = 0.5  # seconds between two looks at a stop request while waiting


class RunQueue:
    """Who is at work and who waits; a run that is first in the queue has the model alone."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[object] = []
        self._durations: deque[float] = deque(maxlen=_RECENT)  # seconds of the latest runs

    def __len__(self) -> int:
        return len(self._waiting)

    @contextmanager
    def join(self) -> Iterator[object]:
        """Join the queue, with a ticket for `wait`."""
        ticket = object()
        with self._condition:
            self._waiting.append(ticket)
        try:
            yield ticket
        finally:
            with self._condition:
                self._waiting.remove(ticket)
                self._condition.notify_all()

    def wait(self, ticket: object, stop: threading.Event) -> Iterator[str]:
        """Yield notices of how many are ahead, and for how long, until the ticket is first or `stop` is set."""
        last_ahead = 0
        while not stop.is_set():
            with self._condition:
                ahead = self._waiting.index(ticket)
                if ahead and ahead == last_ahead:
                    self._condition.wait(_PATIENCE)
                    ahead = self._waiting.index(ticket)
            if not ahead:
                return
            if ahead != last_ahead:
                last_ahead = ahead
                expected = {"seconds": round(ahead * median(self._durations), 1)} if self._durations else {}
                yield make_line("waiting", waiting=ahead, **expected)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait until first in the queue, and stay there meanwhile."""
        with self.join() as ticket:
            for _ in self.wait(ticket, threading.Event()):
                pass
            yield

    def add_duration(self, seconds: float) -> None:
        """Note how many seconds a run took."""
        self._durations.append(seconds)
