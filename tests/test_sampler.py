"""Laws of the loop and of every policy, over random policies, canvases and fixed patterns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import MASK, VOCAB

from dlm_core.canvas import Canvas, blocks
from dlm_core.denoiser import BlockCausal, TableDenoiser
from dlm_core.policies import POLICIES, make_policy, parameters
from dlm_core.sampler import sample

LENGTH = 12


@st.composite
def policies(draw):
    name = draw(st.sampled_from(sorted(POLICIES)))
    params = {"temperature": draw(st.sampled_from([0.0, 0.6, 1.0]))}
    params["steps"] = draw(st.integers(LENGTH // 2, LENGTH))
    if "draws" in parameters(name):
        params["draws"] = draw(st.sampled_from(["positions", "canvas"]))
    if name == "llada":
        params["remasking"] = draw(st.sampled_from(["low_confidence", "random"]))
    if name == "threshold":
        params["threshold"] = draw(st.floats(0, 1))
    if name == "fast_dllm":
        params["threshold"] = draw(st.one_of(st.none(), st.floats(0, 1)))
    if name == "eb":
        params["gamma"] = draw(st.floats(0, 5))
    return name, params


@st.composite
def canvases(draw):
    """Some positions pinned to tokens, some pinned to the mask itself, the rest masked or open."""
    kinds = draw(
        st.lists(
            st.sampled_from(["mask", "mask", "mask", "pinned", "pinned mask", "open"]), min_size=LENGTH, max_size=LENGTH
        )
    )
    ids = [MASK if "mask" in kind else draw(st.integers(0, VOCAB - 2)) for kind in kinds]
    return Canvas(np.array(ids), np.array(["pinned" in kind for kind in kinds]))


many = settings(max_examples=150, deadline=None)
WINDOWS = st.sampled_from([None, blocks(0, LENGTH, 4), blocks(0, LENGTH, 6), [(3, 9)]])


@many
@given(policy=policies(), canvas=canvases(), windows=WINDOWS, seed=st.integers(0, 2**40))
def test_laws_that_hold_for_every_policy(network, policy, canvas, windows, seed):
    name, params = policy
    before_rng = torch.get_rng_state()
    run = list(sample(network(), canvas, make_policy(name, **params), windows=windows, seed=seed))
    assert torch.equal(torch.get_rng_state(), before_rng), "the global random state was touched"

    inside = np.zeros(LENGTH, dtype=bool)
    for lo, hi in windows or [(0, LENGTH)]:
        inside[lo:hi] = True
    was_masked = (canvas.ids == MASK) & ~canvas.fixed
    ids = canvas.ids
    for index, step in enumerate(run):
        assert step.index == index
        assert step.forwards == index + 1, "a step is yielded after every forward"
        np.testing.assert_array_equal(step.before, ids, "steps must join up")
        np.testing.assert_array_equal(step.after[canvas.fixed], canvas.ids[canvas.fixed], "fixed never changes")
        masked = (step.before == MASK) & ~canvas.fixed
        assert not (step.written & ~masked).any(), "only masks may be written by a policy that does not revise"
        assert not (step.written & ~inside).any(), "nothing outside the windows is written"
        np.testing.assert_array_equal(step.after[~step.written], step.before[~step.written])
        np.testing.assert_array_equal(step.after[step.written], step.predicted[step.written])
        np.testing.assert_array_equal(step.measured, masked, "beliefs are about the masks, and about all of them")
        assert ((step.confidence[masked] >= 0) & (step.confidence[masked] <= 1)).all()
        assert (step.top_ids[~masked] == -1).all()
        ids = step.after
    assert not ((ids == MASK) & ~canvas.fixed & inside).any(), "no mask is left in a window"
    assert len(run) <= was_masked[inside].sum() + len(windows or [0]), "more forwards than masks"

    again = list(sample(network(), canvas, make_policy(name, **params), windows=windows, seed=seed))
    assert [s.after.tolist() for s in again] == [s.after.tolist() for s in run], "the same seed gives the same run"


@many
@given(policy=policies(), seed=st.integers(0, 99))
def test_a_block_causal_denoiser_makes_earlier_blocks_blind_to_later_ones(network, policy, seed):
    name, params = policy
    ends = []
    for tail in (3, 7):
        ids = np.full(LENGTH, MASK)
        ids[-2:] = tail
        canvas = Canvas(ids, ids != MASK)
        params["temperature"] = 0.0
        if name == "mdlm" or params.get("remasking") == "random":
            return  # their random numbers depend on how many positions are open
        run = list(
            sample(
                BlockCausal(network(), 4), canvas, make_policy(name, **params), windows=blocks(0, LENGTH, 4), seed=seed
            )
        )
        ends.append(run[-1].after[:8].tolist())
    assert ends[0] == ends[1]


@pytest.mark.parametrize("steps", [1, 3, 5, 12])
def test_llada_takes_exactly_its_steps_and_splits_the_masks_evenly(network, steps):
    run = list(sample(network(), Canvas.from_prompt([1], 12, MASK), make_policy("llada", steps=steps)))
    counts = [int(s.written.sum()) for s in run]
    assert len(counts) == steps
    assert max(counts) - min(counts) <= 1
    assert counts == sorted(counts, reverse=True)


def test_the_most_confident_masks_are_written_first(network):
    for step in sample(network(), Canvas.from_prompt([1, 2], 10, MASK), make_policy("llada", steps=5)):
        kept = step.confidence[step.measured & ~step.written]
        assert not kept.size or step.confidence[step.written].min() >= kept.max()


def test_a_higher_threshold_never_takes_fewer_forwards_on_a_table():
    table = torch.randn(20, VOCAB, generator=torch.Generator().manual_seed(0)) * 3
    table[:, MASK] = -1e9
    canvas = Canvas.from_prompt([], 20, MASK)
    counts = [
        len(list(sample(TableDenoiser(table, VOCAB, MASK), canvas, make_policy("threshold", threshold=t))))
        for t in (0.0, 0.2, 0.5, 0.9, 1.0)
    ]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, 20)


def test_a_larger_entropy_bound_never_takes_more_forwards_on_a_table():
    table = torch.randn(20, VOCAB, generator=torch.Generator().manual_seed(0)) * 3
    table[:, MASK] = -1e9
    counts = [
        len(
            list(
                sample(TableDenoiser(table, VOCAB, MASK), Canvas.from_prompt([], 20, MASK), make_policy("eb", gamma=g))
            )
        )
        for g in (0.0, 0.5, 2.0, 1e9)
    ]
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (20, 1)


def test_threshold_and_bound_keep_to_the_steps_they_are_given(network):
    for name, tight in (("threshold", {"threshold": 1.0}), ("eb", {"gamma": 0.0})):
        run = list(sample(network(), Canvas.from_prompt([], 12, MASK), make_policy(name, steps=4, **tight)))
        assert len(run) == 4


def test_left_to_right_reads_left_to_right(network):
    run = sample(network(), Canvas.from_prompt([1], 6, MASK), make_policy("left_to_right", steps=6))
    assert [int(np.flatnonzero(step.written)[0]) for step in run] == [1, 2, 3, 4, 5, 6]


def test_ancestral_sampling_leaves_the_share_of_masks_its_schedule_says():
    canvas = Canvas.from_prompt([], 4000, 3)
    table = torch.zeros(4000, 4)
    table[:, 3] = float("-inf")
    run = list(sample(TableDenoiser(table, 4, 3), canvas, make_policy("mdlm", steps=8), seed=1, top_k=2))
    for n, step in enumerate(run[:7], start=1):
        assert (step.after == 3).mean() == pytest.approx(1 - n / 8, abs=0.03)


def test_infilling_is_the_same_call_with_masks_anywhere(network):
    ids = np.array([1, MASK, 2, MASK, MASK, 3])
    run = list(sample(network(), Canvas(ids, ids != MASK), make_policy("llada", steps=3)))
    assert (run[-1].after[[0, 2, 5]] == [1, 2, 3]).all()
    assert MASK not in run[-1].after


def test_a_canvas_with_nothing_to_fill_costs_no_forward(network):
    canvas = Canvas(np.array([1, 2, 3]), np.array([True, False, False]))
    assert list(sample(network(), canvas, make_policy("llada", steps=4))) == []


def test_a_denoiser_that_proposes_the_mask_does_not_hang_the_loop():
    table = torch.zeros(5, 4)
    table[:, 3] = 9.0
    for name in ("threshold", "eb", "llada", "mdlm", "left_to_right"):
        policy = make_policy(name, **({"temperature": 0.0}), **({"steps": 5} if name != "mdlm" else {"steps": 2}))
        assert len(list(sample(TableDenoiser(table, 4, 3), Canvas.from_prompt([], 5, 3), policy, top_k=2))) <= 6


def test_steps_cannot_be_changed_by_whoever_watches(network):
    step = next(sample(network(), Canvas.from_prompt([1], 4, MASK), make_policy("llada", steps=2)))
    with pytest.raises(ValueError, match="read-only"):
        step.after[0] = 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"windows": [(0, 99)]}, "inside the canvas"),
        ({"windows": [(4, 6), (0, 2)]}, "left to right"),
        ({"windows": [(3, 3)]}, "inside the canvas"),
        ({"top_k": 0}, "top_k"),
        ({"seed": -1}, "seed"),
        ({"canvas": Canvas(np.array([999]), np.array([False]))}, "token ids"),
        ({"canvas": Canvas(np.array([]), np.array([]))}, "empty"),
        ({"policy": make_policy("llada", steps=1), "windows": blocks(0, 6, 2)}, "number of blocks"),
    ],
)
def test_wrong_arguments_are_told_at_the_call_and_not_at_the_first_step(network, change, sentence):
    arguments = {"canvas": Canvas.from_prompt([], 6, MASK), "policy": make_policy("llada", steps=6)} | change
    with pytest.raises(ValueError, match=sentence):
        sample(network(), **arguments)
