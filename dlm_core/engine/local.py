"""The engine of this process: a request in, run-file lines out.

A request is checked before its first step, one runs at a time, and any can be stopped after any step.  The page and the
command line use an engine and know nothing else of models and samplers.  `RemoteEngine`, in `dlm_core.engine.remote`,
has requests run on another machine, and streams the same lines.
"""

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from importlib.metadata import version
from math import ceil

import numpy as np
import torch
from numpy import ndarray

import dlm_core.engine.zerogpu as zerogpu
from dlm_core.beliefs import NotNumbersError, believe
from dlm_core.conversation import Message
from dlm_core.denoiser import mask_of
from dlm_core.engine.describe import About, about
from dlm_core.engine.interface import Run
from dlm_core.engine.lesson import MAX_TOKENS, Kind, Lesson, lesson
from dlm_core.engine.limits import Limits
from dlm_core.engine.planning import TOP_K, Plan, plan, require_int
from dlm_core.engine.queue import RunQueue
from dlm_core.engine.request import MAX_SEED, Request
from dlm_core.engine.unavailable import unmeasured
from dlm_core.models import LoadedModel
from dlm_core.policies.others import RANKINGS, others
from dlm_core.step import Step
from dlm_core.trace import Trace

_BATCH = 8  # canvases in one forward of `pseudo_likelihood`


