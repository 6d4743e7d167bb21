"""The Noise tab: the forward process by hand, and what the model believes was there before."""

import json
import threading
from collections.abc import Iterator
from typing import Any, get_args

import gradio as gr

from dlm_core.engine import About, Engine, Request
from dlm_core.engine.lesson import LEVELS, Kind, Lesson
from dlm_core.figures import Theme, plot_schedule, schedule_data
from dlm_core.trace import encode_token_texts
from dlm_core.ui import controls, streams, words
from dlm_core.ui.controls import ModelDependent
from dlm_core.ui.player import envelope, lesson

# how each kind of noise is undone: masks one a forward, the surest first; random tokens by editing what is doubted
UNDO: dict[Kind, dict[str, Any]] = {
    "mask": {"policy": "llada", "params": {}},
    "replace": {"policy": "llada21", "params": {"editing_threshold": 0.5}},
}

# id, label, hint and choices of a control
KIND = ("noise-noise", "noise.kind", "noise.kind_info", {"mask": "noise.to_mask", "replace": "noise.to_random"})
SCHEDULE = (
    "noise-schedule", "noise.schedule", "noise.schedule_info", {"linear": "noise.linear", "cosine": "noise.cosine"},
)  # fmt: skip


def shown(engine: Engine, text: str, kind: Kind, schedule: str, seed: Any, model: str | None = None) -> str:
    """Return the tab's value for a text, or the sentence that says what is wrong with it."""
    try:
        example = engine.lesson(text or "", kind, schedule, seed, model)
    except ValueError as error:
        return envelope("error", message=f"{error}.")
    data = schedule_data(example.t, example.alpha, [example.states[number].loss for number in example.state])
    figure = {theme: json.loads(plot_schedule(data, theme=theme).to_json()) for theme in get_args(Theme)}
    states = [
        state._replace(probability=_short(state.probability), top_probs=[_short(row) for row in state.top_probs])
        for state in example.states
    ]
    payload = example._asdict() | {
        "pieces": encode_token_texts(example.pieces),
        "states": [state._asdict() for state in states],
    }
    return envelope("lesson", lesson=payload, figure=figure)


def _short(values: list[float]) -> list[float]:
    return [round(value, 4) for value in values]


def request(example: Lesson, t: float, seed: Any, about: About, model: str | None = None) -> Request:
    """Return a request that denoises the sentence at level `t`, with the policy that undoes its kind of noise."""
    state = example.states[example.state[round(t * LEVELS)]]
    undo = UNDO[example.kind] if about.masks else {"policy": about.policy}
    return Request(canvas=state.canvas, seed=seed, model=model, **undo)


def denoised(
    engine: Engine, text: str, kind: Kind, schedule: str, seed: Any, model: str | None, t: float,
    stop: threading.Event,
) -> Iterator[str]:  # fmt: skip
    """Yield the player's growing value for the run that denoises level `t`."""
    try:
        example = engine.lesson(text or "", kind, schedule, seed, model)
        denoising = request(example, t, seed, engine.about(model), model)
    except ValueError as error:
        yield envelope("error", message=f"{error}.")
        return
    yield from streams.stream(engine, denoising, stop)


def build(engine: Engine, tab: gr.Tab, player: gr.HTML, stops: streams.StopSignals, using: gr.State) -> ModelDependent:
    """Lay the tab out inside the current Blocks and wire it; the run it begins plays in `player`.

    `using` is the model that the page uses; returns what follows it.
    """
    about = engine.about()
    with gr.Row(elem_classes="ask"):
        sentence = gr.Textbox(
            words.EXAMPLES[0], label=words.label("noise.sentence"), show_label=False, container=False, lines=1,
            max_lines=4, placeholder=words.label("noise.sentence"), elem_id="noise-text", elem_classes="prompt",
        )  # fmt: skip
    with gr.Row(elem_classes="settings"):
        example = gr.Dropdown(
            list(words.EXAMPLES), value=words.EXAMPLES[0], label=words.label("noise.example"),
            info=words.label("noise.example_info"), elem_id="noise-example", filterable=False, min_width=120,
        )  # fmt: skip
        kind, schedule = (
            gr.Dropdown(
                choices(control, about), value=choices(control, about)[0][1], label=words.label(control[1]),
                info=words.label(control[2]), elem_id=control[0], filterable=False, min_width=120,
            )
            for control in (KIND, SCHEDULE)
        )  # fmt: skip
        seed = controls.plain("seed", about, prefix="noise-")
        reseed = gr.Button(words.label("noise.new"), elem_id="noise-new", elem_classes="quiet", size="sm")
    screen = lesson("", "noise")
    answered = gr.State()  # the values that the lesson on screen was made from: whoever comes back to the tab finds it

    def on_change(before: list[Any] | None, *values: Any) -> Iterator[Any]:
        if before == list(values):
            return
        yield envelope("asking"), gr.skip()  # whoever came earlier goes first, and the page says so
        yield shown(engine, *values), list(values)
        yield gr.skip(), gr.skip()  # Gradio sends the last value once more, whole: let that be nothing

    def on_denoise(visitor: gr.Request, event: gr.EventData, *values: Any) -> Iterator[str]:
        level = float(event.t)
        yield from stops.newest(visitor.session_hash, lambda stop: denoised(*[engine, *values, level, stop]))
        yield gr.skip()  # Gradio sends the last value once more, whole: let that be nothing

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    inputs = [sentence, kind, schedule, seed, using]
    changes = [tab.select, *(control.change for control in inputs[:-1])]
    gr.on(changes, on_change, [answered, *inputs], [screen, answered], trigger_mode="always_last", **event)
    example.change(None, example, sentence, js="(text) => text", **event)
    reseed.click(None, None, seed, js="() => String(Math.floor(Math.random() * 1000000))", **event)
    screen.apply(on_denoise, inputs, player, trigger_mode="multiple", **event)

    def update_for_model(about: About, prompt: str) -> list[Any]:
        offered = choices(KIND, about)
        return [gr.update(choices=offered, value=offered[0][1])]

    return ModelDependent([kind], update_for_model)


def choices(control: tuple[str, str, str, dict[str, str]], about: About) -> list[tuple[Any, str]]:
    """Return the choices of a control for a model, by title: none of masking for a model without a mask."""
    return [(words.label(title), name) for name, title in control[3].items() if about.masks or name != "mask"]
