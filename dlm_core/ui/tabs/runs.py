"""The Runs tab: a gallery of recorded runs, files by drop, and this browser's own; any two to four go to Compare."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from dlm_core.engine import Engine
from dlm_core.gallery import FOLDER, cards
from dlm_core.trace import Trace
from dlm_core.ui import streams, words
from dlm_core.ui.player import envelope, runs
from dlm_core.ui.tabs import compare


def side_by_side(engine: Engine, files: Sequence[str], stop: threading.Event) -> Iterator[str]:
    """Yield the comparison's growing value for the texts of run files, or the sentence that says what is wrong."""
    if not isinstance(files, list) or not all(isinstance(text, str) for text in files):
        return iter([envelope("error", message=words.message("compare.no_files"))])
    return compare.opened(engine, [text.encode() for text in files], stop, Trace.parse)


def build(engine: Engine, compared: compare.Tab) -> None:
    """Lay the tab out inside the current Blocks; `compared` shows the runs that are chosen here."""
    screen = runs(cards(), FOLDER, elem_id="runs")

    def on_compare(visitor: gr.Request, event: gr.EventData) -> Iterator[Any]:
        files = event._data.get("runs")
        yield from streams.newest(
            compared.stops, visitor.session_hash, lambda signal: side_by_side(engine, files, signal)
        )

    screen.apply(
        on_compare, None, compared.screen, trigger_mode="multiple", show_progress="hidden", api_visibility="private"
    )
