"""The recorded reason of every row is what the published rule says of its recorded score and numbers."""

import re
from collections.abc import Callable, Mapping
from math import isnan

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracle import oracle
from stand_ins import BLANK, EVERY, HALF, MASK, TEXT, VOCAB, both_orders
from test_sampler import (
    AFTER_PROMPT,
    DRAFTING,
    LENGTH,
    MIXED,
    PLANNED,
    PROMPTED,
    REVISING,
    SPLICING,
    UNIFORM,
    WINDOWS,
    canvases,
    policies,
)

from dlm_core import reasons
from dlm_core.autoregressive import autoregressive
from dlm_core.canvas import Canvas, blocks
from dlm_core.denoiser import Advised, TableDenoiser
from dlm_core.policies import POLICIES, Update, View, make_policy
from dlm_core.reasons import NO_REASON, Effect, Ranking, Reason, why
from dlm_core.sampler import sample
from dlm_core.step import Step
from dlm_core.words import languages

QUANTUM = 1e-4  # of sums of recorded numbers


class Row:
    """A row of a step, with what its reason may be judged by."""

    def __init__(self, step: Step, at: int) -> None:
        self.step, self.at, self.info, self.score = step, at, step.info, step.score[at]
        self.ahead, self.level = int((step.score > self.score).sum()), int((step.score == self.score).sum())
        self.is_mask = step.before[at] == MASK

    def count(self, reason: Reason) -> int:
        return int((self.step.reason == reason).sum())

    def settled(self) -> int:
        return self.count(Reason.STABLE) + self.count(Reason.STABLE_WAITS)

    def within(self, most: float) -> bool:
        return self.ahead < most

    def beyond(self, most: float) -> bool:
        return self.ahead + self.level > most

    def among_passing(self, most: float) -> bool:
        """Within the best of the rows that a threshold judges: a rule may judge tokens that stand by another one."""
        judged = np.isin(self.step.reason, BY_THRESHOLD)
        return int((self.step.score[judged] > self.score).sum()) < most

    def lost(self) -> float:
        """H_1 + ... + H_k - max(H_1 ... H_k) up to this row, in order of entropy."""
        before = np.sort(-self.step.score[~np.isnan(self.step.score)])[: self.ahead + 1]
        return float(before.sum() - before.max())

    def inside(self) -> bool:
        lo, hi = self.step.window
        return lo <= self.at < hi

    def need(self) -> float:
        """What a factor asks of this rank, where ranks are not shared."""
        return 1 - self.info["factor"] / (self.ahead + 2)

    def kept(self) -> int:
        """How many drafted tokens a check left as they were."""
        return self.count(Reason.ACCEPTED) + self.count(Reason.KEPT_IN_TIME)

    def kept_enough(self) -> bool:
        return self.info["kept"] >= self.info["floor"] > 0

    def cut_short(self) -> bool:
        """Whether the last drafted token that was kept is an end of text: nothing is replaced or written after it."""
        return self.info["floor"] > 0 and self.info["kept"] < self.info["drafted"] and not self.count(Reason.REPLACED)

    def drawn_by_weight(self) -> bool:
        """Whether a quota was drawn; a row that was drawn may have become room, or have closed its gap."""
        drawn, spliced = self.count(Reason.WEIGHED_DRAW), (self.step.copies != 1).sum()
        return drawn <= self.info["quota"] <= drawn + spliced


