"""A small vocabulary with known answers, runs recorded from it, and what a handler says as a visitor reads it."""

from typing import Any

from dlm_core.canvas import Canvas
from dlm_core.denoiser import Denoiser
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from dlm_core.trace import Trace
from dlm_core.words import english

VOCAB, MASK, STOP = 48, 47, 46


def record(denoiser: Denoiser, canvas: Canvas, policy: str = "llada", windows=None, seed: int = 3, **params) -> Trace:
    """Run a policy and keep the run as a trace with one letter a token."""
    windows = windows or [(0, len(canvas))]
    trace = Trace.begin(
        model={"name": "oracle", "revision": None, "vocab_size": VOCAB, "mask": MASK, "stop": [STOP]},
        prompt="", canvas=canvas.ids, fixed=canvas.fixed, policy={"name": policy} | params, windows=windows, seed=seed,
        top_k=5, versions={}, piece=lambda token: b"\xf0\x9f" if token == 7 else chr(0x61 + token),
    )  # fmt: skip
    for step in sample(denoiser, canvas, make_policy(policy, **params), windows=windows, seed=seed):
        trace.append(step)
    return trace


def elastic(denoiser: Denoiser) -> Trace:
    """A run in which positions come and go, one of each: a gap of six masks between fixed words."""
    ids = [1, 2, *[MASK] * 6, 3, 4]
    canvas = Canvas(ids, [token != MASK for token in ids])
    trace = record(denoiser, canvas, "dreamon", expand_id=24, eos_id=25, temperature=0.0)
    trace.finish("finished")
    return trace


def spoken(message: Any) -> str:
    """What `told` of words.js makes of a message, in English."""
    if isinstance(message, list):
        return " ".join(map(spoken, message))
    if isinstance(message, dict):
        return english(message["phrase"]).format(**{name: spoken(value) for name, value in message["values"].items()})
    return str(message)
