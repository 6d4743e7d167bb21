"""The Race tab: the model against itself, left to right with a KV cache on the left, diffusion on the right."""

import json
import threading
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, get_args

import gradio as gr

from dlm_core.engine import AUTOREGRESSIVE, About, Engine, Request, Run, require_int
from dlm_core.figures import Theme, plot_tradeoff, tradeoff_data
from dlm_core.lines import is_waiting, make_line
from dlm_core.metrics import RaceResult, race_result
from dlm_core.ui import controls, streams, words
from dlm_core.ui.controls import ModelDependent
from dlm_core.ui.player import comparison, envelope, sentences
from dlm_core.ui.tabs.compare import pane

FORWARDS = (4, 8, 16, 32, 64)
# in as many forwards as the page begins with, it is the first whose judged quality was measured to be within a tenth of
# autoregression's at the same temperature (the model's card)
POLICY = "p2"
COLUMNS = {"forwards": 0, "seconds": 3, "tokens_per_second": 0, "readable": 3, "autoregressive_nll": 3, "pseudo_nll": 3}
TIE = 0.03  # two numbers this close, as a share, have no winner


def race(
    engine: Engine, prompt: str, length: int, steps: int, temperature: float, seed: int, stop: threading.Event,
    model: str | None = None,
) -> Iterator[str]:  # fmt: skip
    """Yield the growing value of the tab: both sides, the verdict, then diffusion at every other number of forwards."""
    return accumulate(_pieces(engine, prompt, length, steps, temperature, seed, stop, model))


def _pieces(
    engine: Engine, prompt: str, length: int, steps: int, temperature: float, seed: int, stop: threading.Event,
    model: str | None,
) -> Iterator[str]:  # fmt: skip
    def start(policy: str, size: int = length, **params: Any) -> Run:
        return engine.run(Request(prompt, policy, size, None, seed, params, model=model), stop)

    def rightward(size: int = length) -> Run:
        return start(AUTOREGRESSIVE, size, temperature=temperature)

    def diffusion(n: int) -> Run:
        return start(POLICY, num_steps=n, tau=temperature)

    try:  # every request is checked before the first one runs
        runs = [(words.message("race.autoregressive"), rightward())]
        steps = require_int("steps", steps, 1, length)
        forwards = [steps, *(n for n in FORWARDS if n <= length and n != steps)]
        runs += [(words.message("race.diffusion", forwards=n), diffusion(n)) for n in forwards]
        # the first forward of either kind pays for memory that all later ones find ready
        warm = [rightward(min(length, 2)), diffusion(1)]
    except ValueError as error:
        yield envelope("error", message=f"{error}.")
        return
    yield envelope("live")
    for lines in warm:
        yield from filter(is_waiting, lines)
    sides: list[RaceResult] = []
    for number, (title, lines) in enumerate(runs):
        trace = yield from pane(number, title, lines, place=min(number, 1))
        if trace.outcome != "finished":  # stopped, or the model failed and its pane says why
            break
        if number == 1:
            yield make_line("rewind")
        sides.append(race_result(trace, engine.autoregressive_likelihood(trace), engine.pseudo_likelihood(trace)))
        outcome = {"verdict": verdict(sides[0], sides[number])} if number else {}
        yield make_line("summary", summary=sides[number]._asdict(), of=number, **outcome)
        if number:
            yield make_line("figure", figure=figure(sides[0], sides[1:]))
        if stop.is_set():
            break
    yield make_line("done")


def figure(left: RaceResult, right: list[RaceResult]) -> dict[str, Any]:
    """Return the plot of speed against quality so far, in either theme."""
    data = tradeoff_data(right, left)
    return {theme: json.loads(plot_tradeoff(data, theme).to_json()) for theme in get_args(Theme)}


def verdict(left: RaceResult, right: RaceResult) -> dict[str, Any]:
    """Return the sentence that says who won on time and on quality; `left` is autoregression."""
    return words.message(
        "race.verdict", time=_on_time(left.tokens_per_second, right.tokens_per_second), quality=_on_quality(left, right)
    )


def _on_time(left: float, right: float) -> dict[str, Any]:
    if _close(left, right):
        return words.message("race.time_tied", left=f"{left:.0f}", right=f"{right:.0f}")
    fast, slow = max(left, right), min(left, right)
    times = f"{fast / slow if slow else float('inf'):.1f}"
    return words.message(
        "race.time_won", winner=_side(right > left), fast=f"{fast:.0f}", slow=f"{slow:.0f}", times=times
    )


def _on_quality(left: RaceResult, right: RaceResult) -> dict[str, Any]:
    """A text is the better one if the model finds it likelier in both of its readings."""
    measured = (left.autoregressive_nll, right.autoregressive_nll, left.pseudo_nll, right.pseudo_nll)
    numbers = [number for number in measured if number is not None]
    if len(numbers) < len(measured):
        return words.message("race.quality_unmeasured")
    readings = list(zip(numbers[::2], numbers[1::2]))
    right_won = {right < left for left, right in readings}
    if len(right_won) == 1 and not any(_close(*reading) for reading in readings):
        low, high = (f"{value:.2f}" for value in sorted(readings[0]))
        return words.message("race.quality_won", winner=_side(right_won.pop()), low=low, high=high)
    left_nll, right_nll = (f"{value:.2f}" for value in readings[0])
    return words.message("race.quality_tied", left=left_nll, right=right_nll)


def _side(right: bool) -> dict[str, Any]:
    return words.message("race.right" if right else "race.left")


def _close(left: float, right: float) -> bool:
    return abs(left - right) <= TIE * max(left, right)


def build(engine: Engine, using: gr.State) -> ModelDependent:
    """Lay the tab out inside the current Blocks; `using` is the page's model, and what is returned follows it."""
    stops, about = streams.StopSignals(), engine.about()
    none = sentences('<p data-word="race.none"></p>', "race-none", visible=not about.rightward)
    prompt, run, stop = controls.ask(
        words.PROMPT_HINT, words.label("page.race"), ("race-prompt", "race-run", "race-stop")
    )
    with gr.Row(elem_classes="settings"):
        steps, temperature = (
            controls.parameter("llada", name, about, prefix="race-") for name in ("steps", "temperature")
        )
        length, seed = (controls.plain(name, about, prefix="race-") for name in ("length", "seed"))
    screen = comparison("", "race", COLUMNS, unit="seconds")

    def on_race(visitor: gr.Request, model: str, *values: Any) -> Iterator[Any]:
        yield from streams.newest(stops, visitor.session_hash, lambda signal: race(*[engine, *values, signal, model]))

    def on_stop(visitor: gr.Request) -> None:
        stops.stop(visitor.session_hash)

    def on_challenge(steps: Any, event: gr.EventData) -> list[Any]:
        query: dict[str, Any] = dict(event._data or {})
        length = query.get("length")
        fitting = min(steps, length) if isinstance(steps, int) and isinstance(length, int) else steps
        return [str(query.get("prompt", "")), length, fitting, query.get("temperature"), str(query.get("seed", ""))]

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    settings = [prompt, length, steps, temperature, seed]
    gr.on([run.click, prompt.submit], on_race, [using, *settings], screen, trigger_mode="multiple", **event)
    challenge = screen.apply(on_challenge, steps, settings, trigger_mode="multiple", **event)
    challenge.then(on_race, [using, *settings], screen, **event)
    stop.click(on_stop, None, None, queue=False, **event)

    def update_for_model(about: About, prompt: str) -> list[Any]:
        return [gr.update(visible=not about.rightward), gr.update(interactive=about.rightward)]

    return ModelDependent([none, run], update_for_model)
