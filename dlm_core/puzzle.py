"""A Sudoku as a canvas, and a canvas as a board again: the clues are fixed, every blank is a mask.

For the loop, a policy, a run file and the player a puzzle is a canvas like any other.
"""

from collections.abc import Sequence

from dlm_core.canvas import Canvas
from dlm_core.models import LoadedModel
from dlm_core.sudoku import CELLS


def puzzle_canvas(model: LoadedModel, cells: Sequence[int]) -> Canvas:
    """81 cells, each 0 or a digit, behind whatever the model begins with; ValueError if the model knows no digits."""
    opening, digits = model.encode_prompt(""), _digits(model)
    ids = [*opening, *(digits[cell - 1] if cell else model.mask_token_id for cell in cells)]
    return Canvas(ids, [*[True] * len(opening), *map(bool, cells)])


def board_of(model: LoadedModel, ids: Sequence[int]) -> list[int]:
    """The board on a canvas's `ids (length,)`; 0 where a mask stands."""
    digit = {token: number for number, token in enumerate(_digits(model), start=1)}
    return [digit.get(int(token), 0) for token in ids[-CELLS:]]


def _digits(model: LoadedModel) -> list[int]:
    """The ids of the tokens "1" to "9"."""
    known = model.tokenizer.get_vocab()
    if missing := [digit for digit in "123456789" if digit not in known]:
        raise ValueError(f'the model {model.name} has no token "{missing[0]}": choose one that was taught Sudoku')
    return [known[digit] for digit in "123456789"]
