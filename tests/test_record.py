"""Runs of other libraries' samplers: transformers' streamers, diffusers' callbacks, lists of canvases, step maps."""

import json
from types import SimpleNamespace

import checkpoints
import numpy as np
import pytest
import torch
from diffusers import BlockRefinementScheduler, DiffusionGemmaPipeline, DiscreteDDIMScheduler, LLaDA2Pipeline
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoTokenizer,
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    GPT2Config,
    GPT2LMHeadModel,
)

from dlm_core.figures import heatmap_data
from dlm_core.metrics import summarise
from dlm_core.record import Recorder, from_canvases, from_step_map
from dlm_core.schema import validated
from dlm_core.trace import Trace

CANVAS, STEPS, SIZE, MASK = 8, 5, 40, 39
pytestmark = pytest.mark.filterwarnings("ignore:.*script_method")  # torch about itself, on the way of generate()


@pytest.fixture(scope="module")
def gemma():
    config = DiffusionGemmaConfig(
        text_config=dict(
            vocab_size=SIZE, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=16, global_head_dim=16, sliding_window=32, num_experts=4, top_k_experts=2,
            moe_intermediate_size=32, max_position_embeddings=512, layer_types=["sliding_attention", "full_attention"],
            pad_token_id=0, eos_token_id=1, bos_token_id=2,
        ),
        vision_config=dict(model_type="gemma4_vision", hidden_size=32, num_hidden_layers=1, num_attention_heads=2),
        canvas_length=CANVAS,
    )  # fmt: skip
    return checkpoints.weights(DiffusionGemmaForBlockDiffusion, config)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("letters")
    checkpoints.byte_level(folder, ["<eos>", "<mask>"], eos_token="<eos>", mask_token="<mask>")
    return AutoTokenizer.from_pretrained(folder)


