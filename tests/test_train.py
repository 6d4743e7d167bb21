import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from dlm_core.models import BUNDLED
from dlm_core.training.data import batch, canvas_of, clean, is_held_out, load_split, read_texts
from dlm_core.training.train import (
    NEAR,
    anywhere_rows,
    autoregressive_rows,
    diffusion_rows,
    keep_share,
    rate_at,
    states,
    tail_weights,
    train,
    window_rows,
)


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
    monkeypatch.setattr("dlm_core.training.train.CANVASES", ((8, 24),))
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


def test_a_batch_is_a_function_of_the_seed_and_the_step():
    documents = [torch.arange(10, 60), torch.arange(100, 110)]
    make = lambda step, seed: batch(documents, step, rows=16, length=12, bos=1, eos=2, stop={20, 30}, seed=seed)  # noqa: E731
    assert torch.equal(make(3, 0), make(3, 0))
    assert not torch.equal(make(3, 0), make(4, 0))
    assert not torch.equal(make(3, 0), make(3, 1))
    starts = {row[1].item() for step in range(9) for row in make(step, 0)}
    assert starts == {10, 21, 31, 100}, "documents begin at their beginning or behind a sentence"


def test_the_loss_of_diffusion_rows_falls_on_noise_and_little_on_the_tail():
    ids = torch.full((400, 40), 9)
    ids[:, 0], ids[:, 30:] = 1, 2
    noisy, weights = diffusion_rows(ids, mask=3, eos=2, vocab=50, generator=torch.Generator().manual_seed(0))
    assert (weights[noisy != ids] > 0).all()
    assert (weights[:, 0] == 0).all(), "the beginning of text is never noise"
    assert weights[:, 31:].max() == pytest.approx(0.1)
    assert 0.2 < (noisy == 3).float().mean() < 0.8


def test_rows_with_noise_anywhere_have_wrong_tokens_in_every_other_row():
    ids = torch.arange(10, 50).repeat(400, 1)
    noisy, weights = anywhere_rows(ids, mask=3, vocab=1000, generator=torch.Generator().manual_seed(0))
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
    noisy, weights = window_rows(ids, mask=3, generator=torch.Generator().manual_seed(0))
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
    seen = autoregressive_rows(ids, mask=3, generator=torch.Generator().manual_seed(0))
    hidden = seen == 3
    assert 0.05 < hidden[::2].float().mean() < 0.15
    assert not hidden[1::2].any()
    assert not hidden[:, 0].any()


@pytest.mark.parametrize("causal", [True, False])
def test_the_attention_of_training_is_that_of_the_model(tiny, causal):
    ids = torch.randint(4, 400, (3, 20), generator=torch.Generator().manual_seed(0))
    before = states(tiny, ids, causal=causal)
    tiny.set_attn_implementation("matmul")
    assert torch.allclose(states(tiny, ids, causal=causal), before, atol=1e-5)


def test_training_in_bfloat16_keeps_the_weights_and_follows_the_losses(tiny, bundled, documents, small, tmp_path):
    start = {name: value.clone() for name, value in tiny.state_dict().items()}
    exact = list(train(tiny, bundled.tokenizer, documents, steps=4, folder=tmp_path / "a"))
    tiny.load_state_dict(start)
    rounded = list(train(tiny, bundled.tokenizer, documents, steps=4, folder=tmp_path / "b", dtype=torch.bfloat16))
    assert all(value.dtype == torch.float32 for value in tiny.state_dict().values())
    assert [s.diffusion_loss for s in rounded] == pytest.approx([s.diffusion_loss for s in exact], rel=0.02)


def test_distilled_documents_are_learnt_from_too(tiny, bundled, documents, small, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr("dlm_core.training.train.batch", lambda docs, **how: taken.append(docs) or batch(docs, **how))
    list(train(tiny, bundled.tokenizer, documents[:2], steps=1, folder=tmp_path, distilled=documents[2:]))
    assert [len(docs) for docs in taken] == [2, 2]
    assert torch.equal(taken[1][0], documents[2])


def test_weights_are_whole_up_to_the_first_end_of_text():
    assert tail_weights(torch.tensor([[5, 2, 2, 2]]), 2).tolist() == [
        [1.0, 1.0, pytest.approx(0.1), pytest.approx(0.1)]
    ]


def test_the_rate_warms_up_stays_and_only_cools_down_when_asked():
    assert rate_at(0, None, 0) == pytest.approx(0.01)
    assert rate_at(5000, None, 0) == 1.0
    assert rate_at(500, 500, 100) == 1.0
    assert rate_at(550, 500, 100) == pytest.approx(0.5)


def test_training_learns_and_resumes_as_if_it_had_not_stopped(tiny, bundled, documents, small, tmp_path):
    start = {name: value.clone() for name, value in tiny.state_dict().items()}
    whole = list(train(tiny, bundled.tokenizer, documents, steps=8, folder=tmp_path / "a"))
    assert whole[-1].autoregressive_loss < whole[0].autoregressive_loss
    end = {name: value.clone() for name, value in tiny.state_dict().items()}

    tiny.load_state_dict(start)
    first = list(train(tiny, bundled.tokenizer, documents, steps=4, folder=tmp_path / "b"))
    tiny.load_state_dict(start)  # a new process knows nothing
    rest = list(train(tiny, bundled.tokenizer, documents, steps=8, folder=tmp_path / "b"))
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
    list(train(tiny, bundled.tokenizer, documents, steps=2, folder=tmp_path))
    before = (tmp_path / "checkpoint.pt").read_bytes()
    rates = [s.rate for s in train(tiny, bundled.tokenizer, documents, steps=0, folder=tmp_path, cooldown_steps=4)]
    assert rates == sorted(rates, reverse=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
