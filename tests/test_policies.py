from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from stand_ins import MASK, VOCAB

from dlm_core.canvas import Canvas
from dlm_core.denoiser import TableDenoiser
from dlm_core.policies import POLICIES, make_policy, parameters
from dlm_core.policies.around import UntilEnd, Without
from dlm_core.policies.planned import Confidence, Gumbel, Planned, Prophet, StableOrQuota, Threshold
from dlm_core.policies.policy import View, even_split, having
from dlm_core.policies.splicing import Elastic
from dlm_core.reasons import Effect
from dlm_core.sampler import sample


@pytest.mark.parametrize(("total", "parts"), [(0, 3), (7, 7), (24, 7), (10, 16), (5, 1)])
def test_an_even_split_adds_up_and_puts_the_larger_shares_first(total, parts):
    shares = even_split(total, parts)
    assert sum(shares) == total
    assert len(shares) == parts
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_has_its_defaults_is_a_value_and_says_what_it_is(name):
    assert make_policy(name) == make_policy(name)
    assert POLICIES[name].__doc__


def test_an_unknown_policy_is_told_which_there_are():
    with pytest.raises(ValueError, match=r"unknown policy 'best': choose one of llada, threshold"):
        make_policy("best")


def test_an_unknown_parameter_is_told_which_there_are():
    with pytest.raises(ValueError, match=r"policy eb has no parameter 'threshold': it has gamma"):
        make_policy("eb", threshold=0.5)


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("llada", {"steps": 0}, "steps must be 1 or more, got 0"),
        ("llada", {"temperature": -0.1}, "temperature must be 0 or more"),
        ("llada", {"temperature": float("nan")}, "temperature must be a number of 0 or more, got nan"),
        ("llada", {"remasking": "best"}, "remasking must be one of"),
        ("llada", {"draws": "all"}, "draws must be"),
        ("threshold", {"threshold": 1.5}, "threshold must be between 0 and 1"),
        ("threshold", {"steps": -2}, "steps must be 1 or more"),
        ("eb", {"gamma": -1}, "gamma must be 0 or more"),
        ("dus", {"base": 1}, "base must be 2 or more, got 1"),
        ("dus", {"confidence_threshold": 2}, "confidence_threshold must be between 0 and 1"),
        ("gidd_self_correction", {"temperature": 0}, "temperature must be above 0"),
        ("gidd_self_correction", {"patience": 0}, "patience must be 1 or more, got 0"),
        ("mdlm", {"steps": 0}, "steps must be 1 or more"),
        ("mdlm", {"temperature": -1}, "temperature must be 0 or more"),
        ("mdlm", {"draws": "all"}, "draws must be"),
    ],
)
def test_a_parameter_out_of_range_names_the_rule(name, params, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_policy(name, **params)


def test_dus_opens_combs_that_grow_finer_and_a_last_forward_takes_what_was_put_back(network):
    canvas = Canvas.from_prompt([1, 2], 12, MASK)
    opened = lambda **params: [  # noqa: E731
        (np.flatnonzero(step.written) - 2).tolist()
        for step in sample(network(), canvas, make_policy("dus", **params), windows=[(2, 14)])
    ]
    assert opened(confidence_threshold=0) == [[0, 6], [3, 9], [1, 2, 4, 5, 7, 8, 10, 11]]
    assert opened(confidence_threshold=1) == [[], [], [1, 2, 4, 5, 7, 8, 10, 11], [0, 3, 6, 9]]
    assert opened(confidence_threshold=0, base=5) == [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]


def test_dus_spends_no_forward_on_a_comb_that_is_filled_already(network):
    ids = np.full(8, MASK)
    ids[[0, 4]] = 5
    run = list(sample(network(), Canvas(ids, ids != MASK), make_policy("dus", confidence_threshold=0)))
    assert [np.flatnonzero(step.written).tolist() for step in run] == [[2, 6], [1, 3, 5, 7]]


def peaked(length, best, seed=0, gap=4.0):
    """A table that likes token `best[i]` at position i."""
    table = torch.randn(length, VOCAB, generator=torch.Generator().manual_seed(seed)) * 0.1
    table[torch.arange(length), torch.tensor(best)] += gap
    return TableDenoiser(table, VOCAB, MASK)


def test_self_correction_climbs_to_the_likeliest_text_one_token_a_step_and_then_stops():
    best, start = list(range(8)), np.arange(8)
    start[[1, 4, 6]] = 40
    run = list(sample(peaked(8, best), Canvas(start, np.zeros(8, bool)), make_policy("gidd_self_correction")))
    assert [int((step.after == best).sum()) for step in run] == [6, 7, 8, 8]
    assert not run[-1].written.any(), "the step that changes nothing ends the run"


def test_self_correction_gives_up_when_no_position_gains():
    even = TableDenoiser(torch.zeros(8, VOCAB), VOCAB, MASK)
    run = list(sample(even, Canvas(np.arange(8), np.zeros(8, bool)), make_policy("gidd_self_correction", patience=5)))
    assert 6 <= len(run) < 128
    assert all(step.written.sum() == 1 for step in run)


@pytest.mark.parametrize("history", [1, 2, 3])
def test_klass_writes_the_rows_whose_every_recent_change_was_small_by_its_definition(history):
    random, length, steps = torch.Generator().manual_seed(history), 40, 8
    rule = StableOrQuota(steps, False, 0.4, 0.02, history)
    ids = torch.full((length,), MASK)
    denoiser = TableDenoiser(torch.zeros(length, VOCAB), VOCAB, MASK)
    view = View(ids, denoiser, ids == ids, ids == MASK, random, [(0, 20), (20, 40)])
    table = torch.randn(length, VOCAB, generator=random) * 3
    changes, before, passed = torch.full((length, history), torch.inf), torch.zeros(length, VOCAB).double(), 0
    state = None
    for view.window_index in (0, 1):
        state = rule.begin(view, state)
        for view.step in range(steps // 2):
            pace = 10 ** -(2 * torch.rand(length, 1, generator=random))
            table = table + pace * torch.randn(length, VOCAB, generator=random)
            view.positions = view.masked.nonzero()[:, 0]
            view.logits = table[view.positions]
            now = table.double().softmax(1)
            change = (now * ((now + 1e-12).log() - (before + 1e-12).log())).sum(1)
            changes, before = torch.cat([changes[:, 1:], change[:, None]], 1), now
            sure = now.amax(1)
            order = view.in_window().nonzero()[:, 0]
            reasons, info = rule(view, state, sure[view.positions], order)
            chosen = order[having(reasons, Effect.WRITE)]
            wanted = (changes < 0.02).all(1) & (sure > 0.4) & (torch.arange(length) < view.window[1]) & view.masked
            wanted &= view.step >= history - 1 and view.step < steps // 2 - 1
            passed += info["passed"]
            assert info["passed"] == wanted.sum()
            if wanted.any():
                assert torch.equal(view.positions[chosen], wanted.nonzero()[:, 0])
            view.masked = view.masked.clone()
            view.masked[view.positions[chosen]] = False
    assert passed > 0


# --- what a rule does at its edges ------------------------------------------------------------------------------------


def table(length, seed=0, gap=1.0):
    """Random logits `(length, VOCAB)` that never propose the mask."""
    logits = torch.randn(length, VOCAB, generator=torch.Generator().manual_seed(seed)) * gap
    logits[:, MASK] = -torch.inf
    return TableDenoiser(logits, VOCAB, MASK)


def masks(length):
    return Canvas(np.full(length, MASK), np.zeros(length, bool))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_without_rounds_of_edits_llada21_writes_every_mask_and_edits_nothing_after_the_last(network, temperature):
    policy = make_policy("llada21", max_post_steps=0, temperature=temperature)
    run = list(sample(network(), Canvas.from_prompt([1, 2], 12, MASK), policy, windows=[(2, 8), (8, 14)]))
    assert run
    assert not (run[-1].after == MASK).any()
    assert all((step.before[slice(*step.window)] == MASK).any() for step in run), "a step that saw no mask"


def test_a_denoiser_that_only_proposes_the_mask_comes_to_an_end_under_llada21():
    stubborn = TableDenoiser(torch.eye(VOCAB)[[MASK]].repeat(6, 1), VOCAB, MASK)
    assert len(list(sample(stubborn, masks(6), make_policy("llada21", max_post_steps=3)))) == 9


def test_prophet_goes_on_to_the_end_by_default():
    assert len(list(sample(peaked(12, range(12), gap=50), masks(12), make_policy("prophet", steps=12)))) == 12


@pytest.mark.parametrize(("start", "settled", "steps"), [
    (0, range(4, 12), 1),  # of 0 to 4 only 4 is generated, and it is settled
    (0, range(5, 12), 8),
    (10, range(10, 12), 1),  # of 10 to 14 only 10 and 11 are there
    (10, range(4, 10), 8),
    (12, range(4, 12), 8),  # none
    (None, range(4, 12), 8),
])  # fmt: skip
def test_prophet_reads_answer_positions_that_are_generated_and_no_others(start, settled, steps):
    logits = torch.zeros(12, VOCAB)
    logits[list(settled), 3] = 20.0
    logits[:4, 3] = 20.0  # whatever the model says of the prompt
    canvas = Canvas.from_prompt([1, 2, 1, 2], 8, MASK)
    policy = make_policy("prophet", steps=8, answer_start_pos=start)
    run = list(sample(TableDenoiser(logits, VOCAB, MASK), canvas, policy, windows=[(4, 8), (8, 12)]))
    assert len(run) == steps


@pytest.mark.parametrize("alg", ["maskgit_plus", "entropy", "topk_margin"])
@pytest.mark.parametrize("alg_temp", [1e-300, 1e-9, 0.005, 0.01])
def test_a_small_temperature_of_the_order_fills_every_mask(alg, alg_temp):
    policy = make_policy("dream", steps=6, alg=alg, alg_temp=alg_temp)
    for seed in range(5):
        (*_, last) = sample(table(32, seed, gap=6), masks(32), policy, seed=seed)
        assert not (last.after == MASK).any()


def test_a_small_temperature_of_the_order_takes_the_best():
    denoiser, steps = table(16, gap=4), {"steps": 8, "alg": "entropy"}
    cold = [step.after.tolist() for step in sample(denoiser, masks(16), make_policy("dream", alg_temp=1e-6, **steps))]
    assert cold == [step.after.tolist() for step in sample(denoiser, masks(16), make_policy("dream", **steps))]


def test_filters_shape_dreams_scores_at_temperature_0():
    """By its whole distribution position 0 is surer than 2; of its few best tokens 2 is."""
    probabilities = torch.full((4, VOCAB), 1e-9)
    probabilities[:2, :2] = torch.tensor([0.6, 0.39])
    probabilities[2:, :2], probabilities[2:, 2:42] = torch.tensor([0.5, 0.1]), 0.01
    denoiser = TableDenoiser(probabilities.log(), VOCAB, MASK)
    first = lambda **params: np.flatnonzero(  # noqa: E731
        next(sample(denoiser, masks(4), make_policy("dream", steps=2, alg="maskgit_plus", **params))).written
    ).tolist()
    assert first() == [0]
    assert first(top_k=2) == [2]
    assert first(top_p=0.55) == [0], "one token is left of 0, and two of 2"


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_a_position_that_d3llm_writes_for_want_of_any_other_takes_its_likeliest_token(temperature):
    denoiser, length = table(8), 8
    policy = make_policy("d3llm", threshold=0.0, block_size=4, temperature=temperature, block_add_threshold=0.25)
    forced = drawn = 0
    for seed in range(30):
        for step in sample(denoiser, masks(length), policy, seed=seed):
            written = np.flatnonzero(step.written)
            lowest = written[step.entropy[written].argmin()]
            for position in written:
                likeliest = step.predicted[position] == step.top_ids[position, 0]
                if position == lowest:
                    drawn += not likeliest
                else:
                    forced += 1
                    assert likeliest
    assert forced
    assert bool(drawn) == bool(temperature), "the one of lowest entropy keeps what was drawn"


@pytest.mark.parametrize(("steps", "blocks", "forwards"), [(12, 3, [4, 4, 4]), (10, 3, [4, 4, 4]), (1, 3, [1, 1, 1])])
def test_every_block_of_dllm_has_as_many_steps_as_the_first(steps, blocks, forwards):
    windows = [(8 * block, 8 * block + 8) for block in range(blocks)]
    run = list(sample(table(24), masks(24), make_policy("dllm_mdlm", steps=steps), windows=windows))
    assert [sum(step.window == window for step in run) for window in windows] == forwards


@pytest.mark.parametrize("mask", [0, 20, VOCAB - 1])
def test_sedd_ends_without_masks_wherever_the_mask_stands_in_the_vocabulary(mask):
    logits = torch.randn(16, VOCAB, generator=torch.Generator().manual_seed(mask))
    canvas = Canvas(np.full(16, mask), np.zeros(16, bool))
    seen = set()
    for seed in range(20):
        *_, last = sample(TableDenoiser(logits, VOCAB, mask), canvas, make_policy("sedd", steps=4), seed=seed)
        seen.update(last.after.tolist())
    assert mask not in seen
    assert {0, VOCAB - 1} - {mask} <= seen


def test_dreams_number_is_a_product_of_float32():
    """996 masks in 27 steps: the first 1/27 of them is 36.0 and some millionths in float32, and 37 with it."""
    policy = make_policy("dream", steps=27, alg="maskgit_plus")
    quotas = [int(step.written.sum()) for step in sample(table(996), masks(996), policy)]
    times, left, wanted = torch.linspace(1, 1e-3, 28), torch.tensor(996.0), []
    for i in range(27):
        wanted.append(int(left * (1 - times[i + 1] / times[i])) if i < 26 else int(left))
        left -= wanted[-1]
    assert quotas == wanted


def test_dinfer_writes_what_is_all_but_as_sure_as_the_best():
    logits = torch.zeros(4, VOCAB)
    logits[:, 3] = torch.tensor([2.0, 2.0 - 1e-6, 1.9, 1.0])
    written = next(sample(TableDenoiser(logits, VOCAB, MASK), masks(4), make_policy("dinfer"))).written
    assert np.flatnonzero(written).tolist() == [0, 1]


def test_editing_with_uniform_noise_rewrites_what_was_committed():
    """The first answer is sure everywhere; later ones say something else, more or less surely."""
    calls = []

    def answers(ids):
        calls.append(None)
        logits = torch.zeros(1, 4, VOCAB)
        logits[:, :, 1 if len(calls) == 1 else 2] = torch.tensor([9.0, 9, 5, 3])
        return logits

    noise = Canvas(np.full(4, 7), np.zeros(4, bool))
    edited = lambda threshold: calls.clear() or list(  # noqa: E731
        sample(TableDenoiser(answers, VOCAB, None), noise, make_policy(
            "diffusers_block_refinement", num_inference_steps=2, threshold=0.0, editing_threshold=threshold,
            uniform=True,
        ))
    )[-1].after.tolist()  # fmt: skip
    assert edited(None) == [1, 1, 1, 1]
    assert edited(0.6) == [2, 2, 2, 1]
    assert edited(0.0) == [2, 2, 2, 2]


# what the releases' own functions have, where they have a default: "policy parameter" to its value
PUBLISHED = {
    "llada": {"steps": 128, "temperature": 0, "remasking": "low_confidence"},
    "dream": {"steps": 512, "eps": 1e-3, "alg": "origin", "alg_temp": None, "temperature": 0, "top_p": None,
              "top_k": None},
    "fast_dllm": {"steps": 128, "temperature": 0, "remasking": "low_confidence", "threshold": None},
    "eb": {"gamma": 0.1, "temperature": 0},
    "llada2": {"steps": 32, "threshold": 0.95, "temperature": 0, "top_p": None, "top_k": None},
    "llada21": {"threshold": 0.95, "editing_threshold": 0.9, "max_post_steps": 16, "num_to_transfer": 1,
                "temperature": 0, "top_p": None, "top_k": None},
    "sdar": {"denoising_steps": 8, "temperature": 1, "top_k": 0, "top_p": 1,
             "remasking_strategy": "low_confidence_dynamic", "confidence_threshold": 0.85},
    "klass": {"conf_threshold": 0.9, "kl_threshold": 0.01, "kl_history_length": 2, "temperature": 0},
    "prophet": {"steps": 128, "temperature": 0, "remasking": "low_confidence", "answer_start_pos": None,
                "early_exit_thresholds": {"early": 7.5, "mid": 5, "late": 2.5}},
    "pc_sampler": {"steps": 128, "lambd": 1, "alpha": 1, "temperature": 0},
    "d3llm": {"threshold": 0.5, "block_size": 32, "block_add_threshold": 0.5, "decoded_token_threshold": 0.5,
              "temperature": 0},
    "dinfer": {"low_threshold": 0.4, "credit_alpha": 0.7, "boost_gamma": 0.2, "decay_beta": 0.8},
    "dllm_mdlm": {"steps": 128, "temperature": 0, "remasking": "low_confidence"},
    "p2": {"tau": 1, "eta": 1},
    "wino": {"threshold": 0.6, "threshold_back": 0.9, "temperature": 0},
    "remedi": {"steps": 32},
    "dreamon": {"temperature": 0.2, "top_p": 0.9, "alg": "entropy", "max_gen_len": 64, "delete_eos_token": True},
    "mdlm": {"steps": 128},
    "remdm": {"steps": 128, "eta": 0, "t_on": 0, "t_off": 0, "alpha_on": 0, "nucleus_p": 1},
    "bd3lm": {"nucleus_p": 1},
    "sedd": {"steps": 128, "predictor": "euler"},
    "duo": {"steps": 128, "noise_removal": "ancestral"},
    "gidd": {"num_denoising_steps": 1000, "min_p": 0, "t_eps": 1e-4},
    "gidd_self_correction": {"steps": 128, "temperature": 0.1, "tokens_per_step": 1, "patience": 32},
    "diffusion_gemma": {"max_denoising_steps": 48, "entropy_bound": 0.1, "t_min": 0.4, "t_max": 0.8,
                        "stability_threshold": 1, "confidence_threshold": 0.005},
    "diffusers_entropy_bound": {"num_inference_steps": 32, "entropy_bound": 0.1, "t_min": 0.4, "t_max": 0.8},
    "diffusers_block_refinement": {"num_inference_steps": 32, "threshold": 0.95, "editing_threshold": None,
                                   "temperature": 0},
    "diffusers_discrete_ddim": {"num_inference_steps": 32, "temperature": 0},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_default_is_the_published_one_or_the_policy_says_why_not(name):
    text = POLICIES[name].__doc__
    for parameter, value in PUBLISHED[name].items():
        ours = parameters(name)[parameter].default
        assert ours == value or f"`{parameter}`" in text, f"{parameter} is {ours}, published {value}"


# --- state ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Diary(Threshold):
    """A rule that writes down every state it is handed, beside the one it returned."""

    handed: list = field(default_factory=list)

    def begin(self, view, before):
        self.handed.append(before)
        self.handed.append(state := super().begin(view, before))
        return state

    def __call__(self, view, state, scores, order):
        assert state is self.handed[-1]
        return super().__call__(view, state, scores, order)


@pytest.mark.parametrize("around", [
    lambda inner: inner,
    lambda inner: Without(inner, (1,)),
    lambda inner: UntilEnd(inner, (1,), "sdar"),
    lambda inner: Without(UntilEnd(inner, (1,), "llada2"), (0,)),
    lambda inner: Elastic(inner, None, None, 4, 4, 64),
    lambda inner: Prophet(inner, 8),
])  # fmt: skip
def test_a_rule_gets_its_own_state_back_and_at_the_next_window_the_one_it_had_whatever_is_around_it(around):
    rule = Diary(threshold=0.5)
    policy = around(Planned(Gumbel(), Confidence(), rule))
    windows = [(0, 4), (4, 8), (8, 12)]
    list(sample(table(12), masks(12), policy, windows=windows))
    for run in (rule.handed[:6], rule.handed[6:]):  # the rehearsal, which only checks, and the run
        assert run[0] is None
        assert run[2] is run[1]
        assert run[4] is run[3]
        assert len({id(state) for state in run[1::2]}) == 3, "every window has a state of its own"
    assert len(rule.handed) == 12
    assert rule.handed[6] is None, "a rehearsal leaves nothing behind"
