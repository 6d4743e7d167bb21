"""What other programs' samplers do, as runs: their streamers, their callbacks, and the lists they keep.

`Recorder` is a streamer for transformers' `generate()` and a callback for diffusers' pipelines of tokens;
`from_canvases` takes the list of canvases that a sampler returns, `from_step_map` the step at which each token was
written.  What these do not hand out is not measured, and is recorded as that: never as 0, never worked out afterwards.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from dlm_core.beliefs import NotNumbersError, believe
from dlm_core.models.text import Text
from dlm_core.step import Step
from dlm_core.trace import MAX_BELIEFS, Piece, Trace

_OPEN = -1  # in place of a token that was not handed out yet; in the run it is the mask
_LIBRARIES = ("torch", "transformers", "diffusers")


class _Beliefs(NamedTuple):
    """What a sampler said of the positions of a window, `(n,)` and `(n, k)`; NaN and -1 where it said nothing."""

    predicted: ndarray
    confidence: ndarray
    entropy: ndarray
    top_ids: ndarray
    top_probs: ndarray


@dataclass(frozen=True, eq=False)
class _Frame:
    """One canvas that was handed out, and what came with it."""

    canvas: ndarray  # (length so far,) token ids
    window: tuple[int, int]
    forwards: int | None = None  # network calls so far
    seconds: float = np.nan  # so far
    beliefs: _Beliefs | None = None


@dataclass(frozen=True, eq=False)
class _About:
    """What a run's header says beside the canvas."""

    tokenizer: Any = None
    model: str = "unknown"
    policy: Mapping[str, Any] | None = None
    prompt: str | None = None
    mask_token_id: int | None = None
    seed: int | None = None
    width: int = 0  # of the logits, where some were handed out

    @property
    def text(self) -> Any:
        """The tokenizer, out of its processor where that was given, or None."""
        return getattr(self.tokenizer, "tokenizer", self.tokenizer)

    def piece(self, unwritten: int | None) -> Callable[[int], Piece]:
        """Return the text of tokens: without a tokenizer their numbers, and nothing for the id of what is open."""
        piece = None if self.text is None else Text(self.text).piece

        def text(token: int) -> Piece:
            if token == unwritten:
                return ""
            return f" {token}" if piece is None else piece(token)

        return text

    def vocab_size(self, largest: int) -> int:
        """Return how many tokens there are, as far as anybody said; ids up to `largest` were seen."""
        return max(
            self.width or (0 if self.text is None else len(self.text)), (self.mask_token_id or 0) + 1, largest + 1
        )

    @property
    def stop(self) -> list[int]:
        """The tokenizer's end of text, if it has one."""
        end = getattr(self.text, "eos_token_id", None)
        return [] if end is None else [int(end)]


def _row(value: Any) -> ndarray:
    """Return the token ids `(n,)` of one text, given as a list, an array or a tensor of `(n,)` or `(1, n)`."""
    value = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
    if value.ndim == 2 and len(value) == 1:
        value = value[0]
    if value.ndim != 1:
        raise ValueError(
            f"one text is recorded at a time: token ids must be of shape (n,) or (1, n), got {value.shape}"
        )
    return value.astype(np.int64)


def _grown(canvas: ndarray, length: int) -> ndarray:
    """Return a copy of a canvas that has at least `length` positions; new ones are open."""
    return np.append(canvas, np.full(max(0, length - len(canvas)), _OPEN))


def _put(canvas: ndarray, at: int, ids: ndarray) -> ndarray:
    """Return a canvas in which `ids (n,)` stand from `at` on; it grows where they reach beyond it."""
    after = _grown(canvas, at + len(ids))
    after[at : at + len(ids)] = ids
    return after


