"""The question asked once per step: which positions are written or blanked now, with which tokens, and why?

A policy is an immutable value.  What it remembers during a run is the state that `begin` returns, which the loop hands
back at every later call; a policy around another one keeps the inner one's state in its own.  A policy need not know
what a prompt is: the loop enforces what is fixed after the policy has answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor

from dlm_core.beliefs import Beliefs, believe
from dlm_core.denoiser import Denoiser, SelfConditioned, mask_of, planner
from dlm_core.policies.parameter import Validated
from dlm_core.reasons import NO_REASON, Effect, Reason

S = TypeVar("S")  # the state of a policy, or of a part of one


@dataclass
class View:
    """What a policy may look at.  `positions`, `logits` and `beliefs` are rows of one table, n positions long.

    The table is the denoiser's last answer; before the first one it has no rows.  Logits stay on the model's device,
    which nothing of the vocabulary's size ever leaves; all else is on the CPU.
    """

    ids: Tensor  # (length,) the canvas now
    denoiser: Denoiser
    free: Tensor  # (length,) bool: not fixed by the user
    masked: Tensor  # (length,) bool: free, and still the mask
    generator: torch.Generator  # the run's only source of randomness
    windows: list[tuple[int, int]]
    window_index: int = 0
    step: int = 0  # steps in this window so far
    forwards: int = 0  # network calls in the whole run so far
    positions: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))  # (n,) asked about, ascending
    logits: Tensor = field(default_factory=lambda: torch.empty(0, 1))  # (n, vocab), where the model is
    beliefs: Beliefs = field(default_factory=lambda: believe(torch.empty(0, 1)))

    @property
    def has_mask(self) -> bool:
        """Whether the denoiser has a mask token; without one its noise is random tokens."""
        return self.denoiser.mask_token_id is not None

    @property
    def mask_token_id(self) -> int:
        """The id of the mask; ValueError for a denoiser without one."""
        return mask_of(self.denoiser)

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Call the network on `ids (batch, length)`; every call counts as a forward."""
        self.forwards += 1
        return self.denoiser(ids, positions)

    def forward_planner(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Call the denoiser's second opinion in the same way; ValueError if it has none."""
        if (second := planner(self.denoiser)) is None:
            raise ValueError("a planner is a second opinion, and this model has none: leave `planner` out")
        self.forwards += 1
        return second(ids, positions)

    def observe(self, logits: Tensor) -> None:
        """Pass `logits (n, vocab)`, as the policy changed them, to a denoiser that builds on its own last answer."""
        if isinstance(self.denoiser, SelfConditioned):
            self.denoiser.observe(logits)

    @property
    def current(self) -> Tensor:
        """(n,) the tokens that stand in the rows now."""
        return self.ids[self.positions]

    @property
    def open_masks(self) -> Tensor:
        """(n,) bool: rows that are still masks."""
        return self.masked[self.positions]

    @property
    def window(self) -> tuple[int, int]:
        return self.windows[self.window_index]

    def in_window(self, *, include_before: bool = False) -> Tensor:
        """(n,) bool: rows inside the window, or anywhere before its end if `include_before`."""
        lo, hi = self.window
        before_its_end = self.positions < hi
        return before_its_end if include_before else before_its_end & (self.positions >= lo)

    def masks_in_window(self) -> int:
        lo, hi = self.window
        return int(self.masked[lo:hi].sum())

    def share_of(self, steps: int) -> int:
        """How many of the run's `steps` belong to this window: an even split, the first windows take the remainder.

        A window with work to do must get at least one, else ValueError.
        """
        share = even_split(steps, len(self.windows))[self.window_index]
        if share == 0 and (not self.has_mask or self.masks_in_window()):
            raise ValueError(f"steps must be at least the number of blocks ({len(self.windows)}), got {steps}")
        return share

    def least(self, steps: int | None, rows: int) -> int:
        """How many of `rows` masks this step must write, at least one, for the window to end within its share of steps.

        `steps` are the most that the run may take; None is no limit.
        """
        return 1 if steps is None else max(1, -(-rows // max(1, self.share_of(steps) - self.step)))


_NO_ROWS = torch.empty(0)


@dataclass(frozen=True, eq=False)
class Update:
    """A policy's answer, in the rows of the view: what to write, blank or splice, and what decided.

    Every row has a reason whose effect is what is done to it; the reason's phrase may name numbers of `info`.  What is
    left out of `blank`, `reason` and `score` is nowhere, unknown and not ranked.
    """

    tokens: Tensor  # (n,) proposed token of every row, written or not
    write: Tensor  # (n,) bool
    blank: Tensor = _NO_ROWS  # (n,) bool: becomes noise again
    noise: Tensor | None = None  # (n,) the noise tokens, where noise is not the mask
    copies: Tensor | None = None  # (n,) splice: positions to stand in the row's place; 0 removes it, several are masks
    info: Mapping[str, float] = field(default_factory=dict)
    done: bool = False  # end the whole run now
    reason: Tensor = _NO_ROWS  # (n,) a `Reason` for every row; -1 where it is not known
    score: Tensor = _NO_ROWS  # (n,) what the rule ranked by, higher is sooner; NaN for a row it did not rank
    ranking: str = ""  # what the score is: a `Ranking`

    def __post_init__(self) -> None:
        for name, missing in (("blank", False), ("reason", NO_REASON), ("score", float("nan"))):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, torch.full(self.tokens.shape, missing))

    @classmethod
    def because(cls, tokens: Tensor, reason: Tensor, **more: Any) -> "Update":
        """Write and blank the rows whose `reason (n,)` says so; `more` are the other fields."""
        return cls(tokens, having(reason, Effect.WRITE), having(reason, Effect.BACK), reason=reason, **more)


_CODES = {effect: torch.tensor([reason for reason in Reason if reason.effect is effect]) for effect in Effect}


def having(reasons: Tensor, effect: Effect) -> Tensor:
    """Which of `reasons` have that effect."""
    return torch.isin(reasons, _CODES[effect])


def ranked(rows: int, *cuts: tuple[int, Reason], rest: Reason) -> Tensor:
    """Reasons `(rows,)` by rank: each of `cuts` is for so many of the best that none before it is for."""
    reasons = torch.full((rows,), rest)
    for count, reason in reversed(cuts):
        reasons[:count] = reason
    return reasons


def only(scores: Tensor, rows: Tensor) -> Tensor:
    """`scores (n,)` where a row, or a flag of `rows`, says that it was ranked; NaN elsewhere."""
    kept = torch.full_like(scores, float("nan"), dtype=torch.float64)
    kept[rows] = scores[rows].double()
    return kept


class Policy(Protocol[S]):
    """Decide, step by step, what is written or blanked.

    `begin` opens a window and returns the policy's state for it; `before` is the state that the window before it ended
    with, and None for the first.  `asks` names the positions `(length,)` bool to ask the denoiser about, calling the
    policy answers one step, and `finished` says when the window is done.
    """

    @property
    def revises(self) -> bool:
        """Whether it changes what it wrote; if not, it writes each mask once."""

    @property
    def for_masks(self) -> bool:
        """Whether any model that fills masks will do; if not, it wants one trained on other noise."""

    @property
    def for_few(self) -> bool:
        """Whether it wants what few models have, such as tokens or answers of its own kind."""

    @property
    def for_both_orders(self) -> bool:
        """Whether it wants a model that was trained to read from left to right too."""

    def asks(self, view: View) -> Tensor: ...

    def begin(self, view: View, before: S | None, /) -> S: ...

    def finished(self, view: View, state: S, /) -> bool: ...

    def __call__(self, view: View, state: S, /) -> Update: ...


class Writes(Validated):
    """Policies that write masks and nothing else ask about masks alone."""

    revises: ClassVar[bool] = False
    for_masks: ClassVar[bool] = True
    for_few: ClassVar[bool] = False
    for_both_orders: ClassVar[bool] = False

    def asks(self, view: View) -> Tensor:
        return view.masked


class Revises(Validated):
    """Policies that take back or rewrite tokens ask about everything that is not fixed."""

    revises: ClassVar[bool] = True
    for_masks: ClassVar[bool] = True
    for_few: ClassVar[bool] = False
    for_both_orders: ClassVar[bool] = False

    def asks(self, view: View) -> Tensor:
        return view.free


def even_split(total: int, parts: int) -> list[int]:
    """`total` in `parts` shares that differ by at most one, the larger ones first (LLaDA's transfer schedule)."""
    return [total // parts + (part < total % parts) for part in range(parts)]
