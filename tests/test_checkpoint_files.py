"""What stands in a checkpoint's files is looked at before it is believed: each wrong one is one sentence."""

import json
import re
import shutil

import checkpoints
import layouts
import pytest
import torch
from safetensors.torch import load_file, save_file

from dlm_core.engine.library import Library, sources_from_environment
from dlm_core.models import ModelError, load_model, requirements
from dlm_core.models.files import INDEX, shards

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 4998000000\n"
PAGE = "\n<!DOCTYPE html>\n<html><head><title>Just a moment</title></head></html>"


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved("SDAR"), tmp_path / "SDAR-1.7B-Chat")


def refused(folder, sentence):
    with pytest.raises(ModelError, match=sentence) as error:
        load_model(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json", "generation_config.json"])
@pytest.mark.parametrize(
    ("instead", "sentence"),
    [(POINTER, "pointer of Git LFS in place of {}: run `git lfs pull`"), (PAGE, "web page in place of {}: download")],
)
def test_what_stands_in_a_file_s_place_is_named_with_what_to_do(folder, file, instead, sentence):
    (folder / file).write_text(instead, encoding="utf-8")
    refused(folder, sentence.format(re.escape(file)))


def test_one_broken_folder_leaves_the_menu_whole(folder):
    (folder / "model.safetensors").write_text(POINTER, encoding="utf-8")
    menu = Library(sources_from_environment({"UNMASK_MODELS": f"bundled,{folder}"})).offers()
    assert [entry.name for entry in menu] == ["bundled", "SDAR-1.7B-Chat"]
    assert menu[1].requirements.memory is None


def header(**about):
    """A weight file of 8 bytes of numbers, under a header of one tensor."""
    text = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | about}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(8)


WHOLE = header()
LIES = {
    "a length of petabytes": b"\xff" * 6 + bytes(2) + WHOLE[8:],
    "a file shorter than its length": b"\1\2",
    "no JSON": (4).to_bytes(8, "little") + b"{{{{" + bytes(8),
    "JSON too deep": (200_000).to_bytes(8, "little") + b"[" * 200_000,
    "a list": (2).to_bytes(8, "little") + b"[]",
    "numbers beyond the end": header(shape=[4], data_offsets=[0, 16]),
    "a shape of more than its bytes": header(shape=[2_000_000_000_000]),
    "a negative shape": header(shape=[-2]),
    "a shape of texts": header(shape=["2"]),
    "half a number": header(shape=[2.5]),
    "no place": header(data_offsets=None),
    "an end before the beginning": header(data_offsets=[8, 0]),
}


