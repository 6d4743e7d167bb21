"""transformers' own generate() and diffusers' schedulers against the same rule here: equal tokens, side by side."""

from collections.abc import Callable, Iterator

import torch
from diffusers import BlockRefinementScheduler, DiscreteDDIMScheduler, EntropyBoundScheduler
from test_oracles import GEMMA, LENGTH, STEPS, VOCAB, denoised, first_canvas, gemma_text, ours, scheduled, tiny_gemma

from tests.benchmarks.measure import Row, side_by_side


def rows() -> Iterator[Row]:
    torch.set_num_threads(1)
    model, seed = tiny_gemma(), 1
    canvas = first_canvas(VOCAB, seed)
    refine, bound = {"threshold": 0.6, "temperature": 0.9}, {"entropy_bound": 0.5, "t_min": 0.4, "t_max": 0.8}
    pairs: dict[str, tuple[Callable[[], list], Callable[[], list]]] = {
        "transformers' DiffusionGemma generate()": (
            lambda: denoised(model, seed, **GEMMA)[-1],
            lambda: gemma_text(model, seed, **GEMMA),
        ),
        "diffusers' BlockRefinementScheduler": (
            lambda: ours("diffusers_block_refinement", canvas, seed, uniform=True, **refine),
            lambda: scheduled(BlockRefinementScheduler(block_length=LENGTH), canvas, seed, **refine),
        ),
        "diffusers' EntropyBoundScheduler": (
            lambda: ours("diffusers_entropy_bound", canvas, seed, **bound),
            lambda: scheduled(EntropyBoundScheduler(**bound), canvas, seed),
        ),
        "diffusers' DiscreteDDIMScheduler": (
            lambda: ours("diffusers_discrete_ddim", canvas, seed, temperature=0.8),
            lambda: scheduled(DiscreteDDIMScheduler(), canvas, seed, temperature=0.8),
        ),
    }
    for name, (mine, theirs) in pairs.items():
        if mine() != theirs():
            raise RuntimeError(f"{name} gives other tokens: nothing to compare")
        here, there = side_by_side(mine, theirs)
        yield Row(
            f"the same rule here, recorded, against {name}: equal tokens, {LENGTH} of {VOCAB}, {STEPS} steps",
            here / there, f"{here:.1f} and {there:.1f} ms, 1 thread", "transformers" in name,
        )  # fmt: skip
