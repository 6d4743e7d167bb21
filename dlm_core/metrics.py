"""Numbers that tell runs apart, each a function of a trace.  NumPy only."""

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from dlm_core.trace import Trace


class Summary(NamedTuple):
    """One run in a row of a table; None where a number has no meaning or was not measured."""

    forwards: int
    seconds: float
    tokens_per_forward: float
    kendall_tau: float | None  # of the commit order against reading order: 1 left to right, -1 right to left
    revisions: int  # tokens taken back or rewritten
    commit_confidence: float | None  # mean confidence of the tokens that stayed, when they were written
    hindsight: float | None  # mean probability of those tokens with the finished text around them


def kendall_tau(order: ndarray) -> float | None:
    """Kendall's tau between `order (n,)` and 0, 1, ..., n - 1 over the pairs that are not tied; None if all are.

    Tokens written in one step are tied: which of them came first has no answer.
    """
    left, right = np.triu_indices(len(order), 1)
    signs = np.sign(order[right] - order[left])
    untied = np.count_nonzero(signs)
    return float(signs.sum() / untied) if untied else None


def summarise(trace: Trace, hindsight: ndarray | None = None) -> Summary:
    """The row of a run; `hindsight (length,)` holds probabilities, NaN where there is none."""
    steps, commit = trace.steps, trace.commit_step()
    at = np.flatnonzero(commit >= 0)
    sure = _commit_confidence(trace)[at]
    written = sum(int(step.written.sum()) for step in steps)
    blanked = sum(int(step.blanked.sum()) for step in steps)
    mask = trace.header["model"]["mask"]
    rewritten = sum(int((step.written & (step.before != mask) & (step.before != step.left)).sum()) for step in steps)
    seen = hindsight[at] if hindsight is not None else np.array([])
    return Summary(
        forwards=steps[-1].forwards if steps else 0,
        seconds=steps[-1].seconds if steps else 0.0,
        tokens_per_forward=written / steps[-1].forwards if steps else 0.0,
        kendall_tau=kendall_tau(commit[at]) if len(at) > 1 else None,
        revisions=blanked + rewritten,
        commit_confidence=_mean(sure),
        hindsight=_mean(seen),
    )


def _commit_confidence(trace: Trace) -> ndarray:
    """Confidence with which each position of the canvas was last written; NaN where none was measured."""
    sure = np.full(trace.length, np.nan)
    for step in trace.steps:
        sure[step.written] = step.confidence[step.written]
        sure = sure.repeat(step.copies)
    return sure


def _mean(values: ndarray) -> float | None:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else None


READABLE_WORDS = 8


class Standing(NamedTuple):
    """One side of a race; None where a number has no meaning or was not measured.

    Tokens are those behind the prompt up to the end of text and with it: nobody reads what stands behind.
    """

    forwards: int
    seconds: float
    tokens: int
    tokens_per_second: float
    readable: float | None  # seconds until the first READABLE_WORDS words stood and never changed again
    foresight: float | None  # nats per character of the text, each token seen with what is left of it
    hindsight: float | None  # and with everything else around it: a pseudo-likelihood, lower than any true one


def standing(trace: Trace, foresight: ndarray | None = None, hindsight: ndarray | None = None) -> Standing:
    """The row of one side; `foresight` and `hindsight` `(length,)` are probabilities, NaN where there is none."""
    told, seconds = _told(trace), trace.steps[-1].seconds if trace.steps else 0.0
    return Standing(
        forwards=trace.steps[-1].forwards if trace.steps else 0,
        seconds=seconds,
        tokens=len(told),
        tokens_per_second=len(told) / seconds if seconds else 0.0,
        readable=_readable(trace, told),
        foresight=_nats_per_character(trace, told, foresight),
        hindsight=_nats_per_character(trace, told, hindsight),
    )


def _told(trace: Trace) -> ndarray:
    """The positions behind the prompt that hold text, up to the first stop token and with it."""
    written = np.flatnonzero(~trace.fixed_now() & (trace.canvas(len(trace.steps)) != trace.header["model"]["mask"]))
    return written[written <= trace.end()]


def _readable(trace: Trace, told: ndarray) -> float | None:
    """Seconds until the first words, or all if there are fewer, stood as they stand in the end."""
    commit, ids = trace.commit_step(), trace.canvas(len(trace.steps))
    words = 0
    opening: list[int] = []
    for position in told:
        piece = trace.pieces.get(int(ids[position]), "")
        words += not opening or (isinstance(piece, str) and piece.startswith(" "))
        if words > READABLE_WORDS:
            break
        opening.append(int(position))
    if not opening or opening[-1] - opening[0] >= len(opening):  # nothing, or a mask in between
        return None
    return trace.steps[commit[opening].max()].seconds


def _nats_per_character(trace: Trace, told: ndarray, probability: ndarray | None) -> float | None:
    pieces = [trace.pieces.get(int(token), "") for token in trace.canvas(len(trace.steps))[told]]
    data = b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces)
    characters = len(data.decode("utf-8", errors="replace"))
    if probability is None or not characters or np.isnan(probability[told]).any():
        return None
    return float(-np.log(np.maximum(probability[told], np.finfo(float).tiny)).sum() / characters)
