import json
from functools import partial

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from dlm_core.models import BUNDLED
from dlm_core.training.data import Documents, canvas_of, clean, is_held_out, load_split, read_texts
from dlm_core.training.rows import (
    DRAFT_BLOCK,
    NEAR,
    Rows,
    Tokens,
    anywhere_rows,
    autoregressive_rows,
    diffusion_rows,
    draft_rows,
    tail_weights,
    window_rows,
)
from dlm_core.training.train import KINDS, clean_rows, keep_share, rate_at, states, train, with_dropout


@pytest.fixture
def tiny(bundled):
    config = AutoConfig.from_pretrained(
        BUNDLED, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, layer_types=["full_attention"] * 2,
    )  # fmt: skip
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


@pytest.fixture
def documents(bundled):
    texts = [f"Once there was a {animal}. It was red. It ran and ran." for animal in ("cat", "dog", "fox", "cow")]
    return [torch.tensor(bundled.tokenizer(text).input_ids) for text in texts]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("dlm_core.training.train.LENGTHS", (24,))
    monkeypatch.setattr("dlm_core.training.train.CHECKPOINT_EVERY", 2)


def test_text_files_jsonl_and_folders_are_read(tmp_path):
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "two"}) + "\n", encoding="utf-8")
    (tmp_path / "c.bin").write_text("not text", encoding="utf-8")
    assert list(read_texts(tmp_path)) == ["one", "two"]


def test_typography_becomes_plain():
    assert clean("“Hi” – it’s\n\n me\t!") == '"Hi" - it\'s me !'


def test_a_document_never_changes_sides_and_appears_once(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps({"text": f"story {i % 900}"}) + "\n" for i in range(1000)), encoding="utf-8"
    )
    training, held = load_split(tmp_path, lambda texts: [[len(text)] for text in texts])
    assert len(training) + len(held) == 900
    assert len(held) == sum(is_held_out(f"story {i}") for i in range(900)) > 0


def test_an_empty_corpus_says_what_was_expected(tmp_path):
    with pytest.raises(ValueError, match="no text found"):
        load_split(tmp_path, lambda texts: [])


def test_a_short_document_is_followed_by_the_end_of_text():
    assert canvas_of(torch.tensor([5, 6]), 0, 6, bos=1, eos=2).tolist() == [1, 5, 6, 2, 2, 2]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_rows_are_a_function_of_the_documents_and_the_generator():
    documents = Documents([torch.arange(10, 60), torch.arange(100, 110)], bos=1, eos=2, stop={20, 30})
    make = lambda seed: documents.take(16, 12, seeded(seed))  # noqa: E731
    assert torch.equal(make(3), make(3))
    assert not torch.equal(make(3), make(4))
    starts = {row[1].item() for seed in range(9) for row in make(seed)}
    assert starts == {10, 21, 31, 100}, "documents begin at their beginning or after a sentence"
    for row in make(0).tolist():
        assert row[0] == 1
        assert row[1:] == ([*range(100, 110), 2] if row[1] == 100 else [*range(row[1], row[1] + 11)])


def test_documents_without_a_sentence_end_begin_at_their_beginning():
    documents = Documents([torch.arange(10, 60)], bos=1, eos=2, stop={99})
    assert set(documents.take(8, 12, seeded())[:, 1].tolist()) == {10}


def test_training_without_documents_says_so():
    with pytest.raises(ValueError, match="at least 1 document, got 0"):
        Documents([], bos=1, eos=2)


TOKENS = Tokens(eos=2, mask=3, size=1000)
brief = partial(train, tokens=240)


def test_a_draft_sees_the_text_before_its_block_and_the_block_and_nothing_else():
    ids = torch.arange(10, 50).repeat(5, 1)
    ids[:, 0] = 1
    rows, n = draft_rows(ids, TOKENS, seeded()), 40
    assert torch.equal(rows.seen[:, :n], ids)
    assert (rows.seen[:, n:] == 3).all()
    assert torch.equal(rows.targets[:, n:], ids)
    assert torch.equal(rows.positions[:, n:], rows.positions[:, :n])
    visible = rows.visible[:, 0]
    assert torch.equal(visible[0, :n, :n], torch.ones(n, n, dtype=torch.bool).tril()), "the text is causal"
    assert not visible[:, :n, n:].any(), "and does not know of drafts"
    for row in range(5):
        for at in range(n):
            block = visible[row, n + at, n:].nonzero()[:, 0].tolist()
            assert at in block
            assert len(block) <= DRAFT_BLOCK
            assert visible[row, n + at, :n].nonzero()[:, 0].tolist() == [*range(block[0])]
            assert (rows.weights[row, n + at] > 0) == (at > block[0]), "the first of a block is the text's to say"


