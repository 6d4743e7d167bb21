"""The Denoise tab: a prompt and settings above, the player below.  Handlers are plain functions on plain values."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.i18n import I18nData

from dlm_core.conversation import SYSTEM, answered, begun, checked, read, written
from dlm_core.engine import About, Request
from dlm_core.library import Engine
from dlm_core.policies import Parameter, parameters
from dlm_core.policies.parameter import named
from dlm_core.trace import RunFileError, Trace
from dlm_core.ui import words
from dlm_core.ui.follower import Follower
from dlm_core.ui.number import Digits, Within
from dlm_core.ui.player import envelope, player, talk

SEND_EVERY = 0.05  # seconds; a faster model's lines travel together
PLAIN = ("length", "block_length", "cache", "seed", "system", "conversation")  # settings beside a policy's own
NO_CACHE = "none"
KEPT = ("steps", "temperature")  # what answers to these stays as a visitor left it when another policy is chosen


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

    def is_newest(self, visitor: str, event: threading.Event) -> bool:
        """Whether the visitor has begun nothing after the run with this signal."""
        return self._events.get(visitor) is event

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
    prompt: str, policy: str, settings: Mapping[str, Any], about: About, model: str | None = None
) -> Request:
    """The controls' values as a request; what the policy or the model does not have, and so is hidden, stays behind."""
    known, here = parameters(policy), {name: settings.get(name) for name in PLAIN if has(about, name)}
    cache = here.get("cache") or NO_CACHE
    return Request(
        prompt or "", policy, here["length"], here["block_length"] or None, here["seed"],
        {name: value for name, value in settings.items() if name in known and name not in PLAIN}, model=model,
        cache=None if cache == NO_CACHE else cache,
        conversation=begun(here.get("system"), read(here.get("conversation") or "")),
    )  # fmt: skip


def has(about: About, name: str) -> bool:
    """Whether a model has what a setting is for."""
    return {"cache": bool(about.caches), "system": about.chats, "conversation": about.chats}.get(name, True)


def gone_on(request: Request, value: str) -> str | None:
    """The conversation behind a run whose last value of the player this is; None unless it finished."""
    last = json.loads(value.rstrip("\n").rpartition("\n")[2])
    if last.get("end") != "finished":
        return None
    said = [message for message in request.conversation if message["role"] != SYSTEM]
    return written(answered(said, request.prompt, last["text"]))


def ask(
    value: str, go: I18nData, ids: tuple[str, str, str], hint: I18nData | None = None, ready: bool = True
) -> tuple[gr.Textbox, gr.Button, gr.Button]:
    """The row of a prompt, the button `go` that runs it, and Stop, with their `ids`; `value` is what stands there.

    `hint` is what stands there while it is empty; `ready` is whether the button works from the start.
    """
    prompt, run, stop = ids
    hint = hint or words.label("page.prompt")
    with gr.Row(elem_classes="ask"):
        return (
            gr.Textbox(
                value, label=words.label("page.prompt"), show_label=False, container=False, lines=1, max_lines=5,
                placeholder=hint, elem_id=prompt, elem_classes="prompt",
            ),
            gr.Button(go, elem_id=run, elem_classes="go", variant="primary", scale=0, interactive=ready),
            gr.Button(words.label("page.stop"), elem_id=stop, elem_classes="quiet", scale=0),
        )  # fmt: skip


class Tab(NamedTuple):
    """The player, the controls (prompt, policy, every setting), Generate, how a link opens the page, its follower.

    `by_link(then, link)`: behind `then`, what `link` makes of the page's query and model changes the run flag,
    the player and every control, and runs if it says so.
    """

    player: gr.HTML
    controls: list[gr.components.Component]
    generate: gr.Button
    by_link: Callable[..., None]
    follower: Follower


