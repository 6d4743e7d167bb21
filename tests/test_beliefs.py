import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlm_core.beliefs import (
    NotNumbersError,
    believe,
    divergence,
    draw,
    inverse,
    nucleus_edge,
    perturbed,
    top,
    uniforms,
)
from dlm_core.policies.draws import keep_top_p, nucleus

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("vocab", [3, 64, 331, 5000, 126_464])
def test_statistics_equal_a_float64_softmax(vocab):
    logits = torch.randn(7, vocab, generator=torch.Generator().manual_seed(vocab)) * 4
    seen, exact = believe(logits, 5), logits.double().softmax(1)
    k = min(5, vocab)
    assert torch.allclose(seen.entropy, -(exact * exact.log()).sum(1), rtol=1e-5, atol=1e-6)
    assert torch.allclose(seen.top_probs, exact.topk(k, 1).values, rtol=1e-5)
    assert (seen.top_ids == logits.topk(k, 1).indices).all()
    some = torch.arange(7) % vocab
    assert torch.allclose(seen.probability(some), exact.gather(1, some[:, None])[:, 0], rtol=1e-5)


def test_probabilities_next_to_one_stay_apart():
    logits = torch.zeros(2, 1000)
    logits[0, 3], logits[1, 3] = 40.0, 41.0
    sure = believe(logits).probability(torch.tensor([3, 3]))
    assert sure[0] < sure[1] < 1


def test_banned_tokens_have_no_probability_and_leave_no_nan():
    logits = torch.randn(3, 200)
    logits[:, 5:150] = float("-inf")
    seen = believe(logits)
    assert torch.isfinite(seen.entropy).all()
    assert (seen.probability(torch.tensor([5, 60, 149])) == 0).all()


@pytest.mark.parametrize("vocab", [3, 64, 331, 126_464])
@pytest.mark.parametrize("wrong", [NAN, INF])
@pytest.mark.parametrize("place", ["best", "first", "last"])
def test_a_single_logit_that_is_no_number_is_noticed_wherever_it_stands(vocab, wrong, place):
    logits = torch.randn(5, vocab, generator=torch.Generator().manual_seed(vocab))
    logits[3, {"best": int(logits[3].argmax()), "first": 0, "last": vocab - 1}[place]] = wrong
    with pytest.raises(NotNumbersError, match=r"not numbers .* load it in float32 or bfloat16"):
        believe(logits)


def test_a_row_in_which_every_token_is_banned_is_no_distribution():
    with pytest.raises(NotNumbersError):
        believe(torch.full((2, 100), -INF))


def test_logits_as_large_as_float32_holds_are_numbers():
    logits = torch.zeros(1, 200)
    logits[0, 7], logits[0, 8] = torch.finfo(torch.float32).max, torch.finfo(torch.float32).min
    assert believe(logits).top_ids[0, 0] == 7


@given(st.integers(1, 2000), st.integers(1, 5), st.integers(0, 99))
def test_the_two_level_search_finds_what_topk_finds(vocab, k, seed):
    values = torch.randn(3, vocab, generator=torch.Generator().manual_seed(seed))
    k = min(k, vocab)
    found, ids = top(values, k)
    assert torch.equal(found, values.topk(k, 1).values)
    assert torch.equal(values.gather(1, ids), found)


@pytest.mark.parametrize(("vocab", "temperature"), [(5, 1.0), (70, 0.5), (200, 1.7)])
def test_draws_follow_the_tempered_softmax(vocab, temperature):
    logits = torch.randn(1, vocab, generator=torch.Generator().manual_seed(1)) * 2
    n = 60_000
    chosen = draw(logits.expand(n, -1), temperature, torch.Generator().manual_seed(2))
    wanted = (logits[0].double() / temperature).softmax(0)
    share = chosen.bincount(minlength=vocab).double() / n
    assert (share - wanted).abs().max() < 5 * (0.25 / n) ** 0.5


@pytest.mark.parametrize("vocab", [5, 70, 5000])
def test_a_draw_tells_the_probability_of_what_it_took_even_next_to_one(vocab):
    logits = torch.randn(50, vocab, generator=torch.Generator().manual_seed(vocab)) * 3
    logits[:25, 2] = torch.linspace(30, 45, 25)  # so sure that float32 would call most of them 1
    uniform = uniforms(50, torch.Generator().manual_seed(3))
    tokens, probability = inverse(logits, 0.5, uniform)
    wanted = (logits.double() / 0.5).log_softmax(1).gather(1, tokens[:, None])[:, 0]
    assert torch.allclose(probability.log(), wanted, rtol=1e-5, atol=1e-15)
    assert (probability[:25].diff() >= 0).all()


def test_a_draw_never_takes_a_token_without_probability():
    logits = torch.full((4000, 130), float("-inf"))
    logits[:, 63], logits[:, 129] = 0.0, 0.0
    assert set(draw(logits, 1.0, torch.Generator().manual_seed(0)).tolist()) == {63, 129}


