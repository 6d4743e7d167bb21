"""One recorded step on ready logits of a large vocabulary, against LLaDA's rule that records nothing; one thread."""

from collections.abc import Iterator

import torch
from torch import Tensor

from dlm_core.canvas import Canvas
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from tests.benchmarks.measure import FOR_MASKS, OPEN, Row, settings, side_by_side

LARGE = 126_464  # LLaDA's vocabulary


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


def rows() -> Iterator[Row]:
    torch.set_num_threads(1)
    ready, canvas = Ready(), Canvas.from_prompt([], OPEN, LARGE - 1)
    for temperature in (0.0, 0.7):
        for name in FOR_MASKS:
            policy = make_policy(name, **settings(name, OPEN, temperature))
            step = lambda: next(sample(ready, canvas, policy))  # noqa: B023, E731
            ours, theirs = side_by_side(step, lambda: plain(ready.logits, temperature, 1), repeats=3)  # noqa: B023
            what = f"one step of {name} at temperature {temperature}, all beliefs recorded, {OPEN} of {LARGE:,} logits"
            yield Row(
                what, ours / theirs, f"{ours:.0f} ms, plain LLaDA rule {theirs:.0f} ms, 1 thread", name == "llada"
            )
