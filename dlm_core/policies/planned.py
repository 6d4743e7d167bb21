"""Policies that plan: propose a token for every row, score the rows, select the ones to write now.

Each piece is a small immutable value, so a published algorithm is one line that names its three pieces (see the
table in `dlm_core.policies`).  Scores are higher where a row should be written sooner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor

from dlm_core.beliefs import believe, divergence, draw, inverse, likeliest, uniforms
from dlm_core.noise import SCHEDULES
from dlm_core.policies.draws import categorical, gumbel_race, keep_top_k, keep_top_p, weighed
from dlm_core.policies.parameter import Validated
from dlm_core.policies.policy import Policy, S, Update, View, Writes, even_split, having, only, ranked
from dlm_core.policies.settings import (
    AnswerStart,
    AtLeast,
    BlockSize,
    Credit,
    CreditPower,
    Draws,
    ExitGaps,
    Finer,
    Frequencies,
    LargestChange,
    LargestEntropy,
    LastTime,
    LeftPull,
    MostSteps,
    Nats,
    OrderTemperature,
    Probability,
    RankFactor,
    RareProbability,
    RareShare,
    RarityCap,
    SettledFor,
    Steps,
    Temperature,
    TopK,
    TopP,
    UnmaskStrategy,
)
from dlm_core.reasons import Effect, Ranking, Reason


@dataclass(frozen=True, eq=False)
class Proposal:
    """A token for every row; `logits` is the distribution it was drawn from, where that is not the clean one.

    `probability` is that of the token in it, where the draw gave it.
    """

    tokens: Tensor  # (n,)
    logits: Tensor | None = None  # (n, vocab), where those of the view are
    probability: Tensor | None = None  # (n,) float64


class Propose(Protocol[S]):
    """A token for every row.  `begin` returns what it keeps for a window, as that of a policy does."""

    def begin(self, view: View, before: S | None, /) -> S: ...

    def __call__(self, view: View, state: S, /) -> Proposal: ...


class Score(Protocol):
    """A row's claim to be written now, `(n,)` float64, and what that number is."""

    @property
    def ranking(self) -> Ranking:
        """What the number is."""

    def __call__(self, view: View, proposal: Proposal) -> Tensor: ...


Selection = tuple[Tensor, Mapping[str, float]]  # the reason for each row at work, best first; the numbers that decided


class Select(Protocol[S]):
    """Which of the rows at work to write; owns how many steps a window takes.  Its state is as that of a policy.

    `order (m,)` are the rows at work, best first.  Returns the reason for each of them, `(m,)` in that order, and the
    numbers that decided.  A row is chosen if its reason is one to write.
    """

    def begin(self, view: View, before: S | None, /) -> S: ...

    def finished(self, view: View, state: S, /) -> bool: ...

    def __call__(self, view: View, state: S, /, scores: Tensor, order: Tensor) -> Selection: ...


# --- propose ----------------------------------------------------------------------------------------------------------


class _Stateless(Validated):
    """A proposal that keeps nothing from one step to the next."""

    def begin(self, view: View, before: None) -> None:
        return None


@dataclass(frozen=True)
class Gumbel(_Stateless):
    """The likeliest token at temperature 0, else a sample from softmax(logits / temperature) (LLaDA).

    `draws="positions"` spends one number a row; `"canvas"` repeats the published samplers' stream.
    """

    temperature: Temperature = 0.0
    draws: Draws = "positions"

    def __call__(self, view: View, state: None = None) -> Proposal:
        return Proposal(sampled(view, view.logits, view.beliefs.top_ids[:, 0], self.temperature, self.draws))


def sampled(view: View, logits: Tensor, best: Tensor, temperature: float, draws: str) -> Tensor:
    """Tokens `(n,)` from softmax(logits / temperature), the `best (n,)` at temperature 0 (LLaDA)."""
    if temperature == 0:
        return best
    if draws == "canvas":
        return gumbel_race(logits, view.positions, len(view.ids), temperature, view.generator)
    return draw(logits, temperature, view.generator)