def test_the_loss_of_a_draft_row_is_that_of_the_text_and_of_its_blocks_read_alone(tiny):
    """One forward of text and drafts says what separate forwards of text and block say."""
    tiny.set_attn_implementation("rows")
    ids = torch.randint(4, 400, (1, 20), generator=seeded())
    rows = draft_rows(ids, TOKENS, seeded())
    both = states(tiny, rows)[0]
    alone = states(tiny, Rows(ids, ids, torch.ones_like(ids).float(), causal=True))[0]
    assert torch.allclose(both[:20], alone, atol=1e-5)
    block = rows.visible[0, 0, 20 + 12, 20:].nonzero()[:, 0]
    at = torch.cat((torch.arange(int(block[0])), 20 + block))
    seen = rows.visible[:, :, at][..., at]
    short = Rows(rows.seen[:, at], rows.targets[:, at], rows.weights[:, at], False, rows.positions[:, at], seen)
    assert torch.allclose(states(tiny, short)[0, -len(block) :], both[20 + block], atol=1e-5)


def test_every_kind_gets_its_share_of_the_rows():
    documents = Documents([torch.arange(10, 60)], bos=1, eos=2)
    parts = clean_rows(documents, None, 100, 12, seeded())
    assert [len(part) for part in parts] == [round(100 * kind.share) for kind in KINDS] == [15, 15, 70]
    assert sum(kind.share for kind in KINDS) == pytest.approx(1)


@pytest.mark.parametrize("make", [kind.make for kind in KINDS])
def test_rows_are_made_on_the_device_of_what_they_are_made_from(make):
    """Whatever names no device goes to `meta` here, which refuses to be mixed with another one."""
    texts, generator = [torch.arange(10, 60), torch.arange(100, 110)], seeded()
    with torch.device("meta"):
        ids = Documents(texts, bos=1, eos=2, stop={20}, device="cpu").take(20, 40, generator)
        made = [part for part in make(ids, TOKENS, generator) if isinstance(part, torch.Tensor)]
    assert {part.device.type for part in made} == {"cpu"}


def test_the_loss_of_diffusion_rows_falls_on_noise_and_little_on_the_tail():
    ids = torch.full((400, 40), 9)
    ids[:, 0], ids[:, 30:] = 1, 2
    noisy, targets, weights, *_ = diffusion_rows(ids, TOKENS._replace(size=50), seeded())
    assert torch.equal(targets, ids)
    assert (weights[noisy != ids] > 0).all()
    assert (weights[:, 0] == 0).all(), "the beginning of text is never noise"
    assert weights[:, 31:].max() == pytest.approx(0.1)
    assert 0.2 < (noisy == 3).float().mean() < 0.8


def test_rows_with_noise_anywhere_have_wrong_tokens_in_every_other_row():
    ids = torch.arange(10, 50).repeat(400, 1)
    noisy, weights = anywhere_rows(ids, TOKENS, seeded())
    wrong = (noisy != ids) & (noisy != 3)
    assert set(weights.unique().tolist()) == {0.0, 0.5, 1.0}
    assert (weights[noisy == 3] == 1).all()
    assert (weights[wrong] == 0.5).all()
    assert wrong[::2].any()
    assert not wrong[1::2].any()
    of_the_text = wrong & (noisy > ids) & (noisy <= ids + NEAR)
    assert 0.4 < of_the_text.sum() / wrong.sum() < 0.6, "half of them stand a few places further on"


def test_window_rows_are_clean_before_a_window_and_masked_behind_it():
    ids = torch.arange(10, 90).repeat(200, 1)
    noisy, weights = window_rows(ids, TOKENS, seeded())
    masked = noisy == 3
    assert torch.equal(torch.where(masked, ids, noisy), ids), "every visible token is right"
    assert not masked[:, 0].any()
    for row, weight in zip(masked, weights):
        behind = torch.nonzero(weight == weights[weights > 0].min())
        assert row[behind].all(), "masks and nothing else behind the window"
        assert (weight[~row] == 0).all()
        assert ((weight == 1).nonzero() < (behind.min() if len(behind) else len(row))).all()


def test_half_of_the_autoregressive_rows_have_hidden_tokens():
    ids = torch.full((100, 40), 9)
    seen = autoregressive_rows(ids, TOKENS, seeded()).seen
    hidden = seen == 3
    assert 0.05 < hidden[::2].float().mean() < 0.15
    assert not hidden[1::2].any()
    assert not hidden[:, 0].any()


@pytest.mark.parametrize("causal", [True, False])
def test_the_attention_of_training_is_that_of_the_model(tiny, causal):
    ids = torch.randint(4, 400, (3, 20), generator=torch.Generator().manual_seed(0))
    before = tiny.model(input_ids=ids, is_causal=causal).last_hidden_state
    tiny.set_attn_implementation("rows")
    assert torch.allclose(states(tiny, Rows(ids, ids, ids.float(), causal)), before, atol=1e-5)


