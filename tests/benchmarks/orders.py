"""Left to right with a KV cache against diffusion, caches on and off, logits only where asked, and a compiled network.

All with the bundled model.
"""

import time
from collections.abc import Iterator

import torch

from dlm_core.autoregressive import autoregressive
from dlm_core.canvas import aligned, blocks
from dlm_core.denoiser import Banned, Denoiser
from dlm_core.models import load_model
from dlm_core.models.networks import BlockAttention, BlockCache
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from tests.benchmarks.measure import OPEN, Row, side_by_side


def a_second(forwards: int, *milliseconds: float) -> str:
    """What so many forwards in so much time are."""
    return " and ".join(f"{1e3 * forwards / each:.1f}" for each in milliseconds) + " forwards a second"


def rows() -> Iterator[Row]:
    model = load_model("bundled")
    prompt = model.encode_prompt("Once upon a time")
    canvas = model.canvas(prompt, OPEN)

    def rightward() -> int:
        return len(list(autoregressive(model.model, canvas, banned=[model.mask_token_id])))

    def diffuse(denoiser: Denoiser, steps: int, windows: list[tuple[int, int]] | None = None) -> None:
        for _ in sample(denoiser, canvas, make_policy("llada", steps=steps), windows=windows):
            pass

    for forwards in (4, 8, 16, 32):
        ours, theirs = side_by_side(lambda: diffuse(model.denoiser, forwards), rightward, repeats=3)  # noqa: B023
        yield Row(
            f"diffusion of {OPEN} positions in {forwards} forwards against left to right with a KV cache",
            ours / theirs, f"{ours:.0f} and {theirs:.0f} ms; left to right took {rightward()} forwards", forwards == 16,
        )  # fmt: skip
    windows = blocks(len(prompt), len(canvas), 32)
    for kind in ("prefix", "dual"):
        near = model.cached(kind)
        ours, theirs = side_by_side(
            lambda: diffuse(near.denoiser, 64, windows),  # noqa: B023
            lambda: diffuse(model.denoiser, 64, windows),
            repeats=3,
        )
        yield Row(
            f"approximate {kind} cache against none: time of {OPEN} positions in blocks of 32 and 64 forwards",
            ours / theirs, a_second(64, ours, theirs), kind == "dual",
        )  # fmt: skip
    network = BlockAttention(model.model, model.mask_token_id, 32)
    long, policy = model.canvas(prompt, 224), make_policy("llada", steps=56)

    def blockwise(denoiser: Denoiser) -> None:
        for _ in sample(
            Banned(denoiser, [model.mask_token_id]), long, policy, windows=aligned(len(prompt), len(long), 32)
        ):
            pass

    ours, theirs = side_by_side(lambda: blockwise(BlockCache(network)), lambda: blockwise(network), repeats=3)
    yield Row(
        "exact block cache against none: time of 224 positions in blocks of 32 and 56 forwards, by the bundled weights",
        ours / theirs, a_second(56, ours, theirs), True,
    )  # fmt: skip
    ids, few, all_ = torch.randint(4, model.denoiser.vocab_size, (1, OPEN)), torch.arange(16), torch.arange(OPEN)
    with torch.inference_mode():
        ours, theirs = side_by_side(lambda: model.denoiser(ids, few), lambda: model.denoiser(ids, all_), repeats=15)
    yield Row(
        "a forward that answers 16 of 128 positions against all 128", ours / theirs, f"{ours:.1f} and {theirs:.1f} ms"
    )
    network, compiled = model.model.base_model, torch.compile(model.model.base_model, dynamic=True)
    with torch.inference_mode():
        began = time.perf_counter()
        compiled(input_ids=ids, is_causal=False, use_cache=False)
        seconds = time.perf_counter() - began
        ours, theirs = side_by_side(
            lambda: compiled(input_ids=ids, is_causal=False, use_cache=False),
            lambda: network(input_ids=ids, is_causal=False, use_cache=False),
            repeats=15,
        )
    yield Row(
        "a forward without its head, by torch.compile against as it is", ours / theirs,
        f"{ours:.1f} and {theirs:.1f} ms, after {seconds:.0f} s of compilation", True,
    )  # fmt: skip
