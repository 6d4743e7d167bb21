"""Live against installed implementations: transformers' DiffusionGemma and diffusers' discrete schedulers.

The golden files hold what those left once; here they run beside the policies, canvas by canvas, and each comparison
has companions in which one parameter is slightly off and the canvases part.
"""

import numpy as np
import pytest
import torch
from diffusers import BlockRefinementScheduler, DiscreteDDIMScheduler, EntropyBoundScheduler
from oracle import oracle
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion
from transformers.models.diffusion_gemma.generation_diffusion_gemma import EntropyBoundSamplerConfig

from dlm_core.canvas import Canvas
from dlm_core.denoiser import TableDenoiser
from dlm_core.policies import make_policy
from dlm_core.sampler import sample

# generate() loads torch's compiler, which says this of a part of itself
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")

LENGTH, VOCAB, MASK, STEPS = 16, 40, 39, 8
SEEDS = (1, 2, 3)


def first_canvas(vocab: int, seed: int) -> Canvas:
    """The uniform noise that published samplers begin with: the first numbers of their seed."""
    ids = torch.randint(vocab, (LENGTH,), generator=torch.Generator().manual_seed(seed))
    return Canvas(ids.numpy(), np.zeros(LENGTH, dtype=bool))


def masked() -> Canvas:
    return Canvas(np.full(LENGTH, MASK), np.zeros(LENGTH, bool))


# --- transformers -----------------------------------------------------------------------------------------------------


# temperatures that float32 holds exactly: generate() rounds them to float32, and a random network amplifies last bits
GEMMA = {"max_denoising_steps": STEPS, "entropy_bound": 0.3, "t_min": 0.5, "t_max": 1.0, "stability_threshold": 1,
         "confidence_threshold": 0.005}  # fmt: skip


