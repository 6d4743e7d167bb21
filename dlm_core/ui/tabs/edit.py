"""The Edit tab: the text on screen as a canvas to work on, and every run that continues another as a branch of it."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import gradio as gr

from dlm_core.engine import About, Engine, Request, decoder, require_int
from dlm_core.engine.edit import Cell, parse_pins
from dlm_core.policies.parameter import find
from dlm_core.ui import controls, streams, words
from dlm_core.ui.controls import ModelDependent
from dlm_core.ui.player import editor, envelope
from dlm_core.ui.tabs import compare

PINS_HINT = "0:Once 5:upon"
_MAX = 2**31  # of any count or id that the page sends


def canvas_value(engine: Engine, text: str, pins: str, length: Any, model: str | None = None) -> str:
    """Return the tab's value for a text and `length` masks after it, some of them pinned; or what is wrong with it."""
    try:
        pinned = parse_pins(pins or "")
        policy = controls.starting_policy(engine.about(model))
        line = engine.header_line(Request(text or "", policy, length, pins=pinned, model=model))
    except ValueError as error:
        return envelope("error", message=f"{error}.")
    return envelope("canvas") + line


def request(
    payload: Mapping[str, Any], policy: str, seed: Any, params: Mapping[str, Any], model: str | None = None
) -> Request:
    """Return the request in an event's `payload`; the policy and seed of a branch go before those given.

    Steps become those that are left, and never more than there are positions to write.
    """
    cells = [_cell(*pair) for pair in _pairs(payload.get("cells"), "cells")]
    windows, own_policy, branch = payload.get("windows"), _fields(payload, "policy"), _fields(payload, "branch")
    origin: dict[str, Any] | None = None
    if branch:
        origin = {
            "step": require_int("the step of a branch", branch.get("step"), 0, _MAX),
            "policy": str(branch.get("policy"))[:40],
            "seed": require_int("the seed of a branch", branch.get("seed"), 0, 2**63 - 1),
        }  # fmt: skip
        if branch.get("forced") is not None:
            origin["forced"] = require_int("a forced position", branch["forced"], 0, _MAX)
    if own_policy:
        params = {name: value for name, value in own_policy.items() if name != "name"}
        policy, seed = str(own_policy.get("name")), payload.get("seed")
    done = origin["step"] if own_policy and origin else 0
    free = sum(not cell.fixed for cell in cells)
    steps = find(decoder(policy).parameters, "steps")
    left = {
        name: max(1, min(params[name] - done, free))
        for name in (steps.names if steps else ())
        if isinstance(params.get(name), int | float)
    }
    return Request(
        str(payload.get("prompt", ""))[:2000], policy, seed=seed, params={**params, **left}, cells=cells, branch=origin,
        model=model, windows=None if windows is None else [_window(*pair) for pair in _pairs(windows, "windows")],
    )  # fmt: skip


def growing_policy(about: About, temperature: Any) -> tuple[str, dict[str, Any]]:
    """Return the policy whose gaps grow and close, as the model's authors set it; ValueError if there is none."""
    if "expand_id" not in about.settings:
        raise ValueError(f"the model {about.name} has no token that asks for room, so its gaps keep their length")
    return about.policy, {**about.settings, "temperature": temperature, "max_tokens": about.context}


def _fields(payload: Mapping[str, Any], what: str) -> dict[str, Any]:
    if not isinstance(payload.get(what) or {}, dict):
        raise ValueError(f"{what} must be an object")
    return payload.get(what) or {}


def _pairs(value: Any, what: str) -> list[list[Any]]:
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise ValueError(f"{what} must be a list of pairs")
    return value


def _cell(token: Any, fixed: Any) -> Cell:
    return Cell(token if isinstance(token, str) else require_int("a token id", token, 0, _MAX), bool(fixed))


def _window(lo: Any, hi: Any) -> tuple[int, int]:
    return require_int("a window", lo, 0, _MAX), require_int("a window", hi, 0, _MAX)


def build(
    engine: Engine, player: gr.HTML, tree: gr.HTML, stops: streams.StopSignals, using: gr.State
) -> ModelDependent:
    """Lay the tab out inside the current Blocks and wire it; `tree` asks for runs, which play in `player`.

    `using` is the model that the page uses; returns what follows it.
    """
    about = engine.about()
    with gr.Row(elem_classes="ask"):
        text = gr.Textbox(
            words.PROMPT_HINT, label=words.label("edit.text"), show_label=False, container=False, lines=1, max_lines=5,
            placeholder=words.label("edit.text"), elem_id="edit-text", elem_classes="prompt",
        )  # fmt: skip
        make = gr.Button(words.label("edit.make"), elem_id="edit-make", elem_classes="quiet", scale=0)
    with gr.Row(elem_classes="settings"):
        pins = gr.Textbox(
            "", label=words.label("edit.pins"), info=words.label("edit.pins_info"), placeholder=PINS_HINT,
            elem_id="edit-pins", max_lines=1, min_width=120,
        )  # fmt: skip
        length = controls.plain("length", about, prefix="edit-")
        policy = gr.Dropdown(
            controls.policies(about), value=controls.starting_policy(about), label=words.label("page.policy"),
            info=words.label("edit.policy_info"), elem_id="edit-policy", filterable=False, min_width=120,
        )  # fmt: skip
        steps, temperature = (
            controls.parameter("llada", name, about, prefix="edit-") for name in ("steps", "temperature")
        )
        seed = controls.plain("seed", about, prefix="edit-")
    screen = editor("", "edit")

    def on_make(*values: Any) -> str:
        return canvas_value(engine, *values)

    def on_run(
        visitor: gr.Request, event: gr.EventData, model: str, name: str, n: Any, t: Any, number: Any
    ) -> Iterator[Any]:
        try:
            settings = {"steps": n, "temperature": t}
            about, grows = engine.about(model), event._data.get("elastic") is True
            name, params = growing_policy(about, t) if grows else (name, compare.parameters_for(name, settings, about))
            branched = request(event._data, name, number, params, model)
            engine.header_line(branched)
            for value in stops.newest(visitor.session_hash, partial(streams.stream, engine, branched)):
                yield gr.skip(), value
            yield gr.skip(), gr.skip()  # Gradio sends the last value once more, whole: let that be nothing
        except ValueError as error:  # shown where it came from: in the player for a branch with its own policy
            error_value = envelope("error", message=f"{error}.")
            yield (gr.skip(), error_value) if event._data.get("policy") else (error_value, gr.skip())

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on([make.click, text.submit, pins.submit], on_make, [text, pins, length, using], screen, **event)
    inputs = [using, policy, steps, temperature, seed]
    # asked for during a run it takes its place: Gradio would else drop it
    tree.apply(on_run, inputs, [screen, player], trigger_mode="multiple", **event)

    def update_for_model(about: About, prompt: str) -> list[Any]:
        return [gr.update(choices=controls.policies(about), value=controls.starting_policy(about))]

    return ModelDependent([policy], update_for_model)
