"""The models that an operator offers: which are in memory, which one is being loaded, and the engine of each.

For the page a library is an engine that calls the engine of the model that a request names.  It loads one model at a
time, beside those in memory, and lets the one that was used longest ago go when there are more than it may keep.  A run
at work holds the engine that it began with, so it ends on the model that it began on.
"""

import gc
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy import ndarray

from dlm_core.engine.describe import About
from dlm_core.engine.interface import Engine, Run
from dlm_core.engine.lesson import Kind, Lesson
from dlm_core.engine.limits import Limits
from dlm_core.engine.local import LocalEngine
from dlm_core.engine.queue import RunQueue
from dlm_core.engine.request import Request
from dlm_core.engine.unavailable import UnavailableEngine
from dlm_core.models import (
    PINS,
    SHIPPED,
    Cancelled,
    ModelError,
    Progress,
    Requirements,
    cached,
    identity,
    is_folder,
    load_model,
    permit,
    requirements,
)
from dlm_core.trace import Trace

_TICK = 0.2  # seconds between two looks at how far a loading is
BUNDLED, CACHED = "bundled", "cached"


@dataclass(frozen=True)
class ModelSource:
    """A model that may be loaded: its name in the menu and in run files, and where it comes from."""

    name: str
    source: str
    revision: str | None = None


class MenuEntry(NamedTuple):
    """A model in the menu: what it requires, and whether it is in memory."""

    name: str
    requirements: Requirements
    loaded: bool


def sources_from_environment(environment: Mapping[str, str]) -> list[ModelSource]:
    """Return the models that the operator offers, the one to start with first; ValueError for a wrong value.

    UNMASK_MODELS is a list, such as "bundled,owner/name@revision,./folder,cached"; "cached" is every repository that is
    here already and that the registry knows.  UNMASK_MODEL is the one to start with, and is offered too.
    """
    listed = [part.strip() for part in environment.get("UNMASK_MODELS", "").split(",") if part.strip()]
    sources: dict[str, ModelSource] = {}
    if first := environment.get("UNMASK_MODEL", "").strip():
        try:
            source = _source(first)
        except ValueError:  # the page starts without it, and says why
            source = ModelSource(Path(first).name or first, first)
        sources[source.name] = source
    for text in listed or [BUNDLED]:
        for source in map(ModelSource, names := cached(), names) if text == CACHED else [_source(text)]:
            if sources.setdefault(source.name, source) != source:
                raise ValueError(
                    f"UNMASK_MODELS offers two models that are called {source.name}: rename one, or drop it"
                )
    if not sources:
        raise ValueError("UNMASK_MODELS offers no model: add bundled, a folder, or owner/name")
    return list(sources.values())


def _source(text: str) -> ModelSource:
    source, at, revision = text.partition("@") if not Path(text).is_dir() else (text, "", "")
    if at and not revision:
        raise ValueError(f"UNMASK_MODELS names no revision after the @ of {text!r}")
    try:
        if source in PINS:
            permit(source, PINS[source], revision or None)
        folder = source not in SHIPPED and is_folder(source, revision or None)
    except ModelError as error:
        raise ValueError(f"UNMASK_MODELS: {error}") from error
    if source in SHIPPED and revision:
        raise ValueError(f"UNMASK_MODELS: the {source} model has no revisions, got {revision!r}")
    return ModelSource(identity(Path(source))[0] if folder else source, source, revision or None)


class _Loading:
    """A model that is being loaded: its progress, who waits for it, and how it ended."""

    def __init__(self, source: ModelSource) -> None:
        self.source = source
        self.progress = Progress("fetch")
        self.stops: list[threading.Event] = []  # of those who wait for it
        self.cancelled = threading.Event()
        self.done = threading.Event()
        self.error: str | None = None

    def on_progress(self, progress: Progress) -> None:
        self.progress = progress
        # those who wait may look again only when it has ended, so their stop signals are read here
        if self.cancelled.is_set() or (self.stops and all(stop.is_set() for stop in self.stops)):
            raise Cancelled


def _nothing_to_load() -> Generator[Progress, None, None]:
    """Yield no progress: what is wanted is in memory."""
    yield from ()


