"""The Denoise tab: a prompt and settings above, the player below.  Handlers are plain functions on plain values."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from dlm_core.engine import Request
from dlm_core.library import Engine
from dlm_core.policies import parameters
from dlm_core.trace import RunFileError, Trace
from dlm_core.ui import words
from dlm_core.ui.player import envelope, player

SEND_EVERY = 0.05  # seconds; a faster model's lines travel together
POLICY, PLAIN = "llada", {"length": 96, "block_length": 0, "seed": 2}
# what the page starts with, where that is not the policy's own default; these stay as a visitor left them
KEPT = {"steps": 64, "num_steps": 64, "temperature": 0.7, "tau": 0.7}


class Stops:
    """One stop signal for every visitor's run in progress."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}

    def start(self, visitor: str) -> threading.Event:
        """A fresh signal for this visitor's new run."""
        self._events[visitor] = event = threading.Event()
        return event

    def end(self, visitor: str, event: threading.Event) -> None:
        """The visitor's run with this signal is over; a newer one may have begun."""
        if self._events.get(visitor) is event:
            del self._events[visitor]

    def stop(self, visitor: str) -> None:
        """Ask the visitor's run to end after the step it is in."""
        if event := self._events.get(visitor):
            event.set()


def stream(engine: Engine, request: Request, stop: threading.Event) -> Iterator[str]:
    """The player's growing value for one run; a wrong request becomes a sentence and leaves the run on screen alone."""
    try:
        lines = engine.run(request, stop)
    except ValueError as error:
        yield envelope("error", message=f"{error}.")
        return
    # the envelope travels with the first line: alone it would use up the moment in which that line, perhaps one that
    # says to wait, should be shown
    yield from paced(islice(accumulate(lines, initial=envelope("live")), 1, None))


def paced(values: Iterator[str]) -> Iterator[str]:
    """A growing value, no more often than the page needs it; the last one always."""
    value, sent = "", 0.0
    for value in values:
        if time.monotonic() - sent >= SEND_EVERY:
            yield value
            sent = time.monotonic()
    yield value


def opened(path: str | Path | None) -> str:
    """The player's value for a run file, or the sentence that says what is wrong with it."""
    if path is None:
        return envelope("error", message=words.said("page.no_file"))
    try:
        trace = Trace.load(path)
    except RunFileError as error:
        return envelope("error", message=f"{error}.")
    notice = f"{trace.notice}." if trace.notice else words.said("page.opened")
    return envelope("recorded", notice=notice) + "".join(line + "\n" for line in trace.lines)


def request_of(prompt: str, policy: str, length: Any, block_length: Any, seed: Any, params: dict[str, Any]) -> Request:
    """The controls' values as a request; parameters the policy does not have stay behind."""
    known = parameters(policy)
    given = {name: value for name, value in params.items() if name in known}
    return Request(prompt or "", policy, length, block_length or None, seed, given)


def ask(go: I18nData, ids: tuple[str, str, str]) -> tuple[gr.Textbox, gr.Button, gr.Button]:
    """The row of a prompt, the button `go` that runs it, and Stop, with their `ids`."""
    prompt, run, stop = ids
    with gr.Row(elem_classes="ask"):
        return (
            gr.Textbox(
                words.PROMPT_HINT, label=words.label("page.prompt"), show_label=False, container=False, lines=1,
                max_lines=5, placeholder=words.label("page.prompt"), elem_id=prompt, elem_classes="prompt",
            ),
            gr.Button(go, elem_id=run, elem_classes="go", variant="primary", scale=0),
            gr.Button(words.label("page.stop"), elem_id=stop, elem_classes="quiet", scale=0),
        )  # fmt: skip


