"""What a row is, and how two things are timed side by side."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from dlm_core.denoiser import Denoiser
from dlm_core.policies import POLICIES, make_policy, parameters
from dlm_core.policies.parameter import find

FOR_MASKS = [name for name in POLICIES if (one := make_policy(name)).for_masks and not one.for_both_orders]
OPEN = 128


class Row(NamedTuple):
    what: str
    ratio: float
    measured: str
    short: bool = False  # shown before the details


class Timed:
    """A denoiser that adds up the seconds spent in it."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser, self.seconds, self.calls = denoiser, 0.0, 0
        self.vocab_size, self.mask_token_id = denoiser.vocab_size, denoiser.mask_token_id

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        began = time.perf_counter()
        logits = self.denoiser(ids, positions)
        self.seconds += time.perf_counter() - began
        self.calls += 1
        return logits


def side_by_side(*sides: Callable[[], object], repeats: int = 7) -> list[float]:
    """Median milliseconds of each side, taking turns: a busy machine moves all of them."""
    times: list[list[float]] = [[] for _ in sides]
    for turn in range(repeats + 1):
        for side, kept in zip(sides, times):
            began = time.perf_counter()
            side()
            if turn:  # the first turn warms up
                kept.append((time.perf_counter() - began) * 1e3)
    return [statistics.median(kept) for kept in times]


def settings(name: str, steps: int, temperature: float) -> dict[str, object]:
    """What a policy has of the two, under its own names."""
    known = parameters(name)
    return {find(known, key).name: value for key, value in (("steps", steps), ("temperature", temperature))}
