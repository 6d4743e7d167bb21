"""Models whose own code is not run: their published layouts, read into classes of transformers."""

from dataclasses import replace

import checkpoints
import pytest
import torch
import transformers
from layouts import BLOCKS, END, FAMILIES, IM, IM_END, LLADA, QWENS, SMALL, llada, llada_name
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, Qwen3Config

from dlm_core.__main__ import main
from dlm_core.engine import LocalEngine, Request, plan
from dlm_core.models import ModelError, load_model
from dlm_core.trace import Trace


def by_hand(family, folder, ids, seen):
    """Logits `(length, vocab)` of the saved weights in eager attention, computed without the loader.

    `seen (length, length)` bool says which position sees which.
    """
    tensors = load_file(folder / "model.safetensors")
    config_class, fields = LlamaConfig, LLADA
    if family == "LLaDA":
        ours = transformers.LlamaForCausalLM(LlamaConfig(**SMALL | LLADA, vocab_size=8)).state_dict()
        tensors = {name: tensors[llada_name(name)] for name in ours}
    else:
        config_class, *_, fields, _, _ = QWENS[family]
    config = config_class(**SMALL | fields, vocab_size=len(tensors["lm_head.weight"]), attn_implementation="eager")
    model_class = getattr(transformers, config_class.__name__.removesuffix("Config") + "ForCausalLM")
    model = model_class.from_pretrained(None, config=config, state_dict=tensors).eval()
    mask = torch.where(seen, 0.0, torch.finfo(torch.float32).min)[None, None]
    with torch.inference_mode():
        return model(input_ids=ids, attention_mask=mask, use_cache=False).logits[0]


def test_dreamon_grows_and_shrinks_with_its_own_tokens_and_leaves_the_prompt_alone(saved):
    model = load_model(saved("DreamOn"))
    known = model.tokenizer.get_vocab()
    assert (model.policy, model.settings) == ("dreamon", {"expand_id": known["<|expand|>"], "eos_id": known[END]})
    lengths = set()
    for seed in range(12):  # a random model takes these tokens now and then
        params = {**model.settings, "temperature": 3.0, "top_p": 1.0, "expand_budget": 4}
        lines = LocalEngine(model).run(Request("the the", "dreamon", 24, seed=seed, params=params))
        trace = Trace.parse("".join(lines).encode())
        assert trace.totals["end"] == "finished"
        assert trace.masks_left()[-1] == 0
        now = trace.canvas(len(trace.steps))
        assert (now[trace.fixed_now()] == trace.canvas(0)[trace.fixed]).all()
        assert not set(now.tolist()) & {known["<|expand|>"], known["<|mask|>"]}
        lengths.add(len(now) - trace.length)
    assert len(lengths) > 1, "no run changed its length"


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_those_of_the_saved_weights_under_the_family_s_mask_and_shift(saved, family):
    model, (shifted, block) = load_model(saved(family)), FAMILIES[family]
    mask, generator = model.mask_token_id, torch.Generator().manual_seed(0)
    ids = torch.randint(250, (1, 21), generator=generator)
    ids[0, 9:] = mask
    ids[0, 14] = 7
    ids[0, 18:] = model.stop_ids[0]  # padding is text like any other: it is seen, and its positions count
    at = torch.arange(21)
    seen = torch.ones(21, 21, dtype=torch.bool) if block is None else at[None] // block <= at[:, None] // block
    expected = by_hand(family, saved(family), ids, seen)
    with torch.inference_mode():
        asked = model.denoiser(ids, at)[0]
    finite = torch.isfinite(asked)
    if shifted:
        expected = expected[[0, *range(20)]]
    assert torch.allclose(asked[finite], expected[finite], atol=2e-5)
    assert not finite[:, mask].any()
    assert finite[:, list(model.stop_ids)].all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_runs_with_its_own_defaults_from_the_command_line(saved, family, capsys):
    assert main(["the cat", "--model", str(saved(family)), "--length", "16"]) == 0
    assert "forwards" in capsys.readouterr().err
    model = load_model(saved(family))
    agreed = plan(model, Request("the cat", model.policy, 16, params=model.settings))
    assert agreed.canvas.fixed.sum() == len(agreed.canvas) - 16
    request = Request("the cat", model.policy, 16, params=model.settings)
    hollow = load_model(saved(family), device="meta")
    assert LocalEngine(hollow).header_line(request) == LocalEngine(model).header_line(request), (
        "no weights are needed to begin"
    )


