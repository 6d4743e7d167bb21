"""Policies over uniform noise that accept some positions and give all others fresh random tokens.

They want a model trained on random tokens, and a first canvas of them where nothing is fixed.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from dlm_core.beliefs import at_ids, likeliest
from dlm_core.policies.draws import categorical, keep_top_k, keep_top_p
from dlm_core.policies.policy import Revises, Update, View, only, ranked
from dlm_core.policies.revising import edited
from dlm_core.policies.settings import (
    COLDEST,
    Draws,
    EndTemperature,
    MeanEntropy,
    Nats,
    OneTemperature,
    Probability,
    StableFor,
    StepsABlockByAnotherName,
    Temperature,
    TopK,
    TopP,
)
from dlm_core.reasons import Ranking, Reason


class _Renoises(Revises):
    """A number of steps for each window.

    The published samplers draw their first canvas themselves; `draws="canvas"` spends those numbers too.
    """

    for_masks: ClassVar[bool] = False

    num_inference_steps: int
    draws: Draws

    def _spend_first_canvas(self, view: View) -> None:
        if self.draws == "canvas":
            lo, hi = view.window
            torch.randint(view.denoiser.vocab_size, (int(view.free[lo:hi].sum()),), generator=view.generator)

    def finished(self, view: View, state: Any) -> bool:
        return view.step >= self.num_inference_steps


def sampled(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """One token a row of `probabilities (n, vocab)`, on torch's own stream."""
    every = torch.arange(len(probabilities))
    return categorical(probabilities, every, len(every), generator)


@dataclass
class Drafts:
    """The likeliest text `(n,)` of every step so far, and whether the window is done."""

    texts: list[Tensor] = field(default_factory=list)
    done: bool = False


@dataclass(frozen=True)
class EntropyRenoise(_Renoises):
    """Accepts the surest positions and renoises all others, afresh in every step (DiffusionGemma, diffusers).

    Step n counts down from N: the logits are divided by T = t_min + (t_max - t_min) n / N, or by `temperature` where
    that is given (at 0 by next to nothing, which leaves the likeliest token).  A token is drawn everywhere, and
    positions are accepted in order of entropy while the entropies before them add up to at most `entropy_bound`.  With
    a `stability_threshold` the window ends when the likeliest text has stayed the same for so many steps and the mean
    entropy is below `confidence_threshold`; the result is that text, not the last canvas.
    """

    num_inference_steps: StepsABlockByAnotherName = 48
    entropy_bound: Nats = 0.1
    t_min: EndTemperature = 0.4
    t_max: EndTemperature = 0.8
    temperature: OneTemperature = None
    stability_threshold: StableFor | None = 1
    confidence_threshold: MeanEntropy = 0.005
    draws: Draws = "positions"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.t_min > self.t_max:
            raise ValueError(f"t_min must be at most t_max, got {self.t_min} and {self.t_max}")

    def begin(self, view: View, before: object) -> Drafts:
        self._spend_first_canvas(view)
        return Drafts()

    def finished(self, view: View, state: Drafts) -> bool:
        return state.done or super().finished(view, state)

    def __call__(self, view: View, state: Drafts) -> Update:
        steps, vocab, inside = self.num_inference_steps, view.logits.shape[1], view.in_window()
        left = steps - view.step
        heat = self.t_min + (self.t_max - self.t_min) * left / steps if self.temperature is None else self.temperature
        logits = view.logits / (heat or COLDEST)
        view.observe(logits)
        probabilities = logits.float().softmax(1)
        tokens = sampled(probabilities, view.generator)
        log = logits.float().log_softmax(1).masked_fill(probabilities == 0, 0.0)  # of a banned token it is -inf
        entropy = -(probabilities * log).sum(1).cpu()
        rows = inside.nonzero()[:, 0]
        order = rows[entropy[rows].argsort(stable=True)]
        passed = entropy[order].cumsum(0) - entropy[order] <= self.entropy_bound
        reason = torch.full_like(view.positions, Reason.OUTSIDE)
        reason[order] = torch.where(passed, Reason.ENTROPY_BOUND, Reason.BOUND_BACK)
        noise = torch.randint(vocab, tokens.shape, generator=view.generator)
        info = {"gamma": self.entropy_bound, "passed": int(passed.sum())}
        ranking = {"score": only(-entropy, rows), "ranking": Ranking.PROPOSAL_ENTROPY}
        if self.stability_threshold is not None:
            draft, drafts = likeliest(logits), state.texts
            recent = drafts[len(drafts) - self.stability_threshold :] if self.stability_threshold else []
            stable = len(drafts) >= self.stability_threshold and all(torch.equal(d, draft) for d in recent)
            drafts.append(draft)
            mean = float(entropy[rows].mean())
            done = stable and mean < self.confidence_threshold
            info |= {name: getattr(self, name) for name in ("stability_threshold", "confidence_threshold")}
            info["mean_entropy"] = mean
            if done or left == 1:
                state.done = True
                reason[rows] = Reason.SETTLED if done else Reason.LAST_STEP
                return Update.because(draft, reason, info=info, **ranking)
        return Update.because(tokens, reason, noise=noise, info=info, **ranking)