BY_THRESHOLD = [
    Reason.THRESHOLD, Reason.FORCED, Reason.BELOW_THRESHOLD, Reason.BELOW_THRESHOLD_BACK, Reason.ALMOST_BEST,
]  # fmt: skip
LATER = [Reason.CLOSED_BLOCK, Reason.IN_TIME]
AGREES: Mapping[Reason, Callable[[Row], bool]] = {
    Reason.QUOTA: lambda r: r.within(r.info["quota"]),
    Reason.BEYOND_QUOTA: lambda r: r.beyond(r.info["quota"]),
    Reason.BEST: lambda r: r.is_mask and r.within(r.info["keep"]),
    Reason.KEPT_BEST: lambda r: not r.is_mask and r.within(r.info["keep"]),
    Reason.NOT_BEST: lambda r: r.is_mask and r.beyond(r.info["keep"]),
    Reason.NOT_BEST_BACK: lambda r: not r.is_mask and r.beyond(r.info["keep"]),
    Reason.THRESHOLD: lambda r: r.score >= r.info["threshold"],
    Reason.BELOW_THRESHOLD: lambda r: r.score <= r.info["threshold"],
    Reason.BELOW_THRESHOLD_BACK: lambda r: r.score <= r.info["threshold"],
    Reason.FORCED: lambda r: (
        r.score <= r.info["threshold"] and r.among_passing(r.info["floor"]) and r.info["passed"] < r.info["floor"]
    ),
    Reason.ALMOST_BEST: lambda r: np.nanmax(r.step.score) - 1.001e-5 <= r.score <= r.info["threshold"],
    Reason.LOW_ENTROPY: lambda r: -r.score <= r.info["threshold"],
    Reason.HIGH_ENTROPY: lambda r: -r.score > r.info["threshold"],
    Reason.FORCED_ENTROPY: lambda r: (
        -r.score > r.info["threshold"] and r.score == np.nanmax(r.step.score[~np.isin(r.step.reason, LATER)])
    ),
    Reason.FORCED_BLOCK: lambda r: -r.score > r.info["threshold"] and r.count(Reason.FORCED_BLOCK) == 1,
    Reason.IN_TIME: lambda r: r.step.written.sum() == r.info["floor"],
    Reason.FACTOR: lambda r: r.score >= r.need(),
    Reason.BELOW_FACTOR: lambda r: r.ahead and r.score < 1 - r.info["factor"] / (r.ahead + r.level + 1),
    Reason.FORCED_FACTOR: lambda r: r.within(r.info["floor"]),
    Reason.LAST_ONE: lambda r: r.score <= np.nanmin(r.step.score),
    Reason.ENTROPY_BOUND: lambda r: r.lost() <= r.info["gamma"] + QUANTUM,
    Reason.OVER_BOUND: lambda r: r.lost() >= r.info["gamma"] - QUANTUM or r.level > 1,
    Reason.BOUND_BACK: lambda r: r.lost() >= r.info["gamma"] - QUANTUM or r.level > 1,
    Reason.FORCED_BOUND: lambda r: r.within(r.info["floor"]) and r.beyond(r.info["passed"]),
    Reason.STABLE: lambda r: r.score > r.info["conf_threshold"],
    Reason.STABLE_WAITS: lambda r: r.score > r.info["conf_threshold"] and r.count(Reason.STABLE) == 1,
    Reason.UNSURE: lambda r: r.score <= r.info["conf_threshold"] and r.settled() == r.info["passed"] > 0,
    Reason.CHANGING: lambda r: r.score > r.info["conf_threshold"] and r.settled() == r.info["passed"] > 0,
    Reason.RUN_BEST: lambda r: r.info["low_threshold"] < r.score <= r.info["threshold"],
    Reason.COMB: lambda r: r.score >= r.info["threshold"],
    Reason.FINEST_COMB: lambda r: r.is_mask,
    Reason.OFF_COMB: lambda r: (r.is_mask and r.step.written.any()) or r.count(Reason.BELOW_THRESHOLD) > 0,
    Reason.EDIT: lambda r: r.score > r.info["editing_threshold"] and r.step.predicted[r.at] != r.step.before[r.at],
    Reason.UNSURE_EDIT: lambda r: (
        r.score <= r.info["editing_threshold"] and r.step.predicted[r.at] != r.step.before[r.at]
    ),
    Reason.AGREES: lambda r: r.step.predicted[r.at] == r.step.before[r.at],
    Reason.CAPPED: lambda r: r.score >= r.info["threshold"] and r.count(Reason.THRESHOLD) == r.info["most"],
    Reason.UNSUPPORTED: lambda r: (
        r.score < r.info["threshold_back"] and r.count(Reason.UNSUPPORTED) <= r.info["most_back"]
    ),
    Reason.SPARED: lambda r: r.score < r.info["threshold_back"] and r.count(Reason.UNSUPPORTED) == r.info["most_back"],
    Reason.SUPPORTED: lambda r: r.score >= r.info["threshold_back"],
    Reason.UNCHECKED: lambda r: not r.is_mask and r.step.written.sum() <= 1,
    Reason.DRAW: lambda r: r.count(Reason.DRAW) == r.info["quota"],
    Reason.NOT_DRAWN: lambda r: r.count(Reason.DRAW) == r.info["quota"],
    Reason.WEIGHED_DRAW: lambda r: r.drawn_by_weight(),
    Reason.NOT_DRAWN_WEIGHED: lambda r: r.drawn_by_weight(),
    Reason.EARLY_EXIT: lambda r: r.is_mask and r.info["gap"] >= r.info["exit"],
    Reason.SETTLED: lambda r: r.info["mean_entropy"] < r.info["confidence_threshold"],
    Reason.GIVEN: lambda r: isnan(r.score),
    Reason.STANDS: lambda r: not r.is_mask,
    Reason.COMMITTED: lambda r: isnan(r.score),
    Reason.CLOSED_BLOCK: lambda r: r.at - r.step.window[0] >= r.info["block_size"],
    Reason.OUTSIDE: lambda r: not r.inside(),
    Reason.FIXED: lambda r: not r.step.written[r.at],
    Reason.ROOM: lambda r: r.step.copies[r.at] > 1,
    Reason.CLOSED: lambda r: r.step.copies[r.at] == 0,
    Reason.BEHIND_END: lambda r: r.step.left[r.at] in r.step.left[: r.at],
    Reason.NEXT: lambda r: r.at == r.step.window[0],
    Reason.LAST_STEP: lambda r: r.inside(),
    Reason.DRAFTED: lambda r: r.is_mask and r.count(Reason.DRAFTED) == r.info["drafted"],
    Reason.ACCEPTED: lambda r: r.score > 0 and r.kept() == r.info["kept"],
    Reason.KEPT_IN_TIME: lambda r: r.score < 1 and r.kept() == r.info["kept"] and (r.kept_enough() or r.cut_short()),
    Reason.REPLACED: lambda r: r.score < 1 and r.kept() == r.info["kept"] < r.info["drafted"],
    Reason.EXTRA: lambda r: r.is_mask and r.kept() == r.info["kept"] == r.info["drafted"],
    Reason.DISCARDED: lambda r: isnan(r.score) and r.kept() == r.info["kept"] < r.info["drafted"],
} | {
    reason: lambda r: 0 < r.info["t"] <= 1
    for reason in Reason
    if reason.key.startswith(("chance", "weighed_back", "weighed_left", "posterior"))
}

