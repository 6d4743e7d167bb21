"""The Denoise tab: a prompt and settings above, the player below.  Handlers are plain functions on plain values."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from dlm_core.conversation import SYSTEM, dump, validate, with_answer
from dlm_core.engine import About, Engine, Request
from dlm_core.engine.edit import pins_of
from dlm_core.gallery import FOLDER
from dlm_core.lines import dumps, read_line, type_of
from dlm_core.trace import RunFileError, Trace
from dlm_core.ui import reopening, words
from dlm_core.ui.controls import (
    PLAIN,
    ModelDependent,
    has,
    has_more,
    hint,
    is_advanced,
    parameter,
    plain,
    policies,
    prompt_box,
    request_of,
    run_buttons,
    sample_prompt,
    show_parameters,
    starting_policy,
    starting_value,
)
from dlm_core.ui.player import composer, conversation, envelope, pins, player, suited_policies
from dlm_core.ui.streams import StopSignals, stream


class Tab(NamedTuple):
    """The player, the controls (prompt, policy, every setting), Generate, how a link opens the page, its dependent.

    `apply_link(then, link, come_back)`: after `then`, what `link` makes of the page's query and model changes the run
    flag, the player and every control, and runs if it says so; `come_back` puts back what stood there before the page
    changed its language.
    """

    player: gr.HTML
    controls: list[gr.components.Component]
    generate: gr.Button
    apply_link: Callable[..., None]
    dependent: ModelDependent


def build(engine: Engine, recorded: Path, stops: StopSignals, using: gr.State) -> Tab:
    """Lay the tab out inside the current Blocks and wire it; `using` is the model that the page uses."""
    about = engine.about()
    with gr.Column(elem_classes="denoise"):
        with gr.Column(visible=about.chats, elem_id="conversation-panel") as panel:
            messages = conversation("", "conversation")
            system = plain("system", about)
        # the button waits for what a link says: pressed before that it would run other settings than the link's
        opening = Trace.load(recorded)
        pinned = pins_of(opening) if opening.header["model"]["name"] == about.name else ""
        with gr.Row(elem_classes="ask"):
            prompt = prompt_box(sample_prompt(about), "prompt", hint(about))
            line = pins("pin-line", pinned, about.length, visible=has(about, "pins"))
            generate, stop = run_buttons(words.label("page.generate"), ("generate", "stop"), ready=False)
        default = starting_policy(about)
        with gr.Row(elem_classes="settings"):
            controls = _settings(about, pinned) | {"system": system, "conversation": messages}
            die = gr.Checkbox(True, label=words.label("page.new_seed"), elem_id="new-seed", min_width=60)
            more = gr.Accordion(words.label("page.more"), open=False, visible=has_more(default, about), elem_id="more")
            with more, gr.Row(elem_classes="settings"):
                controls |= {name: parameter(default, name, about) for name in words.NAMES if is_advanced(name)}
                controls["cache"] = plain("cache", about)
        with gr.Row(elem_classes="start"):
            start = composer("composer", about.policies, words.PRESETS, words.PROMPTS, FOLDER)
            upload = gr.UploadButton(
                words.label("page.open"), elem_id="open-run", elem_classes="quiet", size="sm", file_count="single"
            )
        screen = player("player")

    names = (*PLAIN, *words.NAMES)
    inputs = [prompt, controls["policy"], *(controls[name] for name in names)]

    def on_generate(visitor: gr.Request, model: str, text: str, policy: str, *values: Any) -> Iterator[list[Any]]:
        """Yield the player's value as it grows; then, where the model chats, the conversation with the answer in it."""
        same = [gr.skip(), gr.skip()]
        try:
            about = engine.about(model)
            request = request_of(text, policy, dict(zip(names, values)), about, model)
            if request.conversation and not text.strip():
                yield [envelope("error", message=words.message("conversation.empty")), *same]
                return
            value = ""
            for value in stops.newest(
                visitor.session_hash, lambda signal: stream(engine, request, signal, controls=True)
            ):
                yield [value, *same]
            more = next_conversation(request, value) if about.chats and value else None
            # Gradio sends the last value once more, whole: let that be nothing
            yield [gr.skip(), *(same if more is None else [more, ""])]
        except ValueError as error:
            yield [envelope("error", message=f"{error}."), *same]

    def on_conversation(event: gr.EventData, text: str) -> list[Any]:
        """Return the shorter conversation that the panel's buttons ask for, and the question taken out of it."""
        shorter, question = validate(event._data.get("messages")), event._data.get("question")
        return [dump(shorter), text if question is None else str(question)]

    def on_stop(visitor: gr.Request) -> None:
        stops.stop(visitor.session_hash)

    event: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    outputs = [screen, messages, prompt]
    # pressed during a run it begins another one: Gradio would else drop the press
    dice, start_seed = [controls["seed"], die], dumps(str(starting_value("", "seed", about)))
    roll = f"async (die, seed) => (await import('unmask')).rollSeed(die, seed, {start_seed})"
    rolled = generate.click(None, dice[::-1], dice, js=roll, trigger_mode="multiple", **event)
    rolled.then(on_generate, [using, *inputs], outputs, trigger_mode="multiple", **event)
    prompt.submit(None, None, None, js="() => document.getElementById('generate').click()", **event)
    messages.apply(on_conversation, prompt, [messages, prompt], queue=False, **event)
    stop.click(on_stop, None, None, queue=False, **event)
    show = "async (pins, length) => (await import('unmask')).showPins(pins, length)"
    placed = [controls["pins"], controls["length"]]
    gr.on([one.change for one in placed], None, placed, js=show, **event)
    upload.upload(opened, upload, screen, **event)
    shown = [controls[name] for name in words.NAMES]
    run = gr.State(False)
    back = gr.Checkbox(False, visible=False)  # only the browser knows whether it changed its language
    follows = [run, screen, more, die, *inputs]

    def on_policy(model: str, name: str, *values: Any) -> list[Any]:
        return show_parameters(name, engine.about(model), dict(zip(words.NAMES, values)))

    def on_select(chosen: gr.EventData, model: str, *values: Any) -> list[Any]:
        name = chosen._data.get("policy")
        if name not in engine.about(model).policies:
            return [gr.skip() for _ in changed]
        menu, *rest = on_policy(model, name, *values)
        return [menu | {"value": name}, *rest]

    def apply_link(
        then: Callable[..., Any], link: Callable[[dict[str, str], str], list[Any]],
        come_back: Callable[[Callable[..., Any]], Any],
    ) -> None:  # fmt: skip
        def on_open(visitor: gr.Request, model: str, policy: str, back: bool) -> list[Any]:
            if back:
                return [*looks(policy, engine.about(model)), gr.update(interactive=True)]
            return [*link(dict(visitor.query_params), model), gr.update(interactive=True)]

        def on_opened(visitor: gr.Request, run: bool, *values: Any) -> Iterator[list[Any]]:
            yield from on_generate(visitor, *values) if run else [[gr.skip() for _ in outputs]]

        def on_choose(chosen: gr.EventData, model: str) -> list[Any]:
            query = {str(name): str(value) for name, value in dict(chosen._data.get("query") or {}).items()}
            if query.get("model", model) != model:
                # no setting repeats another model's run; nor does the last preset run again
                return [False, *(gr.skip() for _ in follows[1:])]
            run, notice, *rest = link(query, model)
            return [run, notice if run else gr.skip(), *rest]

        opening = [using, controls["policy"], back]
        filled = then(on_open, opening, [*follows, generate], js=reopening.POLICY, queue=False, **event)
        come_back(filled.then).then(on_opened, [run, using, *inputs], outputs, **event)
        # presets, examples, and the settings of a run that came from elsewhere are links too
        chosen = start.apply(on_choose, using, follows, queue=False, trigger_mode="multiple", **event)
        chosen.then(on_opened, [run, using, *inputs], outputs, trigger_mode="multiple", **event)

    # input and not change: a link sets the policy and its parameters at once
    policy = controls["policy"]
    changed = [policy, more, *shown]
    policy.input(on_policy, [using, policy, *shown], changed, queue=False, **event)
    start.select(on_select, [using, *shown], changed, queue=False, trigger_mode="multiple", **event)
    dependent = ModelDependent([panel, line, start, more, *inputs], update_for_model)
    return Tab(screen, inputs, generate, apply_link, dependent)


