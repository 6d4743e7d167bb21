"""Time outside the denoiser as a share of a run with the bundled model, with and without recording."""

import statistics
import time
from collections.abc import Iterator

import torch

from dlm_core.engine import Request, plan
from dlm_core.models import LoadedModel, load_model
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from dlm_core.trace import Trace
from tests.benchmarks.measure import FOR_MASKS, OPEN, Row, Timed, settings

STEPS = 32


def run(model: LoadedModel, name: str, temperature: float, recording: bool) -> tuple[float, float]:
    """The share outside the denoiser, and milliseconds a forward."""
    params = settings(name, STEPS, temperature)
    agreed, timed = plan(model, Request("Once upon a time", name, OPEN, params=params)), Timed(model.denoiser)
    trace = Trace.begin(
        model=model.describe(), prompt="", canvas=agreed.canvas.ids, fixed=agreed.canvas.fixed,
        policy=agreed.settings, windows=agreed.windows, seed=0, top_k=5, versions={}, piece=model.piece,
    )  # fmt: skip
    began = time.perf_counter()
    for step in sample(timed, agreed.canvas, make_policy(name, **params), windows=agreed.windows):
        if recording:
            trace.append(step)
    return 1 - timed.seconds / (time.perf_counter() - began), timed.seconds / timed.calls * 1e3


def rows() -> Iterator[Row]:
    torch.set_num_threads(min(2, torch.get_num_threads()))
    model, threads = load_model("bundled"), torch.get_num_threads()
    run(model, "llada", 0.7, True)
    for recording in (True, False):
        for temperature in (0.0, 0.7):
            for name in FOR_MASKS if recording else ["llada"]:
                share, forward = map(
                    statistics.median, zip(*(run(model, name, temperature, recording) for _ in range(3)))
                )
                yield Row(
                    f"share of a {name} run outside the model at temperature {temperature}, {OPEN} tokens, recording "
                    + ("on" if recording else "off"),
                    share,
                    f"bundled, {forward:.1f} ms a forward, threads: {threads}",
                    name == "llada",
                )