@dataclass(frozen=True)
class Filtered(_Stateless):
    """A sample from the tempered, filtered distribution, which the scores read too (Dream, LLaDA2, SDAR).

    `first` says which filter comes first.  `stream` says what the published sampler draws for: the rows asked about
    (Dream) or every position of the window, masked or not (LLaDA2, SDAR).  At temperature 0 the likeliest token stands,
    and the scores read the filtered distribution (Dream) or the clean one (LLaDA2).
    """

    temperature: Temperature = 0.0
    top_p: TopP = None
    top_k: TopK = None
    first: Literal["top_p", "top_k"] = "top_k"
    stream: Literal["rows", "window"] = "window"
    draws: Draws = "positions"

    def distribution(self, view: View) -> Tensor:
        """Logits `(n, vocab)` after temperature and filters; the clean ones where nothing changes them."""
        logits = view.logits / self.temperature if (tempered := self.temperature not in (0, 1)) else view.logits
        if self.first == "top_p":
            return keep_top_k(keep_top_p(logits, self.top_p, tempered), self.top_k)
        return keep_top_p(keep_top_k(logits, self.top_k), self.top_p, tempered)

    def __call__(self, view: View, state: None = None) -> Proposal:
        if self.temperature == 0:
            filtered = self.stream == "rows" and (self.top_p or self.top_k)
            return Proposal(view.beliefs.top_ids[:, 0], self.distribution(view) if filtered else None)
        logits = self.distribution(view)
        if self.draws == "positions":
            tokens, probability = inverse(logits, 1.0, uniforms(len(logits), view.generator))
            return Proposal(tokens, logits, probability)
        lo, hi = (0, len(view.positions)) if self.stream == "rows" else view.window
        at = torch.arange(len(view.positions)) if self.stream == "rows" else view.positions
        inside, tokens = (at >= lo) & (at < hi), likeliest(logits)
        tokens[inside] = categorical(logits[inside].float().softmax(1), at[inside] - lo, hi - lo, view.generator)
        return Proposal(tokens, logits)


@dataclass
class Credits:
    """The memory `(length, vocab)` of a window's guesses, where the logits are; None before the first of them."""

    memory: Tensor | None = None


@dataclass(frozen=True)
class Boosted(Validated):
    """Guesses that stay the same gain credit: dInfer's memory M over positions and tokens, fresh for each block.

    Each step M decays by `decay_beta` and every mask's likeliest token gains p^`boost_gamma`; the boosted logits are
    l + `credit_alpha` log(M + 1).
    """

    credit_alpha: Credit = 0.7
    boost_gamma: CreditPower = 0.2
    decay_beta: RareShare = 0.8
    temperature: Temperature = 0.0
    draws: Draws = "positions"

    def begin(self, view: View, before: object) -> Credits:
        return Credits()

    def __call__(self, view: View, state: Credits) -> Proposal:
        if state.memory is None:
            state.memory = torch.zeros(len(view.ids), view.logits.shape[1], device=view.logits.device)
        state.memory *= self.decay_beta
        gain = (view.beliefs.top_probs[:, 0].float() ** self.boost_gamma).to(state.memory.device)
        state.memory[view.positions, view.beliefs.top_ids[:, 0]] += gain
        logits = view.logits + self.credit_alpha * (state.memory[view.positions] + 1).log()
        return Proposal(sampled(view, logits, likeliest(logits), self.temperature, self.draws), logits)


# --- score ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Confidence:
    """Probability of the proposed token in the clean softmax: temperature never enters it (LLaDA)."""

    ranking: ClassVar[Ranking] = Ranking.CONFIDENCE

    def __call__(self, view: View, proposal: Proposal) -> Tensor:
        return view.beliefs.probability(proposal.tokens)


@dataclass(frozen=True)
class ConfidenceWithout:
    """Probability of the proposed token among all but some tokens, and 0 for those, which so come last.

    LLaDA's `confidence_eos_eot_inf`, dllm's `begin_suppress_tokens`: an end of text does not crowd out the rest.
    """

    ranking: ClassVar[Ranking] = Ranking.CONFIDENCE_WITHOUT

    token_ids: tuple[int, ...]

    def __call__(self, view: View, proposal: Proposal) -> Tensor:
        return view.beliefs.probability_without(proposal.tokens, self.token_ids)


@dataclass(frozen=True)
class ProposalConfidence:
    """Probability of the proposed token in the distribution it was drawn from (Dream, LLaDA2, SDAR)."""

    ranking: ClassVar[Ranking] = Ranking.PROPOSAL_CONFIDENCE

    def __call__(self, view: View, proposal: Proposal) -> Tensor:
        if proposal.probability is not None:
            return proposal.probability
        if proposal.logits is None:
            return view.beliefs.probability(proposal.tokens)
        return believe(proposal.logits, 1).probability(proposal.tokens)


@dataclass(frozen=True)
class ProposalMargin:
    """Probability of the best token less that of the second (Dream's topk_margin)."""

    ranking: ClassVar[Ranking] = Ranking.MARGIN

    def __call__(self, view: View, proposal: Proposal) -> Tensor:
        probabilities = believe(proposal.logits, 2).top_probs if proposal.logits is not None else view.beliefs.top_probs
        return probabilities[:, 0] - probabilities[:, 1]


@dataclass(frozen=True)
class ProposalNegativeEntropy:
    """Rows whose proposal distribution is narrowest come first (Dream's entropy)."""

    ranking: ClassVar[Ranking] = Ranking.PROPOSAL_ENTROPY

    def __call__(self, view: View, proposal: Proposal) -> Tensor:
        return -(believe(proposal.logits, 1).entropy if proposal.logits is not None else view.beliefs.entropy)


