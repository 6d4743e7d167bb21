"""Policies that take back or rewrite what they wrote.  They ask the denoiser about every position that is not fixed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import log, pi, sin

import torch
from torch import Tensor

from dlm_core.beliefs import at_ids, believe, draw, likeliest, perturbed
from dlm_core.denoiser import planner
from dlm_core.policies.draws import gumbel_race
from dlm_core.policies.planned import BlockQuotas, Filtered, Gumbel, ProposalConfidence, ThresholdOrQuota
from dlm_core.policies.policy import Revises, Update, View, only, ranked
from dlm_core.policies.settings import (
    Draws,
    Eagerness,
    ForPrograms,
    KeptShare,
    MostSteps,
    Probability,
    RoundsOfEdits,
    Steps,
    StepsABlock,
    StepsByAnotherName,
    Switch,
    Temperature,
    TemperatureByAnotherName,
)
from dlm_core.reasons import Ranking, Reason


@dataclass
class Edits:
    """The drafts' state, the steps since the last mask was written, and whether the last of them edited nothing."""

    drafts: BlockQuotas
    post_steps: int = 0
    settled: bool = False


@dataclass(frozen=True)
class DraftAndEdit(Revises):
    """Drafts masks by a threshold and rewrites open tokens in the same step (LLaDA2.1, arXiv 2602.08676).

    An open position of the window takes another token where that is more probable than `editing_threshold`.  The window
    is done when a step that saw no mask edits nothing, or after `max_post_steps` steps without masks; 0 of them leaves
    what the masks became as it is.  The drafts' own `steps`, where they are set, are the most for drafts and edits.
    """

    propose: Filtered
    select: ThresholdOrQuota
    editing_threshold: Probability | None = 0.9
    max_post_steps: RoundsOfEdits = 16
    all_steps: Steps | None = None  # make exactly so many steps, as diffusers' scheduler does

    def begin(self, view: View, before: object) -> Edits:
        return Edits(self.select.begin(view, None))

    def finished(self, view: View, state: Edits) -> bool:
        if self.all_steps is not None:
            return view.step >= self.all_steps
        # a step writes at least one mask, unless a denoiser proposes the mask itself and never stops
        most, steps = state.drafts.bound + self.max_post_steps, self.select.steps
        spent = view.step >= (most if steps is None else min(most, view.share_of(steps)))
        settled = state.settled or (state.post_steps >= self.max_post_steps and not view.masks_in_window())
        return settled or spent

    def __call__(self, view: View, state: Edits) -> Update:
        proposal = self.propose(view)
        scores = ProposalConfidence()(view, proposal)
        inside, masks = view.in_window(), view.open_masks
        rows = (inside & masks).nonzero()[:, 0]
        reason = torch.full_like(view.positions, Reason.STANDS)
        info: dict[str, float] = {}
        if self.editing_threshold is not None:
            reason = edited(proposal.tokens, scores, self.editing_threshold, view)
            info["editing_threshold"] = self.editing_threshold
        reason[~inside] = Reason.OUTSIDE
        if len(rows):
            order = rows[scores[rows].argsort(descending=True, stable=True)]
            reason[order], drafting = self.select(view, state.drafts, scores, order)
            info |= drafting
        else:
            state.post_steps += 1
        info["edits"] = edits = int((reason == Reason.EDIT).sum())
        state.settled = not len(rows) and not edits
        score = only(scores, inside)
        return Update.because(proposal.tokens, reason, info=info, score=score, ranking=Ranking.PROPOSAL_CONFIDENCE)


def edited(tokens: Tensor, scores: Tensor, editing_threshold: float, view: View) -> Tensor:
    """Why each row `(n,)` that holds a token is rewritten or not: where another one is surer than the threshold."""
    reason = torch.where(scores > editing_threshold, Reason.EDIT, Reason.UNSURE_EDIT)
    return torch.where(tokens == view.current, Reason.AGREES, reason)


# the share of the canvas that is kept at time t, from 0 to 1, by the names of P2's release
KAPPAS: Mapping[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "sine": lambda t: sin(pi / 2 * t),
    "geometric": lambda t: 1 - (1 - t) ** 2,
    "log": lambda t: log(1 + t) / log(2),
    "poly2": lambda t: t**2,
    "poly05": lambda t: t**0.5,
}


