"""A denoiser says what the clean text may be: ids and positions in, logits out.

Everything that changes a model's answer without changing the model is a composition of denoisers, never a flag of
the loop: `Banned(Shifted(network), ids)`, `Guided(network, given, scale)`, `BlockCausal(network, length)`.
This module knows nothing of policies, noise or tokenizers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


class Denoiser(Protocol):
    """`denoiser(ids (batch, length), positions (n,)) -> logits (batch, n, vocab)`.

    The logits at a position speak about that position.  They are computed only for the positions asked about: the
    projection to the vocabulary is the dearest part of a step.  The caller owns the result and may write into it.
    """

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""

    @property
    def mask_token_id(self) -> int | None:
        """The id of the mask; None if the process has no mask token and its noise is random tokens."""

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor: ...


class _HasMask(Protocol):
    @property
    def mask_token_id(self) -> int | None:
        """As that of a denoiser."""


def mask_of(model: _HasMask) -> int:
    """Return the id of the mask of a denoiser or a model; ValueError if it has none."""
    if (mask := model.mask_token_id) is None:
        raise ValueError("this needs mask tokens, and the model has none: its noise is random tokens")
    return mask


@runtime_checkable
class SelfConditioned(Denoiser, Protocol):
    """A denoiser that builds on its own last answer, as the policy left it: tempered, for one that divides by T."""

    def observe(self, logits: Tensor) -> None:
        """Take note of `logits (n, vocab)` at the positions last asked about; without it, the plain answer counts."""


def focus(denoiser: Denoiser, lo: int, hi: int) -> slice:
    """Tell a denoiser that the window `[lo, hi)` is at work; returns the positions that may be asked about meanwhile.

    One that works on a window at a time has a method `focus(lo, hi)`: it settles one before the next, or keeps what it
    knows of the rest.  Any other may be asked about everything.  Not a protocol, which takes longer to check in every
    step than a whole layer of a small network takes.
    """
    work_on = getattr(denoiser, "focus", None)
    return slice(0, None) if work_on is None else work_on(lo, hi)


@dataclass(frozen=True, eq=False)
class TableDenoiser:
    """The public stand-in for a network in tests: `table(ids (batch, length)) -> logits (batch, length, vocab)`.

    A plain tensor `(length, vocab)` in place of the function answers the same whatever it sees.
    """

    table: Tensor | Callable[[Tensor], Tensor]
    vocab_size: int
    mask_token_id: int | None

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        if isinstance(self.table, Tensor):
            return self.table[positions].expand(len(ids), -1, -1).clone()
        return self.table(ids)[:, positions]


class Composed:
    """A denoiser built around another: same vocabulary, same mask."""

    denoiser: Denoiser

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        raise NotImplementedError

    @property
    def vocab_size(self) -> int:
        return self.denoiser.vocab_size

    @property
    def mask_token_id(self) -> int | None:
        return self.denoiser.mask_token_id

    def focus(self, lo: int, hi: int) -> slice:
        return focus(self.denoiser, lo, hi)


def takes_batches(denoiser: Denoiser) -> bool:
    """Whether the canvases of several runs may be asked about in one call, as rows of one batch.

    Not where it keeps something of its run from call to call: its own last answer, or what an attribute `one_run`
    says it keeps.
    """
    if isinstance(denoiser, Composed):
        return takes_batches(denoiser.denoiser)
    return not (isinstance(denoiser, SelfConditioned) or getattr(denoiser, "one_run", False))


@dataclass(frozen=True, eq=False)
class Advised(Composed):
    """A denoiser with a second opinion: any other one of the same vocabulary, asked about texts without masks.

    Policies that take tokens back may let the `planner` judge them: another model, or the same weights read causally.
    """

    denoiser: Denoiser
    planner: Denoiser

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.denoiser(ids, positions)


@dataclass(frozen=True, eq=False)
class BothOrders(Advised):
    """A network that was trained in both orders: `denoiser` answers in any order, `planner` from left to right.

    The planner reads the text up to the first mask causally, so that a position's answer, that of the first mask too,
    depends on what stands left of it alone.  It answers for later masks as well, each by itself, from that text and the
    masks up to the last position asked about: a draft of what comes next.
    """


def planner(denoiser: Denoiser) -> Denoiser | None:
    """Return the second opinion that a denoiser comes with, whatever is built around it; None if it has none.

    What is banned around it is banned for the planner as well.
    """
    if isinstance(denoiser, Advised):
        return denoiser.planner
    second = planner(denoiser.denoiser) if isinstance(denoiser, Composed) else None
    return replace(denoiser, denoiser=second) if second is not None and isinstance(denoiser, Banned) else second


def causal(denoiser: Denoiser) -> Denoiser | None:
    """Return the reading from left to right of a model of both orders; None if it has none.

    Bans hold for it, too; what changes the answers in another way has no reading from left to right.
    """
    if isinstance(denoiser, Banned):
        reading = causal(denoiser.denoiser)
        return None if reading is None else replace(denoiser, denoiser=reading)
    return denoiser.planner if isinstance(denoiser, BothOrders) else None


@dataclass(frozen=True, eq=False)
class Shifted(Composed):
    """For networks that grew from autoregressive ones: the output at i - 1 speaks about position i.

    Position 0 has no predictor and keeps its own output, as in Dream's `generation_utils.py`; put a
    beginning-of-text token there.
    """

    denoiser: Denoiser

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.denoiser(ids, (positions - 1).clamp(min=0))

    def focus(self, lo: int, hi: int) -> slice:
        """What speaks about the window's first position stands before it, so the network's window begins there."""
        reach = focus(self.denoiser, max(lo - 1, 0), hi)
        return slice(reach.start and reach.start + 1, reach.stop)


@dataclass(frozen=True, eq=False)
class Banned(Composed):
    """Tokens that must never be written get no probability: the mask itself, padding, control tokens."""

    denoiser: Denoiser
    token_ids: Sequence[int]

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        logits = self.denoiser(ids, positions)
        logits[..., list(self.token_ids)] = float("-inf")
        return logits


@dataclass(frozen=True, eq=False)
class Guided(Composed):
    """Classifier-free guidance as in LLaDA's `generate.py`: u + (scale + 1)(c - u), in one doubled batch.

    c sees the canvas; u sees it with every `given (length,)` bool position replaced by the mask.
    """

    denoiser: Denoiser
    given: Tensor
    scale: float

    def __post_init__(self) -> None:
        if self.denoiser.mask_token_id is None:
            raise ValueError("guidance hides the prompt behind mask tokens, and this denoiser has none")

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        hidden = torch.where(self.given, mask_of(self.denoiser), ids)
        with_prompt, without = self.denoiser(torch.cat([ids, hidden]), positions).chunk(2)
        return without + (self.scale + 1) * (with_prompt - without)


@dataclass(frozen=True, eq=False)
class BlockCausal(Composed):
    """A position sees its own block and everything before it, never a later block.

    Blocks of `block_length` count from `start`, with everything before `start` in one block.  Each block asked about
    is answered from the canvas cut at its right edge.  For a network whose attention is itself block-causal this is
    exact; for a bidirectional one it hides the future from the answer.
    """

    denoiser: Denoiser
    block_length: int
    start: int = 0

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        block = torch.div(positions - self.start, self.block_length, rounding_mode="floor").clamp(min=-1)
        logits = None
        for number in block.unique().tolist():
            here = block == number
            edge = min(ids.shape[1], self.start + (number + 1) * self.block_length)
            answer = self.denoiser(ids[:, :edge], positions[here])
            if logits is None:
                logits = answer.new_empty(len(ids), len(positions), answer.shape[-1])
            logits[:, here] = answer
        return self.denoiser(ids, positions) if logits is None else logits
