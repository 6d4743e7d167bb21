import numpy as np
import pytest
from stand_ins import MASK, record

from dlm_core.canvas import Canvas
from dlm_core.engine import LocalEngine, Request
from dlm_core.metrics import READABLE_WORDS, kendall_tau, race_result, summarise
from dlm_core.step import Step
from dlm_core.trace import Trace


@pytest.mark.parametrize(
    ("order", "tau"),
    [
        ([0, 1, 2, 3], 1.0),
        ([3, 2, 1, 0], -1.0),
        ([5, 5, 5], None),
        ([0, 0, 1, 1], 1.0),
        ([0, 2, 1], 1 / 3),
        ([1, 0], -1.0),
    ],
)
def test_kendall_tau_is_one_for_reading_order_and_counts_ties(order, tau):
    found = kendall_tau(np.array(order))
    assert found is None if tau is None else found == pytest.approx(tau)


def test_a_run_in_reading_order_has_tau_one_and_no_revisions(network):
    trace = record(network(), Canvas.from_prompt([1], 6, MASK), policy="left_to_right", steps=6)
    row = summarise(trace)
    assert (row.forwards, row.tokens_per_forward, row.kendall_tau, row.revisions) == (6, 1.0, 1.0, 0)
    sure = [float(step.confidence[step.written][0]) for step in trace.steps]
    assert row.commit_confidence == pytest.approx(np.mean(sure))
    assert row.pseudo_likelihood is None


def test_tokens_taken_back_count_as_revisions(network):
    trace = record(network(), Canvas.from_prompt([1], 12, MASK), policy="p2", num_steps=24, eta=3.0)
    assert summarise(trace).revisions == sum(int(step.blanked.sum()) for step in trace.steps) > 0


def test_a_token_counts_once_however_often_it_was_written(network):
    trace = record(network(), Canvas.from_prompt([1], 12, MASK), policy="p2", num_steps=24, eta=3.0)
    standing = 12 - trace.masks_left()[-1]
    assert summarise(trace).tokens_per_forward == standing / trace.steps[-1].forwards
    assert sum(int(step.written.sum()) for step in trace.steps) > standing
    assert f"{standing / trace.steps[-1].forwards:.2f} tokens per forward" in trace.summary()


def test_a_run_without_a_step_has_numbers_without_meaning_as_none():
    trace = Trace.begin(
        model={"name": "x", "vocab_size": 9, "mask": 0, "stop": []}, prompt="", canvas=[1], fixed=np.array([True]),
        policy={"name": "llada"}, windows=[(0, 1)], seed=0, top_k=1, versions={}, piece=str,
    )  # fmt: skip
    row = summarise(trace)
    assert (row.forwards, row.kendall_tau, row.commit_confidence) == (0, None, None)


def test_pseudo_likelihood_is_the_probability_of_each_written_token_without_itself(bundled):
    engine = LocalEngine(bundled)
    trace = Trace.parse("".join(engine.run(Request("The cat", length=10, params={"steps": 10}))).encode())
    seen = engine.pseudo_likelihood(trace)
    assert np.isnan(seen[trace.fixed]).all()
    assert ((seen[~trace.fixed] >= 0) & (seen[~trace.fixed] <= 1)).all()
    # the last token was written with everything else in place: its pseudo-likelihood is its confidence
    last = int(np.flatnonzero(trace.steps[-1].written)[0])
    assert seen[last] == pytest.approx(float(trace.steps[-1].confidence[last]), abs=1e-4)


WORDS = {1: " a", 2: " b", 3: "c", 0: "", 9: ""}  # 3 goes on with the word before it


def told(writes, length, seconds=1.0):
    """A run behind one fixed position: `writes` are {position: token} of every step; 9 is the mask, 0 ends the text."""
    trace = Trace.begin(
        model={"name": "x", "vocab_size": 10, "mask": 9, "stop": [0]}, prompt="", canvas=[1] + [9] * length,
        fixed=np.arange(length + 1) == 0, policy={"name": "x"}, windows=[(1, length + 1)], seed=0, top_k=1,
        versions={}, piece=WORDS.get,
    )  # fmt: skip
    ids = np.array([1] + [9] * length)
    for index, write in enumerate(writes):
        before, ids, flags = ids, ids.copy(), np.zeros(length + 1, dtype=bool)
        for position, token in write.items():
            ids[position], flags[position] = token, True
        nothing = np.full(length + 1, np.nan)
        trace.append(
            Step(
                index=index, window=(1, length + 1), before=before, after=ids, predicted=np.full(length + 1, -1),
                confidence=nothing, entropy=nothing, top_ids=np.full((length + 1, 1), -1),
                top_probs=nothing[:, None], written=flags, blanked=np.zeros(length + 1, dtype=bool),
                    copies=np.ones(length + 1, dtype=int),
                forwards=index + 1, seconds=(index + 1) * seconds,
            )
        )  # fmt: skip
    return trace


def test_readable_is_when_the_first_words_stand_and_never_change_again():
    words = {i: 1 for i in range(1, READABLE_WORDS + 1)}
    late, last = READABLE_WORDS + 1, READABLE_WORDS + 2
    assert race_result(told([words, {late: 2}, {last: 2}], last)).readable == 1.0, "what comes behind does not count"
    assert race_result(told([words, {2: 2}, {late: 2}, {last: 2}], last)).readable == 2.0, "a word was still to change"
    assert race_result(told([words, {late: 3}, {last: 2}], last)).readable == 2.0, "the last word was not whole"
    assert race_result(told([{1: 1}, {2: 1}], 2)).readable == 2.0, "a short text is readable when it stands"
    assert race_result(told([{1: 1, 3: 1}], 4)).readable is None, "a mask stands in between"


def test_speed_counts_the_text_and_not_what_stands_behind_its_end():
    row = race_result(told([{1: 1, 2: 0}, {3: 0, 4: 2}], 4, seconds=0.5))
    assert (row.tokens, row.seconds, row.tokens_per_second, row.forwards) == (2, 1.0, 2.0, 2)


def test_quality_is_minus_log_probability_over_characters_of_the_text():
    trace = told([{1: 1, 2: 2, 3: 0, 4: 2}], 4)
    seen = np.array([np.nan, 0.5, 0.25, 0.5, 0.001])
    nats = -np.log(0.5 * 0.25 * 0.5) / 4
    assert race_result(trace, autoregressive_likelihood=seen).autoregressive_nll == pytest.approx(nats)
    assert race_result(trace).pseudo_nll is None
    assert race_result(trace, pseudo_likelihood=np.full(5, np.nan)).pseudo_nll is None
