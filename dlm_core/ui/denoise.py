"""The Denoise tab: a prompt and settings above, the player below.  Handlers are plain functions on plain values."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.i18n import I18nData

from dlm_core.engine import About, Request
from dlm_core.library import Engine
from dlm_core.policies import parameters
from dlm_core.trace import RunFileError, Trace
from dlm_core.ui import words
from dlm_core.ui.player import envelope, player

SEND_EVERY = 0.05  # seconds; a faster model's lines travel together
PLAIN = ("length", "block_length", "seed")
STEPS = ("steps", "num_steps")
KEPT = (*STEPS, "temperature", "tau")  # these stay as a visitor left them when another policy is chosen


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

    def at_work(self, visitor: str) -> bool:
        """Whether something of this visitor's is not over."""
        return visitor in self._events

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


def request_of(
    prompt: str, policy: str, length: Any, block_length: Any, seed: Any, params: Mapping[str, Any],
    model: str | None = None,
) -> Request:  # fmt: skip
    """The controls' values as a request; parameters the policy does not have stay behind."""
    known = parameters(policy)
    given = {name: value for name, value in params.items() if name in known}
    return Request(prompt or "", policy, length, block_length or None, seed, given, model=model)


def ask(value: str, go: I18nData, ids: tuple[str, str, str]) -> tuple[gr.Textbox, gr.Button, gr.Button]:
    """The row of a prompt, the button `go` that runs it, and Stop, with their `ids`; `value` is what stands there."""
    prompt, run, stop = ids
    with gr.Row(elem_classes="ask"):
        return (
            gr.Textbox(
                value, label=words.label("page.prompt"), show_label=False, container=False, lines=1, max_lines=5,
                placeholder=words.label("page.prompt"), elem_id=prompt, elem_classes="prompt",
            ),
            gr.Button(go, elem_id=run, elem_classes="go", variant="primary", scale=0),
            gr.Button(words.label("page.stop"), elem_id=stop, elem_classes="quiet", scale=0),
        )  # fmt: skip


class Tab(NamedTuple):
    """The player, the controls (prompt, policy, every setting), and how a page is opened by a link.

    `by_link(then, link)`: behind `then`, what `link` makes of the page's query and model changes the run flag,
    the player and every control, and runs if it says so.
    """

    player: gr.HTML
    controls: list[gr.components.Component]
    by_link: Callable[..., None]


def build(engine: Engine, recorded: Path, stops: Stops, using: gr.State) -> Tab:
    """Lay the tab out inside the current Blocks and wire it; `using` is the model that the page uses."""
    about = engine.about()
    with gr.Column(elem_classes="denoise"):
        prompt, generate, stop = ask(sample_prompt(about), words.label("page.generate"), ("prompt", "generate", "stop"))
        with gr.Row(elem_classes="settings"):
            controls = _settings(about)
            reseed = gr.Button(words.label("page.new_seed"), elem_id="new-seed", elem_classes="quiet", size="sm")
            upload = gr.UploadButton(
                words.label("page.open"), elem_id="open-run", elem_classes="quiet", size="sm", file_count="single"
            )
        value = envelope("recorded") + "".join(line + "\n" for line in Trace.load(recorded).lines)
        screen = player(value, elem_id="player")

    names = (*PLAIN, *words.PARAMETERS)
    inputs = [prompt, controls["policy"], *(controls[name] for name in names)]

    def on_generate(visitor: gr.Request, model: str, text: str, policy: str, *values: Any) -> Iterator[str]:
        settings = dict(zip(names, values))
        plain = [settings.pop(name) for name in PLAIN]
        signal = stops.start(visitor.session_hash)
        try:
            request = request_of(text, policy, *plain, settings, model)
            yield from stream(engine, request, signal)
            yield gr.skip()  # Gradio sends the last value once more, whole: let that be nothing
        except ValueError as error:
            yield envelope("error", message=f"{error}.")
        finally:
            stops.end(visitor.session_hash, signal)

    def on_stop(visitor: gr.Request) -> None:
        stops.stop(visitor.session_hash)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on([generate.click, prompt.submit], on_generate, [using, *inputs], screen, **event)
    stop.click(on_stop, None, None, queue=False, **event)
    upload.upload(opened, upload, screen, **event)
    reseed.click(None, None, controls["seed"], js="() => Math.floor(Math.random() * 1000000)", **event)
    shown = [controls[name] for name in words.PARAMETERS]
    run = gr.State(False)

    def on_policy(model: str, name: str) -> list[Any]:
        return show_parameters(name, engine.about(model))

    def by_link(then: Callable[..., Any], link: Callable[[dict[str, str], str], list[Any]]) -> None:
        def on_open(visitor: gr.Request, model: str) -> list[Any]:
            return link(dict(visitor.query_params), model)

        def on_opened(visitor: gr.Request, run: bool, *values: Any) -> Iterator[str]:
            yield from on_generate(visitor, *values) if run else [gr.skip()]

        filled = then(on_open, using, [run, screen, *inputs], queue=False, **event)
        filled.then(on_opened, [run, using, *inputs], screen, **event)

    # input and not change: a link sets the policy and its parameters at once
    policy = controls["policy"]
    policy.input(on_policy, [using, policy], [policy, *shown], queue=False, **event)
    return Tab(screen, inputs, by_link)