@dataclass(frozen=True)
class PathPlanning(Revises):
    """Keeps a growing share of the canvas, the surest, and masks the rest again (P2, arXiv 2502.03540).

    In step i of N the floor(free (1 - kappa((i + 1) / N))) least sure positions become masks; of the others masks take
    their proposal and open ones keep their token.  `kappa_fn` is the share that is kept: t, or another function of the
    release.  `eta` scales the log-probability of open positions: above 1 they are taken back more readily, at 0 never.

    With `planner` the denoiser's second opinion judges the open positions: it reads the text of all proposals, one more
    forward.  The release proposes the prompt anew for it; here what is fixed stays.
    """

    num_steps: StepsByAnotherName = 128
    tau: TemperatureByAnotherName = 1.0
    eta: Eagerness = 1.0
    kappa_fn: KeptShare = "linear"
    planner: Switch = False
    draws: Draws = "positions"

    def begin(self, view: View, before: object) -> int:
        if self.planner and planner(view.denoiser) is None:
            raise ValueError("a planner is a second opinion, and this model has none: leave `planner` out")
        return view.share_of(self.num_steps)

    def finished(self, view: View, steps: int) -> bool:
        return view.step >= steps

    def _judged(self, view: View, tokens: Tensor, score: Tensor) -> Tensor:
        """The score with the planner's log-probability of the proposals at open positions of the window."""
        rows = (view.in_window() & ~view.open_masks).nonzero()[:, 0]
        if not len(rows):
            return score
        text = view.ids.clone()
        text[view.positions] = torch.where(view.in_window() | view.open_masks, tokens, view.current)
        advice = view.forward_planner(text[None], view.positions[rows])[0]
        return score.index_put((rows,), believe(advice, 1).probability(tokens[rows]).log())

    def _propose(self, view: View) -> tuple[Tensor, Tensor]:
        """Tokens `(n,)` that win a race of Gumbel noise, and their log-probabilities in the noisy distribution."""
        if self.tau == 0:
            return view.beliefs.top_ids[:, 0], view.beliefs.top_probs[:, 0].log()
        if self.draws == "positions":
            return perturbed(view.logits, self.tau, view.generator)
        uniform = torch.rand(len(view.ids), view.logits.shape[1], dtype=torch.float64, generator=view.generator)
        uniform = uniform[view.positions].to(view.logits.device)
        noise = -(-(uniform + 1e-8).log() + 1e-8).log()
        best = (view.logits.double() / self.tau + noise).log_softmax(1).max(1)
        return best.indices.cpu(), best.values.cpu()

    def __call__(self, view: View, steps: int) -> Update:
        tokens, score = self._propose(view)
        if self.planner:
            score = self._judged(view, tokens, score)
        inside, masks = view.in_window(), view.open_masks
        score = torch.where(masks, score, score * self.eta).masked_fill(~inside, float("inf"))
        share = KAPPAS[self.kappa_fn]((view.step + 1) * (1 / steps))
        back = int(inside.sum().float() * (1 - share))  # in float32, as the release rounds it
        low = score < score.sort().values[back] if back else torch.zeros_like(inside)
        ranking = Ranking.LOG_PROBABILITY if self.eta == 1 else Ranking.WEIGHED_LOG_PROBABILITY
        if self.planner:
            ranking = Ranking.PLANNED_LOG_PROBABILITY
        info = {"keep": int((inside & ~low).sum()), "eta": self.eta}
        return Update.because(tokens, kept(~low, view), info=info, score=only(score, inside), ranking=ranking)


def kept(best: Tensor, view: View) -> Tensor:
    """Why each row `(n,)` of a rule that keeps the `best (n,)` of the window and masks all others is as it is then."""
    reason = torch.where(view.open_masks, Reason.BEST, Reason.KEPT_BEST)
    reason = torch.where(best, reason, torch.where(view.open_masks, Reason.NOT_BEST, Reason.NOT_BEST_BACK))
    return torch.where(view.in_window(), reason, Reason.OUTSIDE)