class Listening(Recorder):
    """A recorder that also keeps what it was handed, as it was handed."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.drafts, self.logits, self.seen = [], [], []

    def put_draft(self, value=None, *, logits=None, **more):
        super().put_draft(value, logits=logits, **more)
        self.logits.append(logits)
        self.drafts.append((logits.argmax(-1) if value is None else value)[0].tolist())

    def callback_on_step_end(self, pipeline, step, timestep, tensors):
        self.seen.append({name: tensor.clone() for name, tensor in tensors.items()})
        return super().callback_on_step_end(pipeline, step, timestep, tensors)


def generate(gemma, recorder, **settings):
    torch.manual_seed(3)
    settings = dict(max_denoising_steps=STEPS, t_min=0.4, t_max=0.8, eos_token_id=None) | settings
    return gemma.generate(torch.tensor([[5, 6, 7]]), streamer=recorder, max_new_tokens=2 * CANVAS, **settings).sequences


def test_generate_of_transformers_writes_a_run_file_of_every_draft(gemma, tmp_path):
    recorder = Listening(tmp_path / "a.run.jsonl.gz", model="tiny", prompt="why?", seed=3)
    sequences = generate(gemma, recorder)
    trace = Trace.load(tmp_path / "a.run.jsonl.gz")
    assert (trace.outcome, trace.header["prompt"], trace.header["seed"]) == ("finished", "why?", 3)
    assert (trace.header["model"]["name"], trace.header["policy"]) == ("tiny", {"name": "generate"})
    assert trace.header["sampler"] == "generate"
    assert trace.header["fixed"] == [[0, 3]]
    assert trace.header["windows"] == [[3, 11], [11, 19]]
    drawn = [step for step in trace.steps if step.measured.any()]
    assert [step.after[slice(*step.window)].tolist() for step in drawn] == recorder.drafts
    assert [step.forwards for step in drawn] == [*range(1, len(drawn) + 1)]
    assert trace.canvas(len(trace.steps)).tolist() == sequences[0].tolist()
    assert all(now.seconds > before.seconds > 0 for before, now in zip(trace.steps, trace.steps[1:]))
    for line in trace.lines:
        validated(line)


def test_confidence_and_entropy_are_those_of_the_logits_that_were_handed_out(gemma):
    recorder = Listening()
    generate(gemma, recorder)
    drawn = [step for step in recorder.trace.steps if step.measured.any()]
    assert len(drawn) == len(recorder.logits)
    for step, logits in zip(drawn, recorder.logits):
        probabilities, here = logits[0].double().softmax(-1), slice(*step.window)
        best, ids = probabilities.topk(5)
        assert step.confidence[here] == pytest.approx(best[:, 0].numpy(), abs=1e-4)
        assert step.top_probs[here] == pytest.approx(best.numpy(), abs=5e-3)
        assert step.top_ids[here, 0].tolist() == ids[:, 0].tolist()
        assert step.entropy[here] == pytest.approx(torch.special.entr(probabilities).sum(-1).numpy(), abs=1e-3)
        assert not step.measured[: step.window[0]].any()
        assert not step.measured[step.window[1] :].any()


def test_without_logits_the_same_drafts_are_recorded_and_nothing_is_measured(gemma):
    recorder = Listening(logits=False)
    sequences = generate(gemma, recorder)
    trace = recorder.trace
    assert [step.after[slice(*step.window)].tolist() for step in trace.steps[:STEPS]] == recorder.drafts[:STEPS]
    assert trace.canvas(len(trace.steps)).tolist() == sequences[0].tolist()
    assert not any(step.measured.any() for step in trace.steps)
    assert all(np.isnan(step.entropy).all() and (step.top_ids == -1).all() for step in trace.steps)


def test_what_is_put_after_the_drafts_is_a_step_without_a_forward_where_it_differs():
    recorder = Recorder()
    recorder.put(torch.tensor([[5]]))
    recorder.put_draft(torch.tensor([[6, 7]]))
    recorder.put(torch.tensor([[6, 0]]))
    recorder.put_draft(torch.tensor([[8, 9]]))
    recorder.put(torch.tensor([[8, 9]]))
    steps = recorder.trace.steps
    assert [step.after.tolist()[1:3] for step in steps] == [[6, 7], [6, 0], [6, 0]]
    assert [step.forwards for step in steps] == [1, 1, 2]
    assert recorder.trace.step_map() == [-1, 0, 1, 2, 2]


def test_what_nobody_handed_out_yet_is_a_mask_that_is_no_token_of_the_model():
    recorder = Recorder()
    recorder.put(torch.tensor([[5]]))
    recorder.put_draft(logits=torch.eye(12)[[6, 7]][None])
    model = recorder.trace.header["model"]
    assert (model["mask"], model["vocab_size"]) == (12, 13)
    assert recorder.trace.header["canvas"] == [5, 12, 12]
    assert recorder.trace.masks_left() == [2, 0]


def test_an_autoregressive_generate_is_a_token_a_step():
    torch.manual_seed(0)
    alone = GPT2LMHeadModel(GPT2Config(vocab_size=SIZE, n_positions=32, n_embd=16, n_layer=1, n_head=2)).eval()
    recorder, prompt = Recorder(), torch.tensor([[5, 6, 7]])
    alone.generation_config.eos_token_id = alone.generation_config.bos_token_id = None
    done = alone.generate(
        prompt, attention_mask=torch.ones_like(prompt), streamer=recorder, max_new_tokens=6, do_sample=False,
        pad_token_id=0,
    )  # fmt: skip
    assert recorder.trace.canvas(6).tolist() == done[0].tolist()
    assert recorder.trace.step_map() == [-1, -1, -1, 0, 1, 2, 3, 4, 5]
    assert [step.forwards for step in recorder.trace.steps] == [1, 2, 3, 4, 5, 6]


# --- diffusers --------------------------------------------------------------------------------------------------------


class Bidirectional(torch.nn.Module):
    """Logits that depend on every token of the text, for LLaDA2's pipeline."""

    device, dtype = torch.device("cpu"), torch.float32

    def forward(self, ids, attention_mask=None, position_ids=None):
        generator = torch.Generator().manual_seed(int(ids.sum()))
        logits = 3 * torch.randn(*ids.shape, SIZE, generator=generator)
        logits[..., MASK] = -1e9
        return SimpleNamespace(logits=logits)


def llada2(recorder, inputs=LLaDA2Pipeline._callback_tensor_inputs, length=12, **settings):
    pipe = LLaDA2Pipeline(Bidirectional(), BlockRefinementScheduler(block_length=CANVAS))
    pipe.set_progress_bar_config(disable=True)
    settings = dict(num_inference_steps=4, threshold=0.9, editing_threshold=None) | settings
    return pipe(
        input_ids=torch.tensor([[5, 6, 7]]), gen_length=length, mask_token_id=MASK, eos_early_stop=False,
        output_type="seq", callback_on_step_end=recorder.callback_on_step_end,
        callback_on_step_end_tensor_inputs=inputs, **settings,
    ).sequences  # fmt: skip


