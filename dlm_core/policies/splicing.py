"""Policies that change the length of the text: a gap asks for more room, or closes.

Knows nothing of how positions move: it says how many stand in a row's place, and the loop moves what comes after.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from dlm_core.beliefs import believe
from dlm_core.policies.draws import weighed
from dlm_core.policies.parameter import Validated
from dlm_core.policies.planned import Planned, PlannedState, Selection
from dlm_core.policies.policy import Update, View, Writes, having, ranked
from dlm_core.policies.settings import MostSteps, OrderTemperature
from dlm_core.reasons import Effect, Reason

_FORBIDDEN_LOGIT = -1e9  # the logit of an expansion that is not allowed, as DreamOn sets it


@dataclass(frozen=True)
class BestRow(Validated):
    """The best row of every step, or as many as must be for `steps` to do; None is no limit.

    `alg_temp` draws the rows from softmax(scores / alg_temp) instead.
    """

    steps: MostSteps = None
    alg_temp: OrderTemperature = None

    def begin(self, view: View, before: None) -> None:
        return None

    def finished(self, view: View, state: None) -> bool:
        return view.step == self.steps or not view.masks_in_window()

    def __call__(self, view: View, state: None, scores: Tensor, order: Tensor) -> Selection:
        quota = view.least(self.steps, len(order))
        if not self.alg_temp:
            return ranked(len(order), (quota, Reason.QUOTA), rest=Reason.BEYOND_QUOTA), {"quota": quota}
        exponential = torch.empty(len(order)).exponential_(generator=view.generator)[order.argsort().argsort()]
        reasons = torch.full_like(order, Reason.NOT_DRAWN_WEIGHED)
        race = weighed(scores[order], self.alg_temp, exponential)
        reasons[race.argsort(descending=True, stable=True)[:quota]] = Reason.WEIGHED_DRAW
        return reasons, {"quota": quota, "alg_temp": self.alg_temp}


@dataclass
class Gap:
    """The inner policy's state, the most steps of the window, and how long the canvas may get and how often it grew."""

    inner: PlannedState
    bound: int
    max_length: int
    expansions: int = 0


@dataclass(frozen=True)
class Elastic(Writes):
    """One token a step, of which two are no text: one opens room, one closes it (DreamOn, `eval/generator.py`).

    A row that takes `expand_id` becomes two masks, as long as the run has `expand_budget` left and the canvas has grown
    by less than `growth` and is shorter than `max_tokens`.  A row that takes `eos_id` is removed if `delete_eos_token`,
    and with `pad_eos_to_right` every mask after it takes `eos_id` too.
    """

    for_few: ClassVar[bool] = True

    inner: Planned
    expand_id: int | None
    eos_id: int | None
    expand_budget: int
    growth: int
    max_tokens: int
    delete_eos_token: bool = True
    pad_eos_to_right: bool = False

    def begin(self, view: View, before: Gap | None) -> Gap:
        vocab = view.denoiser.vocab_size
        for name in ("expand_id", "eos_id"):
            if (token := getattr(self, name)) is not None and token >= vocab:
                raise ValueError(f"{name} must be a token of the model, between 0 and {vocab - 1}, got {token}")
        # every step fills a mask or spends budget, unless a denoiser proposes the mask itself and never stops
        bound = view.masks_in_window() + 2 * self.expand_budget
        if before is None:
            return Gap(self.inner.begin(view, None), bound, min(self.max_tokens, len(view.ids) + self.growth))
        return replace(before, inner=self.inner.begin(view, before.inner), bound=bound)

    def finished(self, view: View, state: Gap) -> bool:
        return self.inner.finished(view, state.inner) or view.step >= state.bound

    def __call__(self, view: View, state: Gap) -> Update:
        left = min(self.expand_budget - state.expansions, state.max_length - len(view.ids))
        allowed = view if left > 0 or self.expand_id is None else _without(view, self.expand_id)
        update = self.inner(allowed, state.inner)
        grow, end = (update.write & _are(update.tokens, token) for token in (self.expand_id, self.eos_id))
        if self.pad_eos_to_right:
            end |= view.open_masks & (end.cumsum(0) > 0)
        remove = end & self.delete_eos_token
        reason = torch.where(end & ~update.write, Reason.BEHIND_END, update.reason)
        reason[grow], reason[remove] = Reason.ROOM, Reason.CLOSED
        state.expansions += int(grow.sum())
        return replace(
            update,
            tokens=update.tokens if self.eos_id is None else torch.where(end, self.eos_id, update.tokens),
            write=having(reason, Effect.WRITE),
            copies=1 + grow.long() - remove.long(),
            reason=reason,
            info={**update.info, "expansions_left": max(0, left - int(grow.sum()))},
        )


def _without(view: View, token: int) -> View:
    """The view with next to no probability for a token."""
    logits = view.logits.clone()
    logits[:, token] = _FORBIDDEN_LOGIT
    return replace(view, logits=logits, beliefs=believe(logits, view.beliefs.top_ids.shape[1]))


def _are(tokens: Tensor, token: int | None) -> Tensor:
    """Which `tokens (n,)` are this one; none of them if there is no such token."""
    return torch.zeros_like(tokens, dtype=torch.bool) if token is None else tokens == token
