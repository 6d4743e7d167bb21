"""Laws of the loop and of every policy, over random policies, canvases and fixed patterns."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle
from stand_ins import MASK, STOP, VOCAB, both_orders

from dlm_core.canvas import Canvas, blocks
from dlm_core.denoiser import Banned, BlockCausal, Denoiser, TableDenoiser
from dlm_core.policies import POLICIES, make_policy, parameters
from dlm_core.sampler import sample

LENGTH = 12


TEMPERATURES = st.sampled_from([0.0, 0.6, 1.0])
DRAWS = st.sampled_from(["positions", "canvas"])
STEPS = st.integers(LENGTH // 2, LENGTH)
CAP = st.one_of(st.none(), STEPS)
# the parameters that matter for each policy of an absorbing process; what is not named keeps its default
PLANNED = {
    "llada": {
        "steps": STEPS, "temperature": TEMPERATURES, "remasking": st.sampled_from(["low_confidence", "random"]),
        "logits_eos_inf": st.booleans(), "confidence_eos_eot_inf": st.booleans(), "eos_id": st.just(STOP),
        "stop_ids": st.just((STOP, 3)),
    },
    "threshold": {"steps": STEPS, "temperature": TEMPERATURES, "threshold": st.floats(0, 1)},
    "fast_dllm": {
        "steps": STEPS, "threshold": st.one_of(st.none(), st.floats(0, 1)),
        "remasking": st.sampled_from(["low_confidence", "random"]),
    },
    "fast_dllm_factor": {"temperature": TEMPERATURES, "factor": st.floats(0, 3), "last_passes": st.booleans()},
    "eb": {"steps": STEPS, "temperature": TEMPERATURES, "gamma": st.floats(0, 5)},
    "mdlm": {"steps": STEPS, "temperature": TEMPERATURES},
    "left_to_right": {"steps": STEPS, "temperature": TEMPERATURES},
    "dream": {
        "steps": STEPS, "temperature": TEMPERATURES, "top_p": st.sampled_from([None, 0.8]),
        "top_k": st.sampled_from([None, 3]), "alg_temp": st.sampled_from([None, 0.5]),
        "alg": st.sampled_from(["origin", "maskgit_plus", "topk_margin", "entropy"]),
    },
    "llada2": {"steps": STEPS, "temperature": TEMPERATURES, "threshold": st.floats(0, 1), "top_k": st.integers(0, 5)},
    "sdar": {
        "denoising_steps": STEPS, "top_p": st.floats(0.5, 1),
        "remasking_strategy": st.sampled_from(["low_confidence_static", "low_confidence_dynamic", "sequential"]),
    },
    "klass": {
        "steps": STEPS, "temperature": TEMPERATURES, "conf_threshold": st.floats(0, 1), "kl_threshold": st.floats(0, 5),
        "unmask_strategy": st.sampled_from(["all", "max_conf", "min_kl", "random"]),
    },
    "pc_sampler": {"steps": STEPS, "temperature": TEMPERATURES, "lambd": st.floats(0, 2)},
    "dus": {
        "steps": CAP, "temperature": TEMPERATURES, "base": st.integers(2, 4), "confidence_threshold": st.floats(0, 1)
    },
    "d3llm": {
        "steps": CAP, "temperature": TEMPERATURES, "threshold": st.floats(0, 3), "block_size": st.integers(1, 6)
    },
    "dinfer": {
        "steps": CAP, "temperature": TEMPERATURES, "threshold": st.floats(0, 1),
        "decoder": st.sampled_from(["threshold", "credit", "hierarchy"]),
    },
    "dllm_mdlm": {
        "steps": STEPS, "temperature": TEMPERATURES, "scheduler": st.sampled_from(["linear", "cosine"]),
        "stochastic_transfer": st.booleans(), "suppress_tokens": st.sampled_from([None, (1, 2)]),
        "begin_suppress_tokens": st.sampled_from([None, (5, STOP)]),
    },
    "prophet": {"steps": STEPS, "answer_start_pos": st.integers(0, 7)},
    "bd3lm": {"steps": CAP, "temperature": TEMPERATURES, "nucleus_p": st.floats(0.3, 1)},
}  # fmt: skip
REVISING = {
    "llada21": {
        "steps": CAP, "threshold": st.floats(0, 1), "editing_threshold": st.floats(0, 1), "temperature": TEMPERATURES
    },
    "p2": {
        "num_steps": STEPS, "tau": TEMPERATURES, "eta": st.floats(0, 3),
        "kappa_fn": st.sampled_from(["linear", "sine", "geometric", "log", "poly2", "poly05"]),
    },
    "wino": {
        "steps": CAP, "threshold": st.floats(0, 1), "threshold_back": st.floats(0, 1), "temperature": TEMPERATURES
    },
    "remedi": {"steps": STEPS, "temperature": TEMPERATURES},
    "remdm": {
        "steps": STEPS, "temperature": TEMPERATURES, "eta": st.floats(0, 0.5), "nucleus_p": st.floats(0.3, 1),
        "sampler": st.sampled_from(["remdm-cap", "remdm-rescale", "remdm-conf", "remdm-loop", "mdlm"]),
    },
    "diffusers_block_refinement": {"num_inference_steps": STEPS, "editing_threshold": st.floats(0, 1)},
}  # fmt: skip
UNIFORM = {
    "duo": {
        "steps": STEPS, "temperature": TEMPERATURES, "noise_removal": st.sampled_from(["ancestral", "greedy"]),
        "p_nucleus": st.floats(0.2, 1),
        "low_mode": st.sampled_from(["pure-posterior", "pure-pc", "constant-0.5", "max-capped-0.2"]),
        "time_profile": st.sampled_from(["linear", "linear-constant-linear-0.4", "linear-constant-linear-0.9-inv"]),
        "high_frac": st.floats(0, 0.5), "middle_frac": st.floats(0, 0.5),
    },
    "sedd": {
        "steps": STEPS, "temperature": TEMPERATURES, "graph": st.just("uniform"),
        "predictor": st.sampled_from(["euler", "analytic"]),
    },
    "diffusion_gemma": {
        "max_denoising_steps": STEPS, "entropy_bound": st.floats(0, 3),
        "temperature": st.one_of(st.none(), TEMPERATURES),
    },
    "diffusers_entropy_bound": {"num_inference_steps": STEPS, "entropy_bound": st.floats(0, 3)},
    "diffusers_block_refinement": {"num_inference_steps": STEPS, "uniform": st.just(True)},
    "diffusers_discrete_ddim": {"num_inference_steps": STEPS, "temperature": TEMPERATURES},
}  # fmt: skip
SPLICING = {
    "dreamon": {
        "steps": STEPS, "temperature": TEMPERATURES, "expand_id": st.integers(0, VOCAB - 2), "eos_id": st.just(STOP),
        "alg_temp": st.sampled_from([None, 0.2]), "top_k": st.sampled_from([None, 3]),
        "expand_budget": st.integers(0, 6), "pad_eos_to_right": st.booleans(), "delete_eos_token": st.booleans(),
        "alg": st.sampled_from(["entropy", "topk_margin", "maskgit_plus"]),
    }
}  # fmt: skip
MIXED = {
    "gidd": {"num_denoising_steps": STEPS, "temperature": TEMPERATURES, "p_uniform": st.floats(0, 0.5)},
    "gidd_self_correction": {
        "steps": STEPS, "temperature": st.sampled_from([0.1, 1.0]), "tokens_per_step": st.integers(1, 3),
        "patience": st.integers(1, 8),
    },
    "sedd": {
        "steps": STEPS, "temperature": TEMPERATURES, "graph": st.just("absorb"),
        "predictor": st.sampled_from(["euler", "analytic"]),
    },
}  # fmt: skip
DRAFTING = {
    "speculative": {
        "draft_length": st.integers(1, LENGTH), "temperature": TEMPERATURES, "steps": CAP,
        "stop_ids": st.sampled_from([None, (STOP, *range(6))]),
    },
}  # fmt: skip


@st.composite
def policies(draw, table):
    name = draw(st.sampled_from(sorted(table)))
    params = {parameter: draw(values) for parameter, values in table[name].items()}
    if "draws" in parameters(name):
        params["draws"] = draw(DRAWS)
    return name, params


def test_every_policy_is_in_a_table_of_laws():
    assert {*PLANNED, *REVISING, *UNIFORM, *SPLICING, *MIXED, *DRAFTING} == set(POLICIES)


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


many = settings(max_examples=150)
WINDOWS = st.sampled_from([None, blocks(0, LENGTH, 4), blocks(0, LENGTH, 6), [(3, 9)]])


@many
@given(policy=policies(PLANNED), canvas=canvases(), windows=WINDOWS, seed=st.integers(0, 2**40))
def test_laws_of_every_policy_that_writes_each_mask_once(network, policy, canvas, windows, seed):
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
        if name != "prophet":  # which also looks at the answer
            np.testing.assert_array_equal(step.measured, masked, "beliefs are about the masks, and about all of them")
            assert (step.top_ids[~masked] == -1).all()
        assert ((step.confidence[masked] >= 0) & (step.confidence[masked] <= 1)).all()
        ids = step.after
    if name != "prophet":  # which may end the run anywhere, and then has filled everything
        assert not ((ids == MASK) & ~canvas.fixed & inside).any(), "no mask is left in a window"
    # a step writes at least one mask, except where a clock of so many steps decides
    most = max(was_masked[inside].sum(), params["steps"] if name in ("dream", "mdlm") else 0)
    assert len(run) <= most + len(windows or [0]), "more forwards than masks or steps"

    again = list(sample(network(), canvas, make_policy(name, **params), windows=windows, seed=seed))
    assert [s.after.tolist() for s in again] == [s.after.tolist() for s in run], "the same seed gives the same run"


def _common_laws(denoiser, canvas, make, windows, seed, most):
    """Laws of any policy: fixed stays, steps join up and say what they did, the seed repeats, the end comes."""
    before_rng, ids = torch.get_rng_state(), canvas.ids
    run = list(sample(denoiser, canvas, make(), windows=windows, seed=seed))
    assert torch.equal(torch.get_rng_state(), before_rng), "the global random state was touched"
    for step in run:
        np.testing.assert_array_equal(step.before, ids, "steps must join up")
        np.testing.assert_array_equal(step.after[canvas.fixed], canvas.ids[canvas.fixed], "fixed never changes")
        told = step.written | step.blanked
        assert not (step.written & step.blanked).any()
        np.testing.assert_array_equal(step.after[~told], step.before[~told], "a change that no flag tells")
        ids = step.after
    assert len(run) <= most, "the run must end"
    again = list(sample(denoiser, canvas, make(), windows=windows, seed=seed))
    assert [s.after.tolist() for s in again] == [s.after.tolist() for s in run], "the same seed gives the same run"
    return ids


@many
@given(policy=policies(REVISING), canvas=canvases(), windows=WINDOWS, seed=st.integers(0, 2**40))
def test_laws_of_every_policy_that_revises(network, policy, canvas, windows, seed):
    name, params = policy
    denoiser, windows = network(), windows or [(0, LENGTH)]
    most = 6 * LENGTH * len(windows) + 40
    ids = _common_laws(denoiser, canvas, lambda: make_policy(name, **params), windows, seed, most)
    if name not in ("wino", "diffusers_block_refinement"):  # whose loops end on a count of steps
        inside = np.zeros(LENGTH, dtype=bool)
        for lo, hi in windows:
            inside[lo:hi] = True
        assert not ((ids == MASK) & ~canvas.fixed & inside).any(), "no mask is left in a window"


@many
@given(
    policy=policies(UNIFORM),
    seed=st.integers(0, 2**40),
    pinned=st.lists(st.booleans(), min_size=LENGTH, max_size=LENGTH),
)
def test_laws_of_every_policy_over_uniform_noise(policy, seed, pinned):
    name, params = policy

    def table(ids):
        return torch.from_numpy(oracle(ids.numpy(), seed=5, vocab=VOCAB, gain=12))

    ids = np.random.default_rng(seed).integers(0, VOCAB, LENGTH)
    canvas = Canvas(ids, np.array(pinned))
    _common_laws(TableDenoiser(table, VOCAB, None), canvas, lambda: make_policy(name, **params), None, seed, LENGTH + 1)


@many
@given(policy=policies(MIXED), canvas=canvases(), seed=st.integers(0, 2**40))
def test_laws_of_every_policy_over_mixed_noise(policy, canvas, seed):
    name, params = policy

    def table(ids):
        return torch.from_numpy(oracle(ids.numpy(), seed=5, vocab=VOCAB, gain=4))

    _common_laws(TableDenoiser(table, VOCAB, MASK), canvas, lambda: make_policy(name, **params), None, seed, LENGTH + 1)


@many
@given(policy=policies(SPLICING), canvas=canvases(), windows=WINDOWS, seed=st.integers(0, 2**40))
def test_laws_of_every_policy_that_splices(network, policy, canvas, windows, seed):
    name, params = policy
    windows = windows or [(0, LENGTH)]
    run = list(sample(network(), canvas, make_policy(name, **params), windows=windows, seed=seed))
    ids, fixed, grown = canvas.ids, canvas.fixed, 0
    for step in run:
        np.testing.assert_array_equal(step.before, ids, "steps must join up")
        assert len(step.after) == step.copies.sum()
        np.testing.assert_array_equal(step.copies[fixed], 1, "fixed positions are not spliced")
        np.testing.assert_array_equal(step.after[fixed.repeat(step.copies)], step.before[fixed], "fixed never changes")
        told = step.written | (step.copies != 1)
        np.testing.assert_array_equal(step.left[~told], step.before[~told], "a change that no flag tells")
        assert (step.after[(step.copies > 1).repeat(step.copies)] == MASK).all(), "new room is masks"
        assert not (step.written & (step.copies != 1)).any()
        ids, fixed, grown = step.after, fixed.repeat(step.copies), grown + int((step.copies > 1).sum())
    assert grown <= params["expand_budget"], "room costs budget"
    assert (ids[fixed] == canvas.ids[canvas.fixed]).all()
    again = list(sample(network(), canvas, make_policy(name, **params), windows=windows, seed=seed))
    assert [s.after.tolist() for s in again] == [s.after.tolist() for s in run], "the same seed gives the same run"


PROMPTED = Canvas.from_prompt([1, 2], LENGTH - 2, MASK)
AFTER_PROMPT = st.sampled_from([None, blocks(2, LENGTH, 5), [(2, 3), (3, 9)]])


@settings(max_examples=50)
@given(policy=policies(DRAFTING), windows=AFTER_PROMPT, seed=st.integers(0, 2**40))
def test_laws_of_every_policy_that_drafts(policy, windows, seed):
    name, params = policy
    ids = _common_laws(
        both_orders(gain=4), PROMPTED, lambda: make_policy(name, **params), windows, seed, params["steps"] or 2 * LENGTH
    )
    written = ids[: (windows or [(0, LENGTH)])[-1][1]]
    assert MASK not in written or np.isin(written, params["stop_ids"] or ()).any(), "a text that has not ended is whole"


ORDERLY = ("llada", "threshold", "fast_dllm", "eb", "left_to_right", "llada2", "klass", "pc_sampler")


@many
@given(policy=policies({name: PLANNED[name] for name in ORDERLY}), seed=st.integers(0, 99))
def test_a_block_causal_denoiser_makes_earlier_blocks_blind_to_later_ones(network, policy, seed):
    name, params = policy
    ends = []
    for tail in (3, 7):
        ids = np.full(LENGTH, MASK)
        ids[-2:] = tail
        canvas = Canvas(ids, ids != MASK)
        if "temperature" in params:
            params["temperature"] = 0.0
        if params.get("remasking") == "random":
            return  # its random numbers depend on how many positions are open
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


@dataclass
class OneAtATime:
    """Any denoiser, but asked about nothing outside the window at work."""

    denoiser: Denoiser
    windows: list = field(default_factory=list)
    vocab_size, mask_token_id = VOCAB, MASK

    def focus(self, lo, hi):
        self.windows.append((lo, hi))
        return slice(lo, hi)

    def __call__(self, ids, positions):
        return self.denoiser(ids, positions)


def test_a_denoiser_that_works_on_a_window_is_told_which_and_asked_about_no_other_position(network):
    canvas, windows = Canvas.from_prompt([1, 2], 12, MASK), [(2, 8), (8, 14)]
    block_causal, policy = BlockCausal(network(), 6, start=2), make_policy("llada", steps=6)
    narrowing = OneAtATime(block_causal)
    wide = list(sample(block_causal, canvas, policy, windows=windows))
    narrow = list(sample(Banned(narrowing, []), canvas, policy, windows=windows))
    assert narrowing.windows == [step.window for step in narrow]
    assert [step.after.tolist() for step in narrow] == [step.after.tolist() for step in wide]
    for step in narrow:
        measured = (step.predicted >= 0).nonzero()[0]
        assert step.window[0] <= measured.min() <= measured.max() < step.window[1]
    assert (wide[0].predicted >= 0).nonzero()[0].max() == 13