def test_training_in_bfloat16_keeps_the_weights_and_follows_the_losses(tiny, bundled, documents, small, tmp_path):
    start = {name: value.clone() for name, value in tiny.state_dict().items()}
    exact = list(brief(tiny, bundled.tokenizer, documents, steps=4, folder=tmp_path / "a"))
    tiny.load_state_dict(start)
    rounded = list(brief(tiny, bundled.tokenizer, documents, steps=4, folder=tmp_path / "b", dtype=torch.bfloat16))
    assert all(value.dtype == torch.float32 for value in tiny.state_dict().values())
    assert [s.diffusion_loss for s in rounded] == pytest.approx([s.diffusion_loss for s in exact], rel=0.02)


def test_half_of_the_diffusion_rows_are_distilled_documents_and_no_other_row_is():
    own = Documents([torch.full((30,), 7)], bos=1, eos=2)
    easy = Documents([torch.full((30,), 8)], bos=1, eos=2)
    *others, diffusion = clean_rows(own, easy, 100, 12, seeded())
    assert not any((part == 8).any() for part in others)
    assert (diffusion == 8).any(1).sum() == 35
    assert not (diffusion[:35] == 8).any(1).all(), "they are shuffled in"


def test_a_training_by_the_clock_ends_with_a_rate_near_zero_and_leaves_no_checkpoint(
    tiny, bundled, documents, small, tmp_path, monkeypatch
):
    clock = iter(range(10_000))
    monkeypatch.setattr("dlm_core.training.train.time.perf_counter", lambda: next(clock))
    monkeypatch.setattr("dlm_core.training.train.WARMUP_STEPS", 1)
    rates = [s.rate for s in brief(tiny, bundled.tokenizer, documents, minutes=1, folder=tmp_path)]
    assert rates[0] == 1.0
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.1
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize("length", [{}, {"steps": 3, "minutes": 1.0}])
def test_a_training_has_one_length(tiny, bundled, documents, length):
    with pytest.raises(ValueError, match="give one"):
        next(brief(tiny, bundled.tokenizer, documents, **length))


def test_dropout_acts_in_training_only_and_can_be_taken_out(tiny):
    ids = torch.randint(4, 400, (2, 20), generator=seeded())
    read = lambda: tiny(input_ids=ids).logits  # noqa: E731
    before = read()
    handles = with_dropout(tiny.eval(), 0.5)
    assert torch.equal(read(), before)
    assert not torch.allclose(tiny.train() and read(), before)
    for handle in handles:
        handle.remove()
    assert torch.equal(read(), before)


def test_weights_are_whole_up_to_the_first_end_of_text():
    assert tail_weights(torch.tensor([[5, 2, 2, 2]]), 2).tolist() == [
        [1.0, 1.0, pytest.approx(0.1), pytest.approx(0.1)]
    ]


def test_the_rate_warms_up_stays_and_only_cools_down_when_asked():
    assert rate_at(0, 0.0, 0.0) == pytest.approx(0.01)
    assert rate_at(5000, 0.9, 0.0) == 1.0
    assert rate_at(500, 0.0, 1.0) == 1.0
    assert rate_at(550, 0.5, 1.0) == pytest.approx(0.5)
    assert rate_at(550, 0.5, 0.5) == 1.0
    assert rate_at(550, 0.75, 0.5) == pytest.approx(0.5)


def test_training_learns_and_resumes_as_if_it_had_not_stopped(tiny, bundled, documents, small, tmp_path):
    start = {name: value.clone() for name, value in tiny.state_dict().items()}
    whole = list(brief(tiny, bundled.tokenizer, documents, steps=8, folder=tmp_path / "a"))
    assert whole[-1].autoregressive_loss < whole[0].autoregressive_loss
    end = {name: value.clone() for name, value in tiny.state_dict().items()}

    tiny.load_state_dict(start)
    first = list(brief(tiny, bundled.tokenizer, documents, steps=4, folder=tmp_path / "b"))
    tiny.load_state_dict(start)  # a new process knows nothing
    rest = list(brief(tiny, bundled.tokenizer, documents, steps=8, folder=tmp_path / "b"))
    assert [s.step for s in first + rest] == list(range(8))
    for name, value in tiny.state_dict().items():
        assert torch.allclose(value, end[name], atol=1e-5), name


def test_a_share_of_the_weights_from_before_is_kept(tiny):
    before = {name: parameter.detach().clone() for name, parameter in tiny.named_parameters()}
    with torch.no_grad():
        for parameter in tiny.parameters():
            parameter += 1
    keep_share(tiny, before, 0.25)
    assert all(torch.allclose(now, before[name] + 0.75) for name, now in tiny.named_parameters())


def test_a_cooldown_leaves_the_checkpoint_as_it_was(tiny, bundled, documents, small, tmp_path):
    list(brief(tiny, bundled.tokenizer, documents, steps=2, folder=tmp_path))
    before = (tmp_path / "checkpoint.pt").read_bytes()
    rates = [s.rate for s in brief(tiny, bundled.tokenizer, documents, folder=tmp_path, cooldown_steps=4)]
    assert rates == sorted(rates, reverse=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
