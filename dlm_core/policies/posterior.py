"""Policies that sample: what is written, and whether, comes from one draw of the reverse process q(x_s | x_t, x_0).

Time runs from 1 (all noise) to 0; alpha(t) is the probability that a token is still clean.  Absorbing processes noise
tokens to the mask; uniform ones to any token, so there every position may change at every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from dlm_core.beliefs import at_ids, believe, draw, inverse, likeliest, nucleus_edge, uniforms
from dlm_core.policies.draws import nucleus, tempered
from dlm_core.policies.parameter import shown
from dlm_core.policies.policy import Revises, Update, View, Writes, only, ranked
from dlm_core.policies.settings import (
    ClockMargin,
    ClockSteps,
    Draws,
    ForPrograms,
    LeastProbability,
    LoopTime,
    Mixture,
    MostSteps,
    Nucleus,
    Patience,
    RareShare,
    Steps,
    StepsByAnotherName,
    TakenBack,
    Temperature,
    TemperatureAbove0,
    TimeShare,
    TokensAStep,
    UniformShare,
    Words,
)
from dlm_core.reasons import Ranking, Reason

FINAL_TIME = 1e-5


def race(weights: Tensor, rows: Tensor, total: int, generator: torch.Generator) -> Tensor:
    """Tokens `(n,)` by argmax w / (1e-10 - log(u + 1e-10)), with uniforms `(total, vocab)` in the weights' precision.

    The race of MDLM and its descendants; MDLM and SEDD draw float32, ReMDM, BD3-LM and DUO float64.
    """
    uniform = torch.rand(total, weights.shape[1], dtype=weights.dtype, generator=generator)[rows].to(weights.device)
    return likeliest(weights / (1e-10 - (uniform + 1e-10).log()))


def there(view: View, values: Tensor) -> Tensor:
    """The tokens that stand in the rows, `(n, 1)`, where the vocabulary-sized `values` are."""
    return view.current[:, None].to(values.device)


def clean_log_probabilities(view: View) -> Tensor:
    """The model's distribution `(n, vocab)` with the mask made impossible (MDLM's substitution).

    In two steps and in the logits' own precision, as the releases work it out: log_softmax would round once.
    """
    logits = view.logits.clone()
    logits[:, view.mask_token_id] -= 1e6
    return logits - logits.logsumexp(1, keepdim=True)


def _chance_in(p: Tensor, ids: Tensor, rows: Tensor) -> Tensor:
    """Probability of `ids (n,)` in `p (n, vocab)`, for `rows`."""
    return at_ids(p, ids)[rows]


def chances(log_p: Tensor, temperature: float) -> Tensor:
    """The distribution `(n, vocab)` at a temperature, of which the logarithm `log_p` is that at 1."""
    return log_p.exp() if temperature == 1 else tempered(log_p, temperature).softmax(1)


@dataclass
class Clock:
    """The number of times in a window and the index of the next one; after the last comes one more forward."""

    steps: int
    time: int = 0


@dataclass(frozen=True)
class MDLM(Writes):
    """Ancestral sampling of the absorbing process (MDLM, arXiv 2406.07524), with the cached update of its release.

    Over the times t_0 = 1 > t_1 > ... > t_N = 1e-5 a masked position opens with probability (t - s) / t and takes a
    token from the model's own distribution; no confidence is asked.  A draw that opens nothing leaves the canvas as it
    was, so the same logits serve the next time and no forward is spent.  One more forward fills what is left, greedily.

    `temperature` sharpens the token's distribution (1 in the paper).  `draws="canvas"` repeats the release's float32
    race over the whole canvas, and `exhaust` spends forwards after the last mask has gone, as the release does.
    """

    steps: ClockSteps = 128
    temperature: Temperature = 1.0
    draws: Draws = "positions"
    exhaust: ForPrograms = False

    def begin(self, view: View, before: object) -> Clock:
        return Clock(view.share_of(self.steps))

    def finished(self, view: View, clock: Clock) -> bool:
        return clock.time > clock.steps or not (self.exhaust or view.masks_in_window())

    def __call__(self, view: View, clock: Clock) -> Update:
        likeliest, inside = view.beliefs.top_ids[:, 0], view.in_window()
        steps, tokens, opened = clock.steps, likeliest, torch.zeros_like(inside)
        if clock.time == steps:
            clock.time += 1
            return Update.because(likeliest, torch.where(inside, Reason.LAST_STEP, Reason.OUTSIDE), info={"t": 0.0})
        times = torch.linspace(1, FINAL_TIME, steps + 1)
        while clock.time < steps and not opened.any():
            t = times[clock.time]
            tokens, opened = self._draw(view, t, t - (1 - FINAL_TIME) / steps)
            opened &= inside
            clock.time += 1
        reason = torch.where(opened, Reason.CHANCE, torch.where(inside, Reason.CHANCE_LEFT, Reason.OUTSIDE))
        return Update.because(torch.where(opened, tokens, likeliest), reason, info={"t": float(t)})

    def _draw(self, view: View, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `(n,)` and which rows open between the times t and s."""
        if self.draws == "canvas":
            weight = chances(clean_log_probabilities(view), self.temperature).float() * (t - s)
            weight[:, view.mask_token_id] = s
            winner = race(weight, view.positions, len(view.ids), view.generator)
            return winner, winner != view.mask_token_id
        opened = torch.rand(len(view.positions), generator=view.generator) < (t - s) / t
        tokens = view.beliefs.top_ids[:, 0].clone()
        if self.temperature:  # a number for every row, and a token for those that open
            uniform = uniforms(len(tokens), view.generator)[opened]
            tokens[opened] = inverse(view.logits[opened], self.temperature, uniform)[0]
        return tokens, opened