class LocalEngine:
    """Runs requests in this process, one at a time, first come first served; engines may share a queue."""

    def __init__(self, model: LoadedModel, limits: Limits = Limits(), queue: RunQueue | None = None) -> None:
        self.model = model
        self.limits = limits
        self.queue = RunQueue() if queue is None else queue
        # everything that calls the model, so that it has a GPU where one is requested for each call
        self._steps_on_gpu = zerogpu.on_gpu(self._steps, self._seconds)
        self._pseudo_likelihood_on_gpu = zerogpu.on_gpu(
            self._pseudo_likelihood, lambda ids, at: zerogpu.seconds(len(at), len(ids))
        )
        self._autoregressive_likelihood_on_gpu = zerogpu.on_gpu(
            self._autoregressive_likelihood, lambda ids, at: zerogpu.seconds(1, len(ids))
        )
        self._lesson_on_gpu = zerogpu.on_gpu(self._lesson, lambda *_: zerogpu.seconds(MAX_TOKENS, MAX_TOKENS))

    def about(self, model: str | None = None) -> About:
        """Return what a page must know of the model."""
        return about(self.model)

    def run(self, request: Request, stop: threading.Event | None = None) -> Run:
        """Return a run, not begun yet; a wrong request raises ValueError here.

        While other runs are ahead, waiting lines come first; they are not part of the run.
        Their `seconds` is what so many runs took lately, and is missing as long as none was measured.  Setting `stop`
        or closing the iterator ends the run within one step; a limit, or a failure of the model, ends it with a line
        that says so.
        """
        planned = plan(self.model, request, self.limits)
        trace = self._open(planned, request)
        return Run(self._lines(trace, planned, stop or threading.Event()), lambda: trace)

    def header_line(self, request: Request) -> str:
        """Return the first line of the run that a request asks for, with nothing run; ValueError as `run`."""
        return self._open(plan(self.model, request, self.limits), request).lines[0] + "\n"

    def pseudo_likelihood(self, trace: Trace) -> ndarray:
        """Return the probability `(length,)` of each written token, given all other tokens of the finished text.

        Its logarithms add up to the pseudo-log-likelihood (Salazar et al., arXiv 1910.14659).  NaN where nothing was
        written; NaN everywhere for a model without a mask to put in a token's place, and for a run that this model
        cannot have written under these limits.  Masks after the end of text count as end-of-text tokens.  Takes one
        forward per token, in batches, once the model is free.
        """
        result, at = unmeasured(trace), self._written_positions(trace)
        if self.model.mask_token_id is not None and at.size:
            with self.queue.hold(), suppress(NotNumbersError):
                result[at] = self._pseudo_likelihood_on_gpu(_final_ids(trace), at)
        return result

    def autoregressive_likelihood(self, trace: Trace) -> ndarray:
        """Return the probability `(length,)` of each written token, given the finished text left of it.

        NaN where nothing was written; NaN everywhere if the model does not read left to right or cannot have written
        the run.  Takes one forward, once the model is free.
        """
        result, at = unmeasured(trace), self._written_positions(trace)
        if self.model.ar_logits is not None and at.size:
            with self.queue.hold(), suppress(NotNumbersError):
                result[at] = self._autoregressive_likelihood_on_gpu(_final_ids(trace), at)
        return result

    def lesson(self, text: str, kind: Kind, schedule: str, seed: int, model: str | None = None) -> Lesson:
        """Return a sentence under noise at every level, once the model is free; ValueError if it cannot be."""
        seed = require_int("seed", seed, 0, MAX_SEED)
        with self.queue.hold():
            return self._lesson_on_gpu(text, kind, schedule, seed)

    def _written_positions(self, trace: Trace) -> ndarray:
        """Return the positions that a run wrote; none if this model cannot have written it, whatever the file says."""
        recorded, loaded = trace.header["model"], self.model.describe()
        at = np.flatnonzero(trace.commit_step() >= 0)
        same = all(recorded.get(name) == loaded[name] for name in ("name", "revision", "vocab_size", "mask", "stop"))
        within = len(trace.canvas(len(trace.steps))) <= self.model.context and len(at) <= self.limits.length
        return at if same and within else at[:0]

    # -- what calls the model; arguments and results can be pickled --

    def _steps(self, planned: Plan) -> Generator[Step, None, None]:
        yield from planned.steps(self.model)

    def _seconds(self, planned: Plan) -> int:
        return ceil(min(zerogpu.seconds(planned.forwards, len(planned.canvas)), self.limits.seconds))

    @torch.inference_mode()
    def _pseudo_likelihood(self, canvas: ndarray, at: ndarray) -> ndarray:
        ids, probabilities = torch.from_numpy(canvas), []
        for some in torch.from_numpy(at).split(_BATCH):
            rows = torch.arange(len(some))
            masked = ids.repeat(len(some), 1)
            masked[rows, some] = mask_of(self.model)
            logits = self.model.denoiser(masked, some)[rows, rows]
            probabilities.append(believe(logits, 1).probability(ids[some]).numpy())
        return np.concatenate(probabilities)

    @torch.inference_mode()
    def _autoregressive_likelihood(self, canvas: ndarray, at: ndarray) -> ndarray:
        ids = torch.from_numpy(canvas)
        return believe(self.model.causal_logits(ids[None])[0, at - 1], 1).probability(ids[at]).numpy()

    def _lesson(self, text: str, kind: Kind, schedule: str, seed: int) -> Lesson:
        return lesson(self.model, text, kind, schedule, seed)

    # -- one run --

    def _open(self, planned: Plan, request: Request) -> Trace:
        return Trace.begin(
            model=self.model.describe(), prompt=request.prompt, canvas=planned.canvas.ids, fixed=planned.canvas.fixed,
            policy=planned.settings, windows=planned.windows, seed=planned.seed, top_k=TOP_K,
            versions={name: version(name) for name in ("torch", "transformers")}, piece=self.model.piece,
            branch=request.branch, cache=request.cache, conversation=self._conversation(request), others=RANKINGS,
        )  # fmt: skip

    def _conversation(self, request: Request) -> Sequence[Message] | None:
        """Return the messages before the prompt, or None where the canvas was not made from a prompt."""
        is_question = self.model.chats and request.canvas is None and request.cells is None
        return request.conversation if is_question else None

    def _lines(self, trace: Trace, planned: Plan, stop: threading.Event) -> Generator[str, None, None]:
        with self.queue.join() as ticket:
            if len(self.queue) > self.limits.queue:
                yield trace.lines[-1] + "\n"
                yield trace.finish("error", self.limits.full) + "\n"
                return
            yield from self.queue.wait(ticket, stop)
            yield from self._record(trace, planned, stop)

    def _record(self, trace: Trace, planned: Plan, stop: threading.Event) -> Iterator[str]:
        yield trace.lines[-1] + "\n"
        began, why = time.monotonic(), None
        try:
            with closing(self._steps_on_gpu(planned)) as steps:
                while not stop.is_set() and not why and (step := next(steps, None)):
                    # looked at once there is one step more: a run that ends by itself at a limit has finished
                    if not (why := self._exceeded(len(trace.steps), time.monotonic() - began)):
                        yield trace.append(step, others(step, self.model.mask_token_id)) + "\n"
        except Exception as error:  # whatever a model can raise, the run so far is kept and the page lives on
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            yield trace.finish("error", f"the model failed at step {len(trace.steps)}: {reason}") + "\n"
            return
        finally:
            if trace.steps:
                self.queue.add_duration(time.monotonic() - began)
        yield trace.finish("stopped" if why or stop.is_set() else "finished", why) + "\n"

    def _exceeded(self, steps: int, seconds: float) -> str | None:
        """Return the limit that a run has reached, as a sentence, or None."""
        if steps >= self.limits.steps:
            return f"it took {steps} steps, the most that a run may take here"
        if seconds >= self.limits.seconds:
            return f"it took {self.limits.seconds} seconds, the most that a run may take here"
        return None


def _final_ids(trace: Trace) -> ndarray:
    """Return the ids `(length,)` of the finished text, with end-of-text tokens for the masks after the first one."""
    ids, model = trace.canvas(len(trace.steps)).copy(), trace.header["model"]
    ends = np.flatnonzero(np.isin(ids, model["stop"]) & ~trace.fixed_now())
    after_end = np.arange(len(ids)) > (ends[0] if ends.size else len(ids))
    ids[after_end & (ids == model["mask"])] = ids[ends[0]] if ends.size else 0
    return ids