def update_for_model(about: About, prompt: str) -> list[Any]:
    """Return updates of the controls for another model; what a visitor wrote stays, as do the seed and the cache."""
    policy = starting_policy(about)
    updates = {name: gr.update(value=starting_value(policy, name, about)) for name in ("length", "block_length")}
    updates |= {name: gr.update(visible=has(about, name)) for name in ("cache", "pins")}
    first, more, *shown = show_parameters(policy, about)
    own = prompt and prompt not in words.SAMPLES.values()
    text = gr.update(placeholder=hint(about), **({} if own else {"value": sample_prompt(about)}))
    menu = gr.update(choices=policies(about), value=policy, **{"info": first["info"]})
    panel, line = gr.update(visible=about.chats), gr.update(visible=has(about, "pins"))
    suited = suited_policies(about.policies)
    return [panel, line, suited, more, text, menu, *(updates.get(name, gr.skip()) for name in PLAIN), *shown]


def looks(policy: str, about: About) -> list[Any]:
    """Return a link's updates that show the parameters of a policy, and leave what stands in every control alone."""
    shapes = [{name: value for name, value in one.items() if name != "value"} for one in show_parameters(policy, about)]
    explained, more, *shown = shapes
    return [False, gr.skip(), more, gr.skip(), gr.skip(), explained, *(gr.skip() for _ in PLAIN), *shown]


def next_conversation(request: Request, value: str) -> str | None:
    """Return the conversation after a run, given the player's last `value`; None unless the run finished."""
    last = read_line(value.rstrip("\n").rpartition("\n")[2])
    if type_of(last) != "end" or last["end"] != "finished":
        return None
    messages = [message for message in request.conversation if message["role"] != SYSTEM]
    return dump(with_answer(messages, request.prompt, last["text"]))


def opened(path: str | Path | None) -> str:
    """Return the player's value for a run file, or the sentence that says what is wrong with it."""
    if path is None:
        return envelope("error", message=words.message("page.no_file"))
    try:
        trace = Trace.load(path)
    except RunFileError as error:
        return envelope("error", message=f"{error}.")
    notice = f"{trace.notice}." if trace.notice else words.message("page.opened")
    return envelope("recorded", notice=notice) + "".join(line + "\n" for line in trace.lines)


def _settings(about: About, pinned: str) -> dict[str, gr.components.Component]:
    default = starting_policy(about)
    policy = gr.Dropdown(
        policies(about), value=default, elem_id="policy", label=words.label("page.policy"),
        info=words.POLICIES[default][1],
        filterable=False, min_width=120,
    )  # fmt: skip
    # in the order a visitor sees them: what to do, how long, how bold, from which seed
    common = [name for name in words.NAMES if not is_advanced(name)]
    bold = [name for name in common if words.control(default, name).parameter.unit == "temperature"]
    shown = {name: parameter(default, name, about) for name in common if name not in bold}
    plains = {name: plain(name, about) for name in ("length", "block_length", "pins")}
    plains["pins"].value = pinned
    controls = {"policy": policy} | shown | plains
    return controls | {name: parameter(default, name, about) for name in bold} | {"seed": plain("seed", about)}
