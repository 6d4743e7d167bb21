"""What stands in the controls outlives a change of language, for which the page opens anew.

Gradio alone knows what stands in its controls, so the scripts ask it as the page is left (`leave` of page.js), and it
asks them once the page is there again.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.components.base import FormComponent

from dlm_core.lines import dumps

# of the policy that is kept, else the one that is there; and whether anything was kept
POLICY = "async (using, policy, _) => [using, ...(await import('unmask')).policyThen(policy)]"
# Generate waits for what a link says, or for what was kept; on any other page it need not ask the server first
READY = "async () => (await import('unmask')).readyAtOnce()"


_EVENT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def kept(page: gr.Blocks, but: Sequence[Block]) -> list[Component]:
    """Return the components whose value a visitor sets: the controls, and the conversation, `but` those named."""
    named = [one for one in page.blocks.values() if isinstance(one, Component) and one.elem_id and one not in but]
    return [one for one in named if isinstance(one, FormComponent) or one.elem_id == "conversation"]


def leave(head: gr.HTML, controls: Sequence[Component]) -> None:
    """Keep what stands in the controls as the page is left, which its `head` says."""
    js = f"async (...values) => (await import('unmask')).leave({_names(controls)}, values)"
    head.apply(None, controls, None, js=js, **_EVENT)


def come_back(controls: Sequence[Component], after: Callable[..., Any]) -> Any:
    """Put back what was kept, after another event of the page that opens."""
    js = f"async () => (await import('unmask')).returned({_names(controls)})"
    return after(None, None, controls, js=js, **_EVENT)


def _names(controls: Sequence[Component]) -> str:
    return dumps([one.elem_id for one in controls])
