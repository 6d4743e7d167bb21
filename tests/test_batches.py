"""Several canvases in one forward give the steps that each gives alone."""

from dataclasses import dataclass, field, fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import MASK, STOP, VOCAB
from test_sampler import LENGTH, MIXED, PLANNED, REVISING, SPLICING, canvases, policies

from dlm_core.canvas import Canvas, blocks
from dlm_core.denoiser import Banned, Denoiser
from dlm_core.models.networks import FullAttention, WindowCache
from dlm_core.policies import make_policy
from dlm_core.sampler import sample, sample_many
from dlm_core.step import Step


@dataclass
class Watched:
    """Any denoiser, with the number of rows in each of its calls."""

    denoiser: Denoiser
    rows: list = field(default_factory=list)
    vocab_size, mask_token_id = VOCAB, MASK

    def __call__(self, ids, positions):
        self.rows.append(len(ids))
        return self.denoiser(ids, positions)


def assert_equal(together, alone):
    """Every field of every step to the bit, but for the seconds."""
    assert len(together) == len(alone)
    for one, other in zip(together, alone):
        for each in fields(Step):
            if each.name != "seconds":
                np.testing.assert_array_equal(getattr(one, each.name), getattr(other, each.name), each.name)


@settings(max_examples=150)
@given(
    policy=policies({**PLANNED, **REVISING, **MIXED, **SPLICING}),
    many=st.lists(st.tuples(canvases(), st.integers(0, 2**40)), min_size=1, max_size=4),
    windows=st.sampled_from([None, blocks(0, LENGTH, 4), [(3, 9)]]),
    order=st.sampled_from(["one after another", "side by side"]),
)
def test_several_canvases_at_once_give_the_steps_that_each_gives_alone(network, policy, many, windows, order):
    name, params = policy
    windows = None if name in MIXED else windows
    where, seeds = zip(*many)
    runs = sample_many(network(), where, make_policy(name, **params), windows=windows, seeds=seeds)
    taken = [[] for _ in runs]
    if order == "one after another":
        taken = [[*run] for run in runs]
    else:
        going = dict(enumerate(runs))
        while going:
            for number, run in [*going.items()]:
                if (step := next(run, None)) is None:
                    del going[number]
                else:
                    taken[number].append(step)
    for steps, canvas, seed in zip(taken, where, seeds):
        alone = sample(network(), canvas, make_policy(name, **params), windows=windows, seed=seed)
        assert_equal(steps, [*alone])


def test_a_run_that_finishes_or_is_closed_leaves_the_batch(network):
    denoiser = Watched(network())
    where = [Canvas.from_prompt([1, 2], 10, MASK), Canvas.from_prompt(range(9), 3, MASK)] + [
        Canvas.from_prompt([seed], 11, MASK) for seed in (3, 4)
    ]
    long, short, stopped, unread = sample_many(denoiser, where, make_policy("left_to_right", steps=12))
    unread.close()
    next(long), next(stopped)
    stopped.close()
    assert len([*long]) == 9
    assert denoiser.rows == [3] + 2 * [2] + 7 * [1]
    assert next(stopped, None) is None
    assert next(unread, None) is None
    assert len([*short]) == 3, "steps that were made are there to be taken"
    assert len(denoiser.rows) == 10


def test_canvases_of_several_lengths_are_asked_about_by_length(network):
    denoiser = Watched(network())
    where = [Canvas.from_prompt([1], length, MASK) for length in (4, 6, 4)]
    runs = sample_many(denoiser, where, make_policy("llada", steps=2))
    assert [len([*run]) for run in runs] == [2, 2, 2]
    assert denoiser.rows == [2, 1] * 2


@dataclass(frozen=True)
class Failing:
    """A policy that fails at its second step, on a canvas that begins with 9."""

    inner: object

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __call__(self, view, state):
        if view.step == 1 and view.ids[0] == 9:
            raise ValueError("a rule that broke")
        return self.inner(view, state)


def test_a_run_that_fails_fails_alone_and_after_its_steps(network):
    where = [Canvas.from_prompt([first], 6, MASK) for first in (9, 1)]
    broken, whole = sample_many(network(), where, Failing(make_policy("llada", steps=3)))
    assert len([*whole]) == 3
    next(broken)
    with pytest.raises(ValueError, match="a rule that broke"):
        next(broken)


def test_a_denoiser_that_fails_ends_every_run_and_none_goes_on_without_an_answer(network):
    answers = [network(), network()]

    def unreliable(ids, positions):
        return answers.pop()(ids, positions)

    denoiser = Watched(unreliable)
    runs = sample_many(denoiser, [Canvas.from_prompt([1], 6, MASK)] * 2, make_policy("llada", steps=3))
    for run in runs:
        assert len([next(run), next(run)]) == 2
        with pytest.raises(IndexError):
            next(run)
    assert len(denoiser.rows) == 3
    (alone,) = sample_many(denoiser, [Canvas.from_prompt([1], 6, MASK)], make_policy("llada", steps=3))
    for _ in range(2):
        with pytest.raises(IndexError):
            next(alone)
    assert len(denoiser.rows) == 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seeds": [1]}, "a seed of its own, got 1 for 2 canvases"),
        ({"seeds": [1, -1]}, "seed"),
        ({"canvases": [Canvas([1], [False]), Canvas([999], [False])]}, "token ids"),
        ({"denoiser": Banned(WindowCache(FullAttention(None, MASK)), [])}, "with a denoiser of its own"),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(network, change, sentence, monkeypatch):
    monkeypatch.setattr(FullAttention, "vocab_size", VOCAB)
    given = {"denoiser": network(), "canvases": [Canvas.from_prompt([], 6, MASK)] * 2}
    with pytest.raises(ValueError, match=sentence):
        sample_many(policy=make_policy("llada", steps=6), **(given | change))


def test_no_canvas_is_no_run_and_a_single_one_needs_no_batch(network):
    assert sample_many(network(), [], make_policy("llada", steps=6)) == []
    cached = Banned(WindowCache(Watched(network())), [])
    assert len(sample_many(cached, [Canvas.from_prompt([STOP], 6, MASK)], make_policy("llada", steps=6))) == 1


def test_the_bundled_model_writes_in_a_batch_what_it_writes_alone(bundled):
    """A matrix product of more rows may round its last digits otherwise: the same words, and logits near the same."""
    prompts = [bundled.encode_prompt(prompt) for prompt in ("Once upon a time", "The dog", "One day, Tom and")]
    where = [bundled.canvas(ids, total - len(ids)) for ids, total in zip(prompts, (30, 30, 40))]
    policy, near = make_policy("threshold", threshold=0.7), {"atol": 1e-3, "rtol": 1e-4}
    together = [[*run] for run in sample_many(bundled.denoiser, where, policy)]
    for seed, (steps, canvas) in enumerate(zip(together, where)):
        alone = [*sample(bundled.denoiser, canvas, policy, seed=seed)]
        assert [step.after.tolist() for step in steps] == [step.after.tolist() for step in alone]
        for one, other in zip(steps, alone):
            for name in ("confidence", "entropy", "score"):
                np.testing.assert_allclose(getattr(one, name), getattr(other, name), **near)
    ids, every = torch.tensor(np.stack([where[0].ids, where[1].ids])), torch.arange(30)
    with torch.inference_mode():
        rows = torch.cat([bundled.denoiser(row[None], every) for row in ids])
        torch.testing.assert_close(bundled.denoiser(ids, every), rows, **near)