def test_a_question_is_put_through_the_template_and_its_control_tokens_stay_text(saved):
    model = load_model(saved("SDAR"))
    ids = model.encode_prompt(f"hi{IM_END}<|MASK|>")
    assert model.tokenizer.decode(ids) == f"{IM}user\nhi{IM_END}<|MASK|>{IM_END}\n{IM}assistant\n"
    assert ids.count(model.tokenizer.convert_tokens_to_ids(IM_END)) == 1
    assert model.mask_token_id not in ids
    assert model.stop_ids == tuple(sorted(model.tokenizer.convert_tokens_to_ids([END, IM_END])))


@pytest.mark.parametrize("family", ["SDAR", "LLaDA", "A2D Qwen3"])
def test_an_innocent_conversation_is_encoded_as_transformers_would(saved, family):
    model = load_model(saved(family))
    talk = [{"role": "system", "content": "a"}, {"role": "user", "content": "the cat\n\nthe  mat?"}]
    whole = model.tokenizer.apply_chat_template(
        talk, tokenize=False, add_generation_prompt=True, chat_template=model.text.template
    )
    ids = model.tokenizer(whole, add_special_tokens=False).input_ids
    assert model.encode_prompt(talk[1]["content"], talk[:1]) == ids


def test_a_base_model_continues_its_prompt(saved):
    model = load_model(saved("RND1"))
    assert not model.chats
    assert model.tokenizer.decode(model.encode_prompt("the cat")) == "the cat"


def test_mapped_configs_keep_what_matters(saved):
    config = load_model(saved("Dream")).model.config
    assert config.rope_parameters["rope_theta"] == 1e6
    assert config.is_causal is False
    assert load_model(saved("LLaDA")).model.config.vocab_size > load_model(saved("LLaDA")).mask_token_id + 1


def lose_one(tensors):
    del tensors["model.transformer.blocks.1.ff_out.weight"]


def add_one(tensors):
    tensors["model.transformer.blocks.0.q_proj.bias"] = torch.zeros(32)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lose_one, r"lacks 1 weights, the first is model\.layers\.1\.mlp\.down"),
        (add_one, "1 weights that a LLaDA does not have"),
    ],
)
def test_a_checkpoint_that_does_not_fit_its_class_is_refused(tmp_path, change, sentence):
    folder = llada(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=sentence):
        load_model(folder)


def test_an_autoregressive_model_is_refused(tmp_path):
    folder = tmp_path / "Qwen3-0.6B"
    size = checkpoints.byte_level(folder, [END], eos_token=END)
    checkpoints.weights(transformers.Qwen3ForCausalLM, Qwen3Config(**SMALL, vocab_size=size)).save_pretrained(folder)
    with pytest.raises(ModelError, match="no mask token"):
        load_model(folder)


@pytest.mark.parametrize("family", BLOCKS)
def test_windows_end_where_the_model_s_blocks_end(saved, family):
    model = load_model(saved(family))
    windows = model.windows(5, 70)
    assert windows[0][0] == 5
    assert windows[-1][1] == 70
    assert all(hi % model.block_length == 0 for _, hi in windows[:-1])
    assert all(lo // model.block_length == (hi - 1) // model.block_length for lo, hi in windows)
    with pytest.raises(ValueError, match="block length must divide this model's own"):
        model.windows(5, 70, 3)


def test_fast_dllm_v2_works_on_eight_positions_of_a_block_at_a_time_unless_asked_otherwise(saved):
    model = replace(load_model(saved("Fast-dLLM v2")), block_length=32)
    assert (model.policy, model.window) == ("threshold", 8)
    assert model.windows(5, 40) == [(5, 8), (8, 16), (16, 24), (24, 32), (32, 40)]
    assert model.windows(5, 70, 32) == [(5, 32), (32, 64), (64, 70)]
    assert replace(model, block_length=4).windows(0, 8) == [(0, 4), (4, 8)], "blocks are never joined"


def test_dllm_s_checkpoints_decode_with_dllm_s_sampler_and_lengths(saved):
    for family in ("A2D Qwen2", "A2D Qwen3", "A2D Qwen3, blocks"):
        model = load_model(saved(family))
        assert (model.policy, model.length) == ("dllm_mdlm", 128)
