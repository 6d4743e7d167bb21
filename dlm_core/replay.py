"""The player's files put together: its style sheet and script, and one HTML file that replays a run by itself.

The page and the exported file use the very same player.  Text of a run enters the file only as JSON inside a script
element, with every "<" spelled out, and reaches the document through the player's textContent.
"""

import json
from pathlib import Path
from typing import Any

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
from dlm_core.trace import Trace

ASSETS = Path(__file__).parents[1] / "assets" / "player"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_THEMES: tuple[Theme, ...] = ("light", "dark")
_MEASURES: tuple[Measure, ...] = ("confidence", "entropy", "commit")


def envelope(kind: str, identity: int = 0, **about: str) -> str:
    """The line that opens a stream of run-file lines: `kind` is recorded, live or error; a new line is a new run."""
    return _dumps({"player": kind, "id": identity} | about) + "\n"


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def figures() -> dict[str, Any]:
    """The empty figures the player fills in, by theme."""
    nothing = HeatmapData([], [], [])
    return {
        theme: {measure: json.loads(plot_heatmap(nothing, measure, theme).to_json()) for measure in _MEASURES}
        | {"progress": json.loads(plot_progress(ProgressData([], []), theme).to_json())}
        for theme in _THEMES
    }


def markup(name: str = "player") -> str:
    """The HTML of the player or of the comparison, without a run."""
    return (ASSETS / f"{name}.html").read_text()


def css() -> str:
    """The style sheet, with the palette as custom properties."""
    rules = [
        f"{selector} {{ {' '.join(f'--{name}: {value};' for name, value in palette(theme).items())} }}"
        for selector, theme in ((":root", "light"), (".dark", "dark"))
    ]
    return "\n".join([*rules, (ASSETS / "player.css").read_text()])


def script(plotly_url: str | None) -> str:
    """player.js with its configuration as the constant CONFIG; None says that Plotly is already on the page."""
    config = _dumps({"plotly": plotly_url, "figures": figures(), "maxEntropy": MAX_ENTROPY})
    return f"{(ASSETS / 'player.js').read_text()}\nconst CONFIG = {config};\n"


def page(trace: Trace) -> str:
    """One HTML file that replays the run: opens from disk, asks for nothing, and is safe whatever the text."""
    value = envelope("recorded", notice=f"{trace.notice}." if trace.notice else "")
    value += "".join(line + "\n" for line in trace.lines)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>A run recorded with Unmask</title>
<style>
{css()}
body {{ margin: 0; background: var(--paper); color: var(--ink); font-family: Inter, system-ui, sans-serif; }}
main {{ max-width: 1180px; margin: 0 auto; padding: 18px 20px; }}
</style>
<body>
<script>document.body.classList.toggle("dark", matchMedia("(prefers-color-scheme: dark)").matches);</script>
<main><div id="player">{markup()}</div></main>
<script type="application/json" id="run">{_dumps(value)}</script>
<script>{PLOTLY.read_text()}</script>
<script>
{{
{script(None)}
const value = JSON.parse(document.getElementById("run").textContent);
mountPlayer(document.getElementById("player"), {{ config: CONFIG, value: () => value, watch: () => {{}} }});
}}
</script>
</body>
</html>
"""
