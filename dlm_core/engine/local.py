"""A request in, run-file lines out: checked before the first step, one run at a time, stoppable after any step.

The page and the command line ask an engine and know nothing else of models and samplers.  `LocalEngine` runs them in
this process; `RemoteEngine`, in `dlm_core.engine.remote`, has them run elsewhere, and streams the same lines.
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
from dlm_core.engine.planning import TOP_K, Plan, plan, whole
from dlm_core.engine.queue import Line
from dlm_core.engine.request import MOST_SEED, Request
from dlm_core.engine.unavailable import unmeasured
from dlm_core.models import LoadedModel
from dlm_core.policies.others import RANKINGS, others
from dlm_core.step import Step
from dlm_core.trace import Trace

_BATCH = 8  # canvases in one forward of `pseudo_likelihood`


class LocalEngine:
    """Runs requests in this process, one at a time, first come first served; engines may share a line."""

    def __init__(self, model: LoadedModel, limits: Limits = Limits(), line: Line | None = None) -> None:
        self.model = model
        self.limits = limits
        self.line = Line() if line is None else line
        # whatever asks the model, so that it finds a GPU where one has to be asked for
        self._steps = zerogpu.lent(self._denoised, self._seconds)
        self._without = zerogpu.lent(self._read_without, lambda ids, at: zerogpu.seconds(len(at), len(ids)))
        self._rightward = zerogpu.lent(self._read_rightward, lambda ids, at: zerogpu.seconds(1, len(ids)))
        self._lesson = zerogpu.lent(self._taught, lambda *_: zerogpu.seconds(MAX_TOKENS, MAX_TOKENS))

    def about(self, model: str | None = None) -> About:
        """What a page must know of the model."""
        return about(self.model)

    def run(self, request: Request, stop: threading.Event | None = None) -> Run:
        """Return a run, not begun yet; a wrong request raises ValueError here.

        While other runs are ahead, lines of the form {"waiting": n, "seconds": s} come first; they are not part of the
        run.  `s` is what n runs took lately, and is missing as long as none was measured.  Setting `stop` or closing
        the iterator ends the run within one step; a limit, or a failure of the model, ends it with a line that says so.
        """
        planned = plan(self.model, request, self.limits)
        trace = self._open(planned, request)
        return Run(self._lines(trace, planned, stop or threading.Event()), lambda: trace)

    def header_line(self, request: Request) -> str:
        """Return the first line of the run that a request asks for, with nothing run; ValueError as `run`."""
        return self._open(plan(self.model, request, self.limits), request).lines[0] + "\n"

    def pseudo_likelihood(self, trace: Trace) -> ndarray:
        """Probability `(length,)` of each written token, seen with the finished text around it but without itself.

        NaN where nothing was written, and everywhere for a model that has no mask to put in a token's place; masks
        behind the end of text are read as the silence they stand for.  Costs one forward a token, in batches, and waits
        for its turn.  Everywhere too for a run that this model, under these limits, cannot have written.
        """
        result, at = unmeasured(trace), self._own(trace)
        if self.model.mask_token_id is not None and at.size:
            with self.line.turn(), suppress(NotNumbersError):
                result[at] = self._without(_ended(trace), at)
        return result

    def autoregressive_likelihood(self, trace: Trace) -> ndarray:
        """Probability `(length,)` of each written token, seen with nothing but the finished text left of it.

        NaN where nothing was written, and everywhere if the model does not read left to right or cannot have written
        the run.  Costs one forward, and waits for its turn.
        """
        result, at = unmeasured(trace), self._own(trace)
        if self.model.ar_logits is not None and at.size:
            with self.line.turn(), suppress(NotNumbersError):
                result[at] = self._rightward(_ended(trace), at)
        return result

    def lesson(self, text: str, kind: Kind, schedule: str, seed: int, model: str | None = None) -> Lesson:
        """A sentence under noise at every level; what is wrong with it is a ValueError.  Waits for its turn."""
        seed = whole("seed", seed, 0, MOST_SEED)
        with self.line.turn():
            return self._lesson(text, kind, schedule, seed)

    def _own(self, trace: Trace) -> ndarray:
        """The positions that a run of this model wrote; none if the model cannot have written it, whatever it says."""
        said, mine = trace.header["model"], self.model.describe()
        at = np.flatnonzero(trace.commit_step() >= 0)
        same = all(said.get(name) == mine[name] for name in ("name", "revision", "vocab_size", "mask", "stop"))
        within = len(trace.canvas(len(trace.steps))) <= self.model.context and len(at) <= self.limits.length
        return at if same and within else at[:0]

    # -- what asks the model; arguments and results can be pickled --

    def _denoised(self, planned: Plan) -> Generator[Step, None, None]:
        yield from planned.steps(self.model)

    def _seconds(self, planned: Plan) -> int:
        return ceil(min(zerogpu.seconds(planned.forwards, len(planned.canvas)), self.limits.seconds))

    @torch.inference_mode()
    def _read_without(self, canvas: ndarray, at: ndarray) -> ndarray:
        ids, read = torch.from_numpy(canvas), []
        for some in torch.from_numpy(at).split(_BATCH):
            rows = torch.arange(len(some))
            without = ids.repeat(len(some), 1)
            without[rows, some] = mask_of(self.model)
            logits = self.model.denoiser(without, some)[rows, rows]
            read.append(believe(logits, 1).probability(ids[some]).numpy())
        return np.concatenate(read)

    @torch.inference_mode()
    def _read_rightward(self, canvas: ndarray, at: ndarray) -> ndarray:
        ids = torch.from_numpy(canvas)
        return believe(self.model.causal_logits(ids[None])[0, at - 1], 1).probability(ids[at]).numpy()

    def _taught(self, text: str, kind: Kind, schedule: str, seed: int) -> Lesson:
        return lesson(self.model, text, kind, schedule, seed)

    # -- the line in front of the model --

    def _open(self, planned: Plan, request: Request) -> Trace:
        return Trace.begin(
            model=self.model.describe(), prompt=request.prompt, canvas=planned.canvas.ids, fixed=planned.canvas.fixed,
            policy=planned.settings, windows=planned.windows, seed=planned.seed, top_k=TOP_K,
            versions={name: version(name) for name in ("torch", "transformers")}, piece=self.model.piece,
            branch=request.branch, cache=request.cache, conversation=self._conversation(request), others=RANKINGS,
        )  # fmt: skip

    def _conversation(self, request: Request) -> Sequence[Message] | None:
        """The messages before the question, where the canvas is a question."""
        is_question = self.model.chats and request.canvas is None and request.cells is None
        return request.conversation if is_question else None

    def _lines(self, trace: Trace, planned: Plan, stop: threading.Event) -> Generator[str, None, None]:
        with self.line.place() as ticket:
            if len(self.line) > self.limits.queue:
                yield trace.lines[-1] + "\n"
                yield trace.finish("error", self.limits.full) + "\n"
                return
            yield from self.line.wait(ticket, stop)
            yield from self._record(trace, planned, stop)

    def _record(self, trace: Trace, planned: Plan, stop: threading.Event) -> Iterator[str]:
        yield trace.lines[-1] + "\n"
        begun, why = time.monotonic(), None
        try:
            with closing(self._steps(planned)) as steps:
                while not stop.is_set() and not why and (step := next(steps, None)):
                    # looked at once there is one step more: a run that ends by itself at a limit has finished
                    if not (why := self._exceeded(len(trace.steps), time.monotonic() - begun)):
                        yield trace.append(step, others(step, self.model.mask_token_id)) + "\n"
        except Exception as error:  # whatever a model can raise, the run so far is kept and the page lives on
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            yield trace.finish("error", f"the model failed at step {len(trace.steps)}: {reason}") + "\n"
            return
        finally:
            if trace.steps:
                self.line.took(time.monotonic() - begun)
        yield trace.finish("stopped" if why or stop.is_set() else "finished", why) + "\n"

    def _exceeded(self, steps: int, seconds: float) -> str | None:
        """Why a run that took so much may not take another step."""
        if steps >= self.limits.steps:
            return f"it took {steps} steps, the most that a run may take here"
        if seconds >= self.limits.seconds:
            return f"it took {self.limits.seconds} seconds, the most that a run may take here"
        return None


def _ended(trace: Trace) -> ndarray:
    """The finished text `(length,)`, with the end-of-text token in place of the masks behind the first one."""
    ids, model = trace.canvas(len(trace.steps)).copy(), trace.header["model"]
    ends = np.flatnonzero(np.isin(ids, model["stop"]) & ~trace.fixed_now())
    behind = np.arange(len(ids)) > (ends[0] if ends.size else len(ids))
    ids[behind & (ids == model["mask"])] = ids[ends[0]] if ends.size else 0
    return ids
