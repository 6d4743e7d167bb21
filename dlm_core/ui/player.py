"""The player as a Gradio component: a string of run-file lines in, a playing run on screen.

The value is an envelope line followed by run-file lines, and it only ever grows, so Gradio sends just the new end of
it.  Everything else happens in the page (`assets/player/player.js`); text never passes through a template.
"""

import json
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr
import plotly

from dlm_core.figures import (
    MAX_ENTROPY,
    HeatmapData,
    Measure,
    ProgressData,
    Theme,
    palette,
    plot_heatmap,
    plot_progress,
)

ASSETS = Path(__file__).parents[2] / "assets" / "player"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
_THEMES: tuple[Theme, ...] = ("light", "dark")
_MEASURES: tuple[Measure, ...] = ("confidence", "entropy", "commit")
_serial = count(1)


def envelope(kind: str, **about: str) -> str:
    """The line that opens a stream: `kind` is recorded, live or error; a new line means a new run."""
    line = json.dumps({"player": kind, "id": next(_serial)} | about, ensure_ascii=False)
    return line.replace("<", "\\u003c") + "\n"


def figures() -> dict[str, Any]:
    """The empty figures the page fills in, by theme."""
    nothing = HeatmapData([], [], [])
    return {
        theme: {measure: json.loads(plot_heatmap(nothing, measure, theme).to_json()) for measure in _MEASURES}
        | {"progress": json.loads(plot_progress(ProgressData([], []), theme).to_json())}
        for theme in _THEMES
    }


def css() -> str:
    """The style sheet, with the palette as custom properties."""
    rules = [
        f"{selector} {{ {' '.join(f'--{name}: {value};' for name, value in palette(theme).items())} }}"
        for selector, theme in ((":root", "light"), (".dark", "dark"))
    ]
    return "\n".join([*rules, (ASSETS / "player.css").read_text()])


def script(plotly_url: str) -> str:
    """player.js with its configuration; inside a function body of its own, so nothing leaks into the page."""
    config = json.dumps({"plotly": plotly_url, "figures": figures(), "maxEntropy": MAX_ENTROPY})
    return f"{(ASSETS / 'player.js').read_text()}\nconst CONFIG = {config};\n"


def player(value: str, elem_id: str) -> gr.HTML:
    """The component; `value` is `envelope(...)` plus run-file lines.

    A function and not a subclass: Gradio writes a stub file beside the source of every component class.
    """
    gr.set_static_paths([PLOTLY.parent])
    mount = (
        f"mountPlayer(element.closest('#{elem_id}'), "
        "{ config: CONFIG, value: () => props.value, watch: (f) => watch('value', f) });"
    )
    return gr.HTML(
        value,
        html_template=(ASSETS / "player.html").read_text(),
        js_on_load=script(f"/gradio_api/file={PLOTLY}") + mount,
        apply_default_css=False,
        elem_id=elem_id,
    )