def tiny_gemma():
    """A tiny DiffusionGemma, with weights large enough that some predictions are sharp."""
    torch.manual_seed(0)
    text = dict(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, global_head_dim=16, sliding_window=32, num_experts=4, top_k_experts=2,
        moe_intermediate_size=32, max_position_embeddings=128, layer_types=["sliding_attention", "full_attention"],
        pad_token_id=0, eos_token_id=1, bos_token_id=2,
    )  # fmt: skip
    vision = dict(model_type="gemma4_vision", hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    config = DiffusionGemmaConfig(text_config=text, vision_config=vision, canvas_length=LENGTH, initializer_range=0.5)
    return DiffusionGemmaForBlockDiffusion(config).eval()


@pytest.fixture(scope="module")
def gemma():
    return tiny_gemma()


PROMPT = torch.tensor([[2, 7, 11, 13]])


def gemma_text(model, seed, entropy_bound, **params):
    """What transformers' generate() ends with."""
    torch.manual_seed(seed)
    return model.generate(
        PROMPT, max_new_tokens=LENGTH, eos_token_id=None, **params,
        sampler_config=EntropyBoundSamplerConfig(entropy_bound=entropy_bound),
    ).sequences[0, PROMPT.shape[1] :].tolist()  # fmt: skip


def generated(model, monkeypatch, seed, entropy_bound, **params):
    """Every canvas that transformers' decoder saw, and the text it ended with."""
    seen, forward = [], model.forward
    monkeypatch.setattr(model, "forward", lambda **k: seen.append(k["decoder_input_ids"][0].tolist()) or forward(**k))
    text = gemma_text(model, seed, entropy_bound, **params)
    monkeypatch.undo()
    return [*seen, text]


def denoised(model, seed, **params):
    """Every canvas of our loop, first and last included; the network sees its last, tempered answer again."""
    left, previous = params["max_denoising_steps"], None

    def table(ids):
        nonlocal left, previous
        logits = model(input_ids=PROMPT, decoder_input_ids=ids, self_conditioning_logits=previous).logits
        steps, t_min, t_max = params["max_denoising_steps"], params["t_min"], params["t_max"]
        left, previous = left - 1, logits / (t_min + (t_max - t_min) * left / steps)
        return logits

    canvas = first_canvas(VOCAB, seed)
    policy = make_policy("diffusion_gemma", draws="canvas", **params)
    run = list(sample(TableDenoiser(table, VOCAB, None), canvas, policy, seed=seed))
    return [canvas.ids.tolist(), *(step.after.tolist() for step in run)]


@pytest.mark.parametrize("seed", SEEDS)
def test_diffusion_gemma_equals_generate_canvas_by_canvas(gemma, monkeypatch, seed):
    theirs = generated(gemma, monkeypatch, seed, **GEMMA)
    assert denoised(gemma, seed, **GEMMA) == theirs
    assert len(theirs) > 3, "a run of one step compares nothing"


def test_diffusion_gemma_stops_when_generate_stops(gemma, monkeypatch):
    lengths = set()
    for stability, confidence in ((0, 1e-9), (0, 0.5), (0, 1.0), (1, 9.0), (2, 9.0)):
        params = GEMMA | {"stability_threshold": stability, "confidence_threshold": confidence}
        theirs = generated(gemma, monkeypatch, 1, **params)
        assert denoised(gemma, 1, **params) == theirs
        lengths.add(len(theirs))
    assert len(lengths) > 1, "every run was as long as every other"


@pytest.mark.parametrize("wrong", [
    {"t_max": 1.125}, {"t_min": 0.625}, {"entropy_bound": 0.5}, {"max_denoising_steps": STEPS - 1},
])  # fmt: skip
def test_diffusion_gemma_with_one_wrong_parameter_parts_from_generate(gemma, monkeypatch, wrong):
    assert any(
        denoised(gemma, seed, **(GEMMA | wrong)) != generated(gemma, monkeypatch, seed, **GEMMA) for seed in SEEDS
    )


# --- diffusers --------------------------------------------------------------------------------------------------------


def logits_of(ids, seed=7):
    return torch.from_numpy(oracle(ids.numpy(), seed=seed, vocab=VOCAB, gain=12))


def scheduled(scheduler, canvas, seed, **step_params):
    """Every canvas of a diffusers scheduler driven by its own `step`, as its pipeline does, first and last included."""
    scheduler.set_timesteps(STEPS)
    generator = torch.Generator().manual_seed(seed)
    if "mask_token_id" not in step_params:
        torch.randint(VOCAB, (1, LENGTH), generator=generator)  # the pipeline's first canvas
    ids, canvases = torch.from_numpy(canvas.ids.copy())[None], [canvas.ids.tolist()]
    for index in range(STEPS):
        ids = scheduler.step(logits_of(ids), index, ids, generator=generator, **step_params).prev_sample
        canvases.append(ids[0].tolist())
    return canvases


def ours(name, canvas, seed, mask=None, **params):
    policy = make_policy(name, num_inference_steps=STEPS, draws="canvas", **params)
    run = list(sample(TableDenoiser(logits_of, VOCAB, mask), canvas, policy, seed=seed))
    return [canvas.ids.tolist(), *(step.after.tolist() for step in run)]


def entropy_bound(seed, wrong):
    params = {"entropy_bound": 0.5, "t_min": 0.4, "t_max": 0.8}
    canvas = first_canvas(VOCAB, seed)
    theirs = scheduled(EntropyBoundScheduler(**params), canvas, seed)
    return ours("diffusers_entropy_bound", canvas, seed, **(params | wrong)), theirs


def discrete_ddim(seed, wrong):
    params, canvas = {"temperature": 0.8}, first_canvas(VOCAB, seed)
    theirs = scheduled(DiscreteDDIMScheduler(), canvas, seed, **params)
    return ours("diffusers_discrete_ddim", canvas, seed, **(params | wrong)), theirs


def discrete_ddim_greedy(seed, wrong):
    canvas = first_canvas(VOCAB, seed)
    theirs = scheduled(DiscreteDDIMScheduler(), canvas, seed, temperature=0.0)
    return ours("diffusers_discrete_ddim", canvas, seed, **({"temperature": 0.0} | wrong)), theirs


def block_refinement(seed, wrong):
    params, canvas = {"threshold": 0.6, "temperature": 0.9}, masked()
    theirs = scheduled(
        BlockRefinementScheduler(block_length=LENGTH, editing_threshold=0.5), canvas, seed, mask_token_id=MASK, **params
    )
    params["editing_threshold"] = 0.5
    return ours("diffusers_block_refinement", canvas, seed, MASK, **(params | wrong)), theirs


def block_refinement_uniform(seed, wrong):
    params, canvas = {"threshold": 0.6, "temperature": 0.9}, first_canvas(VOCAB, seed)
    theirs = scheduled(BlockRefinementScheduler(block_length=LENGTH), canvas, seed, **params)
    return ours("diffusers_block_refinement", canvas, seed, uniform=True, **(params | wrong)), theirs


def block_refinement_filtered(seed, wrong):
    params, canvas = {"threshold": 0.6, "temperature": 1.3, "top_k": 6, "top_p": 0.8}, masked()
    scheduler = BlockRefinementScheduler(block_length=LENGTH)
    theirs = scheduled(scheduler, canvas, seed, mask_token_id=MASK, **params)
    return ours("diffusers_block_refinement", canvas, seed, MASK, **(params | wrong)), theirs


def block_refinement_uniform_filtered(seed, wrong):
    params = {"threshold": 0.6, "temperature": 1.3, "top_k": 6, "top_p": 0.8, "editing_threshold": 0.4}
    canvas = first_canvas(VOCAB, seed)
    theirs = scheduled(BlockRefinementScheduler(block_length=LENGTH), canvas, seed, **params)
    return ours("diffusers_block_refinement", canvas, seed, uniform=True, **(params | wrong)), theirs


# each scheduler with the ways in which it is driven slightly wrong
DIFFUSERS = {
    entropy_bound: [{"entropy_bound": 0.7}, {"t_min": 0.5}, {"t_max": 0.9}],
    discrete_ddim: [{"temperature": 0.9}],
    discrete_ddim_greedy: [{"temperature": 0.1}],
    block_refinement: [{"threshold": 0.4}, {"temperature": 1.0}, {"editing_threshold": 0.6}],
    block_refinement_uniform: [{"threshold": 0.4}, {"temperature": 1.0}],
    block_refinement_filtered: [{"top_k": 4}, {"top_p": 0.6}],
    block_refinement_uniform_filtered: [{"top_k": 4}, {"top_p": 0.6}, {"editing_threshold": 0.7}],
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("beside", DIFFUSERS, ids=lambda f: f.__name__)
def test_a_policy_equals_diffusers_scheduler_at_every_step(beside, seed):
    got, wanted = beside(seed, {})
    assert got == wanted
    assert len({tuple(canvas) for canvas in wanted}) > 3, "a canvas that does not move compares nothing"


@pytest.mark.parametrize(
    ("beside", "wrong"),
    [pytest.param(f, w, id=f"{f.__name__}-{next(iter(w))}") for f, ways in DIFFUSERS.items() for w in ways],
)
def test_one_wrong_parameter_parts_from_diffusers_scheduler(beside, wrong):
    assert any(got != wanted for got, wanted in (beside(seed, wrong) for seed in range(1, 9)))
