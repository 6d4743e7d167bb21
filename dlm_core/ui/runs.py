"""The Runs tab: a gallery of recorded runs, files by drop, and this browser's own; any two to four go to Compare."""

from collections.abc import Sequence

import gradio as gr

from dlm_core.gallery import FOLDER, cards
from dlm_core.trace import Trace
from dlm_core.ui import compare, words
from dlm_core.ui.player import envelope, runs


def side_by_side(files: Sequence[str]) -> str:
    """The comparison's value for the texts of run files; what is wrong with them is a sentence."""
    if not isinstance(files, list) or not all(isinstance(text, str) for text in files):
        return envelope("error", message=words.said("compare.no_files"))
    return compare.opened([text.encode() for text in files], Trace.parse)


def build(compared: gr.HTML) -> None:
    """Lay the tab out inside the current Blocks; `compared` shows the runs that are chosen here."""
    screen = runs(cards(), FOLDER, elem_id="runs")

    def on_compare(event: gr.EventData) -> str:
        return side_by_side(event._data.get("runs"))

    screen.apply(on_compare, None, compared, show_progress="hidden", api_visibility="private")