@dataclass(frozen=True)
class KeepBest(Revises):
    """Keeps the surest positions of the block, a number that grows evenly, and masks all others (RemeDi).

    Sure is the raw logit of the proposal where a mask stands, and of the token itself where one stands.  The numbers
    put what does not divide on the last steps.  The release takes the likeliest token; above a `temperature` of 0 one
    is drawn.
    """

    steps: StepsABlock = 32
    temperature: Temperature = 0.0

    def begin(self, view: View, before: object) -> list[int]:
        lo, hi = view.window
        size = int(view.free[lo:hi].sum())
        late = [size // self.steps + (i >= self.steps - size % self.steps) for i in range(self.steps)]
        return list(accumulate(late))

    def finished(self, view: View, counts: list[int]) -> bool:
        return view.step >= self.steps

    def __call__(self, view: View, counts: list[int]) -> Update:
        inside, masks = view.in_window(), view.open_masks
        proposed = draw(view.logits, self.temperature, view.generator) if self.temperature else likeliest(view.logits)
        tokens = torch.where(masks, proposed, view.current)
        score = at_ids(view.logits, tokens).float().masked_fill(~inside, float("-inf"))
        keep = torch.zeros_like(inside)
        keep[score.argsort(descending=True, stable=True)[: counts[view.step]]] = True
        info = {"keep": counts[view.step]}
        return Update.because(tokens, kept(keep, view), info=info, score=only(score, inside), ranking=Ranking.LOGIT)


@dataclass
class Written:
    """The most steps that the window may take, and how many masks the last step wrote."""

    bound: int
    count: int = 30  # before the first step: as the release has it


@dataclass(frozen=True)
class WideInNarrowOut(Revises):
    """Writes widely, then takes back what the rest of the text does not support (WINO, arXiv 2507.18578).

    Masks above `threshold` are written, at most max(5, min(20, 0.7 masks)) of them and at least the best.  If that were
    more than one, tokens of the block that stood before and whose probability, seen without themselves, is below
    `threshold_back` become masks; never as many as were written the step before.  With `steps` at least so many are
    written that the block ends within its share of them, and the last step takes nothing back.
    """

    threshold: Probability = 0.6
    threshold_back: Probability = 0.9
    temperature: Temperature = 0.0
    steps: MostSteps = None
    draws: Draws = "positions"
    left_open: ForPrograms = False

    def begin(self, view: View, before: object) -> Written:
        return Written(4 * view.masks_in_window() if self.steps is None else view.share_of(self.steps))

    def finished(self, view: View, state: Written) -> bool:
        return view.masks_in_window() == 0 or view.step >= state.bound

    def _propose(self, view: View) -> Tensor:
        if self.temperature and self.draws == "canvas":
            lo, hi = view.window  # the published canvas carries the block's shadow after it
            total = len(view.ids) + hi - lo
            return gumbel_race(view.logits, view.positions, total, self.temperature, view.generator)
        return Gumbel(self.temperature)(view).tokens

    def _unsupported(self, view: View) -> Tensor:
        """(n,) probability of each open token of the block seen without itself; 1 elsewhere."""
        rows = (view.in_window() & ~view.open_masks).nonzero()[:, 0]
        support = torch.ones(len(view.positions), dtype=torch.float64)
        if len(rows):
            at = view.positions[rows]
            without = view.ids.repeat(len(rows), 1)
            without[torch.arange(len(rows)), at] = view.mask_token_id
            shadow = torch.stack([row[i] for i, row in enumerate(view.forward(without, at))])
            support[rows] = believe(shadow, 1).probability(view.ids[at])
        return support

    def __call__(self, view: View, state: Written) -> Update:
        tokens = self._propose(view)
        rows = (view.in_window(include_before=self.left_open) & view.open_masks).nonzero()[:, 0]
        scores = view.beliefs.probability(tokens)
        order = rows[scores[rows].argsort(descending=True, stable=True)]
        floor, passed = view.least(self.steps, len(rows)), int((scores[order] > self.threshold).sum())
        most = max(5, min(20, int(0.7 * len(rows))), floor)
        cuts = (min(passed, most), Reason.THRESHOLD), (floor, Reason.FORCED), (passed, Reason.CAPPED)
        last = self.steps is not None and view.step + 1 >= state.bound
        count, most_back = max(floor, min(passed, most)), 0 if last else state.count - 1
        inside = view.in_window() & ~view.open_masks
        reason = torch.full_like(view.positions, Reason.OUTSIDE)
        reason[inside] = Reason.UNCHECKED
        reason[order] = ranked(len(order), *cuts, rest=Reason.BELOW_THRESHOLD)
        score = only(scores, rows)
        if count > 1:
            support = self._unsupported(view)
            weak = (support < self.threshold_back).nonzero()[:, 0]
            reason[inside], reason[weak] = Reason.SUPPORTED, Reason.SPARED
            if len(weak) > most_back:
                weak = weak[support[weak].argsort(stable=True)][:most_back]
            reason[weak] = Reason.UNSUPPORTED
            score[inside] = support[inside]
        state.count = count
        info = {"threshold": self.threshold, "passed": passed, "floor": floor, "most": most}
        info |= {"threshold_back": self.threshold_back, "most_back": most_back}
        return Update.because(tokens, reason, info=info, score=score, ranking=Ranking.CONFIDENCE)