MEASURED = {  # scores that the step has under another name as well
    Ranking.CONFIDENCE: lambda step: step.confidence,
    Ranking.ENTROPY: lambda step: -step.entropy,
    Ranking.POSITION: lambda step: -np.arange(len(step.before), dtype=float),
}


def judge(step: Step) -> None:
    """Every measured row has a reason; it fits what became of the row, and the score and numbers it speaks of."""
    assert ((step.reason != NO_REASON) == step.measured).all(), "a reason for every row, and for no other"
    effect = np.full(len(step.before), Effect.STAY)
    effect[step.written], effect[step.blanked], effect[step.copies != 1] = Effect.WRITE, Effect.BACK, Effect.SPLICE
    for at in step.measured.nonzero()[0]:
        reason, row = Reason(step.reason[at]), Row(step, at)
        assert reason.effect is effect[at], (at, reason, effect[at])
        assert AGREES[reason](row), (at, reason, row.score, dict(step.info))
        check_words(step, int(at))
    if step.ranking in MEASURED:
        ranked = ~np.isnan(step.score) & (
            step.before == MASK
        )  # a rule that judges tokens apart has another score there
        np.testing.assert_allclose(step.score[ranked], MEASURED[step.ranking](step)[ranked], rtol=1e-6)


def check_words(step: Step, at: int) -> None:
    """The phrase has every number it asks for, in every language, and nothing is left open."""
    sentence = why(step, at)
    assert not re.search(r"[{}]|nan", sentence), sentence
    names = reasons._numbers(step, at)
    for phrases in languages().values():
        phrases[f"reasons.{Reason(step.reason[at]).key}"].format_map(names)


def noisy(mask: int | None, gain: int = 4) -> TableDenoiser:
    return TableDenoiser(lambda ids: torch.from_numpy(oracle(ids.numpy(), seed=5, vocab=VOCAB, gain=gain)), VOCAB, mask)


many = settings(max_examples=200)
ABSORBING = {**PLANNED, **REVISING, **SPLICING}


def test_the_tables_hold_every_policy():
    assert {*ABSORBING, *UNIFORM, *MIXED, *DRAFTING} == set(POLICIES)


@many
@given(
    policy=policies(ABSORBING), canvas=canvases(), windows=WINDOWS, seed=st.integers(0, 2**40),
    gain=st.sampled_from([2, 5, 12, 40]),
)  # fmt: skip
def test_reasons_agree_with_the_rule_over_masks(network, policy, canvas, windows, seed, gain):
    name, params = policy
    for step in sample(network(gain=gain), canvas, make_policy(name, **params), windows=windows, seed=seed):
        judge(step)


SHORT_BY_AN_END = ("speculative", {"draft_length": 1, "temperature": 1.0, "steps": 6, "stop_ids": (46, *range(6))})


