"""The line in front of several machines that work at one run each: counted, never estimated, but for the seconds."""

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

_RECENT = 16  # turns that tell how long the next ones will take


class Turns:
    """Who came, in that order, and whose turn it is now.  Turns are given elsewhere: first come, first served."""

    def __init__(self) -> None:
        self._waiting: list[Turn] = []
        self._working = 0
        self._took: deque[float] = deque(maxlen=_RECENT)

    def __len__(self) -> int:
        """Everybody in line, whoever has a turn included."""
        return len(self._waiting) + self._working

    @contextmanager
    def join(self) -> Iterator["Turn"]:
        """Stand behind all others until the turn is over, or is not wanted any more."""
        turn = Turn(self)
        self._waiting.append(turn)
        try:
            yield turn
        finally:
            if turn.began is None:
                self._waiting.remove(turn)
            else:
                self._working -= 1
                self._took.append(time.monotonic() - turn.began)

    def _begin(self, turn: "Turn") -> None:
        self._waiting.remove(turn)
        self._working += 1

    def _notice(self, turn: "Turn") -> str:
        # a machine that is free would have begun: all are at work, and the first to end takes the first who waits
        ahead = self._waiting.index(turn) + (self._working > 0)
        usual = {}
        if self._took and self._working:
            usual = {"seconds": round(ahead * median(self._took) / self._working, 1)}
        return json.dumps({"waiting": ahead} | usual) + "\n"


class Turn:
    """One place in line."""

    def __init__(self, line: Turns) -> None:
        self._line = line
        self._told = ""
        self.began: float | None = None

    def begin(self) -> None:
        """A machine took it."""
        if self.began is None:
            self.began = time.monotonic()
            self._line._begin(self)

    def notice(self) -> str | None:
        """{"waiting": n, "seconds": s} as a line, if whoever waits does not know it yet: as a LocalEngine tells it."""
        if self.began is not None or (now := self._line._notice(self)).split(",")[0] == self._told:
            return None
        self._told = now.split(",")[0]
        return now
