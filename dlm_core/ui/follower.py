"""What follows the model: the parts of the page that are others with another model."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gradio as gr

from dlm_core.engine import About


class Follower(NamedTuple):
    """Components that follow the model, and what they become with it, given the prompt that stands there."""

    components: Sequence[gr.components.Component]
    become: Callable[[About, str], list[Any]]