@pytest.mark.parametrize("editing", [None, 0.2])
def test_llada2_s_pipeline_is_recorded_block_by_block(editing, tmp_path):
    recorder = Listening(tmp_path / "a.run.jsonl.gz", mask_token_id=MASK)
    with recorder:
        sequences = llada2(recorder, editing_threshold=editing, max_post_steps=3)
    trace = Trace.load(tmp_path / "a.run.jsonl.gz")
    assert trace.header["policy"] == {"name": "LLaDA2Pipeline"}
    assert trace.header["canvas"] == [5, 6, 7, *[MASK] * 13]
    assert trace.header["fixed"] == [[0, 3]]
    assert trace.header["windows"] == [[0, 8], [8, 16]]
    assert len(trace.steps) == len(recorder.seen)
    for step, seen in zip(trace.steps, recorder.seen):
        here = slice(*step.window)
        assert step.after[: step.window[1]].tolist() == seen["block_x"][0].tolist()
        assert step.predicted[here].tolist() == seen["sampled_tokens"][0].tolist()
        assert step.confidence[here] == pytest.approx(seen["sampled_probs"][0].numpy(), abs=1e-4)
        assert np.isnan(step.entropy).all()
        moved = seen["transfer_index"] | seen["editing_transfer_index"]
        assert step.written[here].tolist() == moved[0].tolist()
    assert trace.canvas(len(trace.steps))[3:15].tolist() == sequences[0].tolist()
    edits = sum(int(seen["editing_transfer_index"].sum()) for seen in recorder.seen)
    assert summarise(trace).revisions == edits
    assert (edits > 0) == bool(editing)
    assert trace.to_frame()["reason"].isna().all()


def test_llada2_s_text_alone_is_enough_where_the_prompt_was_put_first():
    recorder = Recorder(mask_token_id=MASK)
    recorder.put([5, 6, 7])
    sequences = llada2(recorder, ["block_x"])
    trace = recorder.trace
    assert trace.canvas(len(trace.steps))[3:15].tolist() == sequences[0].tolist()
    assert trace.header["fixed"] == [[0, 3]]
    assert not any(step.measured.any() for step in trace.steps)
    assert all(step.seconds > 0 for step in trace.steps)
    with pytest.raises(ValueError, match="which positions are the prompt"):
        llada2(Recorder(), ["block_x"])


class Chat:
    """A processor that makes the same three tokens of every prompt."""

    eos_token_id = None

    def apply_chat_template(self, *_, **__):
        return {"input_ids": torch.tensor([[5, 6, 7]])}


def diffused(gemma, recorder, scheduler, inputs=DiffusionGemmaPipeline._callback_tensor_inputs, **settings):
    pipe = DiffusionGemmaPipeline(gemma, scheduler, Chat())
    pipe.set_progress_bar_config(disable=True)
    return pipe(
        prompt="why?", gen_length=2 * CANVAS, num_inference_steps=STEPS, output_type="seq",
        generator=torch.Generator().manual_seed(1), callback_on_step_end=recorder.callback_on_step_end,
        callback_on_step_end_tensor_inputs=inputs, **settings,
    ).sequences  # fmt: skip


@pytest.mark.parametrize("settings", [{"confidence_threshold": None}, {"confidence_threshold": 1e9}])
def test_diffusiongemma_s_pipeline_is_recorded_canvas_after_canvas(gemma, settings):
    recorder = Listening()
    recorder.put([5, 6, 7])
    sequences = diffused(gemma, recorder, BlockRefinementScheduler(block_length=CANVAS), **settings)
    recorder.put(sequences)  # what the pipeline settles after its last callback
    recorder.end()
    trace = recorder.trace
    drawn = [step for step in trace.steps if step.measured.any()]
    assert trace.header["windows"] == [[3, 11], [11, 19], *([[3, 19]] if len(drawn) < len(trace.steps) else [])]
    assert [step.after[slice(*step.window)].tolist() for step in drawn] == [
        s["canvas"][0].tolist() for s in recorder.seen
    ]
    assert [step.forwards for step in drawn] == [*range(1, len(drawn) + 1)]
    assert trace.canvas(len(trace.steps)).tolist() == [5, 6, 7, *sequences[0].tolist()]
    for step, seen in zip(drawn, recorder.seen):
        best = seen["logits"][0].double().softmax(-1).amax(-1)
        assert step.confidence[slice(*step.window)] == pytest.approx(best.numpy(), abs=1e-4)