@settings(max_examples=40)
@example(policy=SHORT_BY_AN_END, windows=None, seed=2, gain=2)
@given(policy=policies(DRAFTING), windows=AFTER_PROMPT, seed=st.integers(0, 2**40), gain=st.sampled_from([2, 5, 12]))
def test_reasons_agree_with_the_rule_over_drafts(policy, windows, seed, gain):
    name, params = policy
    for step in sample(both_orders(gain=gain), PROMPTED, make_policy(name, **params), windows=windows, seed=seed):
        judge(step)


@many
@given(policy=policies(MIXED), canvas=canvases(), seed=st.integers(0, 2**40))
def test_reasons_agree_with_the_rule_over_mixed_noise(policy, canvas, seed):
    name, params = policy
    for step in sample(noisy(MASK), canvas, make_policy(name, **params), seed=seed):
        judge(step)


@many
@given(policy=policies(UNIFORM), seed=st.integers(0, 2**40), pinned=st.lists(st.booleans(), min_size=9, max_size=9))
def test_reasons_agree_with_the_rule_over_uniform_noise(policy, seed, pinned):
    name, params = policy
    canvas = Canvas(np.random.default_rng(seed).integers(0, MASK, len(pinned)), np.array(pinned))
    for step in sample(noisy(None, gain=12), canvas, make_policy(name, **params), seed=seed):
        judge(step)


SETTLED = [  # where the model always answers the same: a word, or an end of text
    (7, TEXT, "diffusion_gemma", {"stability_threshold": 1, "confidence_threshold": 0.1}),
    (7, BLANK, "dinfer", {"decoder": "threshold", "threshold": 1.0}),
    (25, BLANK, "dreamon", {"expand_id": 24, "eos_id": 25, "temperature": 0.0}),
    (25, BLANK, "dreamon", {"eos_id": 25, "delete_eos_token": False, "pad_eos_to_right": True, "temperature": 0.0}),
]
ANY_BLOCKS = blocks(0, LENGTH, 6)


def runs(network, gain):
    """Some steps of every setting."""
    for canvas, name, params in EVERY:
        policy = make_policy(name, **params)
        denoiser = network(gain=gain) if policy.for_masks else noisy(None if canvas is TEXT else MASK, gain)
        windows = ANY_BLOCKS if canvas is BLANK and name in ("llada", "threshold", "p2") else None
        yield from sample(denoiser, canvas, policy, windows=windows, seed=1)
    advised = Advised(network(gain=gain), network(seed=2, gain=gain))
    yield from sample(advised, BLANK, make_policy("p2", num_steps=5, planner=True), seed=1)
    for steps in (None, 6):
        policy = make_policy("speculative", draft_length=3, temperature=1.0, steps=steps)
        yield from sample(both_orders(gain=gain), BLANK, policy, seed=1)
    for token, canvas, name, params in SETTLED:
        policy, table = make_policy(name, **params), torch.zeros(LENGTH, VOCAB)
        table[:, token] = gain
        yield from sample(TableDenoiser(table, VOCAB, MASK if policy.for_masks else None), canvas, policy)


def test_some_policy_gives_every_reason_and_ranks_by_everything(network, bundled):
    steps = [step for gain in (3, 8, 40) for step in runs(network, gain)]
    steps += autoregressive(bundled.model, Canvas.from_prompt([5, 6], 2, bundled.mask_token_id))
    for step in steps:
        judge(step)
    given = {Reason(code) for step in steps for code in step.reason if code != NO_REASON}
    assert set(Reason) - given == set()
    assert set(Ranking) - {step.ranking for step in steps} - {""} == set()


def written(step: Step) -> int:
    """The position that a step wrote with the lowest score: the one whose reason is least plain."""
    scores = np.where(step.written, step.score, np.inf)
    return int(np.argmin(scores))


# --- what the page once told wrongly ---


def test_klass_says_settled_where_rows_were_and_names_no_quota(network):
    run = list(sample(network(gain=8), BLANK, make_policy("klass", steps=8, conf_threshold=0.1, kl_threshold=0.5)))
    step = next(step for step in run if step.info["passed"] > 1)
    assert step.written.sum() == step.info["passed"] > step.info["quota"]
    sentence = why(step, written(step))
    assert "is above 0.1" in sentence
    assert "changed by less than 0.5 nats in each of the last 2 steps" in sentence
    assert "quota" not in sentence


def test_prophet_says_that_the_answer_is_settled_when_it_writes_everything(network):
    exits = {"early": 0.01, "mid": 0.01, "late": 0.01}
    policy = make_policy("prophet", steps=10, answer_start_pos=2, early_exit_thresholds=exits)
    (step,) = sample(network(gain=8), BLANK, policy)
    assert step.written.sum() == 10
    for i in step.written.nonzero()[0]:
        assert re.fullmatch(r"The answer is settled: .* lie [\d.]+ logits apart on average, 0.01 .*", why(step, i))


