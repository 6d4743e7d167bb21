"""The player as a Gradio component: a string of run-file lines in, a playing run on screen.

The value is an envelope line followed by run-file lines, and it only ever grows, so Gradio sends just the new end of
it.  Everything else happens in the page (`assets/player/player.js`); text never passes through a template.
"""

from itertools import count

import gradio as gr

import dlm_core.replay as replay

_serial = count(1)


def envelope(kind: str, **about: str) -> str:
    """The line that opens a stream, never the same twice."""
    return replay.envelope(kind, next(_serial), **about)


def player(value: str, elem_id: str) -> gr.HTML:
    """The component; `value` is `envelope(...)` plus run-file lines.

    A function and not a subclass: Gradio writes a stub file beside the source of every component class.
    """
    gr.set_static_paths([replay.PLOTLY.parent])
    mount = (
        f"mountPlayer(element.closest('#{elem_id}'), "
        "{ config: CONFIG, value: () => props.value, watch: (f) => watch('value', f) });"
    )
    return gr.HTML(
        value,
        html_template=replay.markup(),
        js_on_load=replay.script(f"/gradio_api/file={replay.PLOTLY}") + mount,
        apply_default_css=False,
        elem_id=elem_id,
    )
