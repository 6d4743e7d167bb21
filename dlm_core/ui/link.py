"""A link that opens the page with its controls filled: the query is checked, and what is wrong in it is a sentence."""

import json
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, NamedTuple

import gradio as gr

from dlm_core.engine import Engine
from dlm_core.policies import POLICIES, parameters
from dlm_core.policies.parameter import canonical, find
from dlm_core.ui import controls, words
from dlm_core.ui.player import envelope

NAMED = {"prompt", "policy", "model", "revision", "run"}  # what a link may name beside settings
MAX_CHARACTERS = {
    "prompt": 2000,
    "pins": 2000,
    "system": 2000,
    "conversation": 20_000,
}  # of a text; the rest is cut off


class Link(NamedTuple):
    """The policy and the settings to show, by the names of their controls; what was wrong; whether to run at once."""

    policy: str
    values: dict[str, Any]
    complaints: list[str | dict[str, Any]]
    run: bool


def read(query: Mapping[str, str], engine: Engine, model: str | None = None) -> Link:
    """Parse a link's query; a value that the engine would refuse keeps the page's own, with a sentence.

    Names that mean nothing here belong to somebody else, and are left alone.
    """
    about = engine.about(model)
    complaints: list[str | dict[str, Any]] = []
    policy = query.get("policy", default := controls.starting_policy(about))
    if policy not in [name for _, name in controls.policies(about)]:
        complaints.append(words.message("link.wrong", name="policy", value=policy[:40]))
        policy = default
    known = parameters(policy)
    values: dict[str, Any] = {}

    def refusal(more: Mapping[str, Any]) -> str | None:
        """Return why the engine would not run what is accepted so far with `more` of it; None if it would."""
        names = (*controls.PLAIN, *words.CONTROLS[policy])
        settings = {name: controls.starting_value(policy, name, about) for name in names} | values | dict(more)
        settings |= _clamped_steps(policy, settings, {**values, **more})
        try:
            engine.run(controls.request_of(settings.get("prompt", ""), policy, settings, about, model))
        except ValueError as error:
            return str(error)
        return None

    wanted: dict[str, Any] = {}
    for name, given in query.items():
        one = find(known, name)
        canonical_name = name if one is None else one.name
        limit = MAX_CHARACTERS.get(name)
        if canonical_name not in ("prompt", *controls.PLAIN, *words.CONTROLS[policy]):
            continue
        if not controls.has(about, name):
            complaints.append(words.message("link.no_use", name=name, model=about.name))
        elif canonical_name in wanted:
            complaints.append(words.message("link.twice", name=name, canonical_name=canonical_name))
        elif (value := given[:limit] if limit else _typed(canonical_name, given, policy)) is None:
            complaints.append(words.message("link.wrong", name=name, value=given[:40]))
        else:
            wanted[canonical_name] = value
    if not refusal(wanted):  # most links are right, and a check costs as much as a run's first line
        values = wanted
    elif broken := refusal({}):
        return Link(policy, {}, [f"{broken}."], False)
    else:
        for name, value in wanted.items():
            if wrong := refusal({name: value}):
                complaints.append(f"{wrong}.")
            else:
                values[name] = value
    if "length" in values:
        start = {name: controls.starting_value(policy, name, about) for name in words.CONTROLS[policy]}
        values |= _clamped_steps(policy, start | values, values)
    own = canonical(policy, known, about.settings) if policy == about.policy else {}
    complaints += _unsettable(query, policy, own)
    if (linked := query.get("model")) and linked != about.name:
        complaints.append(words.message("link.no_model", linked=linked[:80], loaded=about.name))
    elif (linked := query.get("revision")) and linked != about.revision:
        complaints.append(words.message("link.model", linked=linked[:40], loaded=about.revision))
    return Link(policy, values, complaints, query.get("run") == "1" and not complaints)


def opening(query: Mapping[str, str], model: str, engine: Engine) -> list[Any]:
    """Return what a link changes: the run flag, the player's value, the fold, the die, prompt, policy, every control.

    A seed that is named stays: the die rests.  Words that stand fixed are of the run that was made with them: where the
    link makes another run, and names none, there are none.
    """
    names = (*controls.PLAIN, *words.NAMES)
    if not query:
        return [gr.skip() for _ in range(6 + len(names))]
    policy, values, complaints, run = read(query, engine, model)
    about, more, *shown = controls.show_parameters(policy, engine.about(model))
    updates = dict(zip(words.NAMES, shown)) | {name: gr.update() for name in controls.PLAIN}
    notice = envelope("notice", message=complaints) if complaints else gr.skip()
    prompt = gr.update(**({"value": values["prompt"]} if "prompt" in values else {}))
    filled = [updates[name] | ({"value": values[name]} if name in values else {}) for name in names]
    if (values or run or "policy" in query) and "pins" not in values:
        filled[names.index("pins")]["value"] = ""
    die = False if "seed" in values else gr.skip()
    return [run, notice, more, die, prompt, about | {"value": policy}, *filled]


def _clamped_steps(policy: str, settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, int]:
    """Return fewer steps for a canvas shorter than the page's default steps, where a link names none."""
    most = max(1, settings["length"]) if isinstance(settings["length"], int) else 1
    steps = find(parameters(policy), "steps")
    return {steps.name: most} if steps and steps.name not in given and most < (settings[steps.name] or 0) else {}


def _typed(name: str, text: str, policy: str = "") -> Any:
    """Return a query's text as the value of a setting or of a policy's parameter; None if it is none."""
    control = words.SETTINGS.get(name) or words.control(policy, name)
    if control.titles:
        return text if text in control.titles else None
    if control.parameter.kind == "boolean":
        return {"true": True, "false": False}.get(text)
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return None


def _unsettable(query: Mapping[str, str], policy: str, own: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return sentences about what no control can show: other policies' parameters, those for programs, and typos.

    `own` is what the model's authors set of the policy.  Names that are like none of any policy belong to somebody
    else, and are left alone.
    """
    known = parameters(policy)
    some = {name for each in POLICIES for one in parameters(each).values() for name in one.names}
    complaints = []
    for name in sorted(set(query) - set(controls.PLAIN) - NAMED):
        one = find(known, name)
        if one is None and name in some:
            complaints.append(words.message("link.unknown", name=name, policy=policy))
        elif one is None and (near := get_close_matches(name, some, 1, 0.8)):
            complaints.append(words.message("link.near", name=name[:40], near=near[0]))
        elif one and one.unit == "token id":
            continue  # the model's own: the engine fills them in, and `revision` says if the model is another one
        elif one and not one.on_page and _plain(query[name]) != (default := own.get(one.name, one.default)):
            complaints.append(words.message("link.fixed", name=name, value=query[name][:40], default=str(default)))
    return complaints


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
