"""Draft and verify: the text is autoregression's, whatever is drafted; and what is recorded says how it came about."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import MASK, STOP, VOCAB, both_orders
from transformers import Qwen3Config, Qwen3ForCausalLM

from dlm_core.autoregressive import autoregressive
from dlm_core.canvas import Canvas, blocks
from dlm_core.denoiser import Advised, Banned, BothOrders, Denoiser, Shifted, TableDenoiser, causal, planner
from dlm_core.engine import LocalEngine, Request, about
from dlm_core.models import load_model
from dlm_core.models.networks import FEW_ROWS, CausalPrefix, FewRows, FullAttention, quicken_few_rows
from dlm_core.policies import make_policy
from dlm_core.reasons import Reason, why
from dlm_core.sampler import sample, sample_many
from dlm_core.trace import Trace


def tiny(seed: int, vocab: int = 12) -> Qwen3ForCausalLM:
    """A random decoder whose answers are neither flat nor certain; its last token is the mask."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=vocab, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    return Qwen3ForCausalLM(config).eval().requires_grad_(False)


def of_both_orders(model: Qwen3ForCausalLM) -> BothOrders:
    mask = model.config.vocab_size - 1
    return BothOrders(*(Banned(Shifted(kind(model, mask)), [mask]) for kind in (FullAttention, CausalPrefix)))


def canvas_of(mask: int, length: int = 20, opening: tuple[int, ...] = (1, 2)) -> Canvas:
    return Canvas.from_prompt(opening, length, mask)


def speculate(denoiser: Denoiser, canvas: Canvas, windows=None, seed: int = 0, **params):
    policy = make_policy("speculative", **params)
    return list(sample(denoiser, canvas, policy, windows=windows, seed=seed, top_k=2))


# --- the reading --------------------------------------------------------------------------------------------------


