import numpy as np
import pytest
import torch
from stand_ins import MASK, VOCAB

from dlm_core.canvas import Canvas
from dlm_core.denoiser import TableDenoiser
from dlm_core.policies import POLICIES, make_policy
from dlm_core.policies.planned import StableOrQuota
from dlm_core.policies.policy import View, even_split
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
        ("fast_dllm", {"threshold": 0.5, "remasking": "random"}, "low_confidence"),
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
    for view.window_index in (0, 1):
        rule.begin(view)
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
            chosen, info = rule(view, sure[view.positions], order)
            wanted = (changes < 0.02).all(1) & (sure > 0.4) & (torch.arange(length) < view.window[1]) & view.masked
            wanted &= view.step >= history - 1 and view.step < steps // 2 - 1
            passed += info["passed"]
            assert info["passed"] == wanted.sum()
            if wanted.any():
                assert torch.equal(view.positions[chosen], wanted.nonzero()[:, 0])
            view.masked = view.masked.clone()
            view.masked[view.positions[chosen]] = False
    assert passed > 0
