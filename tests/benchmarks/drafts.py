"""Draft and verify against cached autoregression of the same weights: tokens a forward and tokens a second, one thread.

Both take turns, prompt by prompt, and are timed by the processor's clock, which other programs do not move.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from dlm_core.autoregressive import autoregressive
from dlm_core.canvas import Canvas
from dlm_core.models import load_model
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from dlm_core.step import Step
from tests.benchmarks.measure import Row

PROMPTS = (
    "Once upon a time",
    "One day, a little girl named Mia saw",
    "Tom and his dog went to",
    "The old king was sad",
)
LENGTH = 96


class Writer:
    """One way to write, with what it took so far."""

    def __init__(self, steps: Callable[[Canvas, int], Iterator[Step]]) -> None:
        self.steps, self.seconds, self.tokens, self.forwards = steps, 0.0, 0, 0

    def write(self, canvas: Canvas, seed: int, mask: int) -> np.ndarray:
        began = time.process_time()
        *_, last = self.steps(canvas, seed)
        self.seconds += time.process_time() - began
        self.tokens += int((canvas.ids == mask).sum() - (last.after == mask).sum())
        self.forwards += last.forwards
        return last.after

    def __str__(self) -> str:
        return f"{self.tokens / self.forwards:.2f} tokens a forward, {self.tokens / self.seconds:.0f} a second"


def rows() -> Iterator[Row]:
    torch.set_num_threads(1)
    model = load_model("bundled")
    banned = sorted(set(model.tokenizer.all_special_ids) - set(model.stop_ids))
    canvases = [model.canvas(model.encode_prompt(prompt), LENGTH) for prompt in PROMPTS]
    for temperature in (0.0, 0.7, 1.0):
        for draft_length in (5, 8):
            policy = make_policy(
                "speculative", draft_length=draft_length, temperature=temperature, stop_ids=model.stop_ids
            )
            drafts = Writer(lambda canvas, seed: sample(model.denoiser, canvas, policy, seed=seed))  # noqa: B023
            one_by_one = Writer(
                lambda canvas, seed: autoregressive(
                    model.model, canvas, banned=banned, stop_ids=model.stop_ids, temperature=temperature, seed=seed  # noqa: B023
                )
            )  # fmt: skip
            for writer in (drafts, one_by_one):
                writer.write(canvases[0], 0, model.mask_token_id)  # warms up
                writer.seconds, writer.tokens, writer.forwards = 0.0, 0, 0
            same = 0
            for seed, canvas in enumerate(canvases * 2):
                texts = [writer.write(canvas, seed, model.mask_token_id) for writer in (drafts, one_by_one)]
                same += np.array_equal(*texts)
            yield Row(
                f"draft and verify, {draft_length} drafted, against left to right with a KV cache: tokens a second at "
                f"temperature {temperature}",
                (drafts.tokens / drafts.seconds) / (one_by_one.tokens / one_by_one.seconds),
                f"{drafts}; left to right {one_by_one.tokens / one_by_one.seconds:.0f} a second; the same text "
                f"{same} of {2 * len(canvases)} times; 1 thread",
                draft_length == 5 and temperature < 1,
            )  # fmt: skip