def test_a_text_without_masks_is_read_as_the_network_reads_it_causally():
    model = tiny(0)
    ids = torch.randint(11, (2, 17), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = model(input_ids=ids, is_causal=True, use_cache=False).logits
        read = CausalPrefix(model, 11)(ids, torch.arange(17))
    torch.testing.assert_close(read, whole, atol=1e-4, rtol=1e-4)


def test_masks_see_the_text_and_each_other_and_the_text_sees_none_of_them():
    model, ids = tiny(1), torch.tensor([[1, 2, 3, 4, 11, 11, 11]])
    visible = torch.ones(7, 7, dtype=torch.bool).tril()
    visible[4:, 4:] = True
    with torch.inference_mode():
        states = model.model(input_ids=ids, attention_mask=visible[None, None], use_cache=False).last_hidden_state
        read = CausalPrefix(model, 11)(ids, torch.arange(7))
    torch.testing.assert_close(read, model.lm_head(states), atol=1e-4, rtol=1e-4)


def test_the_cache_of_the_reading_is_right_whatever_it_is_asked():
    model, generator = tiny(2), torch.Generator().manual_seed(3)
    kept, ids = CausalPrefix(model, 11), torch.randint(11, (2, 23), generator=generator)
    with torch.inference_mode():
        for turn in range(36):
            rows = ids[: 1 + turn % 9 // 8, : 23 - turn % 5].clone()
            rows[:, 23 - turn * 7 % 19 :] = 11
            asked = torch.randperm(rows.shape[1], generator=generator)[: 1 + turn % 4].sort().values
            fresh = CausalPrefix(model, 11)(rows, asked)
            torch.testing.assert_close(kept(rows, asked), fresh, atol=1e-4, rtol=1e-4, msg=str(turn))
            if turn % 6 == 5:
                ids[0, torch.randint(23, (1,), generator=generator)] = turn % 11


def test_no_token_of_a_text_that_stands_is_computed_twice(monkeypatch):
    computed, states = [], CausalPrefix.states

    def spied(self, ids, known, end, cache):
        computed.append((known, ids.shape[1]))
        return states(self, ids, known, end, cache)

    monkeypatch.setattr(CausalPrefix, "states", spied)
    run = speculate(of_both_orders(tiny(3)), canvas_of(11, 24), draft_length=4)
    assert len(computed) == len(run)
    for step, (known, until) in zip(run[1:], computed[1:]):
        before = run[step.index - 1]
        stands = int((before.before[: until + 1] == before.after[: until + 1]).argmin())
        assert known >= min(stands, int(np.argmax(before.before == 11)))
        assert until - known <= 5


def test_what_is_banned_for_the_denoiser_is_banned_for_its_planner():
    inner = of_both_orders(tiny(4))
    logits = planner(Banned(inner, [3]))(torch.tensor([[1, 2, 4]]), torch.tensor([2]))
    assert logits[0, 0, 3] == float("-inf")
    assert causal(Banned(inner, [3])) is not None
    assert causal(Advised(inner.denoiser, inner.planner)) is None, "a second opinion need not read left to right"


@pytest.mark.parametrize("rows", [1, 2, FEW_ROWS, FEW_ROWS + 1])
def test_a_few_rows_give_the_numbers_that_they_give_among_many(rows):
    model, generator = tiny(0), torch.Generator().manual_seed(rows)
    few, many = tiny(0), torch.randint(12, (1, 20), generator=generator)
    quicken_few_rows(few)
    assert any(isinstance(module, FewRows) for module in few.modules())
    assert type(few.lm_head) is torch.nn.Linear, "the head answers in every run, whose last bits stay as they are"
    for ids in (many[:, :rows], many[:, : 2 * rows].reshape(2, rows)):
        theirs = model.model(input_ids=ids, is_causal=True, use_cache=False).last_hidden_state
        ours = few.model(input_ids=ids, is_causal=True, use_cache=False).last_hidden_state
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
        assert ours.shape == theirs.shape


# --- the text -----------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    seed=st.integers(0, 200), draft_length=st.integers(1, 12), stop=st.integers(0, 10),
    windows=st.sampled_from([None, blocks(2, 22, 5), blocks(2, 22, 10), [(2, 9), (9, 22)]]),
)  # fmt: skip
def test_greedy_text_is_that_of_autoregression_token_for_token(seed, draft_length, stop, windows):
    model = tiny(seed)
    canvas = canvas_of(11)
    run = speculate(of_both_orders(model), canvas, windows, draft_length=draft_length, stop_ids=(stop,))
    (*_, last) = autoregressive(model, canvas, banned=[11], stop_ids=[stop], top_k=2)
    assert run[-1].after.tolist() == last.after.tolist(), "the same tokens, the same end, the same masks after it"
    assert len(run) <= 2 * last.forwards


def test_greedy_text_of_the_bundled_model_is_that_of_autoregression_in_fewer_forwards(bundled):
    engine = LocalEngine(bundled)
    texts, forwards = [], []
    for policy in ("speculative", "autoregressive"):
        request = Request("Once upon a time there was a dog", policy, 48)
        trace = Trace.parse("".join(engine.run(request)).encode())
        texts.append(trace.text())
        forwards.append(trace.steps[-1].forwards)
    assert texts[0] == texts[1]
    assert forwards[0] < forwards[1]


def exact(denoiser: BothOrders, canvas: Canvas, temperature: float) -> dict[tuple[int, ...], float]:
    """The probability of every text, by the causal reading, one token after the other."""
    opening, mask = int(canvas.fixed.sum()), denoiser.vocab_size - 1
    found = {}
    for text in product(range(mask), repeat=len(canvas) - opening):
        ids, probability = torch.from_numpy(canvas.ids.copy())[None], 1.0
        for at, token in enumerate(text, opening):
            logits = causal(denoiser)(ids, torch.tensor([at]))[0, 0]
            probability *= float((logits.double() / temperature).softmax(0)[token])
            ids[0, at] = token
        found[text] = probability
    return found


def chi_square(counts: Counter, expected: dict[tuple[int, ...], float]) -> tuple[float, float]:
    """The statistic, and what it exceeds once in a hundred thousand times (Wilson and Hilferty)."""
    runs = sum(counts.values())
    common = {text: p * runs for text, p in expected.items() if p * runs >= 5}
    cells = [(counts[text], mean) for text, mean in common.items()]
    rest = runs - sum(common.values())
    if rest >= 5:
        cells.append((sum(count for text, count in counts.items() if text not in common), rest))
    freedom = len(cells) - 1
    assert freedom >= 6, "too few kinds of text to tell anything"
    critical = freedom * (1 - 2 / (9 * freedom) + 4.265 * (2 / (9 * freedom)) ** 0.5) ** 3
    return sum((count - mean) ** 2 / mean for count, mean in cells), critical


@pytest.mark.parametrize(
    ("draft_length", "temperature", "windows"),
    [(3, 1.0, None), (2, 2.0, None), (1, 1.5, None), (3, 1.0, [(1, 3), (3, 4)])],
)
def test_sampled_text_has_the_distribution_of_autoregression(draft_length, temperature, windows):
    denoiser, canvas = both_orders(seed=3, gain=2, vocab=4), canvas_of(3, 3, (1,))
    runs = [
        speculate(denoiser, canvas, windows, seed, draft_length=draft_length, temperature=temperature)
        for seed in range(600)
    ]
    if draft_length > 1:
        rejected = sum((step.reason == Reason.REPLACED).any() for run in runs for step in run)
        assert rejected > 30, "a draft that is always accepted would prove nothing"
    found, critical = chi_square(
        Counter(tuple(run[-1].after[1:].tolist()) for run in runs), exact(denoiser, canvas, temperature)
    )
    assert found < critical


def test_sampled_text_of_a_random_network_has_the_distribution_of_autoregression():
    model, canvas = tiny(5, vocab=4), canvas_of(3, 2, (1,))
    expected = exact(of_both_orders(model), canvas, 4.0)
    runs = [speculate(of_both_orders(model), canvas, seed=seed, temperature=4.0) for seed in range(100)]
    found, critical = chi_square(Counter(tuple(run[-1].after[1:].tolist()) for run in runs), expected)
    assert found < critical


def test_a_seed_writes_its_text_again_and_another_one_another():
    run = lambda seed: [  # noqa: E731
        step.after.tolist() for step in speculate(both_orders(gain=2), canvas_of(MASK), seed=seed, temperature=1.0)
    ]
    assert run(1) == run(1) != run(2)


@settings(max_examples=20)
@given(seed=st.integers(0, 500), draft_length=st.integers(1, 9))
def test_a_sampled_text_ends_with_the_first_end_of_text_and_leaves_the_rest_masked(seed, draft_length):
    canvas, stop_ids = canvas_of(MASK), (STOP, *range(8))
    run = speculate(
        both_orders(gain=3), canvas, seed=seed, temperature=1.0, draft_length=draft_length, stop_ids=stop_ids
    )
    text = run[-1].after[2:]
    ends = np.flatnonzero(np.isin(text, stop_ids))
    if len(ends):
        assert len(ends) == 1
        assert (text[ends[0] + 1 :] == MASK).all()
    else:
        assert MASK not in text


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 20])
@pytest.mark.parametrize("windows", [None, [(2, 22)]])
def test_few_steps_keep_drafted_tokens_that_were_not_accepted_and_say_so(steps, windows):
    run = speculate(both_orders(gain=3), canvas_of(MASK), windows, temperature=1.0, draft_length=3, steps=steps)
    assert len(run) <= steps
    assert MASK not in run[-1].after
    if 1 < steps < 8:
        assert any((step.reason == Reason.KEPT_IN_TIME).any() for step in run)


