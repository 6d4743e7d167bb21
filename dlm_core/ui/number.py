"""A number as a control."""

from typing import Any

import gradio as gr


class Within(gr.Number):
    """A number whose arrows keep to what makes sense.

    What is typed beyond that is left to whoever checks the run: there the sentence names the thing and the rule.
    """

    is_template = True

    @staticmethod
    def raise_if_out_of_bounds(*_: Any) -> None:
        """Take any number."""
