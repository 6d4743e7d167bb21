"""Policies that draft: what is written in one step is checked in the next by another reading of the same weights.

A step is one forward, so a draft and its check are two steps, and each is recorded with what its own reading believed.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dlm_core.beliefs import at_ids, inverse, uniforms
from dlm_core.denoiser import causal
from dlm_core.policies.draws import tempered
from dlm_core.policies.policy import Revises, Update, View
from dlm_core.policies.settings import DraftLength, MostSteps, Temperature, TokenIds
from dlm_core.reasons import Ranking, Reason


@dataclass
class Draft:
    """The drafted tokens `(k,)` from position `start` on that are not checked yet, and what they were drawn from.

    `floor` is how many tokens draft and check must leave for the run to end within its steps.
    """

    start: int
    tokens: Tensor
    probability: Tensor  # (k,) float64
    logits: Tensor  # (k, vocab)
    floor: int


@dataclass
class Drafting:
    """The draft that waits for its check, if there is one."""

    draft: Draft | None = None


@dataclass(frozen=True)
class DraftAndVerify(Revises):
    """Drafts several tokens at once and keeps those that the model, reading from left to right, would have written.

    Self-speculative decoding: one network is the draft model and the target model of speculative sampling (Leviathan
    et al., arXiv 2211.17192; Chen et al., arXiv 2302.01318), as in TiDAR (arXiv 2511.08923), Nemotron-Labs-Diffusion
    (arXiv 2607.05722) and S2D2 (arXiv 2603.25702).  In one step the next `draft_length` masks take a token, each from
    its own marginal q.  In the next the text with the draft is read causally, which gives p for every drafted
    position: a drafted token x is accepted with probability min(1, p(x) / q(x)); the first that is not is replaced by
    a token from max(p - q, 0), normalised, and what was drafted after it is masked again.  If all are accepted, one
    more token is written from p.  So the text is distributed as that of autoregression at the same `temperature`, and
    at temperature 0, where a drafted token is accepted if it is the likeliest of p, it is the same token for token.

    The run ends where an end of text, one of `stop_ids`, is written.  `steps` are the most that it may take: where
    they are fewer than the rule needs, drafted tokens are kept unaccepted, and the text is not autoregression's.
    """

    for_both_orders: ClassVar[bool] = True

    draft_length: DraftLength = 5  # on a CPU; where a forward costs the same whatever its length, 8 write more
    temperature: Temperature = 0.0
    steps: MostSteps = None
    stop_ids: TokenIds = None

    def begin(self, view: View, before: Drafting | None) -> Drafting:
        if before is None:
            self._require_text_then_masks(view)
            if (reading := causal(view.denoiser)) is None:
                raise ValueError(
                    "draft and verify needs a model that was trained to read from left to right too, and this denoiser "
                    "has no such reading: choose another policy"
                )
            view.denoiser = reading
        if self.steps is not None:
            view.share_of(self.steps)
        return Drafting()

    def _require_text_then_masks(self, view: View) -> None:
        masks = (view.ids == view.mask_token_id).nonzero()[:, 0]
        first = int(masks[0]) if len(masks) else len(view.ids)
        if first == 0:
            raise ValueError("draft and verify needs at least one token to begin with: write a prompt")
        if not view.masked[first:].all():
            at = first + int(view.masked[first:].int().argmin())
            raise ValueError(
                f"draft and verify reads from left to right and cannot look ahead: after the first mask, at position "
                f"{first}, nothing may be fixed or written, and position {at} is; choose another policy"
            )
        if first < view.windows[0][0]:
            raise ValueError(
                f"draft and verify writes from the first mask on, at position {first}, so the first window must begin "
                f"there, and it begins at {view.windows[0][0]}"
            )

    def finished(self, view: View, state: Drafting) -> bool:
        return state.draft is None and not view.masks_in_window()

    def _steps_left(self, view: View) -> int | None:
        return None if self.steps is None else max(1, view.share_of(self.steps) - view.step)

    def _floor(self, view: View) -> int:
        """How many masks a draft and its check must leave written for the window to end within its share of steps."""
        rounds, left = self._steps_left(view), view.masks_in_window()
        return 1 if rounds is None else -(-left // max(1, rounds // 2))

    def asks(self, view: View) -> Tensor:
        """The masks that are drafted; in every other step the drafted tokens and the mask after them."""
        (lo, hi), asked = view.window, torch.zeros_like(view.masked)
        end = hi - view.masks_in_window()
        if view.step % 2 == 0:
            asked[end : min(hi, end + max(self.draft_length, self._floor(view)))] = True
        else:
            asked[lo if self.steps is not None else max(lo, end - self.draft_length) : min(end + 1, hi)] = True
        return asked & view.free

    def __call__(self, view: View, state: Drafting) -> Update:
        if state.draft is None:
            return self._drafted(view, state)
        draft, state.draft = state.draft, None
        return self._verified(view, draft)

    def _drafted(self, view: View, state: Drafting) -> Update:
        tokens, probability = view.beliefs.top_ids[:, 0], view.beliefs.top_probs[:, 0]
        if self.temperature:
            tokens, probability = inverse(view.logits, self.temperature, uniforms(len(tokens), view.generator))
        info = {"drafted": len(tokens)}
        if self._steps_left(view) == 1:
            return Update.because(tokens, torch.full_like(tokens, Reason.LAST_STEP), info=info)
        state.draft = Draft(int(view.positions[0]), tokens, probability, view.logits, self._floor(view))
        return Update.because(tokens, torch.full_like(tokens, Reason.DRAFTED), info=info)

    def _verified(self, view: View, draft: Draft) -> Update:
        k, first = len(draft.tokens), int((view.positions < draft.start).sum())
        drafted, last = slice(first, first + k), len(view.positions)
        chance = self._acceptance(draft, view.logits[drafted], view.beliefs.top_ids[drafted, 0])
        # always as many numbers, however many are needed, so that a draft's own do not depend on the one before
        uniform = uniforms(k + 1, view.generator) if self.temperature else torch.full((k + 1,), 0.5)
        kept = _leading((uniform[:k] < chance) | (torch.arange(k) < draft.floor - 1))
        ends = torch.isin(draft.tokens[:kept], torch.tensor(self.stop_ids or ())).nonzero()[:, 0]
        if len(ends):
            kept, last = int(ends[0]) + 1, 0
        next_row = first + kept
        tokens, reason = view.current.clone(), torch.full_like(view.positions, Reason.COMMITTED)
        reason[drafted] = torch.where(uniform[:k] < chance, Reason.ACCEPTED, Reason.KEPT_IN_TIME)
        reason[next_row : first + k] = Reason.DISCARDED
        if next_row < last:
            tokens[next_row] = self._next(view, next_row, draft.logits[kept] if kept < k else None, uniform[k:])
            reason[next_row] = Reason.REPLACED if kept < k else Reason.EXTRA
        score = torch.full(reason.shape, float("nan"), dtype=torch.float64)
        judged = min(kept + (next_row < last), k)
        score[first : first + judged] = chance[:judged]
        stopped = next_row < last and int(tokens[next_row]) in (self.stop_ids or ())
        return Update.because(
            tokens, reason, info={"drafted": k, "kept": kept, "floor": draft.floor - 1}, score=score,
            ranking=Ranking.ACCEPTANCE, done=bool(len(ends)) or stopped,
        )  # fmt: skip

    def _acceptance(self, draft: Draft, logits: Tensor, likeliest: Tensor) -> Tensor:
        """Return min(1, p / q) `(k,)` float64 of the drafted tokens; at temperature 0, if each is the likeliest."""
        if not self.temperature:
            return (draft.tokens == likeliest).double()
        return (at_ids(self._log_probabilities(logits), draft.tokens).exp() / draft.probability).clamp(max=1)

    def _next(self, view: View, row: int, q: Tensor | None, uniform: Tensor) -> Tensor:
        """Return the token `()` of a row: from max(p - q, 0), normalised, or from p where nothing was drafted there."""
        if not self.temperature:
            return view.beliefs.top_ids[row, 0]
        p = self._log_probabilities(view.logits[row])
        if q is not None:
            left = (p.exp() - self._log_probabilities(q).exp()).clamp(min=0)
            p = left.log() if left.any() else p  # where nothing is left, p and q are the same but for rounding
        return inverse(p[None], 1.0, uniform)[0][0]

    def _log_probabilities(self, logits: Tensor) -> Tensor:
        return tempered(logits.double(), self.temperature).log_softmax(-1)


def _leading(flags: Tensor) -> int:
    """How many of `flags (n,)` are true before the first that is not."""
    return int(flags.long().cumprod(0).sum())
