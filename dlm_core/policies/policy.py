"""The question asked once per step: which positions are written or blanked now, with which tokens, and why?

A policy is an immutable value; what it has to remember during a run lives in the view it is given.  It never sees
which positions are fixed by the user: the loop enforces that after the policy has spoken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from dlm_core.beliefs import Beliefs


@dataclass
class View:
    """What a policy may look at.  `positions`, `logits` and `beliefs` are rows of one table, n positions long."""

    ids: Tensor  # (length,) the canvas now
    masked: Tensor  # (length,) bool: holds the mask and may be written
    mask_token_id: int | None
    generator: torch.Generator  # the run's only source of randomness
    windows: list[tuple[int, int]]
    window_index: int = 0
    step: int = 0  # forwards in this window so far
    state: dict[str, Any] = field(default_factory=dict)  # per run, for the policy
    positions: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))  # (n,) asked about, ascending
    logits: Tensor = field(default_factory=lambda: torch.empty(0, 0))  # (n, vocab)
    beliefs: Beliefs | None = None

    @property
    def window(self) -> tuple[int, int]:
        return self.windows[self.window_index]

    def in_window(self, *, left_open: bool = False) -> Tensor:
        """(n,) bool: rows inside the window, or anywhere before its end if `left_open`."""
        lo, hi = self.window
        return (self.positions < hi) & (left_open | (self.positions >= lo))

    def masks_in_window(self) -> int:
        lo, hi = self.window
        return int(self.masked[lo:hi].sum())

    def share_of(self, steps: int) -> int:
        """How many of the run's `steps` belong to this window: an even split, the first windows take the remainder."""
        return even_split(steps, len(self.windows))[self.window_index]


@dataclass(frozen=True, eq=False)
class Update:
    """A policy's answer, in the rows of the view: what to write where, what to blank, and the numbers that decided."""

    tokens: Tensor  # (n,) proposed token of every row, written or not
    write: Tensor  # (n,) bool
    blank: Tensor | None = None  # (n,) bool: becomes noise again
    info: Mapping[str, float] = field(default_factory=dict)
    done: bool = False  # end the whole run now


class Policy(Protocol):
    """`begin` opens a window, `finished` says when it is done, calling it answers one step."""

    revises: ClassVar[bool]  # True: it wants beliefs about every open position, not only about the masked ones

    def begin(self, view: View) -> None: ...

    def finished(self, view: View) -> bool: ...

    def __call__(self, view: View) -> Update: ...


def even_split(total: int, parts: int) -> list[int]:
    """`total` in `parts` shares that differ by at most one, the larger ones first (LLaDA's transfer schedule)."""
    return [total // parts + (part < total % parts) for part in range(parts)]


def gumbel_race(
    logits: Tensor, positions: Tensor, length: int, temperature: float, generator: torch.Generator
) -> Tensor:
    """Tokens `(n,)` by the published samplers' race, argmax exp(l) / (-log u)^T, on their own stream of numbers.

    float64 uniforms for the whole canvas `(length, vocab)`, of which the rows at `positions` are used.  Lower
    precision would cut the tails and lower the effective temperature (arXiv 2409.02908).
    """
    uniform = torch.rand(length, logits.shape[1], dtype=torch.float64, generator=generator)[positions]
    return (logits.double() - temperature * (-uniform.log()).log()).argmax(1)
