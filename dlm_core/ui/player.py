"""The player as a Gradio component: a string of run-file lines in, a playing run on screen.

The value is an envelope line followed by run-file lines, and it only ever grows, so Gradio sends just the new end of
it.  Everything else happens in the page (`assets/player/player.js`); text never passes through a template.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

import dlm_core.export as replay

# the page's own events: a run that one part of it hands to the player; the player, asked for its run, answers in the
# event; the player shows a new run; the player asks for a branch
OPENED, SHOWN, BEGUN, BRANCH = "unmask-open", "unmask-shown", "unmask-begun", "unmask-branch"
TO_PLAYER = "document.getElementById('tab-denoise-button')?.click();"
# what the page asks where a stream falls silent
ALIVE = "alive: () => fetch(served('/gradio_api/app_id'), { signal: AbortSignal.timeout(5000) })"
_serial = count(1)


def address(file: Path) -> str:
    """Return where Gradio serves a file, below the page's root: `served` of server.js makes a whole address of it.

    Percent-encoded byte by byte, so that no folder's name can end the address, or a string of a script it stands in.
    """
    return f"/gradio_api/file={quote(os.fsencode(file.as_posix()))}"


PLOTLY_URL = address(replay.PLOTLY)


def envelope(kind: str, **about: Any) -> str:
    """The line that opens a stream, never the same twice."""
    return replay.envelope(kind, next(_serial), **about)


def record(**about: Any) -> str:
    """A line between run-file lines that tells the page what to do with them; its first key says which kind it is."""
    return replay.line(about)


def player(value: str, elem_id: str) -> gr.HTML:
    """The player; `value` is `envelope(...)` plus run-file lines."""
    gr.set_static_paths([replay.PLOTLY.parent])
    setup = replay.script(PLOTLY_URL)
    events = json.dumps({"opened": OPENED, "shown": SHOWN, "begun": BEGUN, "branch": BRANCH})
    shell = f"shell: async () => (await fetch(served('{_shell_url()}'))).text()"
    keep = f"{shell}, link: () => location.origin + location.pathname"
    return _component(value, elem_id, "player", setup, "mountPlayer", f"config: CONFIG, ...{events}, {keep}, {ALIVE}")


@cache
def _shell_url() -> str:
    """Where the page that replays a run, still without a run, is served."""
    folder = Path(tempfile.mkdtemp(prefix="unmask-"))
    (folder / "replay.html").write_text(replay.shell(), encoding="utf-8")
    gr.set_static_paths([folder])
    return address(folder / "replay.html")


def runs(cards: Sequence[Mapping[str, Any]], folder: Path, elem_id: str) -> gr.HTML:
    """The gallery of `cards`, whose run files lie in `folder`, and this browser's runs.

    `apply` asks for the runs in the event's `runs`, each the text of a run file, to be compared.
    """
    gr.set_static_paths([folder])
    file = f"served(`{address(folder)}/${{card.name}}.run.jsonl.gz`)"
    options = (
        f"cards: {json.dumps(list(cards))}, {_promote()},"
        f" bytes: async (card) => new Uint8Array(await (await fetch({file})).arrayBuffer()),"
        " compare: (runs) => { trigger('apply', { runs }); document.getElementById('tab-compare-button')?.click(); }"
    )
    setup = "\n".join([_scripts("player.js", "store.js"), replay.reader(), _scripts("runs.js")])
    return _component("", elem_id, "runs", setup, "mountRuns", options)


def _promote() -> str:
    hand = f"document.dispatchEvent(new CustomEvent('{OPENED}', {{ detail: lines }}));"
    return f"promote: (lines) => {{ {hand} {TO_PLAYER} }}"


def comparison(value: str, elem_id: str, columns: Mapping[str, int], unit: str) -> gr.HTML:
    """Runs side by side; `value` is `envelope(...)`, then for each run a pane line, run-file lines, a summary line.

    `columns` are the summary's fields in the table, with their decimals; `unit` is what the clock counts at first.
    Their words stand in the section `elem_id`.
    """
    fields = [{"field": field, "places": places} for field, places in columns.items()]
    about = {"columns": fields, "section": elem_id, "unit": unit, "plotly": PLOTLY_URL}
    options = f"...{json.dumps(about)}, {_promote()}, {ALIVE}"
    return _component(value, elem_id, "compare", _scripts("player.js", "compare.js"), "mountCompare", options)


def lesson(value: str, elem_id: str) -> gr.HTML:
    """A sentence under noise; `value` is `envelope(...)` and a lesson line.  `apply` asks for it to be denoised."""
    about = json.dumps({"plotly": PLOTLY_URL})
    options = f"...{about}, denoise: (t) => {{ trigger('apply', {{ t }}); {TO_PLAYER} }}"
    return _component(value, elem_id, "noise", _scripts("player.js", "noise.js"), "mountNoise", options)


def editor(value: str, elem_id: str) -> gr.HTML:
    """A canvas to work on; `value` is `envelope(...)` and the first line of a run."""
    options = f"...{json.dumps({'shown': SHOWN, 'branch': BRANCH})}"
    return _component(value, elem_id, "edit", _scripts("player.js", "branches.js", "edit.js"), "mountEdit", options)


def board(value: str, elem_id: str, about: Mapping[str, Any]) -> gr.HTML:
    """A Sudoku and the boards on which it is solved; `value` is as of `comparison`, or `envelope("puzzle", cells=...)`.

    `apply` asks for something to be done, which its `action` names: "make", "check" or "solve"; `stop` ends a run.
    """
    asks = "ask: (asked) => trigger('apply', asked), stop: () => trigger('stop', {})"
    options = f"...{json.dumps(dict(about))}, {_promote()}, {asks}"
    return _component(value, elem_id, "puzzle", _scripts("player.js", "puzzle.js"), "mountPuzzle", options)


def branches(elem_id: str) -> gr.HTML:
    """The tree of runs that continue others.

    `apply` asks for one: its `cells` are pairs of a token id or typed text and whether it is fixed.
    """
    about = json.dumps({"shown": SHOWN, "begun": BEGUN, "branch": BRANCH})
    options = (
        f"...{about}, {_promote()}, stop: () => document.getElementById('stop')?.click(),"
        f" player: () => {{ {TO_PLAYER} }}, edit: () => document.getElementById('tab-edit-button')?.click(),"
        " run: (asked) => trigger('apply', asked)"
    )
    return _component("", elem_id, "branches", _scripts("player.js", "branches.js"), "mountBranches", options)


def models(value: str, elem_id: str) -> gr.HTML:
    """Which model answers, and how far one on its way is; `value` is one line of JSON.  `apply` asks to cancel."""
    options = "cancel: () => trigger('apply', {})"
    return _component(value, elem_id, "models", _scripts("models.js"), "mountModels", options)


def talk(value: str, elem_id: str) -> gr.HTML:
    """What was said before the question at hand; `value` is the messages as JSON.

    `apply` asks for a shorter conversation: `said`, its messages, and `question`, one that is to be asked again.
    """
    options = "keep: (said, question) => trigger('apply', { said, question })"
    return _component(value, elem_id, "conversation", _scripts("conversation.js"), "mountConversation", options)


def _scripts(*names: str) -> str:
    return "\n".join((replay.PLAYER / name).read_text(encoding="utf-8") for name in names)


def _component(value: str, elem_id: str, markup: str, setup: str, mount: str, options: str) -> gr.HTML:
    # a function and not a subclass: Gradio writes a stub file beside the source of every component class
    wiring = f"{{ {options}, value: () => props.value, watch: (f) => watch('value', f) }}"
    return gr.HTML(
        value,
        html_template=replay.markup(markup),
        js_on_load=f"{setup}\n{mount}(element.closest('#{elem_id}'), {wiring});",
        apply_default_css=False,
        elem_id=elem_id,
    )
