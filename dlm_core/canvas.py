"""What is on the table and what may not be touched: prompts, infilling templates and texts to edit are all canvases.

Plain NumPy; knows no tokenizer, so "empty" is whatever id the caller calls the mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Canvas:
    """`ids (length,)` int64 and `fixed (length,)` bool: the tokens, and which of them no policy may change."""

    ids: ndarray
    fixed: ndarray

    def __init__(self, ids: ArrayLike, fixed: ArrayLike) -> None:
        for name, values in (("ids", np.array(ids, dtype=np.int64)), ("fixed", np.array(fixed, dtype=bool))):
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        if self.ids.ndim != 1 or self.ids.shape != self.fixed.shape:
            shapes = f"{self.ids.shape} and {self.fixed.shape}"
            raise ValueError(f"a canvas needs ids and fixed of one length, got shapes {shapes}")

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def from_prompt(cls, prompt_ids: Sequence[int], length: int, mask_token_id: int) -> "Canvas":
        """A fixed prompt followed by `length` masks."""
        ids = np.concatenate([np.asarray(prompt_ids, dtype=np.int64), np.full(length, mask_token_id)])
        return cls(ids, np.arange(len(ids)) < len(prompt_ids))


def blocks(lo: int, hi: int, block_length: int | None = None) -> list[tuple[int, int]]:
    """Cut `[lo, hi)` into windows of `block_length`, left to right; None is one window, so any order."""
    if block_length is None:
        return [(lo, hi)]
    if block_length < 1 or (hi - lo) % block_length:
        fits = [n for n in range(1, hi - lo + 1) if (hi - lo) % n == 0]
        raise ValueError(
            f"block length must divide the length {hi - lo} (one of {', '.join(map(str, fits))}), got {block_length}"
        )
    return [(start, start + block_length) for start in range(lo, hi, block_length)]


def aligned(lo: int, hi: int, block_length: int, origin: int = 0) -> list[tuple[int, int]]:
    """Cut `[lo, hi)` where blocks of `block_length` counted from `origin` end; the first and last may be shorter."""
    first = lo + block_length - (lo - origin) % block_length
    edges = [lo, *range(first, hi, block_length), hi]
    return list(pairwise(edges))
