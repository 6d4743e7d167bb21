"""The Compare tab: one prompt, one seed, two to four policies side by side on one clock; or two to four run files."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import accumulate
from typing import Any

import gradio as gr

from dlm_core.comparison import summarise
from dlm_core.engine import About, Request
from dlm_core.library import Engine
from dlm_core.line import is_notice
from dlm_core.policies import parameters
from dlm_core.trace import RunFileError, Trace
from dlm_core.ui import denoise, words
from dlm_core.ui.follower import Follower
from dlm_core.ui.player import comparison, envelope, record

PANES = 4
NONE = "none"  # in place of a policy
STARTING = ("llada", "p2", "mdlm", "left_to_right")
COLUMNS = {
    "forwards": 0, "seconds": 2, "tokens_per_forward": 2, "kendall_tau": 2, "revisions": 0, "commit_confidence": 3,
    "hindsight": 3,
}  # fmt: skip


def panes(engine: Engine, requests: Sequence[Request], stop: threading.Event) -> Iterator[str]:
    """The growing value of the tab: every run in turn, each with its title before it and its numbers behind it."""
    return accumulate(_pieces(engine, requests, stop))


def _pieces(engine: Engine, requests: Sequence[Request], stop: threading.Event) -> Iterator[str]:
    if not 2 <= len(requests) <= PANES:
        yield envelope("error", message=words.said("compare.policies", most=PANES, count=len(requests)))
        return
    try:  # every request is checked before the first one runs
        streams = [engine.run(request, stop) for request in requests]
    except ValueError as error:
        yield envelope("error", message=f"{error}.")
        return
    yield envelope("live")
    for number, (request, lines) in enumerate(zip(requests, streams)):
        trace = yield from pane(number, words.said(f"policies.{request.policy}.title"), lines)
        yield record(summary=summarise(trace, engine.hindsight(trace))._asdict(), of=number)
        if stop.is_set():
            break
    yield record(done=True)


def pane(
    number: int, title: dict[str, Any], lines: Iterator[str], place: int | None = None
) -> Generator[str, None, Trace]:
    """The lines of one run behind the line that titles its pane; returns the run."""
    yield record(pane=number, title=title, place=number if place is None else place)
    kept = []
    for line in lines:
        yield line
        if not is_notice(line):
            kept.append(line)
    return Trace.parse("".join(kept).encode())


def opened(files: Sequence[Any] | None, read: Callable[[Any], Trace] = Trace.load) -> str:
    """The tab's value for run files, each in the form that `read` takes, or the sentence that says what is wrong."""
    if not files or not 2 <= len(files) <= PANES:
        return envelope("error", message=words.said("compare.files", most=PANES, count=len(files or ())))
    value = envelope("live")
    for number, file in enumerate(files):
        try:
            trace = read(file)
        except RunFileError as error:
            return envelope("error", message=words.said("compare.damaged", number=number + 1, reason=f"{error}."))
        title = words.said("compare.file", policy=trace.header["policy"]["name"], seed=trace.header["seed"])
        value += record(pane=number, title=title, place=number)
        value += "".join(line + "\n" for line in trace.lines)
        value += record(summary=summarise(trace)._asdict(), of=number)
    return value + record(done=True)


def build(engine: Engine, using: gr.State) -> tuple[gr.HTML, Follower]:
    """Lay the tab out inside the current Blocks and wire it; returns where runs are shown, and what follows the model.

    `using` is the model that the page uses.
    """
    stops, about = denoise.Stops(), engine.about()
    prompt, run, stop = denoise.ask(
        words.PROMPT_HINT, words.label("page.compare"), ("compare-prompt", "compare-run", "compare-stop")
    )
    with gr.Row(elem_classes="settings"):
        chosen = [
            gr.Dropdown(
                choices, value=value, label=f"{words.label('page.policy')} {number + 1}",
                elem_id=f"compare-policy-{number + 1}", filterable=False, min_width=120,
            )
            for number, (choices, value) in enumerate(offered(about))
        ]  # fmt: skip
        steps, temperature = (
            denoise.parameter("llada", name, about, prefix="compare-") for name in ("steps", "temperature")
        )
        length, block, seed = (
            denoise.plain(name, about, prefix="compare-") for name in ("length", "block_length", "seed")
        )
        upload = gr.UploadButton(
            words.label("page.open_runs"),
            elem_id="compare-open",
            elem_classes="quiet",
            size="sm",
            file_count="multiple",
        )
    screen = comparison("", "compare", COLUMNS, unit="forwards")

    def on_compare(visitor: gr.Request, model: str, text: str, *values: Any) -> Iterator[str]:
        policies, (n, t, size, blocks, number) = [name for name in values[:PANES] if name != NONE], values[PANES:]
        signal = stops.start(visitor.session_hash)
        settings = {"steps": n, "num_steps": n, "temperature": t, "tau": t}
        try:
            about = engine.about(model)
            requests = [
                Request(text or "", name, size, blocks or None, number, own(name, settings, about), model=model)
                for name in policies
            ]
            yield from denoise.paced(panes(engine, requests, signal))
            yield gr.skip()
        except ValueError as error:
            yield envelope("error", message=f"{error}.")
        finally:
            stops.end(visitor.session_hash, signal)

    def on_stop(visitor: gr.Request) -> None:
        stops.stop(visitor.session_hash)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    inputs = [using, prompt, *chosen, steps, temperature, length, block, seed]
    gr.on([run.click, prompt.submit], on_compare, inputs, screen, **event)
    stop.click(on_stop, None, None, queue=False, **event)
    upload.upload(lambda paths: opened(paths), upload, screen, **event)

    def become(about: About, prompt: str) -> list[Any]:
        return [gr.update(choices=choices, value=value) for choices, value in offered(about)]

    return screen, Follower(chosen, become)


def offered(about: About) -> list[tuple[list[tuple[str, str]], str]]:
    """What each of the menus offers for a model, and what it starts with."""
    titles = denoise.policies(about)
    names = [name for _, name in titles]
    first = [name for name in STARTING if name in names]
    start = [*first, *(name for name in names if name not in first), *[NONE] * PANES]
    return [(titles if n < 2 else [(words.label("page.none"), NONE), *titles], start[n]) for n in range(PANES)]


def own(policy: str, settings: dict[str, Any], about: About) -> dict[str, Any]:
    """The page's starting values of a policy's parameters, with the shared settings over them."""
    known = [name for name in words.PARAMETERS if name in parameters(policy)]
    return {name: settings.get(name, denoise.starting_value(policy, name, about)) for name in known}