def become(about: About, prompt: str) -> list[Any]:
    """What the controls become with another model; a prompt that a visitor wrote stays, and so does the seed."""
    policy = starting_policy(about)
    updates = {name: gr.update(value=starting_value(policy, name, about)) for name in PLAIN if name != "seed"}
    for name in words.PARAMETERS:
        known = name in parameters(policy)
        updates[name] = gr.update(visible=known, **({"value": starting_value(policy, name, about)} if known else {}))
    text = gr.update(value=sample_prompt(about)) if prompt in words.SAMPLES.values() else gr.skip()
    menu = gr.update(choices=policies(about), value=policy, info=words.POLICIES[policy][1])
    return [text, menu, *(updates.get(name, gr.skip()) for name in (*PLAIN, *words.PARAMETERS))]


def sample_prompt(about: About) -> str:
    """A prompt that suits the model: a question, a story for one taught to write in both orders, or text."""
    return words.SAMPLES["chat" if about.chats else "story" if about.rightward else "text"]


def policies(about: About) -> list[tuple[str, str]]:
    """The policies that suit a model, by their titles."""
    return [(title, name) for name, (title, _) in words.POLICIES.items() if name in about.policies]


def starting_policy(about: About) -> str:
    """The one that the model's authors decode with."""
    offered = [name for _, name in policies(about)]
    return about.policy if about.policy in offered else offered[0]


def starting_value(policy: str, name: str, about: About) -> Any:
    """What a control shows: as the model's authors decode, else as a page of that model starts, else the default."""
    if name in PLAIN:
        return about.starts.get(name, about.length if name == "length" else 0)
    known = parameters(policy)
    default = about.starts.get(name, known[name].default if name in known else None)
    value = about.settings.get(name, default) if policy == about.policy else default
    if isinstance(choices := words.PARAMETERS[name][2], dict):
        return value if value in choices else next(iter(choices))
    return min(value, about.length) if name in STEPS and value is not None else value


def show_parameters(policy: str, about: About) -> list[dict[str, Any]]:
    """Each policy shows the parameters it has and no others; the first update is what it does, in its own words."""
    known, updates = parameters(policy), [gr.update(info=words.POLICIES[policy][1])]
    for name in words.PARAMETERS:
        own = {"value": starting_value(policy, name, about)} if name in known and name not in KEPT else {}
        updates.append(gr.update(visible=name in known, **own))
    return updates


def parameter(policy: str, name: str, about: About, prefix: str = "") -> gr.components.Component:
    """The control of a policy's parameter, hidden where the policy has none of that name."""
    label, info, kind = words.PARAMETERS[name]
    start = starting_value(policy, name, about)
    looks: dict[str, Any] = {
        "label": label, "info": info, "elem_id": prefix + name.replace("_", "-"), "visible": name in parameters(policy),
        "min_width": 120,
    }  # fmt: skip
    if isinstance(kind, dict):
        choices = [(title, value) for value, title in kind.items()]
        return gr.Dropdown(choices, value=start, filterable=False, **looks)
    return gr.Number(start, step=kind, **looks)


def plain(name: str, about: About, prefix: str = "") -> gr.Number:
    """The control of a setting that every policy has."""
    label, info = words.SETTINGS[name]
    return gr.Number(
        starting_value("", name, about), label=label, info=info, elem_id=prefix + name.replace("_", "-"), min_width=120
    )


def _settings(about: About) -> dict[str, gr.components.Component]:
    usual = starting_policy(about)
    policy = gr.Dropdown(
        policies(about), value=usual, elem_id="policy", label=words.label("page.policy"),
        info=words.POLICIES[usual][1],
        filterable=False, min_width=120,
    )  # fmt: skip
    # in the order a visitor sees them: what to do, how long, how bold, from which seed
    bold = [name for name in words.PARAMETERS if name in ("temperature", "tau")]
    shown = {name: parameter(usual, name, about) for name in words.PARAMETERS if name not in bold}
    controls = {"policy": policy} | shown | {name: plain(name, about) for name in ("length", "block_length")}
    return controls | {name: parameter(usual, name, about) for name in bold} | {"seed": plain("seed", about)}