# --- what is recorded ---------------------------------------------------------------------------------------------


def test_every_check_records_what_was_drafted_kept_rejected_and_written_instead():
    run = speculate(both_orders(gain=3), canvas_of(MASK), temperature=1.0, seed=3, draft_length=5)
    seen = set()
    for drafted, checked in zip(run[::2], run[1::2]):
        at = np.flatnonzero(drafted.written)
        assert (drafted.reason[at] == Reason.DRAFTED).all()
        assert drafted.info["drafted"] == checked.info["drafted"] == len(at)
        kept = int(checked.info["kept"])
        assert (checked.reason[at[:kept]] == Reason.ACCEPTED).all()
        assert (checked.after[at[:kept]] == drafted.after[at[:kept]]).all()
        if kept < len(at):
            where = at[kept]
            assert checked.reason[where] == Reason.REPLACED
            assert checked.before[where] == drafted.predicted[where], "the rejected token is in the record"
            assert checked.after[where] == checked.predicted[where] != MASK, "and so is what took its place"
            assert (checked.reason[at[kept + 1 :]] == Reason.DISCARDED).all()
            assert (checked.after[at[kept + 1 :]] == MASK).all()
            assert f"drafted {len(at)}, kept {kept}" in why(checked, where)
        seen |= {Reason(code) for code in checked.reason if code >= 0}
    assert {Reason.ACCEPTED, Reason.REPLACED, Reason.DISCARDED} <= seen


