"""The controls of the page: a policy's parameters as it describes them, and how they change with policy and model.

Knows components and words, and no tab.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gradio as gr
from gradio.i18n import I18nData

from dlm_core.conversation import parse, with_system
from dlm_core.engine import About, Request
from dlm_core.engine.edit import parse_pins
from dlm_core.policies import Parameter, parameters
from dlm_core.policies.parameter import canonical
from dlm_core.ui import words
from dlm_core.ui.compat.number import Digits, SoftRangeNumber

PLAIN = ("length", "block_length", "cache", "seed", "pins", "system", "conversation")  # beside a policy's own
NO_CACHE = "none"
KEPT = ("steps", "temperature")  # what answers to these stays as a visitor left it when another policy is chosen
HINTS = {"pins": "12:dragon"}  # what stands in an empty text, by its name


class ModelDependent(NamedTuple):
    """Components that follow the model, and what they become with it, given the prompt that stands there."""

    components: Sequence[gr.components.Component]
    update: Callable[[About, str], list[Any]]


def ask(value: str, go: I18nData, ids: tuple[str, str, str]) -> tuple[gr.Textbox, gr.Button, gr.Button]:
    """Lay out a prompt that begins with `value`, the button `go` that runs it, and Stop, with their `ids`."""
    with gr.Row(elem_classes="ask"):
        return prompt_box(value, ids[0]), *run_buttons(go, ids[1:])


def prompt_box(value: str, elem_id: str, hint: I18nData | None = None) -> gr.Textbox:
    """Return a prompt that begins with `value`; `hint` is what stands there while it is empty."""
    return gr.Textbox(
        value, label=words.label("page.prompt"), show_label=False, container=False, lines=1, max_lines=5,
        placeholder=hint or words.label("page.prompt"), elem_id=elem_id, elem_classes="prompt",
    )  # fmt: skip


def run_buttons(go: I18nData, ids: tuple[str, str], ready: bool = True) -> tuple[gr.Button, gr.Button]:
    """Return the button `go`, which runs a prompt, and Stop, with their `ids`; `ready`: it works from the start."""
    return (
        gr.Button(go, elem_id=ids[0], elem_classes="go", variant="primary", scale=0, interactive=ready),
        gr.Button(words.label("page.stop"), elem_id=ids[1], elem_classes="quiet", scale=0),
    )


def has(about: About, name: str) -> bool:
    """Return whether a model has what a setting is for."""
    needs = {"cache": bool(about.caches), "pins": about.masks, "system": about.chats, "conversation": about.chats}
    return needs.get(name, True)


def hint(about: About) -> I18nData:
    """Return the placeholder of the prompt: what it is to the model."""
    return words.label("page.question") if about.chats else words.label("page.prompt")


def sample_prompt(about: About) -> str:
    """Return a prompt that suits the model: a question, a story for one trained in both orders, or text."""
    return words.SAMPLES["chat" if about.chats else "story" if about.rightward else "text"]


def policies(about: About) -> list[tuple[str, str]]:
    """Return the policies that suit a model, by their titles."""
    return [(title, name) for name, (title, _) in words.POLICIES.items() if name in about.policies]


def starting_policy(about: About) -> str:
    """Return the policy that the model's authors decode with."""
    offered = [name for _, name in policies(about)]
    return about.policy if about.policy in offered else offered[0]


def starting_value(policy: str, name: str, about: About) -> Any:
    """Return what a control starts with: the authors' value, else that of the model's page, else the default."""
    if name in PLAIN:
        texts = dict.fromkeys(("pins", "system", "conversation"), "")
        return ({"length": about.length, "cache": NO_CACHE} | texts).get(name, about.starts.get(name, 0))
    one = words.control(policy, name).parameter
    starts = {} if one.optional else about.starts  # what need not be set starts unset, as its authors have it
    value = next((starts[key] for key in one.names if key in starts), one.default)
    if policy == about.policy:
        value = canonical(policy, parameters(policy), about.settings).get(one.name, value)
    if value is None:
        return one.none_value
    return min(value, about.length) if "steps" in one.names else value