def test_a_true_header_is_believed(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(WHOLE)
    assert shards(tmp_path)["model.safetensors"]["x"]["shape"] == [2]


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_cannot_be_true_is_a_sentence_that_names_the_file(folder, lie):
    (folder / "model.safetensors").write_bytes(LIES[lie])
    refused(folder, r"could not be loaded \(.*model\.safetensors")
    assert requirements(str(folder)).memory is None


@pytest.mark.parametrize(
    "index",
    [[], {}, {"weight_map": 3}, {"weight_map": {"x": 3}}, {"weight_map": {"x": "model-1.safetensors"}},
     {"weight_map": {"x": "../x.safetensors"}}],
    ids=str,
)  # fmt: skip
def test_an_index_that_cannot_be_followed_is_a_sentence_that_names_it(folder, index):
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    refused(folder, INDEX)


def test_a_file_that_is_not_there_is_named(folder):
    (folder / "config.json").unlink()
    refused(folder, "it has no config.json")


NO_SIZE = [4.0, "32", -4, 0, True, [4], {"a": 1}, float("nan"), 10**30]
SIZES = [
    "hidden_size",
    "num_attention_heads",
    "num_hidden_layers",
    "vocab_size",
    "max_position_embeddings",
    "block_size",
]


@pytest.mark.parametrize("field", SIZES)
@pytest.mark.parametrize("value", NO_SIZE, ids=str)
def test_a_size_that_is_none_is_named_with_its_file_and_its_value(folder, field, value):
    checkpoints.rewrite_config(folder, **{field: value})
    refused(
        folder, rf"config\.json whose {field} must be a whole number from 1 to \d+, got {re.escape(json.dumps(value))}"
    )


@pytest.mark.parametrize(
    ("family", "field"),
    [("SDAR", "hidden_size"), ("SDAR", "vocab_size"), ("Dream", "num_hidden_layers"), ("LLaDA", "d_model"),
     ("LLaDA", "n_heads"), ("LLaDA", "embedding_size")],
)  # fmt: skip
def test_a_size_that_is_missing_is_named(saved, tmp_path, family, field):
    folder = shutil.copytree(saved(family), tmp_path / saved(family).name)
    checkpoints.rewrite_config(folder, **{field: None})
    refused(folder, f"config.json without {field}")


@pytest.mark.parametrize(
    ("file", "field", "value"),
    [
        *(("config.json", "mask_token_id", value) for value in (4.0, "4", -1, True)),
        *(
            (file, "eos_token_id", value)
            for file in ("config.json", "generation_config.json") for value in ("</s>", 2.0, -1, [1, "2"], {})
        ),
        *(("config.json", "rms_norm_eps", value) for value in ("1e-6", 0, -1e-6, float("inf"))),
        ("config.json", "rope_theta", "1e6"),
        ("config.json", "attention_bias", "no"),
        ("config.json", "pad_token_id", 10_000),
        ("config.json", "attention_dropout", -0.5),
        ("config.json", "type_vocab_size", -1),
        ("config.json", "architectures", 3),
        ("config.json", "architectures", [["SDARForCausalLM"]]),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_is_named_with_its_file_and_its_value(folder, file, field, value):
    said = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps(said | {field: value}), encoding="utf-8")
    refused(folder, re.escape(file))
    refused(folder, field)
    refused(folder, re.escape(json.dumps(value).strip('"')))


def test_a_number_within_a_part_of_a_config_is_named_with_the_part(folder):
    checkpoints.rewrite_config(folder, rope_parameters={"rope_theta": "1e6", "rope_type": "default"})
    refused(folder, r'config\.json whose rope_parameters\.rope_theta must be a number above 0, got "1e6"')


def test_what_transformers_refuses_in_a_config_is_one_sentence(folder):
    checkpoints.rewrite_config(folder, layer_types=["sliding", "nonsense"])
    refused(folder, r"config\.json that cannot be \(.*layer_types")


def test_a_config_that_is_not_of_its_weights_names_the_first_that_does_not_fit(folder):
    checkpoints.rewrite_config(folder, intermediate_size=40)
    refused(
        folder, r"weights of other sizes .* model\.layers\.0\.mlp\.down_proj\.weight, \(32, 48\) and not \(32, 40\)"
    )


@pytest.mark.parametrize(("most", "context"), [(1e30, 256), (100, 100), (64.0, 64)])
def test_a_context_is_a_whole_number_whatever_the_tokenizer_says(folder, most, context):
    file = folder / "tokenizer_config.json"
    said = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(said | {"model_max_length": most}), encoding="utf-8")
    assert repr(load_model(folder).context) == str(context)


@pytest.mark.parametrize("most", ["512", 0, -1, float("nan")])
def test_a_tokenizer_s_length_that_is_none_is_named(folder, most):
    file = folder / "tokenizer_config.json"
    said = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(said | {"model_max_length": most}), encoding="utf-8")
    refused(folder, f"tokenizer_config.json whose model_max_length must be a number of 1 or more, got {most}")


def test_a_mask_that_the_weights_have_no_row_for_is_refused_when_the_model_is_loaded(folder):
    weights = load_file(folder / "model.safetensors")
    size = len(weights["lm_head.weight"])
    fewer = {name: each[: size - 1].contiguous() if len(each) == size else each for name, each in weights.items()}
    save_file(fewer, folder / "model.safetensors", metadata={"format": "pt"})
    checkpoints.rewrite_config(folder, vocab_size=size - 1)
    refused(folder, rf"has a mask token, {size - 1}, that is not one of its {size - 1} tokens")


def test_a_tokenizer_of_sentencepiece_alone_says_what_it_needs(folder, monkeypatch):
    monkeypatch.setattr("dlm_core.models.loading.is_sentencepiece_available", lambda: False)
    (folder / "tokenizer.json").rename(folder / "spm.model")
    refused(folder, r"SentencePiece alone \(spm\.model\).*`pip install sentencepiece protobuf`")


def test_a_masked_model_s_config_does_not_say_either(tmp_path):
    folder = layouts.modernbert_chat(tmp_path)
    expected = load_model(folder).model.config._attn_implementation
    checkpoints.rewrite_config(folder, attn_implementation="flex_attention", return_dict=False)
    assert load_model(folder).model.config._attn_implementation == expected == "sdpa"


@pytest.mark.parametrize("field", ["attn_implementation", "_attn_implementation", "experts_implementation"])
def test_how_attention_is_computed_is_the_loader_s_to_say(folder, field):
    expected = load_model(folder).model.config._attn_implementation
    checkpoints.rewrite_config(folder, **{field: "flash_attention_2"})
    loaded = load_model(folder)
    assert loaded.model.config._attn_implementation == expected == "sdpa"
    checkpoints.rewrite_config(folder, return_dict=False, output_attentions=True, output_hidden_states=True)
    ids = torch.full((1, 8), loaded.mask_token_id)
    assert torch.equal(load_model(folder).denoiser(ids, torch.arange(8)), loaded.denoiser(ids, torch.arange(8)))
