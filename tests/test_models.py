import json
import shutil
from functools import partialmethod

import pytest
import torch
from safetensors.torch import load_file, save_file

from dlm_core.engine import LocalEngine, Request
from dlm_core.models import BUNDLED, ModelError, load_model

PROMPTS = [
    "",
    "Once upon a time",
    "[MASK] [EOS]",
    "<img src=x onerror=alert(1)>",
    "${x} {{x}} ```",
    "👩‍👩‍👧 é",
    "مرحبا",
    "你好世界",
]


@pytest.mark.parametrize("text", PROMPTS)
def test_pieces_of_a_prompt_spell_the_prompt(bundled, text):
    pieces = [bundled.piece(token) for token in bundled.encode_prompt(text)]
    spelled = b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces).decode()
    assert spelled.removeprefix(" ") == text
    assert bundled.mask_token_id not in bundled.encode_prompt(text)


def test_every_token_has_a_piece(bundled):
    for token in range(bundled.denoiser.vocab_size):
        assert isinstance(bundled.piece(token), str | bytes)


def test_control_tokens_are_never_proposed_but_the_end_of_text_may_be(bundled):
    ids = torch.tensor([[*bundled.encode_prompt("A cat"), bundled.mask_token_id]])
    with torch.inference_mode():
        probabilities = bundled.denoiser(ids, torch.tensor([ids.shape[1] - 1]))[0, 0].softmax(0)
    assert (
        probabilities[[bundled.mask_token_id, bundled.tokenizer.pad_token_id, bundled.tokenizer.bos_token_id]].sum()
        == 0
    )
    assert probabilities[bundled.tokenizer.eos_token_id] > 0


def test_full_attention_sees_the_future_and_causal_attention_does_not(bundled):
    ids = torch.tensor([bundled.encode_prompt("Once upon a time there was a dog")])
    other = ids.clone()
    other[0, -1] = 100
    where = torch.tensor([2])
    with torch.inference_mode():
        assert not torch.allclose(bundled.denoiser(ids, where), bundled.denoiser(other, where))
    assert torch.allclose(bundled.ar_logits(ids)[:, :-1], bundled.ar_logits(other)[:, :-1], atol=1e-4)


def test_the_denoiser_equals_the_whole_projection_read_one_to_the_left(bundled):
    ids = torch.tensor([[*bundled.encode_prompt("A cat sat"), *[bundled.mask_token_id] * 4]])
    length = ids.shape[1]
    with torch.inference_mode():
        everything = torch.ones(1, 1, length, length, dtype=torch.bool)
        whole = bundled.model(input_ids=ids, attention_mask=everything, use_cache=False).logits
        asked = bundled.denoiser(ids, torch.arange(1, length))
    finite = torch.isfinite(asked)
    assert torch.allclose(asked[finite], whole[:, :-1][finite], atol=1e-4)


def test_the_two_orders_share_one_set_of_weights_below_50_mb_in_shards_below_10(bundled):
    files = list(BUNDLED.glob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) < 50e6
    assert all(file.stat().st_size < 10e6 for file in files)
    assert bundled.revision == load_model("bundled").revision


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(BUNDLED, tmp_path / "model")


def test_a_missing_folder_says_what_to_give():
    with pytest.raises(ModelError, match=r"the model '/nowhere' was not found: give \"bundled\" or a folder"):
        load_model("/nowhere")


def test_weights_that_could_run_code_are_refused(folder):
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \.safetensors file"):
        load_model(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_damaged_file_becomes_one_sentence(folder, name):
    (folder / name).write_text("{ not json", encoding="utf-8")
    with pytest.raises(ModelError, match="could not be loaded") as error:
        load_model(folder)
    assert "\n" not in str(error.value)


def test_a_truncated_weight_file_becomes_one_sentence(folder):
    file = next(folder.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:10_000])
    with pytest.raises(ModelError, match="could not be loaded") as error:
        load_model(folder)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore")
def test_missing_weights_are_named(folder):
    file = next(f for f in sorted(folder.glob("*.safetensors")) if any("layers.0." in key for key in load_file(f)))
    tensors = {key: value for key, value in load_file(file).items() if "layers.0.mlp.up_proj" not in key}
    save_file(tensors, file, metadata={"format": "pt"})
    index = folder / "model.safetensors.index.json"
    if index.exists():
        table = json.loads(index.read_text(encoding="utf-8"))
        table["weight_map"] = {
            key: value for key, value in table["weight_map"].items() if "layers.0.mlp.up_proj" not in key
        }
        index.write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(ModelError, match=r"lacks 1 weights, the first is model\.layers\.0\.mlp\.up_proj"):
        load_model(folder)


@pytest.mark.parametrize("family", ["LLaDA", "SDAR"])
def test_a_compiled_network_gives_the_answers_of_the_network(saved, family, monkeypatch):
    graphs = []

    def backend(graph, _example):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend=backend))
    plain, compiled = load_model(saved(family)), load_model(saved(family), compiled=True)
    canvas = plain.canvas(plain.encode_prompt("the cat"), 12)
    ids, asked = torch.tensor(canvas.ids)[None], torch.arange(len(canvas))
    before = len(graphs)
    with torch.inference_mode():
        torch.testing.assert_close(compiled.denoiser(ids, asked), plain.denoiser(ids, asked))
    assert 0 < before == len(graphs), "another length needs no other graph"


def test_where_the_compiler_cannot_the_model_is_as_it_was(saved, monkeypatch, caplog):
    def broken(graph, _example):
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend=broken))
    model = load_model(saved("LLaDA"), compiled=True)
    assert "is not compiled" in caplog.text
    lines = list(LocalEngine(model).run(Request("the cat", length=8, params={"steps": 2})))
    assert '"end":"finished"' in lines[-1]
