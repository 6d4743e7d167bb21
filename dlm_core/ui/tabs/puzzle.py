"""The Puzzle tab: one Sudoku, solved by the same loop under up to five rules, board by board, on one clock.

The models are the small ones that ship; each is loaded when it is first used.  What is typed is checked here, so
the page holds no rule of Sudoku but which cells contradict each other.
"""

import threading
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import gradio as gr

from dlm_core.engine.limits import Limits
from dlm_core.engine.puzzle import solver
from dlm_core.lines import make_line
from dlm_core.sudoku import CELLS, LEVELS, parse, puzzle, solve
from dlm_core.ui import streams, words
from dlm_core.ui.player import board, envelope
from dlm_core.ui.tabs import compare

DEPTHS = {  # the same weights
    "sudoku": "puzzle.depths.usual", "sudoku-shallow": "puzzle.depths.shallow", "sudoku-deep": "puzzle.depths.deep"
}  # fmt: skip
# hard: most confident first solves it, and neither reading order nor random order does
FIRST = "040090230010530007060400000000070000800200546000804000000050000109620004070300020"


class Rule(NamedTuple):
    """A way to fill the board: a policy with its parameters, and the model if it is not the one of the chosen depth."""

    policy: str
    params: dict[str, Any]
    model: str | None = None


def rules(blanks: int) -> dict[str, Rule]:
    """Return every board of the tab by its name, for a puzzle with so many blanks."""
    return {
        "random": Rule("llada", {"steps": blanks, "remasking": "random"}),
        "reading": Rule("left_to_right", {"steps": blanks}),
        "confidence": Rule("llada", {"steps": blanks}),
        "threshold": Rule("threshold", {"threshold": 0.99}),
        "autoregressive": Rule("threshold", {}, "sudoku-autoregressive"),
    }


RULES = tuple(rules(1))


def solved(
    limits: Limits, text: str, names: Sequence[str], depth: str, seed: Any, stop: threading.Event
) -> Iterator[str]:  # fmt: skip
    """Yield the growing value of the tab: a pane for each rule, its run, and whether the board came out right.

    `text` is the puzzle in any form that people paste; one that is none, or has not exactly one solution, becomes a
    sentence and leaves the boards on screen alone.
    """
    return accumulate(_pieces(limits, text, names, depth, seed, stop))


def _pieces(
    limits: Limits, text: str, names: Sequence[str], depth: str, seed: Any, stop: threading.Event
) -> Iterator[str]:  # fmt: skip
    try:
        cells = parse(text)
        solution = solve(cells)
        if depth not in DEPTHS:
            raise ValueError(f"the depth must be one of {', '.join(DEPTHS)}, got {str(depth)[:40]!r}")
        known = rules(cells.count(0))
        if not names or (unknown := sorted(set(names) - known.keys())):
            raise ValueError(f"choose at least one of {', '.join(known)}" + (f", got {unknown[0]!r}" if names else ""))
        runs = []
        for name in names:
            rule = known[name]
            by = solver(rule.model or depth, limits)
            runs.append((name, by, by.run(cells, rule.policy, rule.params, seed, stop)))
    except ValueError as error:
        yield envelope("error", message=f"{error}.")
        return
    yield envelope("live", cells="".join(map(str, cells)))
    for number, (name, by, lines) in enumerate(runs):
        trace = yield from compare.pane(number, words.message(f"puzzle.rules.{name}"), lines)
        right = by.board(trace) == solution
        forwards = trace.steps[-1].forwards if trace.steps else 0
        yield make_line("summary", summary={"right": right, "forwards": forwards}, of=number)
        if stop.is_set():
            break
    yield make_line("done")


def shown(text: str) -> str:
    """Return the tab's value for a puzzle that was pasted or checked: the board, or what is wrong with it."""
    try:
        cells = parse(text)
        solve(cells)
    except ValueError as error:
        return envelope("error", message=f"{error}.")
    return envelope("puzzle", cells="".join(map(str, cells)), notice=words.message("puzzle.good"))


def made(level: str, seed: Any) -> str:
    """Return the tab's value for a new puzzle of a level; the same seed gives the same puzzle."""
    try:
        cells = puzzle(int(seed), level)
    except (TypeError, ValueError) as error:
        return envelope("error", message=f"{error}.")
    return envelope("puzzle", cells="".join(map(str, cells)))


def build(limits: Limits) -> None:
    """Lay the tab out inside the current Blocks and wire it."""
    stops = streams.StopSignals()
    options = {"first": FIRST, "levels": list(LEVELS), "rules": list(RULES), "depths": DEPTHS, "cells": CELLS}
    screen = board(envelope("puzzle", cells=FIRST), "puzzle", options)

    def on_ask(visitor: gr.Request, event: gr.EventData) -> Iterator[Any]:
        payload: dict[str, Any] = dict(event._data or {})
        text, seed = str(payload.get("text", "")), payload.get("seed")
        if payload.get("action") == "make":
            yield made(str(payload.get("level")), seed)
        elif payload.get("action") == "check":
            yield shown(text)
        else:
            names, depth = list(payload.get("rules") or []), str(payload.get("depth"))
            yield from streams.newest(
                stops, visitor.session_hash, lambda signal: solved(limits, text, names, depth, seed, signal)
            )

    def on_stop(visitor: gr.Request) -> None:
        stops.stop(visitor.session_hash)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    screen.apply(on_ask, None, screen, trigger_mode="multiple", **event)
    screen.stop(on_stop, None, None, queue=False, **event)