@dataclass(kw_only=True)
class RemaskClock(Clock):
    """A clock, and minus the probability `(length,)` float64 that each token was written with; -inf elsewhere."""

    written_with: Tensor


@dataclass(frozen=True)
class ReMDM(Revises):
    """MDLM with a chance sigma that an open position is masked again (ReMDM, arXiv 2503.00307).

    open:   (1 - sigma) on its token, sigma on the mask
    masked: p (alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t), and what is left on the mask

    `sampler` says how sigma is set: "cap" min(eta, (1 - alpha_s) / alpha_t); "rescale" eta min(1, that); "conf" that
    times a softmax over open positions of minus the probability each was written with; "loop" holds alpha at `alpha_on`
    between the times `t_on` and `t_off` with sigma = eta, and is plain MDLM around it; "mdlm" is sigma = 0.  The
    release's configuration has `eta`, `t_on`, `t_off` and `alpha_on` at 0, which masks nothing again: the defaults here
    are those of its script for the loop.  `temperature` sharpens the token's distribution before the nucleus is taken
    (1 in the paper).
    """

    steps: ClockSteps = 128
    sampler: Literal["remdm-cap", "remdm-rescale", "remdm-conf", "remdm-loop", "mdlm"] = "remdm-cap"
    eta: TakenBack = 0.02
    t_on: LoopTime = 0.55
    t_off: LoopTime = 0.05
    alpha_on: RareShare = 0.9
    nucleus_p: Nucleus = 1.0
    temperature: Temperature = 1.0
    draws: Draws = "positions"
    exhaust: ForPrograms = False

    def begin(self, view: View, before: object) -> RemaskClock:
        written_with = torch.full((len(view.ids),), float("-inf"), dtype=torch.float64)
        return RemaskClock(view.share_of(self.steps), written_with=written_with)

    def finished(self, view: View, clock: RemaskClock) -> bool:
        return clock.time > clock.steps

    def _levels(self, t: float, s: float) -> tuple[float, float, float]:
        """alpha_t, alpha_s and the scalar part of sigma at the times t > s."""
        if self.sampler == "remdm-loop":
            if t > self.t_on:
                ramp = self.alpha_on / (1 - self.t_on)
                return (1 - t) * ramp, (1 - s) * ramp, 0.0
            if t > self.t_off:
                return self.alpha_on, self.alpha_on, self.eta
            rise = (1 - self.alpha_on) / self.t_off
            return 1 - t * rise, 1 - s * rise, 0.0
        alpha_t, alpha_s = 1 - t, 1 - s
        most = min(1.0, (1 - alpha_s) / alpha_t) if alpha_t > 0 else 1.0
        sigma = {"remdm-cap": min(self.eta, most), "remdm-rescale": self.eta * most, "remdm-conf": most, "mdlm": 0.0}
        return alpha_t, alpha_s, sigma[self.sampler]

    def __call__(self, view: View, clock: RemaskClock) -> Update:
        masks, inside, steps = view.open_masks, view.in_window(), clock.steps
        likeliest = view.beliefs.top_ids[:, 0]
        if clock.time == steps:
            clock.time += 1
            reason = torch.where(masks, Reason.LAST_STEP, Reason.STANDS)
            return Update.because(likeliest, torch.where(inside, reason, Reason.OUTSIDE), info={"t": 0.0})
        if self.draws == "canvas":
            p = nucleus(chances(clean_log_probabilities(view), self.temperature), self.nucleus_p)
            turn = partial(self._race, view, clock, p)
            chance = partial(_chance_in, p)
        else:
            turn = partial(self._toss, view, clock, uniforms(len(masks), view.generator))
            chance = partial(self._chance, view)
        times, winner = torch.linspace(1, FINAL_TIME, steps + 1), view.current
        while clock.time < steps and not (inside & (winner != view.current)).any():
            t = times[clock.time]
            winner = turn(float(t), float(t - (1 - FINAL_TIME) / steps))
            clock.time += 1
        write = inside & masks & (winner != view.mask_token_id)
        blank = inside & ~masks & (winner == view.mask_token_id)
        reason, ranking = self._why(view, clock, write, blank)
        clock.written_with[view.positions[write]] = -chance(winner, write).double()
        clock.written_with[view.positions[blank]] = float("-inf")
        return Update.because(torch.where(write, winner, likeliest), reason, info={"t": float(t)}, **ranking)

    def _chance(self, view: View, ids: Tensor, rows: Tensor) -> Tensor:
        """Probability of `ids (n,)` at the temperature and in the nucleus, for `rows`."""
        logits = tempered(view.logits[rows], self.temperature)
        p = view.beliefs.probability(ids)[rows] if self.temperature == 1 else believe(logits, 1).probability(ids[rows])
        return p / nucleus_edge(logits, self.nucleus_p)[1]

    def _why(self, view: View, clock: RemaskClock, write: Tensor, blank: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """The reason of every row, and with "conf" what the rows that stood were written with."""
        reason = torch.where(write, Reason.CHANCE, torch.where(blank, Reason.CHANCE_BACK, Reason.CHANCE_LEFT))
        ranking: dict[str, Any] = {}
        stood = view.in_window() & ~view.open_masks
        if self.sampler == "remdm-conf":
            written = clock.written_with[view.positions]
            ranking = {"score": only(written, stood & written.isfinite()), "ranking": Ranking.WRITTEN_CONFIDENCE}
            weighed = torch.where(blank, Reason.WEIGHED_BACK, Reason.WEIGHED_LEFT)
            reason = torch.where(stood, torch.where(written.isfinite(), weighed, Reason.GIVEN), reason)
        return torch.where(view.in_window(), reason, Reason.OUTSIDE), ranking

    def _chances(
        self, view: View, clock: RemaskClock, t: float, s: float, dtype: torch.dtype
    ) -> tuple[float, float, float | Tensor]:
        """alpha_t, alpha_s and sigma at the times t > s; with "conf" sigma is `(n,)` and worked out in `dtype`."""
        alpha_t, alpha_s, sigma = self._levels(t, s)
        if self.sampler == "remdm-conf":
            kept = clock.written_with[view.positions].to(dtype)
            share = kept.softmax(0) if torch.isfinite(kept).any() else torch.zeros_like(kept)
            return alpha_t, alpha_s, share.masked_fill(view.open_masks, 0.0) * sigma
        return alpha_t, alpha_s, sigma

    def _race(self, view: View, clock: RemaskClock, p: Tensor, t: float, s: float) -> Tensor:
        """The release's draw from q(x_s | x_t) with `p (n, vocab)`, whose precision the weights keep up to the race.

        Only where it is plain MDLM the release has the weights in float32.
        """
        if self.sampler == "mdlm" or (self.sampler == "remdm-loop" and not self.t_off < t <= self.t_on):
            p = p.float()
        alpha_t, alpha_s, sigma = self._chances(view, clock, t, s, p.dtype)
        masks, column = view.open_masks, sigma[:, None].to(p.device) if isinstance(sigma, Tensor) else sigma
        opens = p * ((alpha_s - (1 - column) * alpha_t) / (1 - alpha_t)) if alpha_t < 1 else p
        keeps = torch.zeros_like(p).scatter(1, there(view, p), 1.0) * (1 - column)
        weight = torch.where(masks[:, None].to(p.device), opens, keeps)
        stays = torch.where(masks, (1 - alpha_s - sigma * alpha_t) / (1 - alpha_t), sigma)
        weight[:, view.mask_token_id] = stays.to(p)
        return race(weight.double(), view.positions, len(view.ids), view.generator)

    def _toss(self, view: View, clock: RemaskClock, uniform: Tensor, t: float, s: float) -> Tensor:
        """The same draw with one number for what happens; `uniform (n,)` says what a mask becomes if it opens."""
        alpha_t, alpha_s, share = self._chances(view, clock, t, s, torch.float64)
        masks, sigma = view.open_masks, torch.as_tensor(share, dtype=torch.float64)
        opens = (alpha_s - (1 - sigma) * alpha_t) / (1 - alpha_t)
        change = torch.rand(len(masks), dtype=torch.float64, generator=view.generator) < torch.where(
            masks, opens, sigma
        )
        winner, opened = torch.where(change, view.mask_token_id, view.current), change & masks
        logits = tempered(
            view.logits[opened], self.temperature
        )  # only what opens needs a token, and the nucleus it comes from
        winner[opened] = inverse(logits, 1.0, uniform[opened], nucleus_edge(logits, self.nucleus_p)[0])[0]
        return winner


@dataclass(frozen=True)
class FirstHitting(Writes):
    """One uniformly chosen mask of the block takes a token in every forward (BD3-LM's sampler, arXiv 2503.09573).

    With `steps` it is as many as must be for the block to end within its share of them.  `temperature` sharpens the
    token's distribution before the nucleus is taken (1 in the paper).
    """

    nucleus_p: Nucleus = 1.0
    temperature: Temperature = 1.0
    steps: MostSteps = None
    draws: Draws = "positions"

    def begin(self, view: View, before: object) -> int:
        view.least(self.steps, 0)  # refuses fewer steps than blocks
        return view.masks_in_window()

    def finished(self, view: View, bound: int) -> bool:
        return view.masks_in_window() == 0 or view.step >= bound

    def __call__(self, view: View, bound: int) -> Update:
        lo, hi = view.window
        rows = view.in_window().nonzero()[:, 0]
        tokens = view.beliefs.top_ids[:, 0].clone()
        if self.draws == "canvas":
            p = nucleus(chances(clean_log_probabilities(view)[rows].double(), self.temperature), self.nucleus_p)
            tokens[rows] = race(p, view.positions[rows] - lo, hi - lo, view.generator)
        left, chosen = rows, rows[:0]
        for _ in range(count := view.least(self.steps, len(rows))):
            at = int(torch.randint(0, len(left), (1,), generator=view.generator))
            chosen, left = torch.cat([chosen, left[at : at + 1]]), torch.cat([left[:at], left[at + 1 :]])
        if self.draws == "positions":
            logits = tempered(view.logits[chosen], self.temperature)
            tokens[chosen] = draw(logits, 1.0, view.generator, nucleus_edge(logits, self.nucleus_p)[0])
        reason = torch.where(view.in_window(), Reason.NOT_DRAWN, Reason.OUTSIDE)
        reason[chosen] = Reason.DRAW
        return Update.because(tokens, reason, info={"quota": count})


class _EverywhereOnce(Revises):
    """A uniform process on one window: N steps at the times of a grid and one more forward that cleans up.

    The state is N, the number of steps.  The published samplers draw their first canvas themselves; `draws="canvas"`
    spends those numbers too.
    """

    for_masks: ClassVar[bool] = False

    draws: Draws

    def share_of(self, steps: int, view: View) -> int:
        """Return how many of the run's `steps` belong to this window, and spend the numbers of the first canvas."""
        if self.draws == "canvas" and not view.has_mask:
            torch.randint(view.denoiser.vocab_size, view.ids.shape, generator=view.generator)
        return view.share_of(steps)

    def finished(self, view: View, steps: int) -> bool:
        return view.step > steps

    def pick(self, view: View, weights: Tensor) -> Tensor:
        """One token a row with probability proportional to `weights (n, vocab)`."""
        if self.draws == "canvas":
            return race(weights, view.positions, len(view.ids), view.generator)
        return draw(weights.clamp(min=0).log(), 1.0, view.generator)

    def update(self, view: View, tokens: Tensor, t: float) -> Update:
        """Write every row of the window that changes; what becomes the mask is blanked."""
        change = torch.full_like(tokens, Reason.POSTERIOR if t else Reason.LAST_STEP)
        if view.has_mask:
            change[tokens == view.mask_token_id] = Reason.POSTERIOR_BACK
        reason = torch.where(tokens == view.current, Reason.POSTERIOR_LEFT if t else Reason.AGREES, change)
        return Update.because(tokens, torch.where(view.in_window(), reason, Reason.OUTSIDE), info={"t": t})


def _kind_and_level(name: str, value: str, plain: Sequence[str], kinds: Sequence[str]) -> tuple[str, float]:
    """A mode of one of the `kinds` and the number that it ends with; a ValueError where it is none of them."""
    kind, _, level = value.removesuffix("-inv").rpartition("-")
    try:
        number = float(level)
    except ValueError:
        number = -1.0
    if kind not in kinds or not 0 <= number <= 1:
        known = ", ".join([*plain, *(f"{kind}-C" for kind in kinds)])
        raise ValueError(f"{name} must be one of {known} with C from 0 to 1, got {shown(value)}")
    return kind, number


@dataclass(frozen=True)
class DUO(_EverywhereOnce):
    """The uniform-state posterior (DUO, arXiv 2506.10892) and its psi-samplers (arXiv 2602.21185).

    With V tokens, a = alpha, a_ts = a_t / a_s and p the model's distribution, q(x_s) is proportional to
    a_t V p(x_t) [x_s = x_t] + (a_ts - a_t) [x_s = x_t] + (a_s - a_t) p + (1 - a_ts) (1 - a_s) / V.
    A kappa for each step mixes it with noising the predicted clean text anew:
    kappa q + (1 - kappa) (a_s q_0 + (1 - a_s) / V).

    The first `high_frac` of the steps' times have the kappas of `high_mode`, the next `middle_frac` those of
    `middle_mode`, the rest those of `low_mode`: "pure-posterior" 1, "pure-pc" 0, "constant-C" C; or, with a share sigma
    of ReMDM's, 1 - sigma / (1 - a_s) within 0 and 1, and 1 in the last step of the part: "max-capped-C" has the sigma
    min(C, (1 - a_s) / a_t), "max-rescale-C" C times that, as released, "constant-remdm-C" C.  `kappas` gives all of
    them one by one.  `time_profile` "linear" runs evenly from 1 to 0; "linear-constant-linear-C" from 1 to C, stays
    there, and from C to 0, over the same parts, and a last "-inv" makes C an alpha.

    `temperature` sharpens p (1 in the paper); then it is cut to a nucleus of `p_nucleus`, the crossing token included,
    and not made whole again.
    """

    steps: ClockSteps = 128
    temperature: Temperature = 1.0
    noise_removal: Literal["ancestral", "greedy"] = "ancestral"
    p_nucleus: Nucleus = 1.0
    time_profile: Words = "linear"
    high_mode: Words = "pure-posterior"
    middle_mode: Words = "pure-posterior"
    low_mode: Words = "pure-posterior"
    high_frac: TimeShare = 0.0
    middle_frac: TimeShare = 0.0
    kappas: Mixture = None
    draws: Draws = "positions"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kappas is not None and len(self.kappas) != self.steps:
            raise ValueError(f"kappas needs one value a step ({self.steps}), got {len(self.kappas)}")
        if self.high_frac + self.middle_frac > 1:
            raise ValueError(
                f"high_frac and middle_frac must add up to at most 1, got {self.high_frac} and {self.middle_frac}"
            )
        self._mixture(self._times(self.steps))  # a mode that cannot be read says so now

    def begin(self, view: View, before: object) -> int:
        return self.share_of(self.steps, view)

    @staticmethod
    def alpha(t: float) -> float:
        """1 - (1 - 1e-3) t."""
        return 1 - (1 - 1e-3) * t

    def _parts(self, times: int) -> tuple[int, int]:
        """How many of the times are in the high part, and how many in the middle one."""
        high = round(self.high_frac * times)
        return high, min(round(self.middle_frac * times), times - high)  # two halves may both round up

    def _times(self, steps: int) -> list[float]:
        """`steps` + 1 times from 1 to almost 0."""
        if self.time_profile == "linear":
            return torch.linspace(1, FINAL_TIME, steps + 1).tolist()
        _, held = _kind_and_level("time_profile", self.time_profile, ["linear"], ["linear-constant-linear"])
        held = 1 - held if self.time_profile.endswith("-inv") else held
        high, middle = self._parts(steps + 1)
        rest = steps + 1 - high - middle
        parts = torch.linspace(1, held, high), torch.full((middle,), held), torch.linspace(held, FINAL_TIME, rest)
        return torch.cat(parts).tolist()

    def _mixture(self, times: list[float]) -> list[float]:
        """A kappa for every time."""
        high, middle = self._parts(len(times))
        parts = times[:high], times[high : high + middle], times[high + middle :]
        modes = {name: getattr(self, name) for name in ("high_mode", "middle_mode", "low_mode")}
        return [kappa for part, (name, mode) in zip(parts, modes.items()) for kappa in self._kappas(name, mode, part)]

    def _kappas(self, name: str, mode: str, times: list[float]) -> list[float]:
        pure, kinds = (
            {"pure-posterior": 1.0, "pure-pc": 0.0},
            ("constant", "max-capped", "max-rescale", "constant-remdm"),
        )
        if mode in pure:
            return [pure[mode]] * len(times)
        kind, eta = _kind_and_level(name, mode, list(pure), kinds)
        if kind == "constant":
            return [eta] * len(times)
        kappas = []
        for t, s in pairwise(times):
            a_t, a_s = self.alpha(t), self.alpha(s)
            most = min(eta, (1 - a_s) / a_t)
            sigma = {"max-capped": most, "max-rescale": most * eta, "constant-remdm": eta}[kind]
            kappas.append(min(max(1 - sigma / (1 - a_s), 0.0), 1.0))
        return kappas + [1.0] * bool(times)

    def _posterior(self, p: Tensor, current: Tensor, a_s: float, a_t: float) -> Tensor:
        vocab, a_ts = p.shape[1], a_t / a_s
        here = torch.zeros_like(p).scatter(1, current, 1.0)
        p_here = p.gather(1, current)
        top = a_t * vocab * p * here + (a_ts - a_t) * here + (a_s - a_t) * p + (1 - a_ts) * (1 - a_s) / vocab
        return top / (a_t * vocab * p_here + (1 - a_t))

    def __call__(self, view: View, steps: int) -> Update:
        logits, i = tempered(view.logits, self.temperature), view.step
        p = logits.double().softmax(1)
        if self.p_nucleus < 1:
            edge = nucleus_edge(logits, self.p_nucleus, crossing=True)[0]
            p.masked_fill_(logits < edge[:, None], 0.0)
        times = self._times(steps)
        kappas = self._mixture(times) if self.kappas is None else self.kappas
        a_t, current = self.alpha(times[min(i, steps)]), there(view, p)
        if i == steps:
            greedy = self.noise_removal == "greedy"
            last = likeliest(p) if greedy else self.pick(view, self._posterior(p, current, 1.0, a_t))
            return self.update(view, last, 0.0)
        a_s = self.alpha(times[i + 1])
        weights = self._posterior(p, current, a_s, a_t)
        if kappas[i] < 1:
            clean = self._posterior(p, current, 1.0, a_t)
            weights = kappas[i] * weights + (1 - kappas[i]) * (a_s * clean + (1 - a_s) / p.shape[1])
        return self.update(view, self.pick(view, weights), times[i])


@dataclass(frozen=True)
class GIDD(_EverywhereOnce):
    """The posterior of mask and uniform noise together (GIDD, arXiv 2503.04482).

    With c = B sqrt(t (1 - t)), B = 2 p_u / (1 - p_u), C = 1 + c: alpha = (1 - t) / C and the noise beta pi =
    (t [mask] + c / (V - 1) [other]) / C.  q(z_s | z_t) is q(z_t | z_s) q_s(p) / q_t(p)[z_t]; entries below `min_p` are
    dropped.  `p_uniform` is a property of the model: the releases were trained with 0, 0.1 and 0.2.  `temperature`
    sharpens p (1 in the paper).
    """

    for_few: ClassVar[bool] = True

    num_denoising_steps: StepsByAnotherName = 1000
    temperature: Temperature = 1.0
    p_uniform: UniformShare = 0.1
    min_p: LeastProbability = 0.0
    t_eps: ClockMargin = 1e-4
    draws: Draws = "positions"

    def begin(self, view: View, before: object) -> int:
        if not view.has_mask:
            raise ValueError("gidd takes masks and random tokens back, and this model has no mask")
        return view.share_of(self.num_denoising_steps) - 1

    def _level(self, t: float, like: Tensor, mask: int) -> tuple[float, Tensor]:
        """The share of the clean text and that of each token of noise `(vocab,)` at t, for rows `like` these."""
        p_u = max(self.p_uniform, 2.061153622438558e-09)  # e^-20: no uniform noise at all has no reverse
        c, vocab = 2 * p_u / (1 - p_u) * (t * (1 - t)) ** 0.5, like.shape[1]
        noise = torch.full((vocab,), c / (vocab - 1), device=like.device)
        noise[mask] = t
        return (1 - t) / (1 + c), noise / (1 + c)

    def __call__(self, view: View, last: int) -> Update:
        mask, steps, logits = view.mask_token_id, last + 1, view.logits.clone()
        logits[:, mask] = -1e6
        p = tempered(logits, self.temperature).softmax(1)
        grid = torch.linspace(self.t_eps, 1 - self.t_eps, steps + 1)
        at = steps - 1 - view.step
        t, s = float(grid[at]), float(grid[max(at - 1, 0)])
        (alpha_t, noise_t), (alpha_s, noise_s) = self._level(t, p, mask), self._level(s, p, mask)
        q_t, q_s = alpha_t * p + noise_t, alpha_s * p + noise_s
        alpha_ts = alpha_t / alpha_s
        noise_ts = noise_t - alpha_ts * noise_s
        current = there(view, p)
        towards = alpha_ts * torch.zeros_like(p).scatter(1, current, 1.0) + noise_ts[current]
        q = towards * q_s / q_t.gather(1, current)
        q = q.masked_fill(q < self.min_p, 0.0)
        q = q / q.sum(1, keepdim=True)
        uniform = torch.rand(len(view.ids), generator=view.generator)[view.positions].to(q.device)
        running = q.cumsum(1)
        running[:, -1] = 1 + 1e-4
        tokens = torch.searchsorted(running, uniform[:, None], right=True)[:, 0].clamp(max=q.shape[1] - 1)
        return self.update(view, tokens.cpu(), t)


@dataclass
class Agreement:
    """The window's number of steps, and the best share of positions that held their likeliest token, and when."""

    steps: int
    best: float = -1.0
    best_step: int = 0
    settled: bool = False


@dataclass(frozen=True)
class GIDDSelfCorrection(Revises):
    """Improves a finished text: draws a token everywhere and writes the surest of those that differ (GIDD).

    With p = softmax(logits / temperature) and y drawn from p, the `tokens_per_step` largest p(y) where y is another
    token than stands are written.  The window is done after its share of `steps`, when y changes nothing, or when the
    share of positions that hold their likeliest token has not grown for `patience` steps.  The release tells its
    network that almost no noise is left (t = 0.01); a denoiser here is asked without a time.
    """

    for_few: ClassVar[bool] = True
    for_masks: ClassVar[bool] = False

    steps: Steps = 128
    temperature: TemperatureAbove0 = 0.1  # at 0 nothing but the likeliest token would ever be drawn
    tokens_per_step: TokensAStep = 1
    patience: Patience = 32

    def begin(self, view: View, before: object) -> Agreement:
        return Agreement(view.share_of(self.steps))

    def finished(self, view: View, state: Agreement) -> bool:
        return state.settled or view.step >= state.steps

    def __call__(self, view: View, state: Agreement) -> Update:
        logits, inside = view.logits.clone(), view.in_window()
        if view.has_mask:
            logits[:, view.mask_token_id] = -1e6
        logits = tempered(logits, self.temperature)
        beliefs = believe(logits, 1)
        tokens = draw(logits, 1.0, view.generator)
        differ, score = inside & (tokens != view.current), beliefs.probability(tokens)
        rows = (differ & (score > 0)).nonzero()[:, 0]
        order = rows[score[rows].argsort(descending=True, stable=True)]
        reason = torch.where(inside, Reason.AGREES, Reason.OUTSIDE)
        reason[order] = ranked(len(order), (self.tokens_per_step, Reason.QUOTA), rest=Reason.BEYOND_QUOTA)
        agrees = int((beliefs.top_ids[:, 0] == view.current)[inside].sum()) / max(1, int(inside.sum()))
        if agrees > state.best:
            state.best, state.best_step = agrees, view.step
        state.settled = not len(order) or view.step - state.best_step >= self.patience
        info = {"agrees": agrees, "quota": self.tokens_per_step}
        score = only(score, order)
        return Update.because(tokens, reason, info=info, score=score, ranking=Ranking.PROPOSAL_CONFIDENCE)


@dataclass(frozen=True)
class SEDD(_EverywhereOnce):
    """Score entropy: the logits are log-ratios p(y) / p(x) to the token that stands (SEDD, arXiv 2310.16834).

    `graph` is "absorb" or "uniform", `predictor` "euler" or "analytic", `noise` "loglinear" or "geometric".  The last
    forward denoises once more, without the mask.  `predictor` is that of the release's script for samples; while it
    trains, it takes "euler".  `temperature` (1 in the paper) sharpens where a token goes and leaves how fast it goes:
    the ratios to other tokens are raised to 1 / temperature, and keep their sum.
    """

    for_few: ClassVar[bool] = True

    steps: ClockSteps = 128
    temperature: Temperature = 1.0
    graph: Literal["absorb", "uniform"] = "absorb"
    predictor: Literal["euler", "analytic"] = "analytic"
    noise: Literal["loglinear", "geometric"] = "loglinear"
    draws: Draws = "positions"

    def begin(self, view: View, before: object) -> int:
        if self.graph == "absorb" and not view.has_mask:
            raise ValueError("graph must be uniform for a model without a mask, got absorb")
        return self.share_of(self.steps, view)

    def _sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Total noise at t, and its rate."""
        if self.noise == "loglinear":
            return -torch.log1p(-(1 - 1e-3) * t), (1 - 1e-3) / (1 - (1 - 1e-3) * t)
        low, high = torch.tensor(1e-3), torch.tensor(20.0)
        total = low ** (1 - t) * high**t
        return total, total * (high.log() - low.log())

    def _score(self, view: View, sigma: Tensor) -> Tensor:
        logits = view.logits.float()
        if self.graph == "absorb":
            shift = torch.where(sigma < 0.5, torch.expm1(sigma), sigma.exp() - 1).log()
            logits = logits - shift - torch.log(torch.tensor(logits.shape[1] - 1.0))
        here = there(view, logits)
        if self.temperature != 1:
            others = logits.scatter(1, here, float("-inf"))
            logits = tempered(others, self.temperature).log_softmax(1) + others.logsumexp(1, keepdim=True)
        return logits.scatter(1, here, 0.0).exp()

    def _rates(self, view: View, score: Tensor) -> Tensor:
        """The reverse rates `(n, states)`, rows adding up to 0."""
        states, current = score.shape[1], there(view, score)
        if self.graph == "uniform":
            forward = torch.full_like(score, 1 / states).scatter(1, current, 1 / states - 1)
        else:
            # rate into x from y: only masks can have come from elsewhere
            is_mask = (current == view.mask_token_id).float()
            forward = is_mask.expand_as(score) - torch.zeros_like(score).scatter(1, current, 1.0)
        rates = (forward * score).scatter(1, current, 0.0)
        return rates.scatter(1, current, -rates.sum(1, keepdim=True))

    def _staggered(self, view: View, score: Tensor, d: Tensor) -> Tensor:
        states, current = score.shape[1], there(view, score)
        if self.graph == "uniform":
            shift = ((-d).exp() - 1) / (states * (-d).exp()) * score.sum(1, keepdim=True)
            move = (1 - (-d).exp()) / states
            transition = torch.full_like(score, 1.0) * move
            transition = transition.scatter(1, current, 0.0)
            transition = transition.scatter(1, current, 1 - transition.sum(1, keepdim=True))
            return (shift + score / (-d).exp()) * transition
        mask, staggered = view.mask_token_id, score * d.exp()
        staggered[:, mask] += (1 - d.exp()) * score.sum(1)
        edge = torch.zeros_like(score).scatter(1, current, 1.0) * (-d).exp()
        edge = edge + torch.where(current == mask, 1 - (-d).exp(), 0.0)
        return staggered * edge

    def __call__(self, view: View, steps: int) -> Update:
        i = view.step
        times = torch.linspace(1, FINAL_TIME, steps + 1)
        t, dt = times[min(i, steps)], (1 - FINAL_TIME) / steps
        sigma, rate = self._sigma(t)
        score = self._score(view, sigma)
        if i == steps:
            weights, states = self._staggered(view, score, sigma), torch.arange(score.shape[1])
            if self.graph == "absorb":
                states = states[states != view.mask_token_id]
                weights = weights[:, states]
            return self.update(view, states[self.pick(view, weights)], 0.0)
        if self.predictor == "euler":
            here = torch.zeros_like(score).scatter(1, there(view, score), 1.0)
            weights = here + dt * rate * self._rates(view, score)
        else:
            weights = self._staggered(view, score, sigma - self._sigma(t - dt)[0])
        return self.update(view, self.pick(view, weights), float(t))
