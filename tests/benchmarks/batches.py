"""Several canvases in one forward, `sample_many()`, against one after another; with the bundled model."""

from collections.abc import Iterator

from dlm_core.canvas import Canvas
from dlm_core.models import load_model
from dlm_core.policies import make_policy
from dlm_core.sampler import sample, sample_many
from tests.benchmarks.measure import Row, side_by_side

STEPS, LENGTHS, TOGETHER = 16, (32, 128), (1, 4, 8)


def rows() -> Iterator[Row]:
    model = load_model("bundled")
    prompt, policy = model.encode_prompt("Once upon a time"), make_policy("llada", steps=STEPS, temperature=0.7)

    def together(where: list[Canvas]) -> None:
        for run in sample_many(model.denoiser, where, policy):
            for _ in run:
                pass

    def in_turn(where: list[Canvas]) -> None:
        for seed, canvas in enumerate(where):
            for _ in sample(model.denoiser, canvas, policy, seed=seed):
                pass

    for length in LENGTHS:
        for count in TOGETHER:
            where = [model.canvas(prompt, length)] * count
            ours, theirs = side_by_side(lambda: together(where), lambda: in_turn(where), repeats=5)  # noqa: B023
            tokens = [1e3 * count * length / each for each in (ours, theirs)]
            yield Row(
                f"time of {count} canvases of {length} positions in one forward against one after another",
                ours / theirs, f"{tokens[0]:.0f} and {tokens[1]:.0f} tokens a second, {STEPS} forwards each",
                count == TOGETHER[-1],
            )  # fmt: skip
