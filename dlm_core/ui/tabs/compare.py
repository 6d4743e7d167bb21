"""The Compare tab: one prompt, one seed, two to four policies side by side on one clock; or two to four run files."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import gradio as gr
from numpy import ndarray

from dlm_core.engine import About, Engine, Request, Run
from dlm_core.lines import make_line
from dlm_core.metrics import summarise
from dlm_core.policies import parameters
from dlm_core.policies.parameter import find
from dlm_core.trace import RunFileError, Trace
from dlm_core.ui import controls, streams, words
from dlm_core.ui.controls import ModelDependent
from dlm_core.ui.player import comparison, envelope

PANES = 4
NONE = "none"  # in place of a policy
STARTING = ("llada", "p2", "mdlm", "left_to_right")
COLUMNS = {
    "forwards": 0, "seconds": 2, "tokens_per_forward": 2, "kendall_tau": 2, "revisions": 0, "commit_confidence": 3,
    "pseudo_likelihood": 3,
}  # fmt: skip


def panes(engine: Engine, requests: Sequence[Request], stop: threading.Event) -> Iterator[str]:
    """Yield the growing value of the tab: every run in turn, its title before it and its numbers after it."""
    return accumulate(_pieces(engine, requests, stop))


def _pieces(engine: Engine, requests: Sequence[Request], stop: threading.Event) -> Iterator[str]:
    if not 2 <= len(requests) <= PANES:
        yield envelope("error", message=words.message("compare.policies", most=PANES, count=len(requests)))
        return
    try:  # every request is checked before the first one runs
        streams = [engine.run(request, stop) for request in requests]
    except ValueError as error:
        yield envelope("error", message=f"{error}.")
        return
    yield envelope("live")
    for number, (request, lines) in enumerate(zip(requests, streams)):
        trace = yield from pane(number, words.message(f"policies.{request.policy}.title"), lines)
        yield _row(number, trace, engine.pseudo_likelihood(trace), words.message("compare.unreadable"))
        if stop.is_set():
            break
    yield make_line("done")


def pane(number: int, title: dict[str, Any], run: Run, place: int | None = None) -> Generator[str, None, Trace]:
    """Yield the line that titles a pane, then the lines of its run; return the run's trace."""
    yield make_line("pane", pane=number, title=title, place=number if place is None else place)
    yield from run
    return run.trace


def opened(
    engine: Engine, files: Sequence[Any] | None, stop: threading.Event, read: Callable[[Any], Trace] = Trace.load
) -> Iterator[str]:
    """Yield the growing value of the tab for run files, each in the form that `read` takes, or what is wrong.

    All panes come at once; then the pseudo-likelihoods, run by run, where the model that wrote a run is in memory.
    """
    return accumulate(_read(engine, files, stop, read))


def _seed(trace: Trace) -> str:
    return "–" if trace.header["seed"] is None else str(trace.header["seed"])


def _read(
    engine: Engine, files: Sequence[Any] | None, stop: threading.Event, read: Callable[[Any], Trace]
) -> Iterator[str]:
    if not files or not 2 <= len(files) <= PANES:
        yield envelope("error", message=words.message("compare.files", most=PANES, count=len(files or ())))
        return
    traces, value = [], envelope("live")
    for number, file in enumerate(files):
        try:
            traces.append(trace := read(file))
        except RunFileError as error:
            yield envelope("error", message=words.message("compare.damaged", number=number + 1, reason=f"{error}."))
            return
        title = words.message("compare.file", policy=trace.header["policy"]["name"], seed=_seed(trace))
        value += make_line("pane", pane=number, title=title, place=number)
        value += "".join(line + "\n" for line in trace.lines)
    measurable = [_in_memory(engine, trace) for trace in traces]
    for number, trace in enumerate(traces):
        why = words.message("compare.turn")
        if not measurable[number]:
            why = words.message("compare.other_model", model=_model(trace))
        value += _row(number, trace, None, why, measuring=measurable[number])
    yield value + make_line("done")
    for number in filter(measurable.__getitem__, range(len(traces))):
        if stop.is_set():
            yield _row(number, traces[number], None, words.message("compare.stopped"))
        else:
            measured = engine.pseudo_likelihood(traces[number])
            yield _row(number, traces[number], measured, words.message("compare.unreadable"))


def _model(trace: Trace) -> str:
    """Return the name and revision of the model that wrote a run, for a sentence."""
    recorded = trace.header["model"]
    return " ".join(name[:80] for name in (recorded["name"], recorded.get("revision")) if name)