class Library:
    """Engines by the names of their models.

    `load` takes the source, `revision` and `on_progress` of `load_model`; `open` makes an engine of what it returns.
    """

    def __init__(
        self, offered: Sequence[ModelSource], limits: Limits = Limits(), *,
        load: Callable[..., Any] = load_model, open: Callable[..., Engine] = LocalEngine,
    ) -> None:  # fmt: skip
        self.limits = limits
        self._sources = {source.name: source for source in offered}
        self._requirements: dict[str, Requirements] = {}
        self._load, self._open, self._queue = load, open, RunQueue()
        self._engines: dict[str, Engine] = {}  # in memory; the one used latest stands last
        self._loading: _Loading | None = None
        self._lock = threading.Lock()
        self._unavailable = UnavailableEngine("no model is loaded: choose one in the menu")

    def start(self) -> None:
        """Load the first model; if that cannot be, every request hears why until another is chosen."""
        self._loading = load = _Loading(next(iter(self._sources.values())))
        self._work(load)
        if load.error:
            self._unavailable = UnavailableEngine(load.error)

    # -- the menu --

    @property
    def names(self) -> list[str]:
        """Return the names that are offered."""
        return list(self._sources)

    def offers(self) -> list[MenuEntry]:
        """Return the entries of the menu, in order."""
        for name, source in self._sources.items():
            if name not in self._requirements:
                self._requirements[name] = requirements(source.source, source.revision)
        return [MenuEntry(name, self._requirements[name], name in self._engines) for name in self._sources]

    def loading(self) -> tuple[str, Progress] | None:
        """Return the name and the progress of the model that is being loaded, or None."""
        now = self._loading
        return None if now is None else (now.source.name, now.progress)

    def bring(self, name: str, stop: threading.Event | None = None) -> Generator[Progress, None, None]:
        """Load a model of the menu, and yield its progress several times a second until it is in memory.

        A request for a model that is being loaded already waits for the same one.  The loading is cancelled when
        nobody waits for it any more, which each says by setting `stop` or closing the iterator.  A failure is a
        ValueError of one sentence, here or from the iterator, and so is an end by `stop`; memory keeps what it had.
        """
        stop = stop or threading.Event()
        if (load := self._join(name, stop)) is None:
            return _nothing_to_load()
        return self._follow(load, stop)

    def _join(self, name: str, stop: threading.Event) -> _Loading | None:
        if name not in self._sources:
            raise ValueError(f"the model {name[:80]!r} is not offered here: choose one of {', '.join(self._sources)}")
        with self._lock:
            if name in self._engines:
                self._engines[name] = self._engines.pop(name)
                return None
            if (load := self._loading) is None:
                self._loading = load = _Loading(self._sources[name])
                load.stops.append(stop)
                threading.Thread(target=self._work, args=(load,), daemon=True).start()
                return load
            if load.cancelled.is_set() or load.source.name != name:
                raise ValueError(
                    f"the model {load.source.name} is being loaded, and only one can be: wait until it is done"
                )
            load.stops.append(stop)
        return load

    def _follow(self, load: _Loading, stop: threading.Event) -> Generator[Progress, None, None]:
        try:
            while not load.done.wait(_TICK):
                yield load.progress
                if stop.is_set():
                    break
        finally:
            with self._lock:
                load.stops.remove(stop)
                if not load.stops:
                    load.cancelled.set()
        if stop.is_set() and not load.done.is_set():
            load.done.wait(30 if load.cancelled.is_set() else 0)
            raise ValueError(f"the loading of {load.source.name} was cancelled")
        if load.error:
            raise ValueError(load.error)

    def _work(self, load: _Loading) -> None:
        source, model = load.source, None
        try:
            model = self._load(source.source, revision=source.revision, on_progress=load.on_progress)
        except Cancelled:
            load.error = f"the loading of {source.name} was cancelled"
        except ModelError as error:
            load.error = str(error)
            if "memory" in load.error and self._engines:
                load.error += (
                    f". While it is loaded {next(reversed(self._engines))} stays in memory: choose a small model first"
                )
        except Exception as error:  # whatever a loading can raise, the page lives on
            load.error = f"the model {source.name} could not be loaded ({type(error).__name__}): choose another"
        with self._lock:
            if model is not None:
                self._engines[source.name] = self._open(model, self.limits, self._queue)
                for name in list(self._engines)[: -self.limits.models]:
                    del self._engines[name]
            self._loading = None
        self._requirements.pop(source.name, None)  # its files may show now what they could not before
        del model
        gc.collect()  # a model is a web of references; its memory is wanted now
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        load.done.set()

    # -- an engine --

    def _engine(self, name: str | None) -> Engine:
        with self._lock:
            if name is None:
                return self._engines[next(reversed(self._engines))] if self._engines else self._unavailable
            if name in self._engines:
                self._engines[name] = self._engines.pop(name)
                return self._engines[name]
            there = next(reversed(self._engines), None)
        if name not in self._sources:
            raise ValueError(f"the model {name[:80]!r} is not offered here: choose one of {', '.join(self._sources)}")
        if there is None:
            return self._unavailable
        raise ValueError(f"the model {name} is not in memory, {there} is: choose {name} in the menu to load it")

    def about(self, model: str | None = None) -> About:
        """Return what a page must know of a model in memory (None: the latest used); ValueError if it is not there."""
        return self._engine(model).about()

    def run(self, request: Request, stop: threading.Event | None = None) -> Run:
        """Return a run by the model that the request names; ValueError also where that is not in memory."""
        return self._engine(request.model).run(request, stop)

    def header_line(self, request: Request) -> str:
        """Return the first line of a run, with nothing run."""
        return self._engine(request.model).header_line(request)

    def lesson(self, text: str, kind: Kind, schedule: str, seed: int, model: str | None = None) -> Lesson:
        """Return a sentence under noise at every level, by a model in memory."""
        return self._engine(model).lesson(text, kind, schedule, seed)

    def pseudo_likelihood(self, trace: Trace) -> ndarray:
        """Measure as an engine does, with the model that wrote the run; NaN where that is not in memory any more."""
        return self._measure("pseudo_likelihood", trace)

    def autoregressive_likelihood(self, trace: Trace) -> ndarray:
        """Measure as an engine does, with the model that wrote the run; NaN where that is not in memory any more."""
        return self._measure("autoregressive_likelihood", trace)

    def _measure(self, method: str, trace: Trace) -> ndarray:
        recorded: dict[str, Any] = trace.header["model"]
        with self._lock:
            engine = self._engines.get(recorded["name"])
        if engine is None or engine.about().revision != recorded.get("revision"):
            return np.full(len(trace.canvas(len(trace.steps))), np.nan)
        return getattr(engine, method)(trace)
