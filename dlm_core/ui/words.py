"""The words of the page's controls.  The sentences are in `assets/words`; `dlm_core/words.py` explains how to add one.

Gradio translates a `label` in the visitor's browser; the page's scripts translate a `message`, which a handler sends.
"""

from typing import Any, NamedTuple

import gradio as gr
from gradio.i18n import I18nData

from dlm_core.engine import Request
from dlm_core.policies import POLICIES as TABLE
from dlm_core.policies import Parameter, parameters
from dlm_core.policies.parameter import parameters_of
from dlm_core.words import english, languages, names_below

PROMPT_HINT = "Once upon a time there was a little dog"  # for the model, which reads English
# what stands in the prompt at first, by what a model does: writes a story on, answers, continues any text
SAMPLES = {"story": "Once upon a time", "chat": "Why is the sky blue?", "text": "The capital of France is"}
EXAMPLES = (
    "One day, a girl named Lily found a red ball in the garden. She was happy and ran home to show it to her mom.",
    "Tom had a big dog named Max. They liked to run and play in the park when the sun was warm.",
    "The bird could not fly. Its wing hurt, so the old man made it a warm bed and gave it water.",
)
PINS = "10:robot 30:garden 50:storm 68:lost 86:smiled"
# ways to write by name, each the query of a link; their words are `presets.NAME`
PRESETS: tuple[dict[str, str], ...] = (
    {"name": "bursts", "policy": "threshold", "threshold": "0.6", "temperature": "0.7"},
    {"name": "order", "policy": "llada", "steps": "64", "temperature": "0.7"},
    {"name": "mind", "policy": "p2", "steps": "64", "temperature": "0.7"},
    {"name": "surest", "policy": "llada", "steps": "64", "temperature": "0"},
    {"name": "left", "policy": "left_to_right", "steps": "96", "temperature": "0.7"},
    {"name": "around", "policy": "p2", "steps": "64", "temperature": "0.7", "prompt": "Once upon a time", "pins": PINS},
)
# prompts that the bundled model, which knows stories, writes on well, by what they are about
PROMPTS = {
    "dragon": "The dragon looked at the moon and",
    "key": "One day, a girl named Anna found a key",
    "storm": "It was a dark and stormy night",
    "robot": "The robot wanted to be a boy",
}
LANGUAGES = {"Python": "python", "curl": "shell", "JavaScript": "javascript"}


# the sections whose sentences are labels: Gradio writes every translation it has into the front page
LABELLED = ("page", "tabs", "policies", "settings", "parameters", "edit", "race", "noise", "code")


def label(key: str) -> I18nData:
    """Return a sentence as a label of a Gradio component."""
    english(key)  # a wrong key is an error here and not in the browser
    if key.partition(".")[0] not in LABELLED:
        raise ValueError(f"{key} is not translated by Gradio: add its section to LABELLED")
    return I18nData(key)


def message(key: str, **values: Any) -> dict[str, Any]:
    """Return a sentence that the page's scripts translate; a value may be such a message again."""
    english(key)
    return {"phrase": key, "values": values}


def translations() -> gr.I18n:
    """Return what may be a label, in all languages, for `launch()`."""
    labels = {
        code: {key: sentence for key, sentence in sentences.items() if key.partition(".")[0] in LABELLED}
        for code, sentences in languages().items()
    }
    return gr.I18n(**labels)


class Control(NamedTuple):
    """A control: its words, what it may hold, and the titles of its choices."""

    label: I18nData
    info: I18nData
    parameter: Parameter
    titles: dict[str, I18nData]


def _titles(section: str) -> dict[str, I18nData]:
    return {name: label(f"{section}.{name}") for name in names_below(section)}


def _control(key: str, parameter: Parameter) -> Control:
    choices = parameter.choices if parameter.kind == "choice" else ()
    if choices and parameter.optional:
        choices = ("none", *choices)
    titles = {name: label(f"{key}.choices.{name}") for name in choices}
    return Control(label(f"{key}.label"), label(f"{key}.info"), parameter, titles)


# name: title, and what it does in two sentences with its paper
POLICIES = {name: (label(f"policies.{name}.title"), label(f"policies.{name}.about")) for name in TABLE}
TABS = _titles("tabs")
# of every policy; what nothing describes is a text
_DESCRIBED = parameters_of(Request)
SETTINGS = {
    name: _control(f"settings.{name}", _DESCRIBED.get(name, Parameter(kind="text"))) for name in names_below("settings")
}


# of each policy, by the names of its parameters; those without a control are for programs
CONTROLS = {
    policy: {name: _control(one.key, one) for name, one in parameters(policy).items() if one.on_page}
    for policy in POLICIES
}
# what a page holds a control for, once for all policies that have it: those that few set come last
NAMES = tuple(dict.fromkeys(name for controls in CONTROLS.values() for name in controls))


def control(policy: str, name: str) -> Control:
    """Return the control of a policy's parameter, or, for one that it lacks and hides, that of another policy."""
    return CONTROLS[policy].get(name) or next(controls[name] for controls in CONTROLS.values() if name in controls)