@dataclass(frozen=True)
class NegativeEntropy:
    """Rows whose clean distribution is narrowest come first."""

    ranking: ClassVar[Ranking] = Ranking.ENTROPY

    def __call__(self, view: View, proposal: Proposal) -> Tensor:
        return -view.beliefs.entropy


@dataclass(frozen=True)
class Random(Validated):
    """Any order is as good as any other; float32 numbers, as LLaDA draws them."""

    ranking: ClassVar[Ranking] = Ranking.RANDOM

    draws: Draws = "positions"

    def __call__(self, view: View, proposal: Proposal) -> Tensor:
        if self.draws == "canvas":
            return torch.rand(len(view.ids), generator=view.generator)[view.positions].double()
        return torch.rand(len(view.positions), generator=view.generator).double()


@dataclass(frozen=True)
class Leftmost:
    """Reading order."""

    ranking: ClassVar[Ranking] = Ranking.POSITION

    def __call__(self, view: View, proposal: Proposal) -> Tensor:
        return -view.positions.double()


@dataclass(frozen=True)
class Informative(Validated):
    """min(-p log f, alpha) e^(-lambd i): rare words first, and what stands left (PC-Sampler, arXiv 2508.13021).

    f is a token's frequency in a corpus (None: all tokens alike) and i counts from the window's start.
    """

    ranking: ClassVar[Ranking] = Ranking.INFORMATIVENESS

    lambd: LeftPull = 1.0
    alpha: RarityCap = 1.0
    frequencies: Frequencies = None

    def __call__(self, view: View, proposal: Proposal) -> Tensor:
        p, vocab = view.beliefs.probability(proposal.tokens), view.logits.shape[1]
        f = torch.tensor(self.frequencies or [1 / vocab] * vocab, dtype=torch.float64)[proposal.tokens]
        decay = (-self.lambd * (view.positions - view.window[0]).double()).exp()
        return (-p * (f + 1e-9).log()).clamp(max=self.alpha) * decay


# --- select -----------------------------------------------------------------------------------------------------------


@dataclass
class Quotas:
    """How many masks each of the window's steps writes."""

    counts: list[int]


@dataclass(frozen=True)
class _Counted(Validated):
    """A rule with a fixed number of steps a window, and a number of masks for each of them."""

    steps: Steps
    exhaust: bool = False

    def begin(self, view: View, before: Any) -> Quotas:
        return Quotas(even_split(view.masks_in_window(), view.share_of(self.steps)))

    def finished(self, view: View, state: Quotas) -> bool:
        return view.step >= len(state.counts) or not (self.exhaust or view.masks_in_window())


@dataclass(frozen=True)
class Quota(_Counted):
    """A fixed number each step: the window's masks split evenly over its share of `steps`, larger shares first (LLaDA).

    `exhaust` spends every step even after the last mask has gone, as the reference does.
    """

    def __call__(self, view: View, state: Quotas, scores: Tensor, order: Tensor) -> Selection:
        quota = state.counts[view.step]
        return ranked(len(order), (quota, Reason.QUOTA), rest=Reason.BEYOND_QUOTA), {"quota": quota}


