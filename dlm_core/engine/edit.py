"""A text under edit as a canvas: tokens that stay, masks, words typed among them, words pinned to positions.

Nothing here runs a model; what is wrong with an edit is a ValueError of one sentence.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dlm_core.canvas import Canvas
from dlm_core.models import LoadedModel
from dlm_core.policies.parameter import shown
from dlm_core.trace import Trace

MAX_CHARACTERS = 2000  # typed into one canvas
_PIN = re.compile(r"(\d{1,6}):(\S+)")


class Cell(NamedTuple):
    """A part of a text under edit: a token id, or typed text of any number of tokens; and whether it is fixed."""

    token: int | str
    fixed: bool


def edited(model: LoadedModel, cells: Sequence[Cell]) -> Canvas:
    """Return the cells, in order, as a canvas.

    ValueError if an id is out of range, the canvas exceeds the context, or no mask is left free.
    """
    mask, vocab = _mask(model), model.denoiser.vocab_size
    if sum(len(cell.token) for cell in cells if isinstance(cell.token, str)) > MAX_CHARACTERS:
        raise ValueError(f"at most {MAX_CHARACTERS} characters may be typed into a canvas")
    ids: list[int] = []
    fixed: list[bool] = []
    for token, locked in cells:
        if not isinstance(token, str) and not 0 <= token < vocab:
            raise ValueError(f"token ids must be from 0 to {vocab - 1}, got {token}")
        tokens = model.text.going_on(token) if isinstance(token, str) else [token]
        ids += tokens
        fixed += [locked] * len(tokens)
    if len(ids) > model.context:
        raise ValueError(f"a canvas must fit the model's {model.context} positions, got {len(ids)}: take some out")
    canvas = Canvas(ids, fixed)
    if not ((canvas.ids == mask) & ~canvas.fixed).any():
        raise ValueError("there is nothing to write: make some words masks again, or insert masks")
    return canvas


def parse_pins(text: str) -> dict[int, str]:
    """Parse "0:Once 5:upon" into words by their position after the prompt."""
    if not isinstance(text, str):
        raise ValueError(f"pins are a text such as 5:upon, got {shown(text)}")
    pins: dict[int, str] = {}
    for part in text.split():
        if not (hit := _PIN.fullmatch(part)):
            raise ValueError(f"a pin is a position, a colon and a word, such as 5:upon, got {part[:40]!r}")
        if (position := int(hit[1])) in pins:
            raise ValueError(f"position {position} is pinned twice, to {pins[position]!r} and {hit[2][:40]!r}")
        pins[position] = hit[2]
    return pins


def pins_of(trace: Trace) -> str:
    """Return the words that are fixed after a run's prompt, as `parse_pins` reads them; "" if some are no words."""
    canvas, fixed = trace.header["canvas"], trace.header["fixed"]
    head = fixed[0][1] if fixed and fixed[0][0] == 0 else 0
    pins: list[str] = []
    for start, end in fixed:
        for i in range(max(start, head), end):
            piece = trace.pieces.get(canvas[i], "")
            if isinstance(piece, bytes) or not (piece.startswith(" ") or i > start):
                return ""
            if piece.startswith(" "):
                pins.append(f"{i - head}:{piece.strip()}")
            else:
                pins[-1] += piece
    return " ".join(pins) if all(map(_PIN.fullmatch, pins)) else ""


def pinned(model: LoadedModel, canvas: Canvas, start: int, length: int, pins: Mapping[int, str]) -> Canvas:
    """Return the canvas with words fixed at positions counted from `start`, within `length`, none on another."""
    ids, fixed = canvas.ids.copy(), canvas.fixed.copy()
    for position, word in pins.items():
        tokens = model.text.encode_word(word)
        at = slice(start + position, start + position + len(tokens))
        if position + len(tokens) > length:
            raise ValueError(
                f"the pin {position}:{word[:40]} takes {len(tokens)} positions and must fit the length {length}: "
                f"it can begin at {length - len(tokens)} at most"
            )
        if fixed[at].any():
            raise ValueError(f"the pin {position}:{word[:40]} takes {len(tokens)} positions and meets another pin")
        ids[at], fixed[at] = tokens, True
    if pins and fixed[start : start + length].all():
        raise ValueError(f"the pins leave nothing to write: they take all {length} positions")
    return Canvas(np.array(ids), fixed)


def _mask(model: LoadedModel) -> int:
    if model.mask_token_id is None:
        raise ValueError(f"the model {model.name} has no mask, so a text cannot be edited with it")
    return model.mask_token_id
