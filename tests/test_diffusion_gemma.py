"""DiffusionGemma from a folder, against transformers' own generate()."""

import shutil

import checkpoints
import numpy as np
import pytest
import torch
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion

from dlm_core.__main__ import main
from dlm_core.canvas import Canvas
from dlm_core.engine import LocalEngine, Request
from dlm_core.models import load_model
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from dlm_core.trace import Trace

CANVAS, SEED = 8, 5
SETTINGS = dict(max_denoising_steps=5, t_min=0.4, t_max=0.8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gemma") / "diffusiongemma-26B-A4B-it"
    special = ["<pad>", "<eos>", "<bos>"]
    template = (
        "{{ bos_token }}{% for m in messages %}<turn>{{ m['role'] }}\n{{ m['content'] }}\n{% endfor %}<turn>model\n"
    )
    size = checkpoints.byte_level(folder, special, template, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>")
    config = DiffusionGemmaConfig(
        text_config=dict(
            vocab_size=size, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=16, global_head_dim=16, sliding_window=32, num_experts=4, top_k_experts=2,
            moe_intermediate_size=32, max_position_embeddings=512, layer_types=["sliding_attention", "full_attention"],
            pad_token_id=size - 3, eos_token_id=size - 2, bos_token_id=size - 1,
        ),
        vision_config=dict(model_type="gemma4_vision", hidden_size=32, num_hidden_layers=1, num_attention_heads=2),
        canvas_length=CANVAS,
    )  # fmt: skip
    checkpoints.weights(DiffusionGemmaForBlockDiffusion, config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(folder):
    return load_model(folder)


def test_without_its_weights_it_begins_the_same_run(folder, loaded):
    request, hollow = Request("the", "diffusion_gemma", 2 * CANVAS, seed=SEED), load_model(folder, device="meta")
    assert LocalEngine(hollow).header_line(request) == LocalEngine(loaded).header_line(request)


def test_a_text_ends_at_any_end_that_its_files_name(folder, loaded, tmp_path):
    end, turn = loaded.tokenizer.eos_token_id, loaded.tokenizer.convert_tokens_to_ids("t")
    copy = shutil.copytree(folder, tmp_path / folder.name)
    checkpoints.rewrite_config(copy, eos_token_id=[end, turn])
    assert loaded.stop_ids == (end,)
    assert set(load_model(copy, device="meta").stop_ids) == {end, turn}


class Recorder:
    """A streamer that keeps what generate() says: drafts of every step, and settled canvases."""

    def __init__(self):
        self.steps, self.settled = [], []

    def put_draft(self, value):
        self.steps.append((len(self.settled), value[0].tolist()))

    def put(self, value):
        self.settled.append(value[0].tolist())

    def end(self):
        pass


@pytest.mark.filterwarnings("ignore:.*script_method")  # torch about itself, on the way of generate()
def test_a_run_of_two_canvases_equals_generate_in_every_draft(folder, loaded, monkeypatch):
    from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
        EntropyBoundSampler,
        EntropyBoundSamplerConfig,
    )

    alone, recorder, drawn = DiffusionGemmaForBlockDiffusion.from_pretrained(folder).eval(), Recorder(), []
    draw = EntropyBoundSampler.initialize_canvas
    monkeypatch.setattr(
        EntropyBoundSampler, "initialize_canvas", lambda *a, **k: drawn.append(draw(*a, **k)) or drawn[-1]
    )
    prompt = loaded.encode_prompt("why?" * 12)  # longer than the sliding window
    torch.manual_seed(SEED)
    alone.generate(
        torch.tensor([prompt]), streamer=recorder, max_new_tokens=2 * CANVAS, eos_token_id=None, **SETTINGS,
        sampler_config=EntropyBoundSamplerConfig(entropy_bound=0.1), stability_threshold=1, confidence_threshold=1e-9,
    )  # fmt: skip
    first = sum(settled == 1 for settled, _ in recorder.steps)
    noise = torch.cat([drawn[0], drawn[first + 1]], 1)[0].tolist()
    canvas = Canvas([*prompt, *noise], [i < len(prompt) for i in range(len(prompt) + 2 * CANVAS)])
    windows, policy = (
        loaded.windows(len(prompt), len(canvas)),
        make_policy("diffusion_gemma", draws="canvas", stability_threshold=1, confidence_threshold=1e-9, **SETTINGS),
    )
    steps = list(sample(loaded.denoiser, canvas, policy, windows=windows, seed=SEED))
    assert windows == [(len(prompt), len(prompt) + CANVAS), (len(prompt) + CANVAS, len(canvas))]
    assert len(steps) == len(recorder.steps) == 2 * SETTINGS["max_denoising_steps"]
    drafts = [step.top_ids[slice(*step.window), 0].tolist() for step in steps]
    assert drafts == [draft for _, draft in recorder.steps]
    assert steps[-1].after[len(prompt) :].tolist() == recorder.settled[1] + recorder.settled[2]


def test_the_engine_writes_canvas_after_canvas_with_the_model_s_own_policy(loaded):
    assert (loaded.policy, loaded.length, loaded.mask_token_id) == ("diffusion_gemma", 256, None)
    request = Request("why?", "diffusion_gemma", 20, seed=3, params={"max_denoising_steps": 4})
    engine = LocalEngine(loaded)
    trace, again = (Trace.parse("".join(engine.run(request)).encode()) for _ in range(2))
    start = trace.header["fixed"][0][1]
    assert trace.header["windows"] == [[start, start + 8], [start + 8, start + 16], [start + 16, start + 20]]
    assert [step.after.tolist() for step in trace.steps] == [step.after.tolist() for step in again.steps]
    assert trace.totals["end"] == "finished"
    for step in trace.steps:
        measured = (step.predicted >= 0).nonzero()[0]
        assert (measured.min(), measured.max() + 1) == step.window
        changed = (step.before != step.after).nonzero()[0]
        assert not len(changed) or step.window[0] <= changed.min() <= changed.max() < step.window[1]
    assert np.isnan(engine.pseudo_likelihood(trace)).all()  # nothing to put in a token's place


def test_one_canvas_is_asked_about_at_a_time(loaded):
    with pytest.raises(ValueError, match="one at a time"):
        loaded.denoiser(torch.zeros(1, 30, dtype=torch.long), torch.arange(4, 20))
    with pytest.raises(ValueError, match="writes canvases of 8"):
        loaded.windows(4, 20, 4)


def test_the_command_line_runs_it(folder, capsys):
    assert main(["why?", "--model", str(folder), "--length", "8", "--set", "max_denoising_steps=3"]) == 0
    assert "diffusion_gemma (max_denoising_steps=3)" in capsys.readouterr().err


def test_a_canvas_that_settles_early_ends_and_the_next_one_begins(loaded):
    prompt = loaded.encode_prompt("why?")
    policy = make_policy("diffusion_gemma", max_denoising_steps=4, stability_threshold=0, confidence_threshold=1e9)
    windows = loaded.windows(len(prompt), len(prompt) + 16)
    steps = list(sample(loaded.denoiser, loaded.canvas(prompt, 16), policy, windows=windows))
    assert [step.window for step in steps] == windows
