"""The player as a Gradio component: a string of run-file lines in, a playing run on screen.

The value is an envelope line followed by run-file lines, and it only ever grows, so Gradio sends just the new end of
it.  Everything else happens in the page (`assets/player/page.js`); text never passes through a template.
"""

import gzip
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
from dlm_core.lines import LineType, dumps, make_line
from dlm_core.policies import POLICIES, family, parameters
from dlm_core.ui.compat.early import KeptFile

_serial = count(1)


class Address(str):
    """Where something is served, percent-encoded byte by byte.

    No folder's name can end the address, or a literal of a script it stands in.
    """


def address(file: Path) -> Address:
    """Return where Gradio serves a file, below the page's root: `served` of page/server.js makes a whole address."""
    return Address(f"/gradio_api/file={quote(os.fsencode(file.as_posix()))}")


@cache
def plotly() -> KeptFile:
    """Return Plotly as the page is served it."""
    return KeptFile("plotly", replay.PLOTLY.read_bytes())


@cache
def opening(recorded: Path) -> KeptFile:
    """Return the run that plays when the page opens, as the page is served it."""
    return KeptFile("opening", gzip.decompress(recorded.read_bytes()), "jsonl")


def envelope(kind: LineType, **about: Any) -> str:
    """The line that opens a stream, never the same twice."""
    return make_line(kind, id=next(_serial), **about)


def player(elem_id: str) -> gr.HTML:
    """Return the player, which plays `opening` until its value becomes `envelope(...)` plus run-file lines."""
    names, where = _step_names(), plotly().path
    return _component("player", elem_id, plotly=where, shellPath=_template_url(), stepNames=names)


def _step_names() -> list[str]:
    """Return what the policies call the number of their steps."""
    every = (one for policy in POLICIES for one in parameters(policy).values())
    return sorted({one.name for one in every if "steps" in one.names})


@cache
def _template_url() -> Address:
    """Return where the page that replays a run, still without a run, is served."""
    folder = Path(tempfile.mkdtemp(prefix="unmask-"))
    (folder / "replay.html").write_text(replay.template(), encoding="utf-8")
    gr.set_static_paths([folder])
    return address(folder / "replay.html")


def runs(cards: Sequence[Mapping[str, Any]], folder: Path, elem_id: str) -> gr.HTML:
    """Return the gallery of `cards`, whose run files lie in `folder`, and this browser's runs.

    `apply` asks for the runs in the event's `runs`, each the text of a run file, to be compared.
    """
    gr.set_static_paths([folder])
    return _component("runs", elem_id, cards=list(cards), folder=address(folder))


def learn(folder: Path, elem_id: str, query: Mapping[str, str]) -> gr.HTML:
    """Return the lesson over the recorded runs of `folder`; `query` is how a visitor's words are written around."""
    gr.set_static_paths([folder])
    return _component("learn", elem_id, folder=address(folder), query=dict(query))


def comparison(value: str, elem_id: str, columns: Mapping[str, int], unit: str) -> gr.HTML:
    """Return runs side by side; `value` is `envelope(...)`, then for each run a pane, its lines, and a summary line.

    `columns` are the summary's fields in the table, with their decimals; `unit` is what the clock counts at first.
    Their words stand in the section `elem_id`.
    """
    fields = [{"field": field, "places": places} for field, places in columns.items()]
    return _component("compare", elem_id, value, columns=fields, section=elem_id, unit=unit, plotly=plotly().path)


def lesson(value: str, elem_id: str) -> gr.HTML:
    """Return a sentence under noise; `value` is `envelope("lesson", ...)`.  `apply` requests its denoising."""
    return _component("noise", elem_id, value, plotly=plotly().path)


def editor(value: str, elem_id: str) -> gr.HTML:
    """Return a canvas to work on; `value` is `envelope(...)` and the first line of a run."""
    return _component("edit", elem_id, value)