def _trace(start: ndarray, fixed: ndarray, frames: Sequence[_Frame], about: _About, source: str) -> Trace:
    """Return the run whose canvas was `start (length,)` and then, step by step, those of the frames."""
    length = max([len(start), *(len(frame.canvas) for frame in frames)])
    canvases = [_grown(canvas, length) for canvas in (start, *(frame.canvas for frame in frames))]
    seen = [frame.beliefs for frame in frames if frame.beliefs is not None]
    ids = [*canvases, *(b.predicted for b in seen)]
    vocab, mask = about.vocab_size(max(int(some.max(initial=0)) for some in ids)), about.mask_token_id
    unwritten = None
    if mask is None and any((canvas == _OPEN).any() for canvas in canvases):
        mask, vocab = (unwritten := vocab), vocab + 1  # no token means that nothing is known yet: one is added
    if mask is not None:
        canvases = [np.where(canvas == _OPEN, mask, canvas) for canvas in canvases]
    piece = about.piece(unwritten)
    fixed = _grown(fixed.astype(np.int64), length) > 0
    head = int(np.argmin(np.append(fixed, False)))
    top_k = max([1, *(b.top_ids.shape[1] for b in seen)])
    trace = Trace.begin(
        model={"name": about.model, "revision": None, "vocab_size": vocab, "mask": mask, "stop": about.stop},
        prompt=_text(start[:head], piece) if about.prompt is None else about.prompt,
        canvas=canvases[0], fixed=fixed,
        policy=about.policy or {"name": source}, sampler=source, seed=about.seed, top_k=top_k, piece=piece,
        windows=list(dict.fromkeys(frame.window for frame in frames if frame.window[0] < frame.window[1])),
        versions={name: version(name) for name in _LIBRARIES if name in sys.modules},
    )  # fmt: skip
    for index, frame in enumerate(frames):
        trace.append(_step(index, frame, canvases[index], canvases[index + 1], mask, top_k))
    return trace


def _text(ids: ndarray, piece: Callable[[int], Piece]) -> str:
    pieces = (piece(int(token)) for token in ids)
    return b"".join(text if isinstance(text, bytes) else text.encode() for text in pieces).decode(errors="replace")


def _step(index: int, frame: _Frame, before: ndarray, after: ndarray, mask: int | None, top_k: int) -> Step:
    """Return the step between two canvases: what became a mask was taken back, all else that changed was written."""
    length, (lo, hi) = len(before), frame.window
    changed = before != after
    blanked = changed & (after == mask) if mask is not None else np.zeros(length, dtype=bool)
    given = frame.beliefs

    def spread(values: ndarray | None, missing: float, *width: int) -> ndarray:
        array = np.full((length, *width), missing)
        if values is not None:
            array[(slice(lo, hi), *(slice(count) for count in values.shape[1:]))] = values
        return array

    return Step(
        index=index, window=frame.window, before=before, after=after,
        predicted=spread(given and given.predicted, _OPEN).astype(np.int64),
        confidence=spread(given and given.confidence, np.nan), entropy=spread(given and given.entropy, np.nan),
        top_ids=spread(given and given.top_ids, -1, top_k).astype(np.int64),
        top_probs=spread(given and given.top_probs, np.nan, top_k),
        written=changed & ~blanked, blanked=blanked, copies=np.ones(length, dtype=np.int64),
        forwards=-1 if frame.forwards is None else frame.forwards, seconds=frame.seconds,
    )  # fmt: skip


# --- what samplers keep -----------------------------------------------------------------------------------------------


