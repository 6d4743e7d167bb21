"""The player's files put together: its style sheet, one HTML file that replays a run, one with a gallery.

The page and the exported file use the very same player.  Text of a run enters the file only as JSON inside a script
element, with every "<" spelled out, and reaches the document through the player's textContent.
"""

import base64
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly

from dlm_core.bundle import PLAYER, replay_script
from dlm_core.figures import palette
from dlm_core.lines import dumps, make_line
from dlm_core.trace import Trace
from dlm_core.words import english

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
CARD = PLAYER.parent / "card.png"  # what a chat or a feed shows of a link to the page
LANGUAGES = '<span id="language" role="group" data-word-label="language.choose"></span>'  # page/language.js fills it
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def markup(name: str = "player") -> str:
    """Return the HTML of one part of the page, without a run."""
    return (PLAYER / f"{name}.html").read_text(encoding="utf-8")


def css() -> str:
    """Return the style sheet, with the palette as custom properties."""
    rules = [
        f"{selector} {{ {' '.join(f'--{name}: {value};' for name, value in palette(theme).items())} }}"
        for selector, theme in ((":root", "light"), (".dark", "dark"))
    ]
    return "\n".join([*rules, (PLAYER / "player.css").read_text(encoding="utf-8")])


def first_paint() -> str:
    """Return the name of the page as it is seen, in its place, before any script of the page has run."""
    light, dark = palette("light"), palette("dark")
    return f"""<style>
{(PLAYER / "first.css").read_text(encoding="utf-8")}
#first {{ background: {light["paper"]}; color: {light["ink"]}; }}
@media (prefers-color-scheme: dark) {{ #first {{ background: {dark["paper"]}; color: {dark["ink"]}; }} }}
</style><div id="first" aria-hidden="true"><b>{english("page.title")}</b></div>"""


def page(trace: Trace, plotly: bool = False) -> str:
    """Return one HTML file that replays the run: it opens from disk, needs no network, is safe with any text.

    Its figures are sketches on a canvas; with `plotly` they are Plotly's, which makes the file 4.6 MB larger.
    """
    value = make_line("recorded", id=0, notice=f"{trace.notice}." if trace.notice else "")
    lines = value + "".join(line + "\n" for line in trace.lines)
    packed = base64.b64encode(gzip.compress(lines.encode(), mtime=0)).decode()
    return _document("replay.title", {"gzip": packed}, plotly=plotly)


def step_map(trace: Trace) -> dict[str, Any]:
    """Return the step at which each token of the newest canvas was last written, as JSON can hold it.

    `ids`, `tokens` (their text, part of a character as U+FFFD) and `step_map` (-1: nobody wrote it) are of one length.
    """
    ids = trace.canvas(len(trace.steps)).tolist()
    pieces = [trace.pieces.get(token, "") for token in ids]
    return {
        "model": trace.header["model"]["name"],
        "policy": trace.header["policy"],
        "prompt": trace.header["prompt"],
        "mask_token_id": trace.header["model"]["mask"],
        "ids": ids,
        "tokens": [piece.decode(errors="replace") if isinstance(piece, bytes) else piece for piece in pieces],
        "step_map": trace.step_map(),
    }


def template() -> str:
    """Return the HTML file of `page` without a run, which the page fills in itself (`replayOf` in run/export.js)."""
    return _document("replay.title", "")


def site(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return one HTML file with a gallery and the player, for any static server or none.

    Each of `runs` is a gallery card (`tabs/runs.js` says with what) and has the bytes of its run file as `data`.
    """
    cards = [{**run, "data": base64.b64encode(run["data"]).decode()} for run in runs]
    gallery = f"""<div data-only="site">
<header id="masthead"><h1 data-word="page.title"></h1><p data-word="replay.site_tagline"></p>
{LANGUAGES}</header>
<div id="runs">{markup("runs")}</div>
<script type="application/json" id="cards">{dumps(cards)}</script>
</div>"""
    return _document("replay.site_title", "", gallery)


def _document(title: str, value: str | dict[str, str], gallery: str = "", plotly: bool = False) -> str:
    head = f'<title data-word="{title}">{english(title)}</title>'
    body = f'<main>{gallery}<div id="player">{markup()}</div></main>'
    figures = f"<script>{PLOTLY.read_text(encoding='utf-8')}</script>\n" if plotly else ""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_CONTENT_SECURITY_POLICY}">
{head}
<style>
{css()}
body {{ margin: 0; background: var(--paper); color: var(--ink); font-family: Inter, system-ui, sans-serif; }}
main {{ max-width: 1180px; margin: 0 auto; padding: 18px 20px; }}
</style>
<body>
<script>document.body.classList.toggle("dark", matchMedia("(prefers-color-scheme: dark)").matches);</script>
{body}
<script type="application/json" id="run">{dumps(value)}</script>
{figures}<script type="module">
{replay_script(head + body)}</script>
</body>
</html>
"""