def board(value: str, elem_id: str, about: Mapping[str, Any]) -> gr.HTML:
    """A Sudoku and the boards on which it is solved; `value` is as of `comparison`, or `envelope("puzzle", cells=...)`.

    `apply` asks for something to be done, which its `action` names: "make", "check" or "solve"; `stop` ends a run.
    """
    return _component("puzzle", elem_id, value, **about)


def branches(elem_id: str) -> gr.HTML:
    """Return the tree of runs that continue others.

    `apply` asks for one: its `cells` are pairs of a token id or typed text and whether it is fixed.
    """
    return _component("branches", elem_id)


def models(value: str, elem_id: str) -> gr.HTML:
    """Return the status of the models; `value` is one line of JSON.  `apply` asks to cancel."""
    return _component("models", elem_id, value)


def conversation(value: str, elem_id: str) -> gr.HTML:
    """Return the conversation before the prompt; `value` is its messages as JSON.

    `apply` asks for a shorter conversation: `messages`, and `question`, one that is to be repeated.
    """
    return _component("conversation", elem_id, value)


def programs(languages: Mapping[str, str], elem_id: str) -> gr.HTML:
    """Return programs, one a language, of which one is shown; `value` is a JSON list of their texts.

    `languages` are their titles, each with the end of its element's id.  Not `gr.Code`, whose editor takes more bytes
    than all else that a visitor needs of Gradio.
    """
    return _component("code", elem_id, languages=dict(languages))


def sentences(markup: str, elem_id: str | None = None, visible: bool = True) -> gr.HTML:
    """Return markup whose words are filled in by the page, such as its head."""
    return gr.HTML(
        html_template=markup, js_on_load=_on_load("sentences"), apply_default_css=False, elem_id=elem_id,
        visible=visible,
    )  # fmt: skip


def masthead(markup: str) -> gr.HTML:
    """Return the head of the page; `apply` says that the page is about to open anew in another language."""
    return gr.HTML(html_template=markup, js_on_load=_on_load("masthead"), apply_default_css=False)


def composer(
    elem_id: str, suited: Sequence[str], presets: Sequence[Mapping[str, str]], prompts: Mapping[str, str], folder: Path
) -> gr.HTML:
    """Return named settings and prompts to begin with, each a link's query, and all policies with pictures of `folder`.

    `value` is `suited_policies` of the model.  `apply` asks for one: the `query` of a link, also that of a run which
    came from elsewhere into the player; `select` for a `policy`.
    """
    gr.set_static_paths([folder])
    families: dict[str, list[str]] = {}
    for name in POLICIES:
        families.setdefault(family(name), []).append(name)
    return _component(
        "composer", elem_id, suited_policies(suited), presets=list(presets), prompts=dict(prompts), families=families,
        folder=address(folder),
    )  # fmt: skip


def suited_policies(names: Sequence[str]) -> str:
    """Return the composer's value: the policies that suit the model."""
    return dumps(list(names))


def pins(elem_id: str, text: str, length: int, visible: bool) -> gr.HTML:
    """Return words that stand fixed in a text of `length` positions, on a line: a view of the field of that text."""
    return _component("pins", elem_id, visible=visible, pins=text, length=length)


def _component(part: str, elem_id: str, value: str = "", visible: bool = True, **options: Any) -> gr.HTML:
    # a function and not a subclass: Gradio writes a stub file beside the source of every component class
    return gr.HTML(
        value,
        html_template=replay.markup(part),
        js_on_load=_on_load(part, id=elem_id, **options),
        apply_default_css=False,
        elem_id=elem_id,
        visible=visible,
    )


def _on_load(part: str, **options: Any) -> str:
    """Return what Gradio runs once a component is on the page: `mount` of `assets/player/page.js`."""
    written = [f"{name}: {_literal(value)}" for name, value in options.items()]
    wiring = f"{{ {', '.join([*written, 'props', 'watch', 'trigger'])} }}"
    return f'import("unmask").then(({{ mount }}) => mount("{part}", element, {wiring}));'


def _literal(value: Any) -> str:
    """Return a value as JavaScript."""
    return f"`{value}`" if isinstance(value, Address) else dumps(value)
