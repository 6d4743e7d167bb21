"""The words of the page's controls.  The sentences stand in `assets/words`; `dlm_core/words.py` tells how to add one.

A `label` is chosen by Gradio in the visitor's browser; what a handler says is `said`, and chosen by the page's scripts.
"""

from typing import Any, NamedTuple

import gradio as gr
from gradio.i18n import I18nData

from dlm_core.words import english, languages, within

PROMPT_HINT = "Once upon a time there was a little dog"  # for the model, which reads English
# what stands in the prompt at first, by what a model does: writes a story on, answers, continues any text
SAMPLES = {"story": PROMPT_HINT, "chat": "Why is the sky blue?", "text": "The capital of France is"}
EXAMPLES = (
    "One day, a girl named Lily found a red ball in the garden. She was happy and ran home to show it to her mom.",
    "Tom had a big dog named Max. They liked to run and play in the park when the sun was warm.",
    "The bird could not fly. Its wing hurt, so the old man made it a warm bed and gave it water.",
)
LANGUAGES = {"Python": "python", "curl": "shell", "JavaScript": "javascript"}


def label(key: str) -> I18nData:
    """A sentence as a label of a Gradio component."""
    english(key)  # a wrong key is an error here and not in the browser
    return I18nData(key)


def said(key: str, **values: Any) -> dict[str, Any]:
    """A sentence for the page's scripts; a value may be such a sentence again."""
    english(key)
    return {"phrase": key, "values": values}


def translations() -> gr.I18n:
    """All labels in all languages, for `launch()`."""
    return gr.I18n(**languages())


class Control(NamedTuple):
    """A control: its words, and the step of a number, the titles of a choice, or `str` for a text.

    `span` is where a number makes sense, None where there is no end to it.
    """

    label: I18nData
    info: I18nData
    kind: float | dict[str, I18nData] | type[str]
    span: tuple[float | None, float | None] = (None, None)


# texts, and the steps of numbers; what stands in neither is a choice among what has a title
_TEXTS = ("system",)
_STEPS = {
    "length": 1, "block_length": 1, "seed": 1,
    "steps": 1, "num_steps": 1, "max_denoising_steps": 1, "num_inference_steps": 1, "denoising_steps": 1,
    "entropy_bound": 0.05, "threshold": 0.05, "threshold_back": 0.05, "editing_threshold": 0.05,
    "confidence_threshold": 0.05, "base": 1, "conf_threshold": 0.05, "kl_threshold": 0.005, "gamma": 0.05,
    "factor": 0.25, "lambd": 0.05, "block_size": 1, "eta": 0.01, "nucleus_p": 0.05, "temperature": 0.1, "tau": 0.1,
    "top_p": 0.05, "top_k": 1, "alg_temp": 0.1, "eps": 0.001, "max_post_steps": 1, "num_to_transfer": 1,
    "kl_history_length": 1, "alpha": 0.25, "block_add_threshold": 0.05, "decoded_token_threshold": 0.05,
    "low_threshold": 0.05, "credit_alpha": 0.1, "boost_gamma": 0.1, "decay_beta": 0.05, "t_on": 0.05, "t_off": 0.05,
    "alpha_on": 0.05, "max_gen_len": 1, "expand_budget": 1, "t_max": 0.05, "t_min": 0.05, "stability_threshold": 1,
}  # fmt: skip
# from the least to the most that makes sense; what is a step or a length begins at 1
_SPANS: dict[str, tuple[float, float | None]] = {
    "seed": (0, None), "block_length": (0, None),
    "threshold": (0, 1), "threshold_back": (0, 1), "editing_threshold": (0, 1), "confidence_threshold": (0, 1),
    "conf_threshold": (0, 1), "kl_threshold": (0, 1), "gamma": (0, 10), "entropy_bound": (0, 10), "factor": (0, 10),
    "lambd": (0, 2), "base": (2, 16), "eta": (0, 2), "nucleus_p": (0.05, 1), "temperature": (0, 2), "tau": (0, 2),
    "top_p": (0.05, 1), "top_k": (0, None), "alg_temp": (0, 2), "eps": (0.001, 0.5), "max_post_steps": (0, None),
    "alpha": (0, 20), "block_add_threshold": (0, 1), "decoded_token_threshold": (0, 1), "low_threshold": (0, 1),
    "credit_alpha": (0, 5), "boost_gamma": (0, 2), "decay_beta": (0, 1), "t_on": (0, 1), "t_off": (0.05, 1),
    "alpha_on": (0, 1), "max_gen_len": (4, 512), "expand_budget": (0, None), "t_max": (0.05, 2), "t_min": (0.05, 2),
    "stability_threshold": (0, None),
}  # fmt: skip
# what a control shows for a parameter that is not set: the number that changes nothing
UNSET = {"top_p": 1, "top_k": 0, "alg_temp": 0}
# parameters that few set: they stand folded away
RARE = (
    "top_p", "top_k", "alg_temp", "eps", "max_post_steps", "num_to_transfer", "kl_history_length", "alpha",
    "block_add_threshold", "decoded_token_threshold", "low_threshold", "credit_alpha", "boost_gamma", "decay_beta",
    "t_on", "t_off", "alpha_on", "max_gen_len", "expand_budget", "t_max", "t_min", "stability_threshold",
)  # fmt: skip
# parameters without a control, for programs and for `--set`
COMMAND_LINE = (
    # to repeat a published loop number for number, accidents included; nothing is decided better or worse by them
    "draws", "left_open", "exhaust", "last_passes",
    # a number for every token of the vocabulary
    "frequencies",
    # the model says which its own tokens are, and how many positions it can hold
    "expand_id", "eos_id", "max_tokens",
    # only its distance to `max_gen_len` counts, and that has a control
    "min_gen_len",
    # what the published script does with an end that stands inside a gap, as its models were taught
    "delete_eos_token", "pad_eos_to_right",
)  # fmt: skip


def _titles(section: str) -> dict[str, I18nData]:
    return {name: label(f"{section}.{name}") for name in within(section)}


# name: title, and what it does in two sentences with its paper
POLICIES = {name: (label(f"policies.{name}.title"), label(f"policies.{name}.about")) for name in within("policies")}
TABS = _titles("tabs")


def _controls(section: str) -> dict[str, Control]:
    return {
        name: Control(
            label(f"{section}.{name}.label"), label(f"{section}.{name}.info"),
            str if name in _TEXTS else _STEPS.get(name) or _titles(f"{section}.{name}.choices"),
            _SPANS.get(name, (1, None)) if name in _STEPS else (None, None),
        )
        for name in within(section)
    }  # fmt: skip


SETTINGS = _controls("settings")  # of every policy
PARAMETERS = _controls("parameters")  # of a policy
CONTROLS = SETTINGS | PARAMETERS