def from_canvases(
    canvases: Sequence[Any], tokenizer: Any = None, *, mask_token_id: int | None, prompt_length: int = 0,
    forwards_per_step: int | None = None, model: str = "unknown", policy: Mapping[str, Any] | None = None,
    prompt: str | None = None, seed: int | None = None,
) -> Trace:  # fmt: skip
    """Return the run of a list of canvases, one after each step, as samplers keep them.

    Such lists are Dream's `output.history` (with `output_history=True`), dllm's `histories`, and those that forks of
    LLaDA's and SDAR's `generate()` collect.  A canvas is token ids of `(n,)` or `(1, n)` as a list, an array or a
    tensor; one that is shorter than the last grew later, as block after block does.  Where the first canvas is all mask
    after the prompt, it is the one before the first step; where it is not, that one is understood before it.  Without a
    mask (None: uniform noise) the first canvas is where the run begins.  `prompt_length` positions are fixed.
    `forwards_per_step` is what you know of the sampler: 1 for Dream, 2 with guidance in two calls; None: not measured.
    Without a tokenizer the text of a token is its number.
    """
    rows = [_row(canvas) for canvas in canvases]
    if not rows:
        raise ValueError("the list of canvases is empty: there is no run in it")
    if not 0 <= prompt_length <= len(rows[0]):
        raise ValueError(f"prompt_length must be from 0 to the canvas's {len(rows[0])}, got {prompt_length}")
    if any(len(now) < len(last) for last, now in pairwise(rows)):
        raise ValueError("a canvas must not be shorter than the one before it")
    if any(row.min(initial=0) < 0 for row in rows):
        raise ValueError("a canvas must hold token ids, from 0 on")
    begins = mask_token_id is None or (rows[0][prompt_length:] == mask_token_id).all()
    start = rows[0] if begins else _grown(rows[0][:prompt_length], len(rows[0]))
    count = forwards_per_step
    frames = [
        _Frame(row, (prompt_length, len(row)), count and count * number)
        for number, row in enumerate(rows[1:] if begins else rows, 1)
    ]
    about = _About(tokenizer, model, policy, prompt, mask_token_id, seed)
    trace = _trace(start, np.arange(len(start)) < prompt_length, frames, about, "canvases")
    trace.finish("finished")
    return trace


def from_step_map(
    ids: Any, step_map: Any, tokenizer: Any = None, *, mask_token_id: int | None = None, model: str = "unknown",
    policy: Mapping[str, Any] | None = None, prompt: str | None = None, seed: int | None = None,
) -> Trace:  # fmt: skip
    """Return the run in which each token of `ids (n,)` is written at its step of `step_map (n,)`, from 0.

    A step of -1 is a position that nobody wrote: fixed, or a mask that stayed.  The map of the run is `step_map` again.
    What it does not hold is not measured, and tokens that a sampler took back on its way are not in such a map.
    """
    tokens, at = _row(ids), _row(step_map)
    if len(tokens) != len(at) or not len(at):
        raise ValueError(f"ids and step_map must be of one length above 0, got {len(tokens)} and {len(at)}")
    if at.min() < -1 or (at.max() + 1) * len(at) > MAX_BELIEFS:
        raise ValueError(f"steps must be from -1 to {MAX_BELIEFS // len(at) - 1}, got {at.min()} to {at.max()}")
    fixed = (at < 0) & (tokens != mask_token_id)
    canvases = [np.where(fixed | ((at >= 0) & (at <= step)), tokens, _OPEN) for step in range(-1, int(at.max()) + 1)]
    frames = [_Frame(canvas, (0, len(at))) for canvas in canvases[1:]]
    about = _About(tokenizer, model, policy, prompt, mask_token_id, seed)
    trace = _trace(canvases[0], fixed, frames, about, "step_map")
    trace.finish("finished")
    return trace


# --- what samplers hand out as they go --------------------------------------------------------------------------------


