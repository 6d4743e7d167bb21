"""The model menu: what the operator offers, what is being loaded, and everything on the page that follows the model."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import gradio as gr

from dlm_core.engine import About
from dlm_core.engine.library import Library, MenuEntry, Progress
from dlm_core.ui import streams, words
from dlm_core.ui.controls import ModelDependent
from dlm_core.ui.player import models

LOOK_EVERY = 3.0  # seconds between two looks at what other visitors have loaded


class Menu(NamedTuple):
    """The menu, the name of the model that this page uses, what was told of the library, and where it is told."""

    choose: gr.Dropdown
    using: gr.State
    seen: gr.State
    status: gr.HTML


def build(library: Library) -> Menu:
    """Lay the menu out inside the current Blocks."""
    about = library.about()
    name = about.name or library.names[0]
    choose = gr.Dropdown(
        titles(library), value=name, elem_id="model", label=words.label("page.model"), filterable=False, scale=0
    )
    status = models(idle(about, library), "model-status")
    return Menu(choose, gr.State(name), gr.State(seen(library)), status)


def titles(library: Library) -> list[tuple[str, str]]:
    """The lines of the menu, each with the name it stands for."""
    return [(line(entry), entry.name) for entry in library.menu()]


def line(entry: MenuEntry) -> str:
    """What a model needs, and whether it is there: in signs and numbers, which every language shares."""
    memory, gpu, licence = entry.needs
    parts = [entry.name] + ([] if memory is None else [size(memory)])
    parts += [] if gpu is None else ["GPU" if gpu else "CPU"]
    parts += [licence] if licence else []
    return " · ".join([*parts, "●"] if entry.loaded else parts)


def size(number: float) -> str:
    """Bytes for people."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def seen(library: Library) -> list[Any]:
    """What there is to tell of the library."""
    way = library.loading()
    return [way and way[0], [entry.name for entry in library.menu() if entry.loaded]]


def idle(about: About, library: Library, notice: Sequence[Any] = ()) -> str:
    """The status while nothing is loaded: which model answers here."""
    if about.name is None:
        return _status("error", [words.said("models.none")])
    many = len(library.names) > 1 or notice
    revision = (about.revision or "")[:12]
    now = words.said("models.now", name=about.name, revision=revision, context=about.context)
    return _status("idle", [*notice, now] if many else [])


def loading(name: str, progress: Progress, mine: bool) -> str:
    """The status while a model is on its way, for the visitor who chose it or for others."""
    said = words.said(f"models.{progress.what}", name=name)
    text = [said if mine else words.said("models.elsewhere", text=said)]
    if not progress.all_bytes:
        return _status("loading", text, mine=mine)
    numbers = words.said(
        "models.numbers", done=size(progress.bytes), all=size(progress.all_bytes), files=progress.files,
        all_files=progress.all_files,
    )  # fmt: skip
    return _status("loading", text, [numbers], progress.bytes / progress.all_bytes, mine)


def _status(
    kind: str, text: Sequence[Any], numbers: Sequence[Any] = (), share: float | None = None, mine: bool = False
) -> str:
    return json.dumps({"kind": kind, "text": [*text], "numbers": [*numbers], "share": share, "mine": mine})


def wire(
    page: gr.Blocks, library: Library, menu: Menu, prompt: gr.Textbox, dependents: Sequence[ModelDependent]
) -> gr.events.Dependency:
    """Make the menu work; returns the event after which the page shows the model that it was opened with."""
    loads = streams.StopSignals()
    outputs = [menu.status, menu.choose, menu.using, menu.seen, *(c for each in dependents for c in each.components)]
    many, built = len(library.names) > 1, library.about().name
    given: dict[str, str | None] = {}  # the model that each visitor's page was given last

    def told(status: str, **more: Any) -> list[Any]:
        """The status alone, and perhaps the menu."""
        rest = [gr.skip() for _ in outputs[4:]]
        return [status, gr.update(**more) if more else gr.skip(), gr.skip(), seen(library), *rest]

    def arrived(visitor: gr.Request, name: str | None, text: str, *notice: Any) -> list[Any]:
        """The whole page as it is with a model."""
        about = library.about(name)
        given[visitor.session_hash] = about.name
        shown = [update for each in dependents for update in each.update(about, text)]
        choose = gr.update(choices=titles(library), value=about.name, interactive=True)
        return [idle(about, library, notice), choose, about.name, seen(library), *shown]

    def bring(visitor: gr.Request, name: str, using: str, text: str) -> Iterator[list[Any]]:
        """Load a model and show the page with it; or say why not, and keep the one that was there."""
        signal = loads.start(visitor.session_hash)
        try:
            with closing(library.bring(name, signal)) as way:
                for number, progress in enumerate(way):
                    yield told(loading(name, progress, mine=True), **({} if number else {"interactive": False}))
            yield arrived(visitor, name, text)
        except ValueError as error:
            yield told(_status("error", [f"{error}."]), value=using, interactive=True, choices=titles(library))
        finally:
            loads.end(visitor.session_hash, signal)

    def on_choose(visitor: gr.Request, name: str, using: str, text: str) -> Iterator[list[Any]]:
        # a menu may tell of one choice twice (picked, left): the second must not take the stop signal of the first
        if loads.at_work(visitor.session_hash) or (name == using and name in seen(library)[1]):
            yield [gr.skip() for _ in outputs]
        else:
            yield from bring(visitor, name, using, text)

    def on_cancel(visitor: gr.Request) -> None:
        loads.stop(visitor.session_hash)

    def on_look(visitor: gr.Request, using: str, known: list[Any], text: str) -> list[Any]:
        now = seen(library)
        # a look that set out before the page had its new model would tell of the old one
        late = given.get(visitor.session_hash, using) != using
        if not late and not loads.at_work(visitor.session_hash):
            if now[1] and using not in now[1]:
                name = library.about().name
                return arrived(visitor, name, text, words.said("models.took", name=name, using=using))
            if now[0] and (way := library.loading()):
                return told(loading(*way, mine=False))
            if now != known:
                return told(idle(library.about(using if using in now[1] else None), library), choices=titles(library))
        return [gr.skip() for _ in outputs]

    def on_open(visitor: gr.Request, using: str, text: str) -> Iterator[list[Any]]:
        """A page opens with the model that its link names if that is offered, else with the one that is there."""
        asked = visitor.query_params.get("model")
        if asked in library.names and asked not in seen(library)[1]:
            yield from bring(visitor, asked, using, text)
            return
        name = asked if asked in library.names else library.about().name
        yield [gr.skip() for _ in outputs] if name in (None, built) else arrived(visitor, name, text)

    def on_leave(visitor: gr.Request) -> None:
        given.pop(visitor.session_hash, None)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    page.unload(on_leave)
    menu.choose.input(on_choose, [menu.choose, menu.using, prompt], outputs, **event)
    menu.status.apply(on_cancel, None, None, queue=False, **event)
    if many:
        gr.Timer(LOOK_EVERY).tick(on_look, [menu.using, menu.seen, prompt], outputs, queue=False, **event)
    return page.load(on_open, [menu.using, prompt], outputs, **event)
