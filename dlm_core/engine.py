"""A request in, run-file lines out: checked before the first step, one run at a time, stoppable after any step.

The page and the command line ask an engine and know nothing else of models and samplers.  `LocalEngine` runs them in
this process; `RemoteEngine`, in `dlm_core.remote`, has them run elsewhere, and streams the same lines.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, fields, replace
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from numpy import ndarray

import dlm_core.zerogpu as zerogpu
from dlm_core.autoregressive import autoregressive
from dlm_core.beliefs import NotNumbersError, believe
from dlm_core.canvas import Canvas
from dlm_core.conversation import Message, checked
from dlm_core.edit import Cell, edited, pinned
from dlm_core.lesson import MAX_TOKENS, Kind, Lesson, lesson
from dlm_core.limits import Limits
from dlm_core.line import Line
from dlm_core.models import LoadedModel
from dlm_core.policies import POLICIES, Parameter, make_policy, parameters
from dlm_core.policies.others import RANKINGS, others
from dlm_core.policies.parameter import answering, described, named, read, shown
from dlm_core.sampler import sample
from dlm_core.step import Step
from dlm_core.trace import Trace
from dlm_core.unicode import well_formed

AUTOREGRESSIVE = "autoregressive"  # the name that asks for left to right with a KV cache in place of a policy
TOP_K = 5
MOST_SEED = 2**63 - 1
_BATCH = 8  # canvases in one forward of hindsight


@dataclass(frozen=True)
class Request:
    """What a visitor asks for; `params` go to the policy under its own names.

    `block_length` None is one block, or the model's own blocks where it has any.  With a `canvas`, or the `cells` of a
    text under edit, its masks are filled in, and all that makes a canvas of a prompt counts for nothing: `prompt`,
    `conversation` (what was said before it, for a model that chats), `length`, and `pins`, words by their position
    behind the prompt; `windows` are worked on in place of blocks; `branch` says in the run file which
    run this one continues.  `model` is a name of the menu, None the one that is there.  `cache` "prefix" or "dual" has
    the model approximate, with fewer positions computed.
    """

    prompt: str = ""
    policy: str = "llada"
    length: Annotated[int, Parameter(least=1, unit="tokens")] = 96
    block_length: Annotated[int | None, Parameter(least=1, unit="tokens", reach=(0, None), neutral=0)] = None
    seed: Annotated[int, Parameter(least=0, most=MOST_SEED, reach=(0, None))] = 0
    params: Mapping[str, Any] = field(default_factory=dict)
    canvas: Canvas | None = None
    cells: Sequence[Cell] | None = None
    pins: Mapping[int, str] = field(default_factory=dict)
    windows: Sequence[tuple[int, int]] | None = None
    branch: Mapping[str, Any] | None = None
    model: str | None = None
    cache: Literal["prefix", "dual"] | None = None
    conversation: Sequence[Message] = ()

    def __post_init__(self) -> None:
        # whatever asks, its text is Unicode from here on
        for one in fields(self):
            object.__setattr__(self, one.name, well_formed(getattr(self, one.name)))


@dataclass(frozen=True)
class About:
    """What a page must know of a model before it asks for a run, as plain data."""

    name: str | None = None  # None: there is no model
    revision: str | None = None  # tells its weights from others: only with the same ones can a run be repeated
    context: int = 0  # positions at most, prompt included
    policies: tuple[str, ...] = ()  # those that suit it
    policy: str = "llada"  # how its authors decode,
    settings: Mapping[str, Any] = field(default_factory=dict)  # with what,
    length: int = 96  # and how many positions
    starts: Mapping[str, Any] = field(default_factory=dict)  # what a page begins with, where not a policy's defaults
    block_length: int | None = None  # of its attention, where it has one
    masks: bool = True  # its noise is a mask; else random tokens
    rightward: bool = True  # it also writes left to right
    chats: bool = False
    caches: tuple[str, ...] = ()  # approximate ones that it can have


def about(model: LoadedModel) -> About:
    """What a page must know of `model`."""
    masks = model.mask_token_id is not None
    return About(
        model.name, model.revision, model.context, suited(masks, model.policy), model.policy, model.settings,
        model.length, model.starts, model.block_length, masks, model.ar_logits is not None, model.chats, model.caches,
    )  # fmt: skip


def suited(masks: bool, usual: str) -> tuple[str, ...]:
    """The policies that suit a model with masks or without, whose authors decode with the `usual` one."""
    made = {name: make_policy(name) for name in POLICIES}
    return tuple(name for name, one in made.items() if one.for_masks == masks and (name == usual or not one.for_few))


class Decoder(NamedTuple):
    """A way from a canvas to steps: the parameters it takes, and how it begins."""

    parameters: Mapping[str, Parameter]
    revises: bool  # more steps than positions make sense
    for_masks: bool  # a model without a mask has nothing for it to write
    begin: Callable[[LoadedModel, Canvas, list[tuple[int, int]], int, Mapping[str, Any]], Iterator[Step]]


def decoder(name: str) -> Decoder:
    """A policy in the denoising loop, or left to right with a KV cache; unknown names are a ValueError."""
    if name == AUTOREGRESSIVE:
        return Decoder(described(autoregressive), False, False, _autoregress)
    known, usual = parameters(name), make_policy(name)
    return Decoder(known, usual.revises, usual.for_masks, partial(_denoise, name))


def _denoise(
    name: str, model: LoadedModel, canvas: Canvas, windows: list[tuple[int, int]], seed: int, params: Mapping[str, Any]
) -> Iterator[Step]:
    return sample(model.denoiser, canvas, make_policy(name, **params), windows=windows, seed=seed, top_k=TOP_K)


def _autoregress(
    model: LoadedModel, canvas: Canvas, windows: list[tuple[int, int]], seed: int, params: Mapping[str, Any]
) -> Iterator[Step]:
    if model.ar_logits is None:
        raise ValueError(f"the model {model.name} does not write left to right: choose a policy of diffusion")
    banned = sorted(set(model.tokenizer.all_special_ids) - set(model.stop_ids))
    return autoregressive(model.model, canvas, banned=banned, stop_ids=model.stop_ids, seed=seed, top_k=TOP_K, **params)


@dataclass(frozen=True, eq=False)
class Plan:
    """A request that has passed every check."""

    canvas: Canvas
    windows: list[tuple[int, int]]
    steps: Iterator[Step]  # not begun yet
    settings: dict[str, Any]  # the policy's name and all its parameters, defaults included
    seed: int

    @property
    def length(self) -> int:
        """Positions from the first free one to the last."""
        return self.windows[-1][1] - self.windows[0][0]

    @property
    def forwards(self) -> int:
        """About how many forward passes this takes, rather too many."""
        known = decoder(self.settings["name"]).parameters
        told = [n for name, n in self.settings.items() if n and name in known and known[name].unit == "steps"]
        steps = answering(known, "steps")
        if steps and steps.unit == "steps" and self.settings[steps.name]:
            return self.settings[steps.name]
        return max([self.length, *told])


def whole(name: str, value: Any, lo: int, hi: int) -> int:
    """`value` as an int from lo to hi, or one sentence saying what it should have been."""
    return Parameter(name=name, kind="whole", least=lo, most=hi).read(value)


def plan(model: LoadedModel, request: Request, limits: Limits = Limits()) -> Plan:
    """Check a request against a model and limits; every rule that it breaks is a ValueError of one sentence."""
    way = decoder(request.policy)
    if way.for_masks and model.mask_token_id is None:
        suits = ", ".join(suited(False, model.policy))
        raise ValueError(
            f"policy {request.policy} writes masks, and the model {model.name} has none: choose one of {suits}"
        )
    seed = whole("seed", request.seed, 0, MOST_SEED)
    canvas = _canvas(model, request)
    free = np.flatnonzero(~canvas.fixed)
    if len(canvas) > model.context or not len(free):
        raise ValueError(
            f"a canvas must fit the model's {model.context} positions and leave some of them free, "
            f"got {len(canvas)} with {len(free)} free"
        )
    lo, hi = int(free[0]), int(free[-1]) + 1
    length = whole("length", hi - lo, 1, limits.length)
    params = _settings(model, request, limits, length)
    block_length = None if request.block_length is None else whole("block length", request.block_length, 1, length)
    windows = model.windows(lo, hi, block_length) if request.windows is None else list(request.windows)
    if request.cache and request.policy == AUTOREGRESSIVE:
        raise ValueError("left to right keeps an exact cache: leave the approximate one out")
    denoised = model.cached(request.cache) if request.cache else model
    return Plan(
        canvas=canvas,
        windows=windows,
        steps=way.begin(denoised, canvas, windows, seed, params),
        settings={"name": request.policy}
        | {name: _plain(params.get(name, one.default)) for name, one in way.parameters.items()},
        seed=seed,
    )


def _settings(model: LoadedModel, request: Request, limits: Limits, length: int) -> dict[str, Any]:
    """The parameters of a request as the policy takes them: as the model's authors decode, unless it says otherwise."""
    way = decoder(request.policy)
    if not isinstance(request.params, Mapping):
        raise ValueError(f"the parameters of a policy must be a table of values by name, got {shown(request.params)}")
    known = {
        name: replace(one, most=limits.steps) if one.unit == "steps" else one for name, one in way.parameters.items()
    }
    if steps := answering(known, "steps"):
        # what only writes masks has nothing to do after one step a position
        most = limits.steps if way.revises else min(length, limits.steps)
        known[steps.name] = replace(steps, most=most)
    theirs = model.settings if request.policy == model.policy else {}
    names = partial(named, request.policy, known)
    own = {name: ids for name, ids in model.token_ids.items() if name in known}
    params = read(request.policy, known, own | names(theirs) | names(request.params))
    if steps and steps.default and steps.name not in params:
        params[steps.name] = min(length, limits.steps, steps.default)
    return params


