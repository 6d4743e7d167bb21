"""A session that does not grow: what an update changes keeps its number.

For every update Gradio 6 makes a component anew, with a new number, and keeps it in the old one's place; with each
later value it then keeps it a second time, under the new number, for as long as the session lasts.  A page that is
open for a day would keep as many players as it had runs.
"""

from typing import Any

from gradio.blocks import Block
from gradio.state_holder import SessionState

_put = SessionState.__setitem__


def _set_under_first_id(session: SessionState, number: int, value: Any) -> None:
    if isinstance(value, Block):
        value._id = number
    _put(session, number, value)


def keep_component_ids() -> None:
    """Make every session keep a component under the one number that it had at first."""
    SessionState.__setitem__ = _set_under_first_id
