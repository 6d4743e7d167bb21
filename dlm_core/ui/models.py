"""The model menu: what the operator offers, what is being loaded, and everything on the page that follows the model."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import gradio as gr

from dlm_core.engine import About
from dlm_core.engine.library import Library, MenuEntry, Progress
from dlm_core.lines import make_line
from dlm_core.ui import streams, words
from dlm_core.ui.controls import ModelDependent
from dlm_core.ui.player import models

LOOK_EVERY = 3.0  # seconds between two looks at what other visitors have loaded


class Menu(NamedTuple):
    """The menu, the model that this page uses, the state of the library that it shows, and the status line."""

    choose: gr.Dropdown
    using: gr.State
    state: gr.State
    status: gr.HTML


def build(library: Library) -> Menu:
    """Lay the menu out inside the current Blocks."""
    about = library.about()
    name = about.name or library.names[0]
    choose = gr.Dropdown(
        titles(library), value=name, elem_id="model", label=words.label("page.model"), filterable=False, scale=0
    )
    status = models(idle(about, library), "model-status")
    return Menu(choose, gr.State(name), gr.State(menu_state(library)), status)


def titles(library: Library) -> list[tuple[str, str]]:
    """Return the lines of the menu, each with the name it stands for."""
    return [(line(entry), entry.name) for entry in library.offers()]


def line(entry: MenuEntry) -> str:
    """Return what a model requires and whether it is in memory, in signs and numbers, which every language shares."""
    memory, gpu, licence = entry.requirements
    parts = [entry.name] + ([] if memory is None else [size(memory)])
    parts += [] if gpu is None else ["GPU" if gpu else "CPU"]
    parts += [licence] if licence else []
    return " · ".join([*parts, "●"] if entry.loaded else parts)


def size(number: float) -> str:
    """Return a number of bytes as people read it."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def menu_state(library: Library) -> list[Any]:
    """Return the name of the model that is being loaded, or None, and the names of those in memory."""
    loading = library.loading()
    return [loading and loading[0], [entry.name for entry in library.offers() if entry.loaded]]


def idle(about: About, library: Library, notice: Sequence[Any] = ()) -> str:
    """Return the status while nothing is being loaded: which model answers here."""
    if about.name is None:
        return _status("error", [words.message("models.none")])
    many = len(library.names) > 1 or notice
    revision = (about.revision or "")[:12]
    current = words.message("models.now", name=about.name, revision=revision, context=about.context)
    return _status("idle", [*notice, current] if many else [])


def loading(name: str, progress: Progress, mine: bool) -> str:
    """Return the status while a model is being loaded, for the visitor who chose it or for others."""
    text = words.message(f"models.{progress.what}", name=name)
    parts = [text if mine else words.message("models.elsewhere", text=text)]
    if not progress.all_bytes:
        return _status("loading", parts, mine=mine)
    numbers = words.message(
        "models.numbers", done=size(progress.bytes), all=size(progress.all_bytes), files=progress.files,
        all_files=progress.all_files,
    )  # fmt: skip
    return _status("loading", parts, [numbers], progress.bytes / progress.all_bytes, mine)


def _status(
    kind: str, text: Sequence[Any], numbers: Sequence[Any] = (), share: float | None = None, mine: bool = False
) -> str:
    return make_line("models", kind=kind, text=[*text], numbers=[*numbers], share=share, mine=mine)


def connect(
    page: gr.Blocks, library: Library, menu: Menu, prompt: gr.Textbox, dependents: Sequence[ModelDependent]
) -> gr.events.Dependency:
    """Attach the menu's handlers, and return the event after which the page shows the model it was opened with."""
    loads = streams.StopSignals()
    outputs = [menu.status, menu.choose, menu.using, menu.state, *(c for each in dependents for c in each.components)]
    many, built = len(library.names) > 1, library.about().name
    shown_last: dict[str, str | None] = {}  # the model that each visitor's page showed last

    def status_only(status: str, **more: Any) -> list[Any]:
        """Return outputs that change the status, and the menu by `more`."""
        rest = [gr.skip() for _ in outputs[4:]]
        return [status, gr.update(**more) if more else gr.skip(), gr.skip(), menu_state(library), *rest]

    def loaded(visitor: gr.Request, name: str | None, text: str, *notice: Any) -> list[Any]:
        """Return outputs that show the whole page with a model in memory."""
        about = library.about(name)
        shown_last[visitor.session_hash] = about.name
        shown = [update for each in dependents for update in each.update(about, text)]
        choose = gr.update(choices=titles(library), value=about.name, interactive=True)
        return [idle(about, library, notice), choose, about.name, menu_state(library), *shown]

    def load(visitor: gr.Request, name: str, using: str, text: str) -> Iterator[list[Any]]:
        """Load a model and show the page with it; on failure say why, and keep the one that was there."""
        signal = loads.start(visitor.session_hash)
        try:
            with closing(library.bring(name, signal)) as way:
                for number, progress in enumerate(way):
                    yield status_only(loading(name, progress, mine=True), **({} if number else {"interactive": False}))
            yield loaded(visitor, name, text)
        except ValueError as error:
            yield status_only(_status("error", [f"{error}."]), value=using, interactive=True, choices=titles(library))
        finally:
            loads.end(visitor.session_hash, signal)

    def on_choose(visitor: gr.Request, name: str, using: str, text: str) -> Iterator[list[Any]]:
        # a menu may send one choice twice (picked, left): the second must not take the stop signal of the first
        if loads.at_work(visitor.session_hash) or (name == using and name in menu_state(library)[1]):
            yield [gr.skip() for _ in outputs]
        else:
            yield from load(visitor, name, using, text)

    def on_cancel(visitor: gr.Request) -> None:
        loads.stop(visitor.session_hash)

    def on_look(visitor: gr.Request, using: str, known: list[Any], text: str) -> list[Any]:
        now = menu_state(library)
        # a look that began before the page had its new model would show the old one
        late = shown_last.get(visitor.session_hash, using) != using
        if not late and not loads.at_work(visitor.session_hash):
            if now[1] and using not in now[1]:
                name = library.about().name
                return loaded(visitor, name, text, words.message("models.took", name=name, using=using))
            if now[0] and (way := library.loading()):
                return status_only(loading(*way, mine=False))
            if now != known:
                about = library.about(using if using in now[1] else None)
                return status_only(idle(about, library), choices=titles(library))
        return [gr.skip() for _ in outputs]

    def on_open(visitor: gr.Request, using: str, text: str) -> Iterator[list[Any]]:
        """Show the model that the page's link names if it is offered, else the one in memory."""
        requested = visitor.query_params.get("model")
        if requested in library.names and requested not in menu_state(library)[1]:
            yield from load(visitor, requested, using, text)
            return
        name = requested if requested in library.names else library.about().name
        yield [gr.skip() for _ in outputs] if name in (None, built) else loaded(visitor, name, text)

    def on_leave(visitor: gr.Request) -> None:
        shown_last.pop(visitor.session_hash, None)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    page.unload(on_leave)
    menu.choose.input(on_choose, [menu.choose, menu.using, prompt], outputs, **event)
    menu.status.apply(on_cancel, None, None, queue=False, **event)
    if many:
        gr.Timer(LOOK_EVERY).tick(on_look, [menu.using, menu.state, prompt], outputs, queue=False, **event)
    return page.load(on_open, [menu.using, prompt], outputs, **event)