def _canvas(model: LoadedModel, request: Request) -> Canvas:
    if request.canvas is not None:
        return request.canvas
    return _prompted(model, request) if request.cells is None else edited(model, request.cells)


def _prompted(model: LoadedModel, request: Request) -> Canvas:
    length = whole("length", request.length, 1, model.context - len(model.text.opening) - len(model.closing))
    ids = model.encode_prompt(request.prompt, checked(request.conversation))
    room = max(0, model.context - len(ids) - len(model.closing))
    if length > room:
        raise ValueError(
            f"the prompt and the length must fit the model's {model.context} positions: the prompt"
            f"{' and the conversation before it take' if request.conversation else ' takes'} {len(ids)}, "
            f"so the length can be at most {room}, got {length}"
        )
    seed = whole("seed", request.seed, 0, MOST_SEED)
    return pinned(model, model.canvas(ids, length, seed), len(ids), length, request.pins)


def _plain(value: Any) -> Any:
    """A parameter as a run file can hold it."""
    return dict(value) if isinstance(value, Mapping) else value


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

    def run(self, request: Request, stop: threading.Event | None = None) -> Iterator[str]:
        """Yield the lines of a run; a wrong request raises ValueError here, before anything is yielded.

        While other runs are ahead, lines of the form {"waiting": n, "seconds": s} come first; they are not part of the
        run.  `s` is what n runs took lately, and is missing as long as none was measured.  Setting `stop` or closing
        the iterator ends the run within one step; a limit, or a failure of the model, ends it with a line that says so.
        """
        agreed = plan(self.model, request, self.limits)
        return self._lines(self._open(agreed, request), request, stop or threading.Event())

    def opening(self, request: Request) -> str:
        """The first line of the run that a request asks for, with nothing run; a wrong request raises ValueError."""
        return self._open(plan(self.model, request, self.limits), request).lines[0] + "\n"

    def hindsight(self, trace: Trace) -> ndarray:
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

    def foresight(self, trace: Trace) -> ndarray:
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

    def _denoised(self, request: Request) -> Iterator[Step]:
        yield from plan(self.model, request, self.limits).steps

    def _seconds(self, request: Request) -> int:
        agreed = plan(self.model, request, self.limits)
        return min(zerogpu.seconds(agreed.forwards, len(agreed.canvas)), self.limits.seconds)

    @torch.inference_mode()
    def _read_without(self, canvas: ndarray, at: ndarray) -> ndarray:
        ids, read = torch.from_numpy(canvas), []
        for some in torch.from_numpy(at).split(_BATCH):
            rows = torch.arange(len(some))
            without = ids.repeat(len(some), 1)
            without[rows, some] = self.model.mask_token_id
            logits = self.model.denoiser(without, some)[rows, rows]
            read.append(believe(logits, 1).probability(ids[some]).numpy())
        return np.concatenate(read)

    @torch.inference_mode()
    def _read_rightward(self, canvas: ndarray, at: ndarray) -> ndarray:
        ids = torch.from_numpy(canvas)
        return believe(self.model.ar_logits(ids[None])[0, at - 1], 1).probability(ids[at]).numpy()

    def _taught(self, text: str, kind: Kind, schedule: str, seed: int) -> Lesson:
        return lesson(self.model, text, kind, schedule, seed)

    # -- the line in front of the model --

    def _open(self, agreed: Plan, request: Request) -> Trace:
        return Trace.begin(
            model=self.model.describe(), prompt=request.prompt, canvas=agreed.canvas.ids, fixed=agreed.canvas.fixed,
            policy=agreed.settings, windows=agreed.windows, seed=agreed.seed, top_k=TOP_K,
            versions={name: version(name) for name in ("torch", "transformers")}, piece=self.model.piece,
            branch=request.branch, cache=request.cache, conversation=self._said(request), others=RANKINGS,
        )  # fmt: skip

    def _said(self, request: Request) -> Sequence[Message] | None:
        """What was said before the question, where the canvas is one question."""
        asked = self.model.chats and request.canvas is None and request.cells is None
        return request.conversation if asked else None

    def _lines(self, trace: Trace, request: Request, stop: threading.Event) -> Iterator[str]:
        with self.line.place() as ticket:
            if len(self.line) > self.limits.queue:
                yield trace.lines[-1] + "\n"
                yield trace.finish("error", self.limits.full) + "\n"
                return
            yield from self.line.wait(ticket, stop)
            yield from self._record(trace, request, stop)

    def _record(self, trace: Trace, request: Request, stop: threading.Event) -> Iterator[str]:
        yield trace.lines[-1] + "\n"
        begun, why = time.monotonic(), None
        try:
            with closing(self._steps(request)) as steps:
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


@dataclass(frozen=True)
class BrokenEngine:
    """Stands where an engine would be when its model could not be loaded: every request hears why."""

    reason: str

    def about(self, model: str | None = None) -> About:
        return About(policies=suited(True, About.policy))

    def run(self, request: Request, stop: threading.Event | None = None) -> Iterator[str]:
        raise ValueError(self.reason)

    def opening(self, request: Request) -> str:
        raise ValueError(self.reason)

    def hindsight(self, trace: Trace) -> ndarray:
        return unmeasured(trace)

    def foresight(self, trace: Trace) -> ndarray:
        return unmeasured(trace)

    def lesson(self, text: str, kind: Kind, schedule: str, seed: int, model: str | None = None) -> Lesson:
        raise ValueError(self.reason)


def unmeasured(trace: Trace) -> ndarray:
    """A NaN for every position of the newest canvas."""
    return np.full(len(trace.canvas(len(trace.steps))), np.nan)