def test_draws_use_only_the_generator_they_are_given():
    before = torch.get_rng_state()
    a = draw(torch.zeros(9, 99), 1.0, torch.Generator().manual_seed(4))
    b = draw(torch.zeros(9, 99), 1.0, torch.Generator().manual_seed(4))
    assert torch.equal(a, b)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("vocab", [3, 331, 40_000])
@pytest.mark.parametrize("p", [0.05, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("scale", [0.5, 2.0, 9.0])
def test_the_edge_of_the_nucleus_cuts_what_a_whole_sort_cuts(vocab, p, scale):
    logits = torch.randn(9, vocab, generator=torch.Generator().manual_seed(vocab), dtype=torch.float64) * scale
    logits = logits.float()
    clean, (edge, mass) = logits.double().softmax(1), nucleus_edge(logits, p)
    kept = logits >= edge[:, None]
    if p < 1:
        assert torch.equal(edge, logits.masked_fill(nucleus(clean, p) == 0, torch.inf).amin(1))
    assert torch.allclose(mass, (clean * kept).sum(1), rtol=1e-4)
    assert kept.gather(1, draw(logits, 1.0, torch.Generator().manual_seed(0), edge)[:, None]).all()


@pytest.mark.parametrize("vocab", [3, 331, 40_000])
@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_top_p_keeps_the_fewest_tokens_that_pass_p_together(vocab, p):
    logits = torch.randn(9, vocab, generator=torch.Generator().manual_seed(vocab)) * 4
    ordered, order = logits.double().softmax(1).sort(dim=1, descending=True)
    wanted = torch.zeros_like(ordered).scatter(1, order, (ordered.cumsum(1) - ordered <= p).double()) > 0
    assert torch.equal(keep_top_p(logits, p) > -torch.inf, wanted)


def test_a_row_that_is_no_numbers_leaves_the_nucleus_of_the_others_alone():
    logits = torch.randn(3, 5000, generator=torch.Generator().manual_seed(0))
    alone = nucleus_edge(logits, 0.9)[0]
    logits[1], logits[0, 7] = torch.nan, -torch.inf
    edge = nucleus_edge(logits, 0.9)[0]
    assert edge[2] == alone[2]
    assert torch.isfinite(edge[0])


def test_tokens_equally_likely_stay_in_the_nucleus_together():
    edge, mass = nucleus_edge(torch.zeros(2, 1000), 0.5)
    assert (edge == 0).all()
    assert torch.allclose(mass, torch.ones(2, dtype=torch.float64), rtol=1e-5)


@pytest.mark.parametrize("vocab", [3, 331, 126_464])
def test_divergence_equals_the_definition_in_float64(vocab):
    table = torch.randn(2, 6, vocab, generator=torch.Generator().manual_seed(vocab)) * 3
    table[1, :3] = table[0, :3] + table[1, :3] / 100  # the small changes that a threshold has to tell apart
    table[..., 1] = float("-inf")
    rows, rows_before = torch.tensor([0, 1, 2, 5, 4]), torch.tensor([0, 1, 2, 3, 5])
    now, before = table[0][rows].double().softmax(1), table[1][rows_before].double().softmax(1)
    exact = (now * ((now + 1e-12).log() - (before + 1e-12).log())).sum(1)
    found = divergence(table[0], table[1], rows, rows_before, 1e-12)
    assert torch.allclose(found.double(), exact, rtol=1e-3, atol=2e-6)


@given(st.integers(2, 1500), st.integers(1, 6), st.sampled_from([2, 5, 40]), st.integers(0, 99))
def test_of_equally_likely_tokens_the_lower_id_comes_first_as_argmax_has_it(vocab, k, levels, seed):
    logits = torch.randint(levels, (4, vocab), generator=torch.Generator().manual_seed(seed)).float()
    logits[0] = 1.0
    logits[1, ::2] = float("-inf")
    seen, k = believe(logits.bfloat16(), k), min(k, vocab)
    assert torch.equal(seen.top_ids[:, 0], logits.argmax(1))
    in_order = logits.sort(dim=1, descending=True, stable=True)
    likely = in_order.values[:, :k] > float("-inf")
    assert torch.equal(seen.top_ids[likely], in_order.indices[:, :k][likely])


@pytest.mark.parametrize("vocab", [5, 200])
def test_a_perturbed_draw_has_the_law_of_a_race_with_gumbel_noise(vocab):
    n, logits = 20_000, torch.randn(1, vocab, generator=torch.Generator().manual_seed(4)) * 2
    tokens, score = perturbed(logits.expand(n, -1), 0.7, torch.Generator().manual_seed(5))
    uniform = torch.rand(n, vocab, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    best = (logits.double() / 0.7 - (-uniform.log()).log()).log_softmax(1).max(1)
    for token in logits[0].topk(3).indices:
        mine, theirs = score[tokens == token].sort().values, best.values[best.indices == token].sort().values
        assert abs(len(mine) - len(theirs)) < 5 * n**0.5
        both = torch.cat([mine, theirs])
        apart = torch.searchsorted(mine, both, right=True) / len(mine) - torch.searchsorted(
            theirs, both, right=True
        ) / len(theirs)
        assert apart.abs().max() < 2.2 * (1 / len(mine) + 1 / len(theirs)) ** 0.5, "Kolmogorov and Smirnov"