def build(engine: Engine, recorded: Path, stops: Stops, using: gr.State) -> Tab:
    """Lay the tab out inside the current Blocks and wire it; `using` is the model that the page uses."""
    about = engine.about()
    with gr.Column(elem_classes="denoise"):
        with gr.Column(visible=about.chats, elem_id="conversation-panel") as panel:
            said = talk("", "conversation")
            system = plain("system", about)
        # the button waits for what a link says: pressed before that it would run other settings than the link's
        prompt, generate, stop = ask(
            sample_prompt(about), words.label("page.generate"), ("prompt", "generate", "stop"), hint(about), ready=False
        )
        with gr.Row(elem_classes="settings"):
            controls = _settings(about) | {"system": system, "conversation": said}
            with gr.Column(elem_classes="pair", min_width=100):
                reseed = gr.Button(words.label("page.new_seed"), elem_id="new-seed", elem_classes="quiet", size="sm")
                upload = gr.UploadButton(
                    words.label("page.open"), elem_id="open-run", elem_classes="quiet", size="sm", file_count="single"
                )
        usual = starting_policy(about)
        more = gr.Accordion(words.label("page.more"), open=False, visible=has_more(usual), elem_id="more")
        with more, gr.Row(elem_classes="settings"):
            controls |= {name: parameter(usual, name, about) for name in words.NAMES if is_rare(name)}
        value = envelope("recorded") + "".join(line + "\n" for line in Trace.load(recorded).lines)
        screen = player(value, elem_id="player")

    names = (*PLAIN, *words.NAMES)
    inputs = [prompt, controls["policy"], *(controls[name] for name in names)]

    def on_generate(visitor: gr.Request, model: str, text: str, policy: str, *values: Any) -> Iterator[list[Any]]:
        """The player's value as it grows; then, where the model chats, the conversation with the answer in it."""
        signal, same = stops.start(visitor.session_hash), [gr.skip(), gr.skip()]
        try:
            about = engine.about(model)
            request = request_of(text, policy, dict(zip(names, values)), about, model)
            if request.conversation and not text.strip():
                yield [envelope("error", message=words.said("conversation.empty")), *same]
                return
            value = ""
            for value in stream(engine, request, signal):
                yield [value, *same]
            more = gone_on(request, value) if about.chats else None
            # Gradio sends the last value once more, whole: let that be nothing
            yield [gr.skip(), *(same if more is None else [more, ""])]
        except ValueError as error:
            yield [envelope("error", message=f"{error}."), *same]
        finally:
            stops.end(visitor.session_hash, signal)

    def on_said(event: gr.EventData, text: str) -> list[Any]:
        """The panel's buttons: a conversation that is shorter now, and the question that was taken out of it."""
        shorter, question = checked(event._data.get("said")), event._data.get("question")
        return [written(shorter), text if question is None else str(question)]

    def on_stop(visitor: gr.Request) -> None:
        stops.stop(visitor.session_hash)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    outputs = [screen, said, prompt]
    generate.click(on_generate, [using, *inputs], outputs, **event)
    prompt.submit(None, None, None, js="() => document.getElementById('generate').click()", **event)
    said.apply(on_said, prompt, [said, prompt], queue=False, **event)
    stop.click(on_stop, None, None, queue=False, **event)
    upload.upload(opened, upload, screen, **event)
    reseed.click(None, None, controls["seed"], js="() => String(Math.floor(Math.random() * 1000000))", **event)
    shown = [controls[name] for name in words.NAMES]
    run = gr.State(False)

    def on_policy(model: str, name: str, *values: Any) -> list[Any]:
        return show_parameters(name, engine.about(model), dict(zip(words.NAMES, values)))

    def by_link(then: Callable[..., Any], link: Callable[[dict[str, str], str], list[Any]]) -> None:
        def on_open(visitor: gr.Request, model: str) -> list[Any]:
            return [*link(dict(visitor.query_params), model), gr.update(interactive=True)]

        def on_opened(visitor: gr.Request, run: bool, *values: Any) -> Iterator[list[Any]]:
            yield from on_generate(visitor, *values) if run else [[gr.skip() for _ in outputs]]

        filled = then(on_open, using, [run, screen, more, *inputs, generate], queue=False, **event)
        filled.then(on_opened, [run, using, *inputs], outputs, **event)

    # input and not change: a link sets the policy and its parameters at once
    policy = controls["policy"]
    policy.input(on_policy, [using, policy, *shown], [policy, more, *shown], queue=False, **event)
    return Tab(screen, inputs, generate, by_link, Follower([panel, more, *inputs], become))


def become(about: About, prompt: str) -> list[Any]:
    """What the controls become with another model; what a visitor wrote stays, and so do the seed and the cache."""
    policy = starting_policy(about)
    updates = {name: gr.update(value=starting_value(policy, name, about)) for name in ("length", "block_length")}
    updates["cache"] = gr.update(visible=has(about, "cache"))
    first, more, *shown = show_parameters(policy, about)
    own = prompt and prompt not in words.SAMPLES.values()
    text = gr.update(placeholder=hint(about), **({} if own else {"value": sample_prompt(about)}))
    menu = gr.update(choices=policies(about), value=policy, **{"info": first["info"]})
    panel = gr.update(visible=about.chats)
    return [panel, more, text, menu, *(updates.get(name, gr.skip()) for name in PLAIN), *shown]