class Recorder:
    """Writes the run of another library's sampler: `streamer=recorder`, or `recorder.callback_on_step_end`.

    It has the interface of transformers' `TextDiffusionStreamer` (`put`, `put_draft`, `end`) and of diffusers'
    `callback_on_step_end`.  `path` is the run file to write; None only keeps the run, as `trace`.  The file is written
    by `end()`, which transformers calls, and at the end of a `with` block, then even if the sampler fails.

    With `logits`, transformers hands out the logits of every draft, from which confidence, entropy and the `top_k`
    likeliest tokens come; False is faster and measures none of these.  Seconds are those between the prompt (or the
    beginning of the `with` block) and each call, without the recorder's own; without either they are not measured.
    `mask_token_id` is needed only where a pipeline does not name its own; `policy` (a name and parameters), `seed`,
    `model` and `prompt` are for the header, and None is not known.
    """

    def __init__(
        self, path: str | Path | None = None, tokenizer: Any = None, *, model: str = "unknown",
        policy: Mapping[str, Any] | None = None, prompt: str | None = None, mask_token_id: int | None = None,
        seed: int | None = None, logits: bool = True, top_k: int = 5,
    ) -> None:  # fmt: skip
        if not 1 <= top_k <= 100:
            raise ValueError(f"top_k must be between 1 and 100, got {top_k}")
        self.path = path
        self.top_k = top_k
        self._takes_logits = logits  # transformers asks for it by this name
        self._about = _About(tokenizer, model, policy, prompt, mask_token_id, seed)
        self._source = "generate"
        self._start: ndarray | None = None  # (length,) before the first step
        self._fixed = np.zeros(0, dtype=bool)
        self._frames: list[_Frame] = []
        self._settled = 0  # positions up to here are confirmed
        self._drafted = False  # whether a draft came since
        self._block = 0  # where the canvas begins that a pipeline works on
        self._forwards: int | None = 0
        self._seconds, self._left = 0.0, np.nan
        self._finished: Trace | None = None

    # -- of transformers --

    def put(self, value: Any) -> None:
        """Take in the prompt, at first, and then the tokens that are settled, which follow what was settled before.

        Where they differ from the last draft, the difference is a step without a forward.  With no draft since the last
        ones, as an autoregressive `generate()` has none, they are a step with one.
        """
        ids = _row(value)
        if self._start is None:
            self._begin(ids, np.ones(len(ids), dtype=bool))
            self._left = time.perf_counter()
            return
        self._time()
        window = (self._settled, self._settled + len(ids))
        after = _put(self._canvas, window[0], ids)
        if self._drafted and not np.array_equal(after, self._canvas):
            self._add(after, window, forwards=0)
        elif not self._drafted:
            self._add(after, window)
        self._settled, self._drafted = window[1], False
        self._left = time.perf_counter()

    def put_draft(self, value: Any = None, *, logits: Any = None, **_: Any) -> None:
        """Take in a draft of the canvas that is worked on: its token ids, or the logits whose argmax they are."""
        self._time()
        if (value is None) == (logits is None):
            raise ValueError("put_draft takes a value or logits, one of them")
        beliefs = None if logits is None else self._measure(logits)
        ids = _row(logits.argmax(-1) if value is None else value)
        self._begin(np.empty(0, np.int64), np.empty(0, dtype=bool))
        window = (self._settled, self._settled + len(ids))
        self._add(_put(self._canvas, window[0], ids), window, beliefs)
        self._left = time.perf_counter()

    def end(self) -> None:
        """Close the run, and write its file."""
        self._close("finished", None)

    # -- of diffusers --

    def callback_on_step_end(
        self, pipeline: Any, step: int, timestep: int, tensors: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Take in what a pipeline of tokens hands out after a step; changes nothing.

        Pass `callback_on_step_end_tensor_inputs=pipeline._callback_tensor_inputs` too: diffusers hands out only the
        tensors that are asked for.
        """
        self._time()
        self._source = type(pipeline).__name__
        if "block_x" in tensors:
            self._take_block(pipeline, tensors)
        elif "canvas" in tensors:
            self._take_canvas(pipeline, int(timestep), tensors)
        else:
            raise ValueError(f"a pipeline of tokens hands out block_x or canvas, got {', '.join(tensors) or 'nothing'}")
        self._left = time.perf_counter()
        return {}

    def _take_block(self, pipeline: Any, tensors: Mapping[str, Any]) -> None:
        """Take in a step of LLaDA2's pipeline: the text up to the end of the block that is worked on."""
        ids = _row(tensors["block_x"])
        if self._about.mask_token_id is None:
            self._about = replace(self._about, mask_token_id=getattr(pipeline, "mask_token_id", None))
        block = next((_row(tensors[name]) for name in ("active_block", "sampled_tokens") if name in tensors), None)
        window = (self._settled if block is None else len(ids) - len(block), len(ids))
        if self._start is None:
            if "active_block" not in tensors:
                raise ValueError(
                    "nobody said which positions are the prompt: put(input_ids) it before the pipeline is called, or "
                    "pass callback_on_step_end_tensor_inputs=pipeline._callback_tensor_inputs"
                )
            prompt = np.append(np.ones(window[0], dtype=bool), _row(tensors["active_block"]) == 0)
            self._begin(np.where(prompt, ids, _OPEN), prompt)
        beliefs = None
        if "sampled_probs" in tensors and "sampled_tokens" in tensors:
            confidence = tensors["sampled_probs"].detach().float().cpu().numpy()[0].astype(float)
            nothing = np.full((len(confidence), 1), np.nan)
            no_ids = np.full((len(confidence), 1), -1)
            beliefs = _Beliefs(_row(tensors["sampled_tokens"]), confidence, nothing[:, 0], no_ids, nothing)
        self._add(ids, window, beliefs)

    def _take_canvas(self, pipeline: Any, timestep: int, tensors: Mapping[str, Any]) -> None:
        """Take in a step of DiffusionGemma's pipeline: the canvas that is worked on, which follows the last one."""
        self._begin(np.empty(0, np.int64), np.empty(0, dtype=bool))
        ids = _row(tensors["canvas"])
        if timestep == 0:
            self._block = len(self._canvas)
        beliefs = self._measure(tensors["logits"]) if "logits" in tensors else None
        if getattr(getattr(pipeline.scheduler, "config", None), "corrector_steps", 0):
            self._forwards = None  # its sweeps are not handed out, so nobody can count them
        window = (self._block, self._block + len(ids))
        self._add(_put(self._canvas, window[0], ids), window, beliefs)

    # -- the run --

    @property
    def trace(self) -> Trace:
        """The run so far; once it has ended, with its totals."""
        if self._finished is not None:
            return self._finished
        if self._start is None:
            raise ValueError(
                "nothing was recorded: pass the recorder as streamer= to generate(), or its callback_on_step_end to a "
                "pipeline"
            )
        return _trace(self._start, self._fixed, self._frames, self._about, self._source)

    def __enter__(self) -> "Recorder":
        self._left = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if self._finished is not None or (error is not None and self._start is None):
            return
        if error is None:
            self._close("finished", None)
        elif isinstance(error, Exception):
            self._close("error", (str(error).strip() or type(error).__name__).splitlines()[0][:200])
        else:  # the keyboard
            self._close("stopped", None)

    @property
    def _canvas(self) -> ndarray:
        assert self._start is not None
        return self._frames[-1].canvas if self._frames else self._start

    def _begin(self, start: ndarray, fixed: ndarray) -> None:
        if self._start is None:
            self._start, self._fixed, self._settled = start, fixed, int(fixed.sum())

    def _measure(self, logits: Any) -> _Beliefs | None:
        self._about = replace(self._about, width=int(logits.shape[-1]))
        return _measured(logits, self.top_k)

    def _time(self) -> None:
        """Add the time since the recorder was left to what the sampler took; NaN where nobody took the beginning."""
        self._seconds += time.perf_counter() - self._left

    def _add(
        self, canvas: ndarray, window: tuple[int, int], beliefs: _Beliefs | None = None,
        forwards: int = 1,
    ) -> None:  # fmt: skip
        self._forwards = None if self._forwards is None else self._forwards + forwards
        self._drafted = True
        self._frames.append(_Frame(canvas, window, self._forwards, self._seconds, beliefs))

    def _close(self, end: str, message: str | None) -> None:
        if self._finished is None:
            trace = self.trace
            trace.finish(end, message)
            self._finished = trace
            if self.path is not None:
                trace.save(self.path)


def _measured(logits: Any, top_k: int) -> _Beliefs | None:
    """Return what logits `(n, vocab)` or `(1, n, vocab)` say; None where they are no numbers."""
    if logits.ndim == 3 and len(logits) == 1:
        logits = logits[0]
    if logits.ndim != 2:
        raise ValueError(f"one text is recorded at a time: logits must be of shape (1, n, vocab), got {logits.shape}")
    try:
        beliefs = believe(logits.detach(), top_k)
    except NotNumbersError:
        return None
    predicted = beliefs.top_ids[:, 0]
    return _Beliefs(
        predicted.numpy(), beliefs.probability(predicted).numpy(), beliefs.entropy.numpy(),
        beliefs.top_ids.numpy(), beliefs.top_probs.numpy(),
    )  # fmt: skip
