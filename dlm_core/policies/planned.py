"""Policies that plan: propose a token for every row, score the rows, select the ones to write now.

Each piece is a small immutable value, so a published algorithm is one line that names its three pieces (see the
table in `dlm_core.policies`).  Scores are higher where a row should be written sooner.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

from dlm_core.beliefs import draw
from dlm_core.policies.policy import Update, View, even_split, gumbel_race

Draws = Literal["positions", "canvas"]


class Score(Protocol):
    """A row's claim to be written now, `(n,)` float64."""

    def __call__(self, view: View, tokens: Tensor) -> Tensor: ...


class Select(Protocol):
    """Which rows to write, given their ranks; owns how many steps a window takes."""

    def begin(self, view: View) -> None: ...

    def finished(self, view: View) -> bool: ...

    def __call__(self, view: View, scores: Tensor, order: Tensor) -> tuple[int, dict[str, float]]: ...


@dataclass(frozen=True)
class Propose:
    """The likeliest token at temperature 0, else a sample from softmax(logits / temperature).

    `draws="positions"` spends one number a row; `"canvas"` repeats the published samplers' stream (LLaDA).
    """

    temperature: float = 0.0
    draws: Draws = "positions"

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ValueError(f"temperature must be 0 or more, got {self.temperature}")
        if self.draws not in ("positions", "canvas"):
            raise ValueError(f'draws must be "positions" or "canvas", got {self.draws!r}')

    def __call__(self, view: View) -> Tensor:
        if self.temperature == 0:
            return view.beliefs.top_ids[:, 0]
        if self.draws == "canvas":
            return gumbel_race(view.logits, view.positions, len(view.ids), self.temperature, view.generator)
        return draw(view.logits, self.temperature, view.generator)


@dataclass(frozen=True)
class Confidence:
    """Probability of the proposed token in the clean softmax: temperature never enters it (LLaDA)."""

    def __call__(self, view: View, tokens: Tensor) -> Tensor:
        return view.beliefs.probability(tokens)


@dataclass(frozen=True)
class NegativeEntropy:
    """Rows whose distribution is narrowest come first."""

    def __call__(self, view: View, tokens: Tensor) -> Tensor:
        return -view.beliefs.entropy


@dataclass(frozen=True)
class Random:
    """Any order is as good as any other; float32 numbers, as LLaDA draws them."""

    draws: Draws = "positions"

    def __call__(self, view: View, tokens: Tensor) -> Tensor:
        if self.draws == "canvas":
            return torch.rand(len(view.ids), generator=view.generator)[view.positions].double()
        return torch.rand(len(view.positions), generator=view.generator).double()


@dataclass(frozen=True)
class Leftmost:
    """Reading order."""

    def __call__(self, view: View, tokens: Tensor) -> Tensor:
        return -view.positions.double()


@dataclass(frozen=True)
class Quota:
    """A fixed number each step: the window's masks split evenly over its share of `steps`, larger shares first (LLaDA).

    `exhaust` spends every step even after the last mask has gone, as the reference does.
    """

    steps: int
    exhaust: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be 1 or more, got {self.steps}")

    def begin(self, view: View) -> None:
        share = view.share_of(self.steps)
        if share == 0 and view.masks_in_window():
            raise ValueError(f"steps must be at least the number of blocks ({len(view.windows)}), got {self.steps}")
        view.state["quota"] = even_split(view.masks_in_window(), share)

    def finished(self, view: View) -> bool:
        return view.step >= len(view.state["quota"]) or not (self.exhaust or view.masks_in_window())

    def __call__(self, view: View, scores: Tensor, order: Tensor) -> tuple[int, dict[str, float]]:
        quota = view.state["quota"][view.step]
        return quota, {"quota": quota}


@dataclass(frozen=True)
class _UntilEmpty:
    """A rule that decides by itself how many rows pass, always at least one, until the window has no mask left.

    With `steps` the window also ends within its share of them: a step writes at least what is left over the steps left.
    """

    steps: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps must be 1 or more, got {self.steps}")

    def begin(self, view: View) -> None:
        if self.steps is not None and view.share_of(self.steps) == 0 and view.masks_in_window():
            raise ValueError(f"steps must be at least the number of blocks ({len(view.windows)}), got {self.steps}")
        view.state["bound"] = view.masks_in_window()

    def finished(self, view: View) -> bool:
        # one row a step empties the window in time, unless a denoiser proposes the mask itself and never stops
        return view.masks_in_window() == 0 or view.step >= view.state["bound"]

    def floor(self, view: View, rows: int) -> int:
        if self.steps is None:
            return 1
        return max(1, -(-rows // max(1, view.share_of(self.steps) - view.step)))


@dataclass(frozen=True)
class Threshold(_UntilEmpty):
    """Every row at or above the threshold, and always the best one (Fast-dLLM, arXiv 2505.22618)."""

    threshold: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be between 0 and 1, got {self.threshold}")

    def __call__(self, view: View, scores: Tensor, order: Tensor) -> tuple[int, dict[str, float]]:
        passed = int((scores[order] >= self.threshold).sum())
        floor = self.floor(view, len(order))
        return max(passed, floor), {"threshold": self.threshold, "passed": passed, "floor": floor}


@dataclass(frozen=True)
class EntropyBound(_UntilEmpty):
    """The first k rows by entropy with H_1 + ... + H_k - max(H_1 ... H_k) <= gamma, at least one.

    The left side bounds the mutual information lost by writing the k rows at once (EB-Sampler, arXiv 2505.24857).
    """

    gamma: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.gamma >= 0:
            raise ValueError(f"gamma must be 0 or more, got {self.gamma}")

    def __call__(self, view: View, scores: Tensor, order: Tensor) -> tuple[int, dict[str, float]]:
        entropy = -scores[order]
        passed = int((entropy.cumsum(0) - entropy.cummax(0).values <= self.gamma).sum())
        floor = self.floor(view, len(order))
        return max(passed, floor), {"gamma": self.gamma, "passed": passed, "floor": floor}


@dataclass(frozen=True)
class Planned:
    """propose, score, select; writes masked rows of the window and never touches an open one.

    `left_open` lets masks before the window compete for its quota, as the published code does by accident; closed
    windows are what infilling needs.
    """

    propose: Propose
    score: Score
    select: Select
    left_open: bool = False
    revises: ClassVar[bool] = False

    def begin(self, view: View) -> None:
        self.select.begin(view)

    def finished(self, view: View) -> bool:
        return self.select.finished(view)

    def __call__(self, view: View) -> Update:
        tokens = self.propose(view)
        scores = self.score(view, tokens)
        rows = view.in_window(left_open=self.left_open).nonzero()[:, 0]
        order = rows[scores[rows].argsort(descending=True, stable=True)]  # ties go to the leftmost
        count, info = self.select(view, scores, order)
        write = torch.zeros_like(view.positions, dtype=torch.bool)
        write[order[:count]] = True
        return Update(tokens, write, info=info)
