"""sample(), and sample_many() for several canvases at once: the only denoising loop.

Generation is a prompt followed by masks, infilling is masks anywhere, editing is a finished text with some of it
blanked: the same call.  The loop asks the denoiser, lets the policy speak, enforces what is fixed, and yields what
happened.  It knows nothing of tokenizers, files or pictures.
"""

import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from dlm_core.beliefs import believe
from dlm_core.canvas import Canvas
from dlm_core.denoiser import Denoiser, focus, takes_batches
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
    return _Run(policy, _checked(denoiser, canvas, policy, windows, seed, top_k, False), top_k, [])


def sample_many(
    denoiser: Denoiser,
    canvases: Sequence[Canvas],
    policy: Policy[S],
    *,
    windows: Sequence[tuple[int, int]] | None = None,
    seeds: Sequence[int] | None = None,
    top_k: int = 5,
) -> list[Iterator[Step]]:
    """Denoise several canvases by one policy, one forward for all that are of one length; the steps of each.

    Every canvas has its own of `seeds`, by default 0, 1, 2, ..., and gives the steps that `sample` gives with it, as
    far as a network answers a row of a batch as it answers it alone.  Taking a step takes one of every other canvas,
    too, and keeps it until it is taken; a run that ends, fails or is closed, by `close()`, leaves the batch.  The
    `seconds` of a step are those of the batch until then.  A denoiser that keeps something of its run is a ValueError.
    """
    seeds = range(len(canvases)) if seeds is None else seeds
    if len(seeds) != len(canvases):
        raise ValueError(f"every canvas needs a seed of its own, got {len(seeds)} for {len(canvases)} canvases")
    batch: list[_Run] = []
    for canvas, seed in zip(canvases, seeds):
        _Run(policy, _checked(denoiser, canvas, policy, windows, seed, top_k, len(canvases) > 1), top_k, batch)
    return [*batch]


def _checked(
    denoiser: Denoiser, canvas: Canvas, policy: Policy[S], windows: Sequence[tuple[int, int]] | None, seed: int,
    top_k: int, of_several: bool,
) -> View:  # fmt: skip
    """The view that a run begins with, one of several or alone; ValueError for whatever loop or policy refuse."""
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
    if of_several and not takes_batches(rehearsal.denoiser):  # the one that the policy asks
        raise ValueError(
            "this denoiser keeps a cache or its last answer for one run, so it cannot take several canvases at once: "
            "give each to sample(), with a denoiser of its own"
        )
    return fresh()


class _Run(Iterator[Step]):
    """The steps of one canvas among a `batch`, which the denoiser answers together; in it as long as it goes on."""

    def __init__(self, policy: Policy[S], view: View, top_k: int, batch: "list[_Run]") -> None:
        self.view, self.steps, self.batch = view, _steps(policy, view, top_k), batch
        self.ready: deque[Step] = deque()
        self.end: BaseException = StopIteration()  # what is raised once the steps are taken
        batch.append(self)

    def __next__(self) -> Step:
        while not self.ready:
            if self not in self.batch:
                raise self.end
            _advance(self.batch)
        return self.ready.popleft()

    def close(self) -> None:
        """End the run: it leaves the batch, and has no more steps."""
        self.leave(StopIteration())
        self.ready.clear()

    def leave(self, end: BaseException) -> None:
        """Leave the batch, for good."""
        self.steps.close()
        if self in self.batch:
            self.end = end
            self.batch.remove(self)

    def resume(self) -> bool:
        """Go on to the next question or the step after it; whether there was one."""
        try:
            step = next(self.steps)
        except Exception as end:  # one that fails ends for itself alone
            self.leave(end)
            return False
        if step is not None:
            self.ready.append(step)
        return True


@torch.inference_mode()
def _advance(batch: list[_Run]) -> None:
    """Take every run a step on, or to its end, in one forward for all whose canvases are of one length."""
    asking: dict[int, list[_Run]] = defaultdict(list)
    try:
        for run in [*batch]:
            if run.resume():
                asking[len(run.view.ids)].append(run)
        for runs in asking.values():
            _answer([run.view for run in runs])
            for run in runs:
                run.resume()
    except BaseException as error:  # no run may go on from a question that was not answered
        for run in [*batch]:
            run.leave(error)
        raise


def _answer(views: Sequence[View]) -> None:
    """Ask the denoiser, as the policy that all of them share left it, what each view wants to know."""
    positions = torch.cat([view.positions for view in views]).unique()
    logits = views[0].denoiser(torch.stack([view.ids for view in views]), positions)
    for view, rows in zip(views, logits):
        view.forwards += 1
        asked = torch.isin(positions, view.positions)
        view.logits = rows if asked.all() else rows[asked]


@torch.inference_mode()  # as a decorator: entered anew at each resume, so it never leaks into the consumer
def _steps(policy: Policy[S], view: View, top_k: int) -> Generator[Step | None, None, None]:
    """Yield None where the denoiser's answer at `view.positions` is to be put into `view.logits`, then the step."""
    done, seconds, state = 0, 0.0, None
    for index in range(len(view.windows)):
        view.window_index, view.step = index, 0
        state = policy.begin(view, state)
        while not policy.finished(view, state):
            began = time.perf_counter()
            reach = focus(view.denoiser, *view.window)
            view.positions = reach.start + policy.asks(view)[reach].nonzero()[:, 0]
            yield None
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