@dataclass(frozen=True)
class AlphaQuota(Quota):
    """Numbers that follow a schedule: of n masks, round(n (1 - (1 - alpha(s)) / (1 - alpha(t)))) open (dllm).

    The times fall evenly from 1 to 0 over the window's steps, which are `steps` over the number of windows, rounded up;
    steps that would open nothing are dropped.  alpha is evaluated in float32, the product in float64, halves go to the
    even number.  `stochastic` numbers are binomial, each mask opening with that probability, drawn when the window
    begins.
    """

    alpha: Literal["linear", "cosine"] = "linear"
    stochastic: bool = False

    def begin(self, view: View, before: Any) -> Quotas:
        n, left, quota = -(-self.steps // len(view.windows)), view.masks_in_window(), []
        for i in range(n):
            alpha_t, alpha_s = SCHEDULES[self.alpha].alpha(torch.tensor([(n - i) / n, (n - i - 1) / n]))
            rate = 1 - (1 - alpha_s) / (1 - alpha_t)
            if self.stochastic:
                quota.append(int(torch.binomial(torch.tensor(float(left)), rate, generator=view.generator)))
            else:
                quota.append(min(round(left * float(rate)), left))
            left -= quota[-1]
        return Quotas([count for count in quota if count])


@dataclass(frozen=True)
class TimeQuota(Validated):
    """k = floor(masks (1 - s/t)) over times from 1 to `eps`, and all that is left in the last step (Dream).

    The product is one of float32, as in the release.  `alg_temp` draws the k rows from softmax(scores / alg_temp)
    instead of taking the best.  Where it is small, the release's weights underflow and it draws positions that are not
    at work; here the race is run on logarithms.
    """

    steps: Steps
    eps: LastTime = 1e-3
    alg_temp: OrderTemperature = None
    exhaust: bool = False

    def begin(self, view: View, before: object) -> Tensor:
        return torch.linspace(1, self.eps, view.share_of(self.steps) + 1)

    def finished(self, view: View, times: Tensor) -> bool:
        return view.step >= len(times) - 1 or not (self.exhaust or view.masks_in_window())

    @staticmethod
    def rate(step: int, times: Tensor) -> float:
        """Return the share of the masks that opens in this step."""
        return 1.0 if step == len(times) - 2 else float(1 - times[step + 1] / times[step])

    def __call__(self, view: View, times: Tensor, scores: Tensor, order: Tensor) -> Selection:
        count = int(torch.tensor(self.rate(view.step, times)) * len(order))
        if not self.alg_temp or not count:
            return ranked(len(order), (count, Reason.QUOTA), rest=Reason.BEYOND_QUOTA), {"quota": count}
        exponential = torch.empty(len(view.ids)).exponential_(generator=view.generator)[view.positions[order]]
        race = weighed(scores[order], self.alg_temp, exponential)
        reasons = torch.full_like(order, Reason.NOT_DRAWN_WEIGHED)
        reasons[race.argsort(descending=True)[:count]] = Reason.WEIGHED_DRAW
        return reasons, {"quota": count, "alg_temp": self.alg_temp}


@dataclass(frozen=True)
class Chance(TimeQuota):
    """Each mask opens by itself with probability 1 - s/t, all of them in the last step (Dream's origin)."""

    def __call__(self, view: View, times: Tensor, scores: Tensor, order: Tensor) -> Selection:
        rate = self.rate(view.step, times)
        opened = torch.rand(len(order), generator=view.generator) < rate
        reasons = torch.where(opened, Reason.LAST_STEP if rate == 1 else Reason.CHANCE, Reason.CHANCE_LEFT)
        return reasons, {"t": float(times[view.step])}


@dataclass
class Bound:
    """The most steps that the window may take."""

    bound: int


@dataclass(frozen=True)
class _UntilEmpty(Validated):
    """A rule that decides by itself how many rows pass, always at least one, until the window has no mask left.

    With `steps` the window also ends within its share of them: a step writes at least what is left over the steps left.
    """

    steps: MostSteps = None

    def begin(self, view: View, before: object) -> Bound:
        view.least(self.steps, 0)  # refuses fewer steps than blocks
        return Bound(view.masks_in_window())

    def finished(self, view: View, state: Bound) -> bool:
        # one row a step empties the window in time, unless a denoiser proposes the mask itself and never stops
        return view.masks_in_window() == 0 or view.step >= state.bound

    def floor(self, view: View, rows: int) -> int:
        """The least number of rows this step must write."""
        return view.least(self.steps, rows)


@dataclass(frozen=True)
class Threshold(_UntilEmpty):
    """Every row at or above the threshold, and always the best one (Fast-dLLM, arXiv 2505.22618)."""

    threshold: Probability = 0.9

    def __call__(self, view: View, state: Bound, scores: Tensor, order: Tensor) -> Selection:
        passed, floor = int((scores[order] >= self.threshold).sum()), self.floor(view, len(order))
        reasons = ranked(len(order), (passed, Reason.THRESHOLD), (floor, Reason.FORCED), rest=Reason.BELOW_THRESHOLD)
        return reasons, {"threshold": self.threshold, "passed": passed, "floor": floor}


@dataclass(frozen=True)
class ThresholdOrAlmostBest(Threshold):
    """Every row at or above the threshold, or else above the best one less 1e-5 (dInfer)."""

    def __call__(self, view: View, state: Bound, scores: Tensor, order: Tensor) -> Selection:
        least = min(self.threshold, float(scores[order[0]]) - 1e-5)
        reasons, info = super().__call__(view, state, scores, order)
        reasons[(scores[order] >= least) & (reasons == Reason.BELOW_THRESHOLD)] = Reason.ALMOST_BEST
        return reasons, info


@dataclass(frozen=True)
class Factor(_UntilEmpty):
    """Ranks r = 1, 2, ... while confidence_r >= 1 - factor / (r + 1), rank 1 always (Fast-dLLM).

    `last_passes` takes all rows when only the very last one fails, as the released loop does.
    """

    factor: RankFactor = 1.0
    last_passes: bool = False

    def __call__(self, view: View, state: Bound, scores: Tensor, order: Tensor) -> Selection:
        sure = scores[order] >= 1 - self.factor / torch.arange(2, len(order) + 2, dtype=torch.float64)
        passed, floor = 1 + int(sure[1:].long().cumprod(0).sum()), self.floor(view, len(order))
        reasons = ranked(len(order), (passed, Reason.FACTOR), (floor, Reason.FORCED_FACTOR), rest=Reason.BELOW_FACTOR)
        if self.last_passes and passed >= len(order) - 1:
            reasons[passed:] = Reason.LAST_ONE
        if not sure[0]:
            reasons[0] = Reason.FORCED_FACTOR
        return reasons, {"factor": self.factor, "passed": int((reasons == Reason.FACTOR).sum()), "floor": floor}


@dataclass(frozen=True)
class EntropyBound(_UntilEmpty):
    """The first k rows by entropy with H_1 + ... + H_k - max(H_1 ... H_k) <= gamma, at least one.

    The left side bounds the mutual information lost by writing the k rows at once (EB-Sampler, arXiv 2505.24857).
    """

    gamma: Nats = 0.1

    def __call__(self, view: View, state: Bound, scores: Tensor, order: Tensor) -> Selection:
        entropy = -scores[order]
        passed = int((entropy.cumsum(0) - entropy.cummax(0).values <= self.gamma).sum())
        floor = self.floor(view, len(order))
        reasons = ranked(
            len(order), (passed, Reason.ENTROPY_BOUND), (floor, Reason.FORCED_BOUND), rest=Reason.OVER_BOUND
        )
        return reasons, {"gamma": self.gamma, "passed": passed, "floor": floor}


@dataclass
class BlockQuotas(Bound):
    """How many rows each step writes at least; the last number stays for all later steps."""

    quotas: list[int]


@dataclass(frozen=True)
class ThresholdOrQuota(_UntilEmpty):
    """All rows above the threshold if they are at least the step's quota, else the best quota (LLaDA2, SDAR).

    The quota splits the window's length, not its masks, over `per_block` steps; a given `quota` stays the same.
    Without a threshold the quota alone decides.
    """

    threshold: Probability | None = 0.95
    per_block: Steps = 32
    quota: AtLeast | None = None

    def begin(self, view: View, before: object) -> BlockQuotas:
        lo, hi = view.window
        quotas = even_split(hi - lo, self.per_block) if self.quota is None else [self.quota]
        return BlockQuotas(super().begin(view, before).bound, quotas)

    def __call__(self, view: View, state: BlockQuotas, scores: Tensor, order: Tensor) -> Selection:
        quota = max(state.quotas[min(view.step, len(state.quotas) - 1)], self.floor(view, len(order)))
        if self.threshold is None:
            return ranked(len(order), (quota, Reason.QUOTA), rest=Reason.BEYOND_QUOTA), {"quota": quota}
        passed = int((scores[order] > self.threshold).sum())
        reasons = ranked(len(order), (passed, Reason.THRESHOLD), (quota, Reason.FORCED), rest=Reason.BELOW_THRESHOLD)
        return reasons, {"threshold": self.threshold, "passed": passed, "floor": quota}


@dataclass
class History(Quotas):
    """The rows `(n,)` of the last steps and their logits `(n, vocab)`, the latest last."""

    answers: list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class StableOrQuota(_Counted):
    """All rows that are sure and have stopped changing, else the step's quota (KLASS, arXiv 2511.05664).

    Ready is: KL(p now || p before) < `kl_threshold` in each of the last `kl_history_length` steps, and confidence above
    `conf_threshold`.  Histories run on across blocks; a row that was not asked about a step before has changed.
    `unmask_strategy` takes only one of the ready rows: the surest, the one that changed least just now, or any.

    The last logits are kept rather than the last changes: a change is worked out for the few rows that are sure now,
    step by step back, where KL over a large vocabulary at every row would cost many times the rest of a step.
    """

    conf_threshold: Probability = 0.9
    kl_threshold: LargestChange = 0.01
    kl_history_length: SettledFor = 2
    unmask_strategy: UnmaskStrategy = "all"

    def begin(self, view: View, before: History | None) -> History:
        return History(super().begin(view, before).counts, [] if before is None else before.answers)

    def _one(self, view: View, ready: Tensor, changes: Tensor) -> Tensor:
        """The one of the `ready (m,)` rows that goes now, of equal ones the leftmost; `changes (m,)` are the latest."""
        if self.unmask_strategy == "max_conf":
            return ready[:1]  # they are in order
        ready, left = ready.sort()
        if self.unmask_strategy == "min_kl":
            return ready[changes[left].argmin()][None]
        return ready[torch.randint(len(ready), (1,), generator=view.generator)]

    def __call__(self, view: View, state: History, scores: Tensor, order: Tensor) -> Selection:
        seen = state.answers
        seen.append((view.positions, view.logits))
        del seen[: -1 - self.kl_history_length]
        last = view.step == len(state.counts) - 1
        quota = len(order) if last else state.counts[view.step]  # what stable steps left over is filled now
        settled = not last and view.step >= self.kl_history_length - 1 and len(seen) > self.kl_history_length
        ready, latest = order[(scores[order] > self.conf_threshold) & settled], torch.zeros(len(view.positions))
        for age, ((asked, before), (at, now)) in enumerate(reversed(list(pairwise(seen)))):
            ready = ready[torch.isin(view.positions[ready], asked)]
            wanted = view.positions[ready]
            rows, rows_before = torch.searchsorted(at, wanted), torch.searchsorted(asked, wanted)
            change = divergence(now, before, rows, rows_before, 1e-12)
            if age == 0:
                latest[ready] = change
            ready = ready[change < self.kl_threshold]
        if len(ready):
            reasons = torch.where(scores[order] > self.conf_threshold, Reason.CHANGING, Reason.UNSURE)
            reasons[torch.isin(order, ready)] = Reason.STABLE if self.unmask_strategy == "all" else Reason.STABLE_WAITS
            if self.unmask_strategy != "all":
                reasons[order == self._one(view, ready, latest[ready])] = Reason.STABLE
        else:
            reasons = ranked(len(order), (quota, Reason.QUOTA), rest=Reason.BEYOND_QUOTA)
            if last:
                reasons[:] = Reason.LAST_STEP
        limits = {name: getattr(self, name) for name in ("conf_threshold", "kl_threshold", "kl_history_length")}
        return reasons, {"passed": len(ready), "quota": quota} | limits


@dataclass(frozen=True)
class RunwiseBest(_UntilEmpty):
    """Divide and conquer: the best row of every unbroken run of masks if it is above `low_threshold`, all rows above
    the threshold, and always the best one (dInfer's hierarchy).
    """

    threshold: Probability = 0.9
    low_threshold: RareProbability = 0.4

    def __call__(self, view: View, state: Bound, scores: Tensor, order: Tensor) -> Selection:
        rows, back = order.sort()
        starts = torch.ones(len(rows), dtype=torch.bool)
        starts[1:] = view.positions[rows][1:] - view.positions[rows][:-1] > 1
        run = starts.cumsum(0)
        why = torch.full_like(rows, Reason.BELOW_THRESHOLD)
        why[rows == order[0]] = Reason.FORCED
        for number in run.unique():
            best = scores[rows].masked_fill(run != number, float("-inf")).argmax()
            if scores[rows][best] > self.low_threshold:
                why[best] = Reason.RUN_BEST
        why[scores[rows] > self.threshold] = Reason.THRESHOLD
        reasons = torch.empty_like(why)
        reasons[back] = why
        passed, floor = int((why == Reason.THRESHOLD).sum()), self.floor(view, len(order))
        waiting = (reasons == Reason.BELOW_THRESHOLD).nonzero()[:, 0]
        reasons[waiting[: max(0, floor - len(order) + len(waiting))]] = Reason.FORCED
        limits = {"threshold": self.threshold, "low_threshold": self.low_threshold}
        return reasons, limits | {"passed": passed, "floor": floor}


@dataclass
class Combs:
    """The positions of each comb that is still to come, and whether they end with the finest one."""

    left: list[Tensor]
    to_finest: bool


@dataclass(frozen=True)
class Dilated(Validated):
    """Combs that grow finer: every (n / base)-th position of a window of n, then every (n / base^2)-th, to the last.

    Rows below `confidence_threshold` are left for one more forward that fills what is left; the finest comb takes all,
    and a last comb smaller than the one before joins it.  No two neighbours open before the finest comb (DUS, arXiv
    2506.19037).  The release spends a forward on a comb that has no mask and leaves low rows masked; this does neither.
    With `steps` the combs end so early that what is left fits into the last of the window's share.
    """

    base: Finer = 2
    confidence_threshold: Probability = 0.3
    steps: MostSteps = None

    def begin(self, view: View, before: object) -> Combs:
        lo, hi = view.window
        combs: list[Tensor] = []
        left, stride = torch.arange(hi - lo), (hi - lo) // self.base
        while len(left):
            on = left % max(1, stride) == 0
            combs, left, stride = [*combs, left[on]], left[~on], stride // self.base
        if len(combs) > 1 and len(combs[-1]) < len(combs[-2]):
            combs[-2:] = [torch.cat(combs[-2:])]
        in_time = len(combs) if self.steps is None else view.share_of(self.steps) - 1
        return Combs([lo + comb for comb in combs[:in_time]] + [torch.arange(lo, hi)], len(combs) <= in_time)

    def finished(self, view: View, state: Combs) -> bool:
        return not state.left or view.masks_in_window() == 0

    def __call__(self, view: View, state: Combs, scores: Tensor, order: Tensor) -> Selection:
        combs, on = state.left, torch.zeros_like(order, dtype=torch.bool)
        while not on.any():
            on = torch.isin(view.positions[order], combs.pop(0))
        if not combs or (len(combs) == 1 and state.to_finest):
            takes_all = Reason.FINEST_COMB if combs else Reason.LAST_STEP
            return torch.where(on, takes_all, Reason.OFF_COMB), {}
        sure = scores[order] >= self.confidence_threshold
        reasons = torch.where(sure, Reason.COMB, Reason.BELOW_THRESHOLD)
        reasons[~on] = Reason.OFF_COMB
        return reasons, {"threshold": self.confidence_threshold, "passed": int((on & sure).sum())}


@dataclass
class OpenBlocks(Bound):
    """How many blocks of the window are open."""

    count: int = 1


@dataclass(frozen=True)
class Pipeline(_UntilEmpty):
    """Blocks inside one window that open one after another while earlier ones are still at work (d3LLM).

    A new block opens when the last one has `block_add_threshold` of its tokens.  Of all open blocks the rows of entropy
    at most `threshold` are written, and the lowest; if the first block that is fully active (its predecessor has
    `decoded_token_threshold`) and has masks would get none, its own lowest is written too, with its likeliest token.
    With `steps` the lowest of what waits is written too where that many must be, in open blocks first.
    """

    threshold: LargestEntropy = 0.5
    block_size: BlockSize = 32
    block_add_threshold: RareShare = 0.5
    decoded_token_threshold: RareShare = 0.5

    def begin(self, view: View, before: object) -> OpenBlocks:
        return OpenBlocks(super().begin(view, before).bound)

    def _done(self, view: View) -> list[float]:
        lo, hi = view.window
        edges = range(lo, hi, self.block_size)
        return [1 - float(view.masked[a : min(a + self.block_size, hi)].float().mean()) for a in edges]

    def __call__(self, view: View, state: OpenBlocks, scores: Tensor, order: Tensor) -> Selection:
        done = self._done(view)
        if state.count < len(done) and done[state.count - 1] >= self.block_add_threshold:
            state.count += 1
        while min(done[: state.count]) == 1:  # a block that came filled has nothing to write
            state.count += 1
        block = torch.div(view.positions - view.window[0], self.block_size, rounding_mode="floor")
        low, opened = -scores[order] <= self.threshold, block[order] < state.count
        reasons = torch.where(low, Reason.LOW_ENTROPY, Reason.HIGH_ENTROPY)
        reasons[~opened] = Reason.CLOSED_BLOCK
        lowest = opened.nonzero()[0, 0]
        if not low[lowest]:
            reasons[lowest] = Reason.FORCED_ENTROPY
        for number in range(state.count):
            active = number == 0 or done[number - 1] >= self.decoded_token_threshold
            rows = block[order] == number
            if active and rows.any():
                if (reasons[rows] == Reason.HIGH_ENTROPY).all():
                    reasons[rows.nonzero()[0, 0]] = Reason.FORCED_BLOCK
                break
        floor = self.floor(view, len(order))
        waiting = torch.cat([(reasons == why).nonzero()[:, 0] for why in (Reason.HIGH_ENTROPY, Reason.CLOSED_BLOCK)])
        reasons[waiting[: max(0, floor - len(order) + len(waiting))]] = Reason.IN_TIME
        return reasons, {"threshold": self.threshold, "block_size": self.block_size, "floor": floor}


# --- the policies -----------------------------------------------------------------------------------------------------


@dataclass
class PlannedState:
    """What the parts of a plan keep; which types these are, is known to the parts."""

    propose: Any
    select: Any


@dataclass(frozen=True)
class Planned(Writes):
    """propose, score, select; writes masked rows of the window and never touches an open one.

    Of equal scores the leftmost comes first; the published `topk` takes them in any order.  `left_open` lets masks
    before the window compete for its quota, as the published code does by accident; closed windows are what infilling
    needs.
    """

    propose: Propose[Any]
    score: Score
    select: Select[Any]
    left_open: bool = False

    def begin(self, view: View, before: PlannedState | None) -> PlannedState:
        propose, select = (None, None) if before is None else (before.propose, before.select)
        return PlannedState(self.propose.begin(view, propose), self.select.begin(view, select))

    def finished(self, view: View, state: PlannedState) -> bool:
        return self.select.finished(view, state.select)

    def __call__(self, view: View, state: PlannedState) -> Update:
        proposal = self.propose(view, state.propose)
        scores = self.score(view, proposal)
        rows = (view.in_window(include_before=self.left_open) & view.open_masks).nonzero()[:, 0]
        order = rows[scores[rows].argsort(descending=True, stable=True)]  # ties go to the leftmost
        reason = torch.where(view.open_masks, Reason.OUTSIDE, Reason.STANDS)
        reason[order], info = self.select(view, state.select, scores, order)
        score = only(scores, rows)
        return Update.because(proposal.tokens, reason, info=info, score=score, ranking=self.score.ranking)


@dataclass(frozen=True)
class RareFirst(Planned):
    """Refuses word frequencies of another vocabulary than the denoiser's (PC-Sampler)."""

    score: Informative

    def begin(self, view: View, before: PlannedState | None) -> PlannedState:
        given, vocab = self.score.frequencies, view.denoiser.vocab_size
        if given is not None and len(given) != vocab:
            raise ValueError(f"frequencies must be one for each of the {vocab} tokens, got {len(given)} of them")
        return super().begin(view, before)


@dataclass(frozen=True)
class Pipelined(Planned):
    """A row that is written for want of any other takes its likeliest token, whatever was drawn for it (d3LLM)."""

    select: Pipeline

    def __call__(self, view: View, state: PlannedState) -> Update:
        update = super().__call__(view, state)
        forced = update.reason == Reason.FORCED_BLOCK
        return replace(update, tokens=torch.where(forced, view.beliefs.top_ids[:, 0], update.tokens))


@dataclass(frozen=True)
class PipelinedToEnd(Pipelined):
    """Everything after the first end of text becomes that end, written or not (d3LLM's `early_stop`)."""

    revises: ClassVar[bool] = True

    stop_ids: tuple[int, ...] = ()

    def asks(self, view: View) -> Tensor:
        return view.free

    def __call__(self, view: View, state: PlannedState) -> Update:
        update = super().__call__(view, state)
        left = torch.where(update.write, update.tokens, view.current)
        ends = torch.isin(left, torch.tensor(self.stop_ids)).nonzero()[:, 0]
        if not len(ends):
            return update
        end = left[ends[0]]
        after_end = (torch.arange(len(left)) > ends[0]) & (left != end)
        return replace(
            update,
            tokens=torch.where(after_end, end, update.tokens),
            write=update.write | after_end,
            reason=torch.where(after_end, Reason.BEHIND_END, update.reason),
        )


@dataclass(frozen=True)
class ChanceFirst(Planned):
    """Chance selects the rows first, and tokens are drawn only for those (Dream's origin)."""

    propose: Filtered

    def __call__(self, view: View, state: PlannedState) -> Update:
        rows = (view.in_window() & view.open_masks).nonzero()[:, 0]
        reason = torch.full_like(view.positions, Reason.OUTSIDE)
        reason[rows], info = self.select(view, state.select, torch.zeros(len(view.positions)), rows)
        tokens, chosen = view.beliefs.top_ids[:, 0].clone(), having(reason, Effect.WRITE).nonzero()[:, 0]
        if self.propose.temperature and len(chosen):
            logits = self.propose.distribution(view)[chosen]
            if self.propose.draws == "canvas":
                every = torch.arange(len(chosen))
                tokens[chosen] = categorical(logits.float().softmax(1), every, len(chosen), view.generator)
            else:
                tokens[chosen] = draw(logits, 1.0, view.generator)
        return Update.because(tokens, reason, info=info)


@dataclass(frozen=True)
class Prophet(Writes):
    """Ends the run early when the answer is settled: every mask takes its proposal (Prophet, arXiv 2508.19982).

    Settled is a mean gap between the two largest logits, over the five positions from `answer_start_pos`, of at least
    `early` in the first third of the steps, `mid` in the second, and `late` after them.  Of the five those count that
    stand in what is generated, from the first window to the canvas's end; without one, and if `answer_start_pos` is
    None, the run never ends early.  The state is the inner policy's.
    """

    inner: Policy[Any]
    steps: Steps
    answer_start_pos: AnswerStart = None
    early_exit_thresholds: ExitGaps = field(default_factory=lambda: {"early": 7.5, "mid": 5.0, "late": 2.5})

    def _answer(self, view: View) -> Tensor:
        """(length,) bool: where the answer is looked for."""
        answer = torch.zeros_like(view.masked)
        if self.answer_start_pos is not None:
            answer[max(self.answer_start_pos, view.windows[0][0]) : self.answer_start_pos + 5] = True
        return answer

    def asks(self, view: View) -> Tensor:
        return view.masked | self._answer(view)

    def begin(self, view: View, before: Any) -> Any:
        return self.inner.begin(view, before)

    def finished(self, view: View, state: Any) -> bool:
        return self.inner.finished(view, state)

    def __call__(self, view: View, state: Any) -> Update:
        update = self.inner(view, state)
        at = self._answer(view)[view.positions]
        if not at.any():
            return update
        best = view.logits[at].topk(2, dim=1).values
        gap, progress = float((best[:, 0] - best[:, 1]).mean()), view.forwards / self.steps
        need = self.early_exit_thresholds["early" if progress < 0.33 else "mid" if progress < 0.67 else "late"]
        info = dict(update.info) | {"gap": gap, "exit": need}
        if gap < need:
            return replace(update, info=info)
        reason = torch.where(view.open_masks, Reason.EARLY_EXIT, Reason.STANDS)
        return Update.because(update.tokens, reason, info=info, score=update.score, ranking=update.ranking, done=True)
