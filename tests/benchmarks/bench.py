"""What things cost, as ratios measured side by side in one process: `make bench` prints the table of the README.

Each pair takes turns within one run, and the middle of the repeats is reported, so a busy machine moves both sides.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from dlm_core.canvas import Canvas, aligned
from dlm_core.denoiser import Banned, Denoiser
from dlm_core.engine import LocalEngine, Request, plan
from dlm_core.models import load_model
from dlm_core.models.networks import BlockAttention, BlockCache
from dlm_core.policies import POLICIES, make_policy, parameters
from dlm_core.sampler import sample
from dlm_core.trace import Trace

LARGE = 126_464  # LLaDA's vocabulary
OPEN = 128
FOR_MASKS = [name for name in POLICIES if make_policy(name).for_masks]


class Ready:
    """A denoiser whose logits are already there: what is left is the sampler's own cost."""

    vocab_size, mask_token_id = LARGE, LARGE - 1

    def __init__(self) -> None:
        self.logits = torch.randn(1, OPEN, LARGE, generator=torch.Generator().manual_seed(0)) * 2
        self.logits[..., self.mask_token_id] = -1e9

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.logits if len(positions) == OPEN else self.logits[:, positions]


def plain(logits: Tensor, temperature: float, quota: int) -> Tensor:
    """LLaDA's rule written down as it reads: noise and softmax over the whole canvas, nothing recorded."""
    noisy = logits
    if temperature:
        uniform = torch.rand(logits.shape, dtype=torch.float64)
        noisy = logits.double().exp() / (-uniform.log()) ** temperature
    tokens = noisy.argmax(-1)
    confidence = logits.softmax(-1).gather(-1, tokens[..., None])[..., 0]
    return confidence.topk(quota).indices


def side_by_side(*sides: Callable[[], object], repeats: int = 7) -> list[float]:
    """Median milliseconds of each side, taking turns."""
    times: list[list[float]] = [[] for _ in sides]
    for turn in range(repeats + 1):
        for side, kept in zip(sides, times):
            began = time.perf_counter()
            side()
            if turn:  # the first turn warms up
                kept.append((time.perf_counter() - began) * 1e3)
    return [statistics.median(kept) for kept in times]


def settings(name: str, steps: int, temperature: float) -> dict[str, object]:
    """What a policy has of the two, under its own names."""
    known = parameters(name)
    wanted = {"steps": steps, "num_steps": steps, "temperature": temperature, "tau": temperature}
    return {key: value for key, value in wanted.items() if key in known}


def sampler_rows() -> list[tuple[str, str, str]]:
    """One recorded step on ready logits against the plain rule that records nothing; one thread."""
    torch.set_num_threads(1)
    ready, canvas, rows = Ready(), Canvas.from_prompt([], OPEN, LARGE - 1), []
    for temperature in (0.0, 0.7):
        for name in FOR_MASKS:
            policy = make_policy(name, **settings(name, OPEN, temperature))
            step = lambda: next(sample(ready, canvas, policy))  # noqa: B023, E731
            ours, theirs = side_by_side(step, lambda: plain(ready.logits, temperature, 1), repeats=3)  # noqa: B023
            what = f"one step of {name} at temperature {temperature}, all beliefs recorded, {OPEN} of {LARGE:,} logits"
            rows.append((what, f"{ours / theirs:.2f}", f"{ours:.0f} ms, plain LLaDA rule {theirs:.0f} ms, 1 thread"))
    return rows


def overhead_rows() -> list[tuple[str, str, str]]:
    """Time outside the denoiser, recording included, as a share of a run with the bundled model."""
    torch.set_num_threads(2)
    model, rows = load_model("bundled"), []
    inside = [0.0]

    class Timed:
        vocab_size, mask_token_id = model.denoiser.vocab_size, model.mask_token_id

        def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
            began = time.perf_counter()
            logits = model.denoiser(ids, positions)
            inside[0] += time.perf_counter() - began
            return logits

    for name in FOR_MASKS:
        params = settings(name, 64, 0.7)
        agreed = plan(model, Request("Once upon a time", name, OPEN, params=params))
        shares = []
        for _ in range(3):
            trace = Trace.begin(
                model=model.describe(), prompt="", canvas=agreed.canvas.ids, fixed=agreed.canvas.fixed,
                policy=agreed.settings, windows=agreed.windows, seed=0, top_k=5, versions={}, piece=model.piece,
            )  # fmt: skip
            inside[0], began = 0.0, time.perf_counter()
            for step in sample(Timed(), agreed.canvas, make_policy(name, **params), windows=agreed.windows):
                trace.append(step)
            shares.append(1 - inside[0] / (time.perf_counter() - began))
        share = statistics.median(shares)
        rows.append(
            (
                f"share of a {name} run outside the model, {OPEN} tokens, recording on",
                f"{share:.3f}",
                "bundled, 2 threads",
            )
        )
    return rows


def stream_rows() -> list[tuple[str, str, str]]:
    """Bytes of run-file lines for a long run, against sending the canvas of every step as JSON ids."""
    lines = list(
        LocalEngine(load_model("bundled")).run(Request("Once upon a time", length=OPEN, params={"steps": OPEN}))
    )
    size = sum(len(line.encode()) for line in lines)
    return [
        (
            f"bytes streamed for {OPEN} positions by {OPEN} steps, as a share of 300 KiB",
            f"{size / 300 / 1024:.2f}",
            f"{size:,} bytes, {size // OPEN:,} a step",
        )
    ]


def positions_rows() -> list[tuple[str, str, str]]:
    """Asking only for the open positions against asking for all, on the bundled model with 16 of 128 open."""
    model = load_model("bundled")
    ids, few, all_ = torch.randint(4, 4096, (1, OPEN)), torch.arange(16), torch.arange(OPEN)
    with torch.inference_mode():
        ours, whole = side_by_side(lambda: model.denoiser(ids, few), lambda: model.denoiser(ids, all_), repeats=15)
    return [
        (
            "a forward that answers 16 of 128 positions against all 128",
            f"{ours / whole:.2f}",
            f"{ours:.1f} ms and {whole:.1f} ms",
        )
    ]


def cache_rows() -> list[tuple[str, str, str]]:
    """Forwards per second of a block-causal run with the exact block cache and without, by the bundled weights."""
    model = load_model("bundled")
    prompt, policy = model.encode_prompt("Once upon a time"), make_policy("llada", steps=56)
    canvas = model.canvas(prompt, 224)
    windows = aligned(len(prompt), len(canvas), 32)
    network = BlockAttention(model.model, model.mask_token_id, 32)

    def run(denoiser: Denoiser) -> int:
        banned = Banned(denoiser, [model.mask_token_id])
        return sum(1 for _ in sample(banned, canvas, policy, windows=windows))

    forwards = run(network)
    ours, plain = side_by_side(lambda: run(BlockCache(network)), lambda: run(network), repeats=3)
    return [
        (
            "exact block cache against none: time of a run of 224 positions in blocks of 32, by the bundled weights",
            f"{ours / plain:.2f}",
            f"{forwards / ours * 1e3:.1f} and {forwards / plain * 1e3:.1f} forwards a second",
        )
    ]


def main() -> None:
    print("| what | ratio | measured |\n|---|---|---|")
    for rows in (sampler_rows, overhead_rows, stream_rows, positions_rows, cache_rows):
        for row in rows():
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