def test_llada21_explains_a_rewritten_word_by_the_editing_threshold(network):
    policy = make_policy("llada21", threshold=0.6, editing_threshold=0.3)
    run = sample(network(gain=8), HALF, policy)
    step = next(step for step in run if (step.reason == Reason.EDIT).any())
    at = int((step.reason == Reason.EDIT).argmax())
    assert step.written[at]
    assert step.before[at] not in (MASK, step.after[at])
    assert re.fullmatch(r"The model gives the new word [\d.]+, more than the editing threshold of 0.3\.", why(step, at))


def test_d3llm_speaks_of_a_threshold_for_each_row_and_of_no_bound(network):
    run = sample(network(gain=12), BLANK, make_policy("d3llm", threshold=1.2, block_size=5))
    said = [why(step, i) for step in run for i in step.measured.nonzero()[0]]
    assert any(re.fullmatch(r"Its entropy of [\d.]+ nats is low enough: the threshold is 1.2 nats\.", s) for s in said)
    assert any("Its inner block of 5 has not opened yet" in s for s in said)
    assert not any("bound" in s for s in said)


def test_ranks_are_by_what_the_rule_ranks_by(network):
    for policy, params, noun in [
        ("pc_sampler", {"steps": 5, "lambd": 0.5}, "weight of"),
        ("dream", {"steps": 5, "alg": "topk_margin"}, "lead of"),
    ]:
        differ = 0
        for step in sample(network(gain=3), BLANK, make_policy(policy, **params)):
            for i in step.measured.nonzero()[0]:
                told = re.match(rf"Its {noun} [\d.]+[ ,].*ranks (\d+) of (\d+)", why(step, i))
                assert int(told[1]) == 1 + (step.score > step.score[i]).sum()
                assert int(told[2]) == step.measured.sum()
                differ += int(told[1]) != 1 + (step.confidence > step.confidence[i]).sum()
        assert differ, "the rule must rank otherwise than by confidence for this to say anything"


def test_every_reason_and_every_ranking_has_a_phrase_in_every_language():
    for phrases in languages().values():
        assert {key.removeprefix("reasons.") for key in phrases if key.startswith("reasons.")} == {
            reason.key for reason in Reason
        }
        assert {key.removeprefix("scores.") for key in phrases if key.startswith("scores.")} == {
            *(ranking.key for ranking in Ranking),
            "other",
        }


def test_what_the_user_fixed_stays_whatever_a_policy_says_and_the_step_says_so(network):
    class Vandal(type(make_policy("p2"))):
        def asks(self, view: View) -> torch.Tensor:
            return torch.ones_like(view.free)

        def __call__(self, view: View, state: int) -> Update:
            reason = torch.full_like(view.positions, Reason.NOT_BEST_BACK)
            reason[::2] = Reason.QUOTA
            return Update.because(torch.full_like(view.positions, 9), reason, info={"quota": 9, "keep": 0})

    canvas = Canvas([1, 2, 3, MASK, 5, MASK], [True, True, False, True, False, False])
    for step in sample(network(), canvas, Vandal(num_steps=2)):
        np.testing.assert_array_equal(step.after[canvas.fixed], canvas.ids[canvas.fixed])
        assert not (step.written | step.blanked)[canvas.fixed].any()
        assert (step.reason[canvas.fixed] == Reason.FIXED).all()
        assert "fixed" in why(step, 0)


def test_a_policy_that_gives_no_reasons_is_recorded_without_any(network):
    class Silent(type(make_policy("p2"))):
        def __call__(self, view: View, state: int) -> Update:
            return Update(view.beliefs.top_ids[:, 0], view.open_masks)

    step = next(sample(network(), BLANK, Silent(num_steps=1)))
    assert (step.reason == NO_REASON).all()
    assert np.isnan(step.score).all()
    assert why(step, 5) == "The reason was not recorded."


def test_numbers_beside_each_other_read_as_different_as_they_are():
    assert reasons._number(0.8996, {"threshold": 0.9}) == "0.8996"
    assert reasons._number(0.9, {"threshold": 0.9}) == "0.9"
    assert reasons._number(0.8996, {}) == "0.9"
    assert [reasons._number(x) for x in (0.005, 0.0123, 3, 0.125, -1.504)] == ["0.005", "0.0123", "3", "0.13", "-1.5"]
