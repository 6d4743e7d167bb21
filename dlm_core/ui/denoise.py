"""The Denoise tab: a prompt and settings above, the player below.  Handlers are plain functions on plain values."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from dlm_core.engine import Request
from dlm_core.policies import parameters
from dlm_core.trace import RunFileError, Trace
from dlm_core.ui import words
from dlm_core.ui.player import envelope, player

SEND_EVERY = 0.03  # seconds; a faster model's lines travel together
DEFAULTS = {
    "policy": "llada", "steps": 64, "length": 96, "block_length": 0, "temperature": 0.7, "seed": 6,
    "threshold": 0.9, "gamma": 0.1, "remasking": "low_confidence",
}  # fmt: skip
MASTHEAD = f"<header id='masthead'><h1>{words.TITLE}</h1><p>{words.TAGLINE}</p></header>"
POLICY_CONTROLS = ("steps", "temperature", "threshold", "gamma", "remasking")  # shown where the policy has them


class Engine(Protocol):
    """Whatever turns a request into run-file lines."""

    def run(self, request: Request, stop: threading.Event | None = None) -> Iterator[str]: ...


class Stops:
    """One stop signal for every visitor's run in progress."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}

    def start(self, visitor: str) -> threading.Event:
        """A fresh signal for this visitor's new run."""
        self._events[visitor] = event = threading.Event()
        return event

    def end(self, visitor: str) -> None:
        """The visitor's run is over."""
        self._events.pop(visitor, None)

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
    value, sent = envelope("live"), 0.0
    for line in lines:
        value += line
        if time.monotonic() - sent >= SEND_EVERY:
            yield value
            sent = time.monotonic()
    yield value


def opened(path: str | Path | None) -> str:
    """The player's value for a run file, or the sentence that says what is wrong with it."""
    if path is None:
        return envelope("error", message="No file was chosen.")
    try:
        trace = Trace.load(path)
    except RunFileError as error:
        return envelope("error", message=f"{error}.")
    notice = f"{trace.notice}." if trace.notice else words.OPENED
    return envelope("recorded", notice=notice) + "".join(line + "\n" for line in trace.lines)


def request_of(prompt: str, policy: str, length: Any, block_length: Any, seed: Any, params: dict[str, Any]) -> Request:
    """The controls' values as a request; parameters the policy does not have stay behind."""
    known = parameters(policy)
    given = {name: value for name, value in params.items() if name in known}
    return Request(prompt or "", policy, length, block_length or None, seed, given)


def build(engine: Engine, models: list[str], recorded: Path) -> None:
    """Lay the tab out inside the current Blocks and wire it."""
    stops = Stops()
    with gr.Column(elem_id="tab-denoise"):
        with gr.Row(elem_id="top"):
            gr.HTML(MASTHEAD, apply_default_css=False)
            gr.Dropdown(models, value=models[0], elem_id="model", label=words.MODEL, filterable=False, scale=0)
            upload = gr.UploadButton(words.OPEN, elem_id="open-run", size="sm", file_count="single", scale=0)
        with gr.Row(elem_id="ask"):
            prompt = gr.Textbox(
                words.PROMPT_HINT, label=words.PROMPT, show_label=False, container=False, lines=1, max_lines=5,
                placeholder=words.PROMPT, elem_id="prompt", scale=1, autofocus=False,
            )  # fmt: skip
            generate = gr.Button(words.GENERATE, elem_id="generate", variant="primary", scale=0)
            stop = gr.Button(words.STOP, elem_id="stop", scale=0)
        with gr.Row(elem_id="settings"):
            controls = _settings()
            reseed = gr.Button(words.NEW_SEED, elem_id="new-seed", size="sm")
        value = envelope("recorded") + "".join(line + "\n" for line in Trace.load(recorded).lines)
        screen = player(value, elem_id="player")

    names = ("length", "block_length", "seed", *POLICY_CONTROLS)

    def on_generate(visitor: gr.Request, text: str, policy: str, *values: Any) -> Iterator[str]:
        settings = dict(zip(names, values))
        params = {name: settings[name] for name in POLICY_CONTROLS}
        signal = stops.start(visitor.session_hash)
        try:
            request = request_of(text, policy, settings["length"], settings["block_length"], settings["seed"], params)
            yield from stream(engine, request, signal)
            yield gr.skip()  # Gradio sends the last value once more, whole: let that be nothing
        except ValueError as error:
            yield envelope("error", message=f"{error}.")
        finally:
            stops.end(visitor.session_hash)

    def on_stop(visitor: gr.Request) -> None:
        stops.stop(visitor.session_hash)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    inputs = [prompt, controls["policy"], *(controls[name] for name in names)]
    gr.on([generate.click, prompt.submit], on_generate, inputs, screen, concurrency_limit=20, **event)
    stop.click(on_stop, None, None, queue=False, **event)
    upload.upload(opened, upload, screen, **event)
    reseed.click(None, None, controls["seed"], js="() => Math.floor(Math.random() * 1000000)", **event)
    shown = [controls[name] for name in POLICY_CONTROLS]
    controls["policy"].change(visible_controls, controls["policy"], [controls["policy"], *shown], queue=False, **event)


def visible_controls(policy: str) -> list[dict[str, Any]]:
    """Each policy shows the parameters it has and no others; the first update is the policy's own phrase."""
    known = parameters(policy)
    return [gr.update(info=words.POLICY_PHRASES[policy])] + [
        gr.update(visible=name in known) for name in POLICY_CONTROLS
    ]


def _settings() -> dict[str, gr.components.Component]:
    known = parameters(DEFAULTS["policy"])

    def number(name: str, elem_id: str, **more: Any) -> gr.Number:
        label, info = words.SETTINGS[name]
        visible = name in known or name not in POLICY_CONTROLS
        return gr.Number(
            DEFAULTS[name], label=label, info=info, elem_id=elem_id, visible=visible, min_width=120, **more
        )

    label, info = words.SETTINGS["remasking"]
    return {
        "policy": gr.Dropdown(
            [(title, name) for name, title in words.POLICIES.items()], value=DEFAULTS["policy"], elem_id="policy",
            label=words.SETTINGS["policy"][0], info=words.POLICY_PHRASES[DEFAULTS["policy"]], min_width=120,
            filterable=False,
        ),
        "steps": number("steps", "steps"),
        "threshold": number("threshold", "threshold", step=0.05),
        "gamma": number("gamma", "gamma", step=0.05),
        "remasking": gr.Dropdown(
            [(title, name) for name, title in words.ORDERS.items()], value=DEFAULTS["remasking"], elem_id="remasking",
            label=label, info=info, min_width=120, filterable=False,
        ),
        "length": number("length", "length"),
        "block_length": number("block_length", "block-length"),
        "temperature": number("temperature", "temperature", step=0.1),
        "seed": number("seed", "seed", precision=0),
    }  # fmt: skip
