"""Numbers that compare runs, each a function of a trace.  NumPy only."""

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from dlm_core.trace import Trace


class Summary(NamedTuple):
    """One run in a row of a table; None where a number has no meaning or was not measured."""

    forwards: int | None
    seconds: float | None
    tokens_per_forward: float | None  # of the tokens that stand at the end, however often they were written
    kendall_tau: float | None  # of the commit order against reading order: 1 left to right, -1 right to left
    revisions: int  # tokens taken back or rewritten
    commit_confidence: float | None  # mean confidence of the tokens that stayed, when they were written
    pseudo_likelihood: float | None  # mean probability of those tokens, each with all others of the finished text


def kendall_tau(order: ndarray) -> float | None:
    """Return Kendall's tau between `order (n,)` and 0, 1, ..., n - 1 over the untied pairs, or None if all are tied.

    Tokens written in one step are tied: which of them came first has no answer.
    """
    left, right = np.triu_indices(len(order), 1)
    signs = np.sign(order[right] - order[left])
    untied = np.count_nonzero(signs)
    return float(signs.sum() / untied) if untied else None


def summarise(trace: Trace, pseudo_likelihood: ndarray | None = None) -> Summary:
    """Return the numbers of a run; `pseudo_likelihood (length,)` is as an engine measures it, NaN where it has none."""
    steps, commit = trace.steps, trace.commit_step()
    at = np.flatnonzero(commit >= 0)
    confidence = _commit_confidence(trace)[at]
    blanked = sum(int(step.blanked.sum()) for step in steps)
    mask = trace.header["model"]["mask"]
    rewritten = sum(int((step.written & (step.before != mask) & (step.before != step.left)).sum()) for step in steps)
    seen = pseudo_likelihood[at] if pseudo_likelihood is not None else np.array([])
    forwards, seconds = (steps[-1].forwards, steps[-1].seconds) if steps else (0, 0.0)
    return Summary(
        forwards=forwards if forwards >= 0 else None,
        seconds=None if np.isnan(seconds) else seconds,
        tokens_per_forward=None if forwards < 0 else len(at) / max(1, forwards),
        kendall_tau=kendall_tau(commit[at]) if len(at) > 1 else None,
        revisions=blanked + rewritten,
        commit_confidence=_mean(confidence),
        pseudo_likelihood=_mean(seen),
    )


def _commit_confidence(trace: Trace) -> ndarray:
    """Return the confidence with which each position was last written, NaN where none was measured."""
    confidence = np.full(trace.length, np.nan)
    for step in trace.steps:
        confidence[step.written] = step.confidence[step.written]
        confidence = confidence.repeat(step.copies)
    return confidence


def _mean(values: ndarray) -> float | None:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else None


READABLE_WORDS = 8


class RaceResult(NamedTuple):
    """One side of a race; None where a number has no meaning or was not measured.

    Tokens are those after the prompt, up to and with the first end-of-text token: nobody reads what comes after it.
    """

    forwards: int
    seconds: float
    tokens: int
    tokens_per_second: float
    readable: float | None  # seconds until the first READABLE_WORDS words stood and never changed again
    autoregressive_nll: float | None  # negative log-likelihood, nats per character, each token given those left of it
    pseudo_nll: float | None  # and given all others (Salazar et al., arXiv 1910.14659): lower than any true one


def race_result(
    trace: Trace, autoregressive_likelihood: ndarray | None = None, pseudo_likelihood: ndarray | None = None
) -> RaceResult:
    """Return the numbers of one side; both likelihoods `(length,)` are as an engine measures them, or None."""
    positions, seconds = _text_positions(trace), trace.steps[-1].seconds if trace.steps else 0.0
    return RaceResult(
        forwards=trace.steps[-1].forwards if trace.steps else 0,
        seconds=seconds,
        tokens=len(positions),
        tokens_per_second=len(positions) / seconds if seconds else 0.0,
        readable=_readable(trace, positions),
        autoregressive_nll=_nats_per_character(trace, positions, autoregressive_likelihood),
        pseudo_nll=_nats_per_character(trace, positions, pseudo_likelihood),
    )


def _text_positions(trace: Trace) -> ndarray:
    """Return the positions after the prompt that hold text, up to and with the first stop token."""
    written = np.flatnonzero(~trace.fixed_now() & (trace.canvas(len(trace.steps)) != trace.header["model"]["mask"]))
    return written[written <= trace.end()]


def _readable(trace: Trace, positions: ndarray) -> float | None:
    """Return the seconds until the first READABLE_WORDS words, or all if there are fewer, had their final tokens."""
    commit, ids = trace.commit_step(), trace.canvas(len(trace.steps))
    words = 0
    opening: list[int] = []
    for position in positions:
        piece = trace.pieces.get(int(ids[position]), "")
        words += not opening or (isinstance(piece, str) and piece.startswith(" "))
        if words > READABLE_WORDS:
            break
        opening.append(int(position))
    if not opening or opening[-1] - opening[0] >= len(opening):  # nothing, or a mask in between
        return None
    return trace.steps[commit[opening].max()].seconds


def _nats_per_character(trace: Trace, positions: ndarray, likelihood: ndarray | None) -> float | None:
    """Return the negative log-likelihood of the text, or None where a part of it was not measured."""
    pieces = [trace.pieces.get(int(token), "") for token in trace.canvas(len(trace.steps))[positions]]
    data = b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces)
    characters = len(data.decode("utf-8", errors="replace"))
    if likelihood is None or not characters or np.isnan(likelihood[positions]).any():
        return None
    return float(-np.log(np.maximum(likelihood[positions], np.finfo(float).tiny)).sum() / characters)
