"""Numbers as controls."""

from typing import Any

import gradio as gr


class SoftRangeNumber(gr.Number):
    """A number whose arrows keep to what makes sense.

    What is typed beyond that is left to whoever checks the run: there the sentence names the thing and the rule.
    """

    is_template = True

    @staticmethod
    def raise_if_out_of_bounds(*_: Any) -> None:
        """Take any number."""


class Digits(gr.Textbox):
    """A whole number of any size, as the text of its digits: a number of the browser's would be rounded beyond 2**53.

    What is no whole number is left to whoever checks the run.
    """

    is_template = True

    def preprocess(self, payload: Any) -> int | str | None:
        """Return the number, or the text that is none; None where there is nothing."""
        text = str(payload or "").strip()
        return int(text) if text.isascii() and text.lstrip("-").isdigit() and len(text) < 40 else text or None