def sample_prompt(about: About) -> str:
    """A prompt that suits the model: a question, a story for one taught to write in both orders, or text."""
    return words.SAMPLES["chat" if about.chats else "story" if about.rightward else "text"]


def hint(about: About) -> I18nData:
    """What a prompt is to the model, in an empty box."""
    return words.label("page.question") if about.chats else words.label("page.prompt")


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
        return {"length": about.length, "cache": NO_CACHE, "system": "", "conversation": ""}.get(
            name, about.starts.get(name, 0)
        )
    one = words.control(policy, name).parameter
    starts = {} if one.optional else about.starts  # what need not be set starts unset, as its authors have it
    value = next((starts[key] for key in one.names if key in starts), one.default)
    if policy == about.policy:
        value = named(policy, parameters(policy), about.settings).get(name, value)
    if value is None:
        return one.neutral
    return min(value, about.length) if "steps" in one.names else value


def show_parameters(policy: str, about: About, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Each policy shows the parameters it has and no others, as it calls them and within its own ranges.

    The first update is what it does, in its own words, the second whether some of them are folded away.  With the
    `values` that a visitor left, those that mean the same for every policy stay.
    """
    known = words.CONTROLS[policy]
    updates = [gr.update(info=words.POLICIES[policy][1]), gr.update(visible=has_more(policy))]
    for name in words.NAMES:
        left = (values or {}).get(name) if name in known and stays(known[name].parameter) else None
        value = {"value": starting_value(policy, name, about)} if name in known and left is None else {}
        updates.append(gr.update(visible=name in known, **(_looks(known[name]) if name in known else {}), **value))
    return updates


def stays(one: Parameter) -> bool:
    """Whether a parameter means the same for every policy, and has to be set."""
    return not (one.optional or set(KEPT).isdisjoint(one.names))


def has_more(policy: str) -> bool:
    """Whether a policy has parameters that few set."""
    return any(is_rare(name) for name in words.CONTROLS[policy])


def is_rare(name: str) -> bool:
    """Whether a control stands folded away: where every policy that has it says that few set it."""
    return all(controls[name].parameter.rare for controls in words.CONTROLS.values() if name in controls)


def parameter(policy: str, name: str, about: About, prefix: str = "") -> gr.components.Component:
    """The control of a policy's parameter, hidden where the policy has none of that name."""
    control, start = words.control(policy, name), starting_value(policy, name, about)
    return _component(name, control, start, name in words.CONTROLS[policy], prefix)


def plain(name: str, about: About, prefix: str = "") -> gr.components.Component:
    """The control of a setting that every policy has, hidden where the model has nothing to set."""
    return _component(name, words.SETTINGS[name], starting_value("", name, about), has(about, name), prefix)


def _component(name: str, control: words.Control, start: Any, visible: bool, prefix: str) -> gr.components.Component:
    looks = _looks(control) | {
        "elem_id": prefix + name.replace("_", "-"), "visible": visible, "min_width": 120, "value": start
    }  # fmt: skip
    if control.titles:
        return gr.Dropdown(filterable=False, **looks)
    if control.parameter is None:
        return gr.Textbox(lines=1, max_lines=4, **looks)
    if control.parameter.long:
        return Digits(max_lines=1, **looks)
    return gr.Checkbox(**looks) if control.parameter.kind == "flag" else Within(**looks)


def _looks(control: words.Control) -> dict[str, Any]:
    """What of a component is its control's: the words, and what it may hold."""
    looks: dict[str, Any] = {"label": control.label, "info": control.info}
    if control.titles:
        return looks | {"choices": [(title, value) for value, title in control.titles.items()]}
    if control.parameter is None or control.parameter.kind == "flag" or control.parameter.long:
        return looks
    least, most = control.parameter.span
    return looks | {"step": control.parameter.arrow or 1, "minimum": least, "maximum": most}


def _settings(about: About) -> dict[str, gr.components.Component]:
    usual = starting_policy(about)
    policy = gr.Dropdown(
        policies(about), value=usual, elem_id="policy", label=words.label("page.policy"),
        info=words.POLICIES[usual][1],
        filterable=False, min_width=120,
    )  # fmt: skip
    # in the order a visitor sees them: what to do, how long, how bold, from which seed
    common = [name for name in words.NAMES if not is_rare(name)]
    bold = [name for name in common if words.control(usual, name).parameter.unit == "temperature"]
    shown = {name: parameter(usual, name, about) for name in common if name not in bold}
    controls = {"policy": policy} | shown | {name: plain(name, about) for name in ("length", "block_length", "cache")}
    return controls | {name: parameter(usual, name, about) for name in bold} | {"seed": plain("seed", about)}