def test_forwards_that_a_pipeline_does_not_report_are_not_counted(gemma):
    recorder = Recorder()
    diffused(gemma, recorder, DiscreteDDIMScheduler(corrector_steps=1), ["canvas"])
    recorder.end()
    trace = Trace.parse(recorder.trace.packed())
    assert {step.forwards for step in trace.steps} == {-1}
    assert all(np.isnan(step.seconds) for step in trace.steps)  # nobody took the time of the beginning
    assert {(json.loads(line)["forwards"], json.loads(line)["seconds"]) for line in trace.lines[1:-1]} == {(None, None)}
    assert not {"forwards", "seconds"} & trace.totals.keys()
    assert trace.summary() == f"{len(trace.steps)} steps"


# --- how a recording ends ---------------------------------------------------------------------------------------------


def test_a_sampler_that_fails_leaves_its_run_so_far_with_the_reason(tmp_path):
    path = tmp_path / "a.run.jsonl.gz"

    def fail():
        with Recorder(path) as recorder:
            recorder.put([5])
            recorder.put_draft([6, 7])
            raise RuntimeError("out of memory\nat a place")

    with pytest.raises(RuntimeError, match="out of memory"):
        fail()
    trace = Trace.load(path)
    assert (trace.outcome, trace.message, trace.step_map()) == ("error", "out of memory", [-1, 0, 0])


def test_a_run_that_was_stopped_by_hand_is_kept(tmp_path):
    path = tmp_path / "a.run.jsonl.gz"

    def stop():
        with Recorder(path) as recorder:
            recorder.put_draft([6, 7])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert Trace.load(path).outcome == "stopped"


def test_what_is_no_recording_of_one_text_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="nothing was recorded: pass the recorder as streamer="):
        Recorder().end()
    with pytest.raises(ValueError, match="one text is recorded at a time"):
        Recorder().put(torch.zeros(2, 5))
    with pytest.raises(ValueError, match="one text is recorded at a time"):
        Recorder().put_draft(logits=torch.zeros(2, 5, 9))
    with pytest.raises(ValueError, match="a value or logits"):
        Recorder().put_draft()
    with pytest.raises(ValueError, match="hands out block_x or canvas, got latents"):
        Recorder().callback_on_step_end(object(), 0, 0, {"latents": 1})
    with pytest.raises(ValueError, match="top_k must be between 1 and 100"):
        Recorder(top_k=0)


# --- lists of canvases ------------------------------------------------------------------------------------------------


def test_a_history_begins_with_the_canvas_of_masks_whether_the_list_has_it_or_not():
    masks, some, all_ = [5, MASK, MASK], [5, MASK, 8], [5, 7, 8]
    with_it = from_canvases([masks, some, all_], mask_token_id=MASK, prompt_length=1)
    without = from_canvases(torch.tensor([[some], [all_]]), mask_token_id=MASK, prompt_length=1)
    for trace in (with_it, without):
        assert trace.header["canvas"] == masks
        assert trace.step_map() == [-1, 1, 0]
        assert trace.text() == " 5 7 8"  # without a tokenizer the numbers
    assert with_it.lines == without.lines


def test_masks_that_come_back_were_taken_back():
    trace = from_canvases([[MASK, MASK], [6, 7], [6, MASK], [6, 8]], mask_token_id=MASK)
    assert [step.blanked.tolist() for step in trace.steps] == [[False, False], [False, True], [False, False]]
    assert [step.written.tolist() for step in trace.steps] == [[True, True], [False, False], [False, True]]


def test_canvases_of_uniform_noise_begin_with_the_first_of_them():
    trace = from_canvases([[4, 9], [4, 6], [5, 6]], mask_token_id=None)
    assert (trace.header["canvas"], trace.header["model"]["mask"]) == ([4, 9], None)
    assert trace.step_map() == [1, 0]


