"""The kinds of rows that training reads, made on the device of the clean canvases they are made from.

Every kind is a way of spoiling a clean canvas, and says what is to be read off it.  All predictions for position i
come from the state at i - 1, so one head serves every kind (arXiv 2512.14549).

- *Autoregressive*: causal attention, the next token.  In every other row some tokens are hidden.
- *Draft*: the text under causal attention, and after it the same positions once more as blocks of masks, each of which
  sees the text before it and itself (TiDAR, arXiv 2511.08923).  What a draft-and-verify decoder asks for.
- *Window*: canvases as they are while a text is written in blocks: clean, noisy, only masks (BD3-LM, arXiv 2503.09573).
- *Anywhere*: masks anywhere, as the likelihood bound has it, and wrong tokens among the visible ones of every other
  row, whose right tokens the loss asks for: a model that has never seen a wrong token cannot take one back (GIDD,
  arXiv 2503.04482).  Half of them are random, half come from a few places further on.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from dlm_core.noise import corrupt, loss_weights

HIDDEN_SHARE = 0.1  # of what half of the autoregressive rows see: text read many times is learnt by heart otherwise
WINDOW_SHARE = 0.4  # of the diffusion rows
WINDOWS = (8, 16, 32, 64)
WRONG_TOKEN_SHARE = 0.1
NEAR = 4  # how far away a wrong token that the text itself has comes from, at most
BELL_SHARE, UNIFORM_SHARE = 0.6, 0.3  # of the rows with masks anywhere; in the others everything is a mask
MIN_NOISE = 0.05
DRAFT_BLOCK = 8
TAIL_WEIGHT = 0.1  # after the first end-of-text token, or after the window, there is little to learn


class Tokens(NamedTuple):
    """The ids that rows are made with, and the size of the vocabulary."""

    eos: int
    mask: int
    size: int


class Rows(NamedTuple):
    """What a network reads `(rows, length)`, how, and what is asked of it: `targets` and `weights (rows, length)`."""

    seen: Tensor
    targets: Tensor
    weights: Tensor
    causal: bool = False
    positions: Tensor | None = None  # (rows, length), where they do not count up from 0
    visible: Tensor | None = None  # (rows, 1, length, length), True where a position may look; else as `causal` says


def tail_weights(ids: Tensor, eos: int) -> Tensor:
    """Loss weight of every position: 1 up to and including the first `eos`, little after it."""
    return torch.where((ids == eos).cumsum(1) > 1, TAIL_WEIGHT, 1.0)


def autoregressive_rows(ids: Tensor, tokens: Tokens, generator: torch.Generator) -> Rows:
    """Rows for causal attention, of clean canvases `ids (rows, length)`."""
    share = torch.where(_every_other(ids), HIDDEN_SHARE, 0.0)
    first = torch.arange(ids.shape[1], device=ids.device)[None] == 0
    seen, _ = corrupt(ids, share, mask_token_id=tokens.mask, fixed=first, generator=generator)
    return Rows(seen, ids, tail_weights(ids, tokens.eos), causal=True)


def draft_rows(ids: Tensor, tokens: Tokens, generator: torch.Generator) -> Rows:
    """Rows of twice the length: the text of `ids (rows, length)`, and its positions again as blocks of masks.

    Where blocks begin differs between rows.  The prediction for the first position of a block is causal, read from the
    text before it, so nothing is asked of the mask there.
    """
    rows, length = ids.shape
    position = torch.arange(length, device=ids.device)
    shift = torch.randint(DRAFT_BLOCK, (rows, 1), generator=generator, device=ids.device)
    block = (position + shift) // DRAFT_BLOCK  # (rows, length)
    start = (block * DRAFT_BLOCK - shift).clamp(min=0)
    text = torch.zeros(rows, length, 2 * length, dtype=torch.bool, device=ids.device)
    text[:, :, :length] = position[:, None] >= position
    masks = torch.cat((position < start[:, :, None], block[:, :, None] == block[:, None]), 2)
    weights = tail_weights(ids, tokens.eos)
    return Rows(
        seen=torch.cat((ids, torch.full_like(ids, tokens.mask)), 1),
        targets=torch.cat((ids, ids), 1),
        weights=torch.cat((weights, weights * (position > start)), 1),
        positions=torch.cat((position, position)).expand(rows, -1),
        visible=torch.cat((text, masks), 1)[:, None],
    )


def diffusion_rows(ids: Tensor, tokens: Tokens, generator: torch.Generator) -> Rows:
    """Rows for full attention, of clean canvases `ids (rows, length)`: windows, and noise anywhere."""
    some = round(len(ids) * WINDOW_SHARE)
    windowed = window_rows(ids[:some], tokens, generator)
    anywhere = anywhere_rows(ids[some:], tokens, generator)
    seen, weights = (torch.cat(parts) for parts in zip(windowed, anywhere))
    return Rows(seen, ids, tail_weights(ids, tokens.eos) * weights)


def window_rows(ids: Tensor, tokens: Tokens, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Canvases in the middle of being written, and weights: text, a window with a uniform share of masks, masks."""
    rows, length = ids.shape
    width = torch.tensor(WINDOWS, device=ids.device)[_below(len(WINDOWS), rows, ids, generator)].clamp(max=length - 1)
    start = 1 + (_uniform(ids, rows, generator=generator) * (length - width)).long()
    position = torch.arange(length, device=ids.device)[None]
    before, after = position < start[:, None], position >= (start + width)[:, None]
    t = _uniform(ids, rows, generator=generator).clamp(MIN_NOISE, 1.0)
    noisy, masked = corrupt(ids, t, mask_token_id=tokens.mask, fixed=before | after, generator=generator)
    return noisy.masked_fill(after, tokens.mask), masked.float() + TAIL_WEIGHT * after.float()