def _in_memory(engine: Engine, trace: Trace) -> bool:
    """Return whether the model that wrote a run is in memory, with the same weights."""
    recorded = trace.header["model"]
    try:
        about = engine.about(recorded["name"])
    except ValueError:
        return False
    return (about.name, about.revision) == (recorded["name"], recorded.get("revision"))


def _row(number: int, trace: Trace, measured: ndarray | None, why: dict[str, Any], measuring: bool = False) -> str:
    """Return the line of a run's numbers; `why` says why its pseudo-likelihood is missing, yet or for good."""
    row = summarise(trace, measured)._asdict()
    if row["pseudo_likelihood"] is not None:
        return make_line("summary", summary=row, of=number)
    if measuring:
        row["pseudo_likelihood"] = words.message("compare.measuring")
    return make_line("summary", summary=row, of=number, why=why)


class Tab(NamedTuple):
    """Where runs are shown, the stop signals of what is shown there, and what follows the model."""

    screen: gr.HTML
    stops: streams.StopSignals
    dependent: ModelDependent


def build(engine: Engine, using: gr.State) -> Tab:
    """Lay the tab out inside the current Blocks and wire it; `using` is the model that the page uses."""
    stops, about = streams.StopSignals(), engine.about()
    prompt, run, stop = controls.ask(
        words.PROMPT_HINT, words.label("page.compare"), ("compare-prompt", "compare-run", "compare-stop")
    )
    with gr.Row(elem_classes="settings"):
        chosen = [
            gr.Dropdown(
                choices, value=value, label=f"{words.label('page.policy')} {number + 1}",
                elem_id=f"compare-policy-{number + 1}", filterable=False, min_width=120,
            )
            for number, (choices, value) in enumerate(menus(about))
        ]  # fmt: skip
        steps, temperature = (
            controls.parameter("llada", name, about, prefix="compare-") for name in ("steps", "temperature")
        )
        length, block, seed = (
            controls.plain(name, about, prefix="compare-") for name in ("length", "block_length", "seed")
        )
        upload = gr.UploadButton(
            words.label("page.open_runs"),
            elem_id="compare-open",
            elem_classes="quiet",
            size="sm",
            file_count="multiple",
        )
    screen = comparison("", "compare", COLUMNS, unit="forwards")

    def on_compare(visitor: gr.Request, model: str, text: str, *values: Any) -> Iterator[Any]:
        policies, (n, t, size, blocks, number) = [name for name in values[:PANES] if name != NONE], values[PANES:]
        settings = {"steps": n, "temperature": t}

        def values_of(signal: threading.Event) -> Iterator[str]:
            about = engine.about(model)
            params_of = [parameters_for(name, settings, about) for name in policies]
            requests = [
                Request(text or "", name, size, blocks or None, number, params, model=model)
                for name, params in zip(policies, params_of)
            ]
            yield from panes(engine, requests, signal)

        yield from streams.newest(stops, visitor.session_hash, values_of)

    def on_open(visitor: gr.Request, paths: list[str]) -> Iterator[Any]:
        yield from streams.newest(stops, visitor.session_hash, lambda signal: opened(engine, paths, signal))

    def on_stop(visitor: gr.Request) -> None:
        stops.stop(visitor.session_hash)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    inputs = [using, prompt, *chosen, steps, temperature, length, block, seed]
    gr.on([run.click, prompt.submit], on_compare, inputs, screen, **event)
    stop.click(on_stop, None, None, queue=False, **event)
    # other files may be opened while these are still being measured
    upload.upload(on_open, upload, screen, trigger_mode="multiple", **event)

    def update_for_model(about: About, prompt: str) -> list[Any]:
        return [gr.update(choices=choices, value=value) for choices, value in menus(about)]

    return Tab(screen, stops, ModelDependent(chosen, update_for_model))


def menus(about: About) -> list[tuple[list[tuple[str, str]], str]]:
    """Return the choices of each menu for a model, and what it starts with."""
    titles = controls.policies(about)
    names = [name for _, name in titles]
    first = [name for name in STARTING if name in names]
    start = [*first, *(name for name in names if name not in first), *[NONE] * PANES]
    return [(titles if n < 2 else [(words.label("page.none"), NONE), *titles], start[n]) for n in range(PANES)]


def parameters_for(policy: str, settings: dict[str, Any], about: About) -> dict[str, Any]:
    """Return the page's starting values of a policy's parameters, with the shared settings over them."""
    known = parameters(policy)
    shared = {one.name: value for name, value in settings.items() if (one := find(known, name))}
    return {name: shared.get(name, controls.starting_value(policy, name, about)) for name in words.CONTROLS[policy]}
