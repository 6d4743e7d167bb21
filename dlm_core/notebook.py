"""A run on screen while it is made, in a notebook: `watch(steps)`.

A finished run shows itself there already (`Trace._repr_html_`).  IPython is not required: without it, or outside of a
notebook, one line on standard error counts the steps.
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import version
from itertools import groupby
from typing import Any

import numpy as np
from numpy import ndarray

from dlm_core.canvas import Canvas
from dlm_core.figures import palette
from dlm_core.models import LoadedModel
from dlm_core.step import Step
from dlm_core.trace import Trace

_Show = Callable[[Trace], None]
_STYLES = {  # of the states of a position; colours of the text are the notebook's own, light or dark
    "mask": "opacity: 0.35",
    "fixed": "font-weight: 600",
    "new": f"border-bottom: 2px solid {palette('light')['now']}",
    "written": "",
}


def watch(
    steps: Iterable[Step], model: LoadedModel, canvas: Canvas | None = None, *,
    windows: Sequence[tuple[int, int]] | None = None, policy: Mapping[str, Any] | None = None, seed: int | None = None,
    prompt: str = "", every: float = 0.1,
) -> Trace:  # fmt: skip
    """Show the steps of `sample()` as they come, and return their run, which a notebook plays.

    `canvas` is the one that `sample()` was called with; without it, what the first step finds that is no mask counts as
    fixed.  `windows`, `policy` (a name and its parameters), `seed` and `prompt` are for the header of the run; None is
    not known, and for windows one over the whole canvas, as in `sample()`.  The screen changes at most once in `every`
    seconds.  Interrupting the cell ends the run, which is kept and returned.  No step at all is a ValueError.
    """
    trace: Trace | None = None
    show = _screen()
    shown, outcome = -every, "finished"
    try:
        for step in steps:
            if trace is None:
                trace = _begun(step, model, canvas, windows, policy, seed, prompt)
            trace.append(step)
            if (now := time.monotonic()) - shown >= every:
                show(trace)
                shown = now
    except KeyboardInterrupt:
        outcome = "stopped"
    if trace is None:
        raise ValueError("there was no step to show: the canvas has nothing to write, or the steps were used already")
    trace.finish(outcome)
    show(trace)
    return trace


def _begun(
    step: Step, model: LoadedModel, canvas: Canvas | None, windows: Sequence[tuple[int, int]] | None,
    policy: Mapping[str, Any] | None, seed: int | None, prompt: str,
) -> Trace:  # fmt: skip
    mask = model.mask_token_id
    free = step.before == mask if mask is not None else np.ones(len(step.before), dtype=bool)
    return Trace.begin(
        model=model.describe(), prompt=prompt, canvas=step.before, fixed=~free if canvas is None else canvas.fixed,
        policy=policy or {"name": "sample"}, windows=windows or [(0, len(step.before))], seed=seed,
        top_k=max(1, step.top_ids.shape[1]), piece=model.piece, cache=model.cache,
        versions={name: version(name) for name in ("torch", "transformers")},
    )  # fmt: skip


def _screen() -> _Show:
    """Return what shows a run: the output of the notebook's cell, or standard error."""
    try:
        from IPython import get_ipython
        from IPython.display import HTML, display
    except ImportError:
        return _print_line
    if not hasattr(get_ipython(), "kernel"):  # IPython in a terminal shows no HTML
        return _print_line
    place = display(HTML(""), display_id=True)
    return lambda trace: place.update(HTML(html(trace)))


def _print_line(trace: Trace) -> None:
    print(f"\r{_caption(trace)}", end="\n" if trace.totals else "", file=sys.stderr, flush=True)


def _caption(trace: Trace) -> str:
    step = trace.steps[-1]
    return f"step {step.index + 1}, {trace.masks_left()[-1]} masks left, {step.seconds:.1f} seconds"


def html(trace: Trace) -> str:
    """Return the newest canvas as HTML: masks, what is fixed, what is written, and what the last step wrote."""
    ids, states = trace.canvas(len(trace.steps)), _states(trace)
    parts = []
    for state, group in groupby(range(len(ids)), states.__getitem__):
        data = b"".join(_text(trace, int(ids[i])) for i in group)
        parts.append(f'<span style="{_STYLES[state]}">{escape(data.decode(errors="replace"))}</span>')
    style = "white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.7"
    caption = f'<div style="opacity: 0.7">{escape(_caption(trace))}</div>'
    return f'{caption}<div dir="auto" style="{style}">{"".join(parts)}</div>'


def _text(trace: Trace, token: int) -> bytes:
    if token == trace.header["model"]["mask"]:
        return "░ ".encode()
    piece = trace.pieces.get(token, "")
    return piece if isinstance(piece, bytes) else piece.encode()


def _states(trace: Trace) -> list[str]:
    ids, step = trace.canvas(len(trace.steps)), trace.steps[-1]
    written: ndarray = step.written.repeat(step.copies)
    is_mask = ids == trace.header["model"]["mask"] if trace.header["model"]["mask"] is not None else ids < 0
    names = np.select([trace.fixed_now(), is_mask, written], ["fixed", "mask", "new"], "written")
    return [str(name) for name in names]
