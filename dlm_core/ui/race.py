"""The Race tab: the model against itself, left to right with a KV cache on the left, diffusion on the right."""

import json
import threading
from collections.abc import Iterator
from itertools import accumulate, chain
from typing import Any, get_args

import gradio as gr

from dlm_core.comparison import Standing, standing
from dlm_core.engine import AUTOREGRESSIVE, Request, whole
from dlm_core.figures import Theme, plot_tradeoff, tradeoff_data
from dlm_core.library import Engine
from dlm_core.line import is_notice
from dlm_core.ui import denoise, words
from dlm_core.ui.compare import pane
from dlm_core.ui.player import comparison, envelope, record

FORWARDS = (4, 8, 16, 32, 64)
TIE = 0.03  # two numbers this close, as a share, have no winner


def race(
    engine: Engine, prompt: str, length: int, steps: int, temperature: float, seed: int, stop: threading.Event
) -> Iterator[str]:
    """The growing value of the tab: both sides, their verdict, then diffusion at every other number of forwards."""
    return accumulate(_pieces(engine, prompt, length, steps, temperature, seed, stop))


def _pieces(
    engine: Engine, prompt: str, length: int, steps: int, temperature: float, seed: int, stop: threading.Event
) -> Iterator[str]:
    def ask(policy: str, size: int = length, **params: Any) -> Iterator[str]:
        return engine.run(Request(prompt, policy, size, None, seed, params | {"temperature": temperature}), stop)

    try:  # every request is checked before the first one runs
        runs = [(words.AUTOREGRESSIVE, ask(AUTOREGRESSIVE))]
        steps = whole("steps", steps, 1, length)
        forwards = [steps, *(n for n in FORWARDS if n <= length and n != steps)]
        runs += [(words.DIFFUSION.format(n), ask("llada", steps=n)) for n in forwards]
        # the first forward of either kind pays for memory that all later ones find ready
        warm = [ask(AUTOREGRESSIVE, min(length, 2)), ask("llada", steps=1)]
    except ValueError as error:
        yield envelope("error", message=f"{error}.")
        return
    yield envelope("live")
    for lines in warm:
        yield from filter(is_notice, lines)
    sides: list[Standing] = []
    for number, (title, lines) in enumerate(runs):
        trace = yield from pane(number, title, lines, place=min(number, 1))
        if trace.totals["end"] != "finished":  # stopped, or the model failed and its pane says why
            break
        if number == 1:
            yield record(rewind=True)
        sides.append(standing(trace, engine.foresight(trace), engine.hindsight(trace)))
        said = verdict(sides[0], sides[number]) if number else ""
        yield record(summary=sides[number]._asdict(), of=number, verdict=said)
        if number:
            yield record(figure=figure(sides[0], sides[1:]))
        if stop.is_set():
            break
    yield record(done=True)


def figure(left: Standing, right: list[Standing]) -> dict[str, Any]:
    """Speed against quality so far, ready to be drawn in either theme."""
    data = tradeoff_data(right, left)
    return {theme: json.loads(plot_tradeoff(data, theme).to_json()) for theme in get_args(Theme)}


def verdict(left: Standing, right: Standing) -> str:
    """Who won on time and on quality, in plain words; left is autoregression."""
    return f"{_on_time(left.tokens_per_second, right.tokens_per_second)} {_on_quality(left, right)}"


def _on_time(left: float, right: float) -> str:
    if _close(left, right):
        return words.TIED_TIME.format(left, right)
    fast, slow = max(left, right), min(left, right)
    return words.WON_TIME.format(words.SIDES[right > left], fast, slow, fast / slow if slow else float("inf"))


def _on_quality(left: Standing, right: Standing) -> str:
    numbers = (left.foresight, right.foresight, left.hindsight, right.hindsight)
    if None in numbers:
        return words.NO_QUALITY
    readings = list(zip(numbers[::2], numbers[1::2]))
    winners = {None if _close(*reading) else reading[1] < reading[0] for reading in readings}
    if winners in ({True}, {False}):
        return words.WON_QUALITY.format(words.SIDES[winners.pop()], *chain.from_iterable(map(sorted, readings)))
    return words.SPLIT_QUALITY.format(*numbers)


def _close(left: float, right: float) -> bool:
    return abs(left - right) <= TIE * max(left, right)


def build(engine: Engine) -> None:
    """Lay the tab out inside the current Blocks and wire it."""
    stops = denoise.Stops()
    prompt, run, stop = denoise.ask(words.RACE, ("race-prompt", "race-run", "race-stop"))
    with gr.Row(elem_classes="settings"):
        steps, temperature = (denoise.parameter("llada", name, prefix="race-") for name in ("steps", "temperature"))
        length, seed = (denoise.plain(name, prefix="race-") for name in ("length", "seed"))
    screen = comparison("", "race", words.RACE_COLUMNS, words.RACE_WORDS, unit="seconds")

    def on_race(visitor: gr.Request, *values: Any) -> Iterator[str]:
        signal = stops.start(visitor.session_hash)
        try:
            yield from denoise.paced(race(engine, *values, signal))
            yield gr.skip()  # Gradio sends the last value once more, whole: let that be nothing
        finally:
            stops.end(visitor.session_hash, signal)

    def on_stop(visitor: gr.Request) -> None:
        stops.stop(visitor.session_hash)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on(
        [run.click, prompt.submit], on_race, [prompt, length, steps, temperature, seed], screen,
        **event,
    )  # fmt: skip
    stop.click(on_stop, None, None, queue=False, **event)