def build(
    engine: Engine, recorded: Path, stops: Stops, page: gr.Blocks, link: Callable[[dict[str, str]], list[Any]]
) -> tuple[gr.HTML, list[gr.components.Component]]:
    """Lay the tab out inside the current Blocks and wire it; returns the player and the controls.

    What `link` makes of the query that `page` is opened with changes the run flag, the player, the prompt, the policy
    and every control.
    """
    with gr.Column(elem_classes="denoise"):
        prompt, generate, stop = ask(words.label("page.generate"), ("prompt", "generate", "stop"))
        with gr.Row(elem_classes="settings"):
            controls = _settings()
            reseed = gr.Button(words.label("page.new_seed"), elem_id="new-seed", elem_classes="quiet", size="sm")
            upload = gr.UploadButton(
                words.label("page.open"), elem_id="open-run", elem_classes="quiet", size="sm", file_count="single"
            )
        value = envelope("recorded") + "".join(line + "\n" for line in Trace.load(recorded).lines)
        screen = player(value, elem_id="player")

    names = (*PLAIN, *words.PARAMETERS)
    inputs = [prompt, controls["policy"], *(controls[name] for name in names)]

    def on_generate(visitor: gr.Request, text: str, policy: str, *values: Any) -> Iterator[str]:
        settings = dict(zip(names, values))
        params = {name: settings[name] for name in words.PARAMETERS}
        signal = stops.start(visitor.session_hash)
        try:
            request = request_of(text, policy, settings["length"], settings["block_length"], settings["seed"], params)
            yield from stream(engine, request, signal)
            yield gr.skip()  # Gradio sends the last value once more, whole: let that be nothing
        except ValueError as error:
            yield envelope("error", message=f"{error}.")
        finally:
            stops.end(visitor.session_hash, signal)

    def on_stop(visitor: gr.Request) -> None:
        stops.stop(visitor.session_hash)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on([generate.click, prompt.submit], on_generate, inputs, screen, **event)
    stop.click(on_stop, None, None, queue=False, **event)
    upload.upload(opened, upload, screen, **event)
    reseed.click(None, None, controls["seed"], js="() => Math.floor(Math.random() * 1000000)", **event)
    shown = [controls[name] for name in words.PARAMETERS]
    # input and not change: a link sets the policy and its parameters at once
    controls["policy"].input(show_parameters, controls["policy"], [controls["policy"], *shown], queue=False, **event)

    def on_open(visitor: gr.Request) -> list[Any]:
        return link(dict(visitor.query_params))

    def on_opened(visitor: gr.Request, run: bool, *values: Any) -> Iterator[str]:
        yield from on_generate(visitor, *values) if run else [gr.skip()]

    run = gr.State(False)
    filled = page.load(on_open, None, [run, screen, *inputs], queue=False, **event)
    filled.then(on_opened, [run, *inputs], screen, **event)
    return screen, inputs


def starting_value(policy: str, name: str) -> Any:
    """What a control shows for a policy: the page's own start, else the policy's default."""
    default = parameters(policy)[name].default if name in parameters(policy) else None
    if isinstance(choices := words.PARAMETERS[name][2], dict):
        return default if default in choices else next(iter(choices))
    return KEPT.get(name, default)


def show_parameters(policy: str) -> list[dict[str, Any]]:
    """Each policy shows the parameters it has and no others; the first update is what it does, in its own words."""
    known, updates = parameters(policy), [gr.update(info=words.POLICIES[policy][1])]
    for name in words.PARAMETERS:
        own = name in known and name not in KEPT
        updates.append(gr.update(visible=name in known, **({"value": starting_value(policy, name)} if own else {})))
    return updates


def parameter(policy: str, name: str, prefix: str = "") -> gr.components.Component:
    """The control of a policy's parameter, hidden where the policy has none of that name."""
    label, info, kind = words.PARAMETERS[name]
    about: dict[str, Any] = {
        "label": label, "info": info, "elem_id": prefix + name.replace("_", "-"), "visible": name in parameters(policy),
        "min_width": 120,
    }  # fmt: skip
    if isinstance(kind, dict):
        choices = [(title, value) for value, title in kind.items()]
        return gr.Dropdown(choices, value=starting_value(policy, name), filterable=False, **about)
    return gr.Number(starting_value(policy, name), step=kind, **about)


def plain(name: str, prefix: str = "") -> gr.Number:
    """The control of a setting that every policy has."""
    label, info = words.SETTINGS[name]
    return gr.Number(PLAIN[name], label=label, info=info, elem_id=prefix + name.replace("_", "-"), min_width=120)


def _settings() -> dict[str, gr.components.Component]:
    titles = [(title, name) for name, (title, _) in words.POLICIES.items()]
    policy = gr.Dropdown(
        titles, value=POLICY, elem_id="policy", label=words.label("page.policy"), info=words.POLICIES[POLICY][1],
        filterable=False, min_width=120,
    )  # fmt: skip
    # in the order a visitor sees them: what to do, how long, how bold, from which seed
    bold = [name for name in words.PARAMETERS if name in ("temperature", "tau")]
    controls = {"policy": policy} | {name: parameter(POLICY, name) for name in words.PARAMETERS if name not in bold}
    controls |= {name: plain(name) for name in ("length", "block_length")}
    return controls | {name: parameter(POLICY, name) for name in bold} | {"seed": plain("seed")}
