"""A Sudoku as a canvas, and a canvas as a board again: the clues are fixed, every blank is a mask.

For the loop, a policy, a run file and the player a puzzle is a canvas like any other.
"""

import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from numpy import ndarray

from dlm_core.canvas import Canvas
from dlm_core.denoiser import mask_of
from dlm_core.engine.interface import Run
from dlm_core.engine.limits import Limits
from dlm_core.engine.local import LocalEngine
from dlm_core.engine.request import Request
from dlm_core.models import LoadedModel, load_model
from dlm_core.sudoku import CELLS
from dlm_core.trace import Trace


def puzzle_canvas(model: LoadedModel, cells: Sequence[int]) -> Canvas:
    """Return 81 cells, each 0 or a digit, after the model's opening tokens; ValueError for a model without digits."""
    opening, digits = model.encode_prompt(""), _digits(model)
    ids = [*opening, *(digits[cell - 1] if cell else mask_of(model) for cell in cells)]
    return Canvas(ids, [*[True] * len(opening), *map(bool, cells)])


def board_of(model: LoadedModel, ids: Sequence[int] | ndarray) -> list[int]:
    """Return the board on a canvas's `ids (length,)`; 0 where a mask stands."""
    digit = {token: number for number, token in enumerate(_digits(model), start=1)}
    return [digit.get(int(token), 0) for token in ids[-CELLS:]]


def _digits(model: LoadedModel) -> list[int]:
    """Return the ids of the tokens "1" to "9"."""
    known = model.tokenizer.get_vocab()
    if missing := [digit for digit in "123456789" if digit not in known]:
        raise ValueError(f'the model {model.name} has no token "{missing[0]}": choose one that was trained on Sudoku')
    return [known[digit] for digit in "123456789"]


class Solver(NamedTuple):
    """A model that was trained on Sudoku, and the engine that runs it."""

    model: LoadedModel
    engine: LocalEngine

    def run(
        self, cells: Sequence[int], policy: str, params: Mapping[str, Any], seed: int, stop: threading.Event
    ) -> Run:  # fmt: skip
        """Return the run of one puzzle under a policy, not begun yet; a wrong setting is a ValueError here."""
        canvas = puzzle_canvas(self.model, cells)
        return self.engine.run(Request(policy=policy, seed=seed, params=params, canvas=canvas), stop)

    def board(self, trace: Trace) -> list[int]:
        """Return the board that a run ended with; 0 where a mask stands."""
        return board_of(self.model, trace.canvas(len(trace.steps)))


@cache
def solver(name: str, limits: Limits) -> Solver:
    """Load a model by its name once, and keep it: those that ship are of a few megabytes."""
    model = load_model(name)
    return Solver(model, LocalEngine(model, limits))