def show_parameters(policy: str, about: About, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return updates that show the parameters of a policy and no others, by its own names and ranges.

    The first update is what it does, in its own words, the second whether some of them are folded away.  With the
    `values` that a visitor left, those that mean the same for every policy stay.
    """
    known = words.CONTROLS[policy]
    updates = [gr.update(info=words.POLICIES[policy][1]), gr.update(visible=has_more(policy, about))]
    for name in words.NAMES:
        left = (values or {}).get(name) if name in known and stays(known[name].parameter) else None
        value = {"value": starting_value(policy, name, about)} if name in known and left is None else {}
        updates.append(gr.update(visible=name in known, **(_looks(known[name]) if name in known else {}), **value))
    return updates


def stays(one: Parameter) -> bool:
    """Return whether a parameter means the same for every policy, and has to be set."""
    return not (one.optional or set(KEPT).isdisjoint(one.names))


def has_more(policy: str, about: About) -> bool:
    """Return whether there are settings that few change: a policy's advanced parameters, or a model's caches."""
    return has(about, "cache") or any(is_advanced(name) for name in words.CONTROLS[policy])


def is_advanced(name: str) -> bool:
    """Return whether a control is folded away: where every policy that has it calls it advanced."""
    return all(controls[name].parameter.advanced for controls in words.CONTROLS.values() if name in controls)


def parameter(policy: str, name: str, about: About, prefix: str = "") -> gr.components.Component:
    """Return the control of a policy's parameter, hidden where the policy has none of that name."""
    control, start = words.control(policy, name), starting_value(policy, name, about)
    return _component(name, control, start, name in words.CONTROLS[policy], prefix)


def plain(name: str, about: About, prefix: str = "") -> gr.components.Component:
    """Return the control of a setting that every policy has, hidden where the model has nothing to set."""
    return _component(name, words.SETTINGS[name], starting_value("", name, about), has(about, name), prefix)


def _component(name: str, control: words.Control, start: Any, visible: bool, prefix: str) -> gr.components.Component:
    looks = _looks(control) | {
        "elem_id": prefix + name.replace("_", "-"), "visible": visible, "min_width": 120, "value": start
    }  # fmt: skip
    if control.titles:
        return gr.Dropdown(filterable=False, **looks)
    if control.parameter.kind == "text":
        return gr.Textbox(lines=1, max_lines=4, placeholder=HINTS.get(name), **looks)
    if control.parameter.long:
        return Digits(max_lines=1, **looks)
    return gr.Checkbox(**looks) if control.parameter.kind == "boolean" else SoftRangeNumber(**looks)


def _looks(control: words.Control) -> dict[str, Any]:
    """Return the options of a component that come from its control: the words, and what it may hold."""
    looks: dict[str, Any] = {"label": control.label, "info": control.info}
    if control.titles:
        return looks | {"choices": [(title, value) for value, title in control.titles.items()]}
    if control.parameter.kind in ("boolean", "text") or control.parameter.long:
        return looks
    minimum, maximum = control.parameter.increments_within
    return looks | {"step": control.parameter.increment or 1, "minimum": minimum, "maximum": maximum}


def request_of(
    prompt: str, policy: str, settings: Mapping[str, Any], about: About, model: str | None = None
) -> Request:
    """Return the controls' values as a request, without those that are hidden because policy or model lack them."""
    known = words.CONTROLS[policy]
    visible: dict[str, Any] = {name: settings.get(name) for name in PLAIN if has(about, name)}
    cache: Any = visible.get("cache") or NO_CACHE
    return Request(
        prompt or "", policy, visible["length"], visible["block_length"] or None, visible["seed"],
        {name: value for name, value in settings.items() if name in known}, model=model,
        cache=None if cache == NO_CACHE else cache,
        conversation=with_system(visible.get("system"), parse(visible.get("conversation") or "")),
        pins=parse_pins(visible.get("pins") or ""),
    )  # fmt: skip
