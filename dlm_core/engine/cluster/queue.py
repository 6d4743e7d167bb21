"""The queue for several machines that work at one run each: counted, never estimated, but for the seconds."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from dlm_core.lines import make_line

_RECENT = 16  # runs whose durations are expected of the next ones


class ClusterQueue:
    """Tickets, waiting and at work, in the order in which they came.  Machines take them elsewhere, in that order."""

    def __init__(self) -> None:
        self._waiting: list[Ticket] = []
        self._working = 0
        self._durations: deque[float] = deque(maxlen=_RECENT)

    def __len__(self) -> int:
        """Return how many tickets wait or are at work."""
        return len(self._waiting) + self._working

    @contextmanager
    def join(self) -> Iterator["Ticket"]:
        """Hold a ticket, after all others, until its run is over or is not wanted any more."""
        ticket = Ticket(self)
        self._waiting.append(ticket)
        try:
            yield ticket
        finally:
            if ticket.began is None:
                self._waiting.remove(ticket)
            else:
                self._working -= 1
                self._durations.append(time.monotonic() - ticket.began)

    def _begin(self, ticket: "Ticket") -> None:
        self._waiting.remove(ticket)
        self._working += 1

    def _ahead(self, ticket: "Ticket") -> int:
        # a machine that is free would have begun: all are at work, and the first to end takes the first who waits
        return self._waiting.index(ticket) + (self._working > 0)

    def _notice(self, ahead: int) -> str:
        expected = {}
        if self._durations and self._working:
            expected = {"seconds": round(ahead * median(self._durations) / self._working, 1)}
        return make_line("waiting", waiting=ahead, **expected)


class Ticket:
    """One place in the queue."""

    def __init__(self, queue: ClusterQueue) -> None:
        self._queue = queue
        self._last_ahead = -1
        self.began: float | None = None

    def begin(self) -> None:
        """Note that a machine began to work on it."""
        if self.began is None:
            self.began = time.monotonic()
            self._queue._begin(self)

    def notice(self) -> str | None:
        """Return a waiting line as `LocalEngine` yields it, or None where the last one still holds."""
        if self.began is not None or (ahead := self._queue._ahead(self)) == self._last_ahead:
            return None
        self._last_ahead = ahead
        return self._queue._notice(ahead)
