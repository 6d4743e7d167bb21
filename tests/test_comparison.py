import numpy as np
import pytest
from stand_ins import MASK, record

from dlm_core.canvas import Canvas
from dlm_core.comparison import kendall_tau, summarise
from dlm_core.engine import LocalEngine, Request
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
    assert row.hindsight is None


def test_tokens_taken_back_count_as_revisions(network):
    trace = record(network(), Canvas.from_prompt([1], 12, MASK), policy="p2", num_steps=24, eta=3.0)
    assert summarise(trace).revisions == sum(int(step.blanked.sum()) for step in trace.steps) > 0


def test_a_run_without_a_step_has_numbers_without_meaning_as_none():
    trace = Trace.begin(
        model={"name": "x", "vocab_size": 9, "mask": 0, "stop": []}, prompt="", canvas=[1], fixed=np.array([True]),
        policy={"name": "llada"}, windows=[(0, 1)], seed=0, top_k=1, versions={}, piece=str,
    )  # fmt: skip
    row = summarise(trace)
    assert (row.forwards, row.kendall_tau, row.commit_confidence) == (0, None, None)


def test_hindsight_is_the_probability_of_each_written_token_without_itself(bundled):
    engine = LocalEngine(bundled)
    trace = Trace.parse("".join(engine.run(Request("The cat", length=10, params={"steps": 10}))).encode())
    seen = engine.hindsight(trace)
    assert np.isnan(seen[trace.fixed]).all()
    assert ((seen[~trace.fixed] >= 0) & (seen[~trace.fixed] <= 1)).all()
    # the last token was written with everything else in place: for it, hindsight is its confidence
    last = int(np.flatnonzero(trace.steps[-1].written)[0])
    assert seen[last] == pytest.approx(float(trace.steps[-1].confidence[last]), abs=1e-4)
