import numpy as np
import pytest
import torch

from dlm_core.autoregressive import autoregressive
from dlm_core.canvas import Canvas


@pytest.fixture
def canvas(bundled):
    return Canvas.from_prompt(bundled.encode_prompt("Once upon a time"), 12, bundled.mask_token_id)


def test_the_cache_changes_nothing_greedy_text_is_the_argmax_of_whole_forwards(bundled, canvas):
    run = list(autoregressive(bundled.model, canvas, banned=[bundled.mask_token_id]))
    final = torch.from_numpy(run[-1].after.copy())[None]
    opening = int(canvas.fixed.sum())
    logits = bundled.ar_logits(final)[0, opening - 1 : -1].clone()
    logits[:, bundled.mask_token_id] = float("-inf")
    assert logits.argmax(1).tolist() == final[0, opening:].tolist()
    for step, row in zip(run, logits):
        where = int(np.flatnonzero(step.written)[0])
        assert step.confidence[where] == pytest.approx(row.softmax(0).max().item(), rel=1e-3)


def test_steps_are_those_of_the_sampler_one_position_at_a_time(bundled, canvas):
    before = canvas.ids
    for index, step in enumerate(autoregressive(bundled.model, canvas, temperature=0.9, seed=3)):
        np.testing.assert_array_equal(step.before, before)
        assert step.forwards == index + 1
        assert step.measured.sum() == step.written.sum() == 1
        before = step.after


def test_the_same_seed_writes_the_same_text(bundled, canvas):
    texts = [
        [step.after.tolist() for step in autoregressive(bundled.model, canvas, temperature=1.0, seed=seed)][-1]
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_a_stop_token_ends_it(bundled, canvas):
    token = int(next(autoregressive(bundled.model, canvas)).after[canvas.fixed.sum()])
    assert len(list(autoregressive(bundled.model, canvas, stop_ids=[token]))) == 1


@pytest.mark.parametrize(
    ("ids", "fixed", "sentence"),
    [([1, 1], [False, False], "at least one fixed"), ([2, 1, 5], [True, False, True], "cannot look ahead")],
)
def test_what_autoregression_cannot_do_is_told_at_the_call(bundled, ids, fixed, sentence):
    with pytest.raises(ValueError, match=sentence):
        autoregressive(bundled.model, Canvas(np.array(ids), np.array(fixed)))


def test_a_negative_temperature_is_refused(bundled, canvas):
    with pytest.raises(ValueError, match="temperature"):
        autoregressive(bundled.model, canvas, temperature=-1)