def test_a_replacement_is_never_the_token_that_was_rejected():
    for seed in range(30):
        run = speculate(both_orders(gain=3), canvas_of(MASK), temperature=1.0, seed=seed)
        for step in run:
            at = step.reason == Reason.REPLACED
            assert (step.before[at] != step.after[at]).all()


def test_a_step_is_one_forward():
    run = speculate(both_orders(), canvas_of(MASK))
    assert [step.forwards for step in run] == [step.index + 1 for step in run]


# --- what it cannot do --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "fixed", "windows", "sentence"),
    [
        ([MASK, MASK], [False, False], None, "needs at least one token to begin with"),
        ([1, MASK, 5, MASK], [True, False, True, False], None, "cannot look ahead: .* position 2 is"),
        ([1, MASK, 5, MASK], [True, False, False, False], None, "cannot look ahead: .* position 2 is"),
        ([1, MASK, MASK], [True, True, False], None, "cannot look ahead: .* position 1 is"),
        ([1, MASK, MASK], [True, False, False], [(2, 3)], "the first window must begin there, and it begins at 2"),
    ],
)
def test_a_canvas_that_cannot_be_written_from_left_to_right_is_refused_before_the_first_step(
    ids, fixed, windows, sentence
):
    with pytest.raises(ValueError, match=sentence):
        sample(both_orders(), Canvas(ids, fixed), make_policy("speculative"), windows=windows)


def test_a_denoiser_of_one_order_is_refused_before_the_first_step(network):
    table = TableDenoiser(torch.zeros(4, VOCAB), VOCAB, MASK)
    for denoiser in (network(), Advised(network(), table)):
        with pytest.raises(ValueError, match="trained to read from left to right too"):
            sample(denoiser, canvas_of(MASK, 4), make_policy("speculative"))


def test_several_canvases_at_once_are_refused_for_the_reading_keeps_the_text_of_one():
    with pytest.raises(ValueError, match="cannot take several canvases at once"):
        sample_many(of_both_orders(tiny(0)), [canvas_of(11, 4)] * 2, make_policy("speculative"))


def test_it_is_offered_for_models_of_both_orders_and_others_are_refused_by_name(bundled, saved):
    one_order = load_model(saved("Dream"))
    assert "speculative" in about(bundled).policies
    assert "speculative" not in about(one_order).policies
    with pytest.raises(ValueError, match=f"the model {one_order.name} does not .* which speculative needs"):
        LocalEngine(one_order).run(Request("x", "speculative", 8))
    with pytest.raises(ValueError, match="keeps an exact cache, so does speculative"):
        LocalEngine(bundled).run(Request("x", "speculative", 8, cache="dual"))
