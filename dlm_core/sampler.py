"""sample(): the only denoising loop.

Generation is a prompt followed by masks, infilling is masks anywhere, editing is a finished text with some of it
blanked: the same call.  The loop asks the denoiser, lets the policy speak, enforces what is fixed, and yields what
happened.  It knows nothing of tokenizers, files or pictures.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from dlm_core.beliefs import believe
from dlm_core.canvas import Canvas
from dlm_core.denoiser import Denoiser, focus
from dlm_core.policies.policy import Policy, S, Update, View
from dlm_core.reasons import NO_REASON, Reason
from dlm_core.step import Step


def sample(
    denoiser: Denoiser,
    canvas: Canvas,
    policy: Policy[S],
    *,
    windows: Sequence[tuple[int, int]] | None = None,
    seed: int = 0,
    top_k: int = 5,
) -> Iterator[Step]:
    """Denoise `canvas` by `policy`, yielding a `Step` after every forward pass.

    `windows` are half-open ranges worked on in order; None is one window over the whole canvas.  The denoiser learns
    which one is at work, and may narrow what it can be asked about.  The same arguments give the same steps.  Wrong
    arguments raise ValueError here, not at the first step.
    """
    length = len(canvas)
    ranges = [(0, length)] if windows is None else [(int(lo), int(hi)) for lo, hi in windows]
    if length == 0:
        raise ValueError("the canvas is empty: there is no position to denoise")
    if canvas.ids.min() < 0 or canvas.ids.max() >= denoiser.vocab_size:
        raise ValueError(
            f"token ids must be from 0 to {denoiser.vocab_size - 1}, got {canvas.ids.min()} to {canvas.ids.max()}"
        )
    for lo, hi in ranges:
        if not 0 <= lo < hi <= length:
            raise ValueError(f"a window must lie inside the canvas of {length} positions, got ({lo}, {hi})")
    if any(left[1] > right[0] for left, right in pairwise(ranges)):
        raise ValueError(f"windows must not overlap and must go left to right, got {ranges}")
    if not 1 <= top_k <= denoiser.vocab_size:
        raise ValueError(f"top_k must be between 1 and the vocabulary's {denoiser.vocab_size}, got {top_k}")
    if not 0 <= seed < 2**63:
        raise ValueError(f"the seed must be from 0 to 2**63 - 1, got {seed}")
    ids, fixed = torch.from_numpy(canvas.ids.copy()), torch.from_numpy(canvas.fixed.copy())

    def fresh() -> View:
        generator = torch.Generator().manual_seed(seed)
        return View(ids, denoiser, ~fixed, _masked(ids, ~fixed, denoiser), generator, ranges)

    rehearsal, state = fresh(), None
    for rehearsal.window_index in range(len(ranges)):  # every rule that depends on the windows is checked now
        state = policy.begin(rehearsal, state)
    return _steps(policy, fresh(), top_k)


@torch.inference_mode()  # as a decorator: entered anew at each resume, so it never leaks into the consumer
def _steps(policy: Policy[S], view: View, top_k: int) -> Iterator[Step]:
    done, seconds, state = 0, 0.0, None
    for index in range(len(view.windows)):
        view.window_index, view.step = index, 0
        state = policy.begin(view, state)
        while not policy.finished(view, state):
            began = time.perf_counter()
            reach = focus(view.denoiser, *view.window)
            view.positions = reach.start + policy.asks(view)[reach].nonzero()[:, 0]
            view.logits = view.forward(view.ids[None], view.positions)[0]
            view.beliefs = believe(view.logits, top_k)
            update = _allowed(policy(view, state), view.free[view.positions])
            before, window = view.ids, view.window
            copies = _apply(update, view)
            view.step += 1
            seconds += time.perf_counter() - began
            yield _record(view, update, before, window, copies, done, seconds)
            done += 1
            if update.done:
                return


def _masked(ids: Tensor, free: Tensor, denoiser: Denoiser) -> Tensor:
    return torch.zeros_like(free) if denoiser.mask_token_id is None else free & (ids == denoiser.mask_token_id)


def _allowed(update: Update, free: Tensor) -> Update:
    """The update without what it would do to rows that are not `free (n,)`: the user fixed them."""
    if free.all():
        return update
    return replace(
        update,
        write=update.write & free,
        blank=update.blank & free,
        copies=None if update.copies is None else torch.where(free, update.copies, 1),
        reason=torch.where(free, update.reason, Reason.FIXED),
    )


def _apply(update: Update, view: View) -> Tensor:
    """Change the canvas as the update says.

    Returns how many positions `(length,)` stand in each one's place now; what the view knows by position moves along.
    """
    ids, copies = view.ids.clone(), torch.ones_like(view.ids)
    ids[view.positions[update.write]] = update.tokens[update.write]
    if update.blank.any():
        noise = torch.tensor(view.mask_token_id) if update.noise is None else update.noise[update.blank]
        ids[view.positions[update.blank]] = noise
    if update.copies is not None:
        copies[view.positions] = update.copies
        ids = torch.where(copies > 1, view.mask_token_id, ids).repeat_interleave(copies)
        view.free = view.free.repeat_interleave(copies)
        edges = [0, *copies.cumsum(0).tolist()]
        view.windows = [(edges[lo], edges[hi]) for lo, hi in view.windows]
    view.ids, view.masked = ids, _masked(ids, view.free, view.denoiser)
    return copies


def _record(
    view: View, update: Update, before: Tensor, window: tuple[int, int], copies: Tensor, index: int, seconds: float
) -> Step:
    """The step as read-only NumPy over the whole canvas; NaN and -1 where the denoiser was not asked."""
    length, where = len(before), view.positions.numpy()

    def spread(rows: Tensor, missing: float) -> np.ndarray:
        values = rows.numpy()
        array = np.full((length, *values.shape[1:]), missing, dtype=values.dtype)
        array[where] = values
        return array

    return Step(
        index=index,
        window=window,
        before=before.numpy().copy(),
        after=view.ids.numpy().copy(),
        predicted=spread(update.tokens, -1),
        confidence=spread(view.beliefs.probability(update.tokens), np.nan),
        entropy=spread(view.beliefs.entropy, np.nan),
        top_ids=spread(view.beliefs.top_ids, -1),
        top_probs=spread(view.beliefs.top_probs, np.nan),
        written=spread(update.write, False),
        blanked=spread(update.blank, False),
        copies=copies.numpy(),
        forwards=view.forwards,
        seconds=seconds,
        info=dict(update.info),
        score=spread(update.score.double(), np.nan),
        ranking=update.ranking,
        reason=spread(update.reason, NO_REASON),
    )