def test_what_nobody_measured_is_no_number_of_any_view():
    trace = from_canvases([[MASK, MASK], [6, MASK], [6, 7]], mask_token_id=MASK)
    numbers = summarise(trace)
    assert (numbers.forwards, numbers.seconds, numbers.tokens_per_forward, numbers.commit_confidence) == (None,) * 4
    assert trace.progress().data[0].y == (None, None)
    assert heatmap_data(trace, "confidence").measured == [[None, None], [None, None]]
    assert trace.to_frame()[["forwards", "seconds", "confidence", "entropy", "score"]].isna().all(axis=None)
    assert trace.summary() == "2 steps"


def test_a_history_that_grows_by_blocks_ends_at_its_longest():
    trace = from_canvases([[5, MASK], [5, 6], [5, 6, MASK], [5, 6, 7]], mask_token_id=MASK, prompt_length=1)
    assert trace.header["canvas"] == [5, MASK, MASK]
    assert trace.step_map() == [-1, 0, 2]


def test_forwards_of_a_history_are_those_you_know_of_it():
    canvases = [[6, MASK], [6, 7]]
    assert [s.forwards for s in from_canvases(canvases, mask_token_id=MASK, forwards_per_step=2).steps] == [2, 4]
    assert [s.forwards for s in from_canvases(canvases, mask_token_id=MASK).steps] == [-1, -1]


@given(
    st.integers(0, 3).flatmap(
        lambda head: st.tuples(
            st.just(head),
            st.integers(1, 6).flatmap(
                lambda free: st.lists(
                    st.lists(st.integers(0, MASK), min_size=free, max_size=free), min_size=1, max_size=6
                )
            ),
        )
    )
)
def test_every_list_of_canvases_is_a_run_file_that_holds_them(drawn):
    head, frees = drawn
    canvases = [[*range(5, 5 + head), *free] for free in frees]
    trace = Trace.parse(from_canvases(canvases, mask_token_id=MASK, prompt_length=head).packed())
    begins = all(token == MASK for token in frees[0])
    assert [step.after.tolist() for step in trace.steps] == canvases[1 if begins else 0 :]
    assert not any(step.measured.any() for step in trace.steps)


def test_a_history_keeps_the_text_of_its_tokens(tokenizer):
    prompt, answer = tokenizer("the").input_ids, tokenizer(" cat é").input_ids
    masks = [tokenizer.mask_token_id] * len(answer)
    trace = from_canvases(
        [[*prompt, *masks], [*prompt, *answer]], tokenizer, mask_token_id=tokenizer.mask_token_id,
        prompt_length=len(prompt),
    )  # fmt: skip
    assert (trace.header["prompt"], trace.text()) == ("the", "the cat é")
    assert trace.header["model"]["stop"] == [tokenizer.eos_token_id]
    assert trace.header["model"]["vocab_size"] == len(tokenizer)


def test_a_list_that_is_no_history_is_refused_in_a_sentence():
    for canvases, settings, sentence in (
        ([], {}, "the list of canvases is empty"),
        ([[5]], {"prompt_length": 2}, "prompt_length must be from 0 to the canvas's 1, got 2"),
        ([[5, 6], [5]], {}, "must not be shorter"),
        ([[-1]], {}, "must hold token ids"),
        ([torch.zeros(2, 3)], {}, "one text is recorded at a time"),
    ):
        with pytest.raises(ValueError, match=sentence):
            from_canvases(canvases, mask_token_id=MASK, **settings)


# --- step maps --------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, MASK), st.integers(-1, 12)), min_size=1, max_size=9))
def test_the_map_of_a_run_that_was_made_from_a_map_is_that_map(pairs):
    ids, steps = ([*column] for column in zip(*pairs))
    trace = Trace.parse(from_step_map(ids, steps).packed())
    assert trace.step_map() == steps
    assert trace.canvas(len(trace.steps)).tolist() == ids
    assert not any(step.measured.any() for step in trace.steps)


def test_a_mask_that_nobody_wrote_stays_one_and_what_stood_before_is_fixed():
    trace = from_step_map([5, 6, MASK], [-1, 0, -1], mask_token_id=MASK)
    assert trace.header["fixed"] == [[0, 1]]
    assert trace.masks_left() == [2, 1]


def test_a_map_that_is_none_is_refused_in_a_sentence():
    for ids, steps, sentence in (
        ([5], [0, 1], "of one length above 0, got 1 and 2"),
        ([], [], "of one length"),
        ([5], [-2], "steps must be from -1"),
        ([5], [2**40], "steps must be from -1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            from_step_map(ids, steps)