@dataclass(frozen=True)
class StickyRenoise(_Renoises):
    """Commits the surest positions for good, and those above a threshold; renoises the rest (diffusers).

    By step i of N at least ceil((i + 1) L / N) positions are committed.  A committed position takes another token where
    that is surer than `editing_threshold`; None edits nothing.
    """

    num_inference_steps: StepsABlockByAnotherName = 32
    threshold: Probability = 0.95
    editing_threshold: Probability | None = None
    temperature: Temperature = 0.0
    top_p: TopP = None
    top_k: TopK = None
    draws: Draws = "positions"

    def begin(self, view: View, before: object) -> Tensor:
        self._spend_first_canvas(view)
        return torch.zeros_like(view.free)

    def __call__(self, view: View, committed_at: Tensor) -> Update:
        inside, committed = view.in_window(), committed_at[view.positions]
        tokens = likeliest(view.logits)
        logits = view.logits
        if self.temperature:
            logits = keep_top_p(keep_top_k(view.logits / self.temperature, self.top_k), self.top_p)
            tokens = sampled(logits.float().softmax(1), view.generator)
        score = at_ids(logits.double().softmax(1), tokens)
        size, steps = int(inside.sum()), self.num_inference_steps
        need = -(-(view.step + 1) * size // steps) - int((inside & committed).sum())
        rows = (inside & ~committed).nonzero()[:, 0]
        order = rows[score[rows].argsort(descending=True, stable=True)]
        passed, floor = int((score[order] > self.threshold).sum()), max(need, 0)
        cuts = (passed, Reason.THRESHOLD), (floor, Reason.FORCED)
        reason, judged = torch.full_like(view.positions, Reason.COMMITTED), rows
        info = {"threshold": self.threshold, "passed": passed, "floor": floor}
        if self.editing_threshold is not None:
            reason, judged = edited(tokens, score, self.editing_threshold, view), inside
            info["editing_threshold"] = self.editing_threshold
        reason[~inside] = Reason.OUTSIDE
        reason[order] = ranked(len(order), *cuts, rest=Reason.BELOW_THRESHOLD_BACK)
        committed_at[view.positions[order[: max(passed, floor)]]] = True
        noise = torch.randint(logits.shape[1], tokens.shape, generator=view.generator)
        return Update.because(
            tokens, reason, noise=noise, info=info, score=only(score, judged), ranking=Ranking.PROPOSAL_CONFIDENCE
        )


@dataclass(frozen=True)
class DiscreteDDIM(_Renoises):
    """Every position takes the predicted clean token, stays, or becomes noise (diffusers, arXiv 2605.22765).

    With V tokens, a_t = i / N, a_s = (i + 1) / N and v = a_t / a_s the three weigh
    a_s (1 - v) / V + v a_s [x = y],  v (1 - a_s) / V  and  (1 - v) (1 - a_s) / V.
    """

    num_inference_steps: StepsABlockByAnotherName = 32
    temperature: Temperature = 0.0
    draws: Draws = "positions"

    def begin(self, view: View, before: object) -> None:
        self._spend_first_canvas(view)

    def __call__(self, view: View, state: None) -> Update:
        vocab, steps, inside = view.logits.shape[1], self.num_inference_steps, view.in_window()
        clean = likeliest(view.logits)
        if self.temperature:
            clean = sampled((view.logits / self.temperature).float().softmax(1), view.generator)
        a_t, a_s = view.step / steps, (view.step + 1) / steps
        v = a_t / a_s
        take = a_s * (1 - v) / vocab + v * a_s * (view.current == clean).float()
        routes = torch.stack(
            [take, torch.full_like(take, v * (1 - a_s) / vocab), torch.full_like(take, (1 - v) * (1 - a_s) / vocab)], 1
        )
        route = torch.multinomial(routes / routes.sum(1, keepdim=True), 1, generator=view.generator)[:, 0]
        noise = torch.randint(vocab, clean.shape, generator=view.generator)
        routes = torch.tensor([Reason.POSTERIOR, Reason.POSTERIOR_LEFT, Reason.POSTERIOR_BACK])
        reason = torch.where(inside, routes[route], Reason.OUTSIDE)
        return Update.because(clean, reason, noise=noise, info={"t": 1 - a_t})