def anywhere_rows(ids: Tensor, tokens: Tokens, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Canvases with masks anywhere, and weights; wrong tokens among the visible ones of every other row.

    The masked share is bell-shaped, uniform (stratified over the rows) or everything.  Half of the rows keep a clean
    opening, as a prompt does, and no wrong token ever stands in it.
    """
    rows, length = ids.shape
    position = torch.arange(length, device=ids.device)
    strata = torch.randperm(rows, generator=generator, device=ids.device)
    uniform = (strata + _uniform(ids, rows, generator=generator)) / rows
    bell = _uniform(ids, rows, 5, generator=generator).sort(1).values[:, 2]  # the median of five uniforms: Beta(3, 3)
    kind, whole, until = _uniform(ids, 3, rows, generator=generator)
    t = torch.where(kind < BELL_SHARE, bell, torch.where(kind < BELL_SHARE + UNIFORM_SHARE, uniform, 1.0))
    opening = torch.where(whole < 0.5, 1, (until * length / 2).long() + 1)
    fixed = position < opening[:, None]
    noisy, masked = corrupt(
        ids, t.clamp(MIN_NOISE, 1.0), mask_token_id=tokens.mask, fixed=fixed, generator=generator
    )  # fmt: skip
    share = torch.where(_every_other(ids), WRONG_TOKEN_SHARE, 0.0)
    noisy, wrong = corrupt(
        noisy, share, mask_token_id=None, vocab_size=tokens.size, fixed=fixed | masked, generator=generator
    )
    near = position + 1 + torch.randint(NEAR, (rows, length), generator=generator, device=ids.device)
    from_text = wrong & (_uniform(ids, rows, length, generator=generator) < 0.5) & (near < length)
    noisy = torch.where(from_text, ids.gather(1, near.clamp(max=length - 1)), noisy)
    return noisy, loss_weights(masked, wrong)


def _every_other(ids: Tensor) -> Tensor:
    return torch.arange(len(ids), device=ids.device) % 2 == 0


def _uniform(ids: Tensor, *shape: int, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=ids.device)


def _below(end: int, rows: int, ids: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(end, (rows,), generator=generator, device=ids.device)
