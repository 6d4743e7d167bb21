"""An older name of `dlm_core.export`, for programs that were written for it."""

from dlm_core.bundle import replay_script
from dlm_core.export import css, markup, page, site

__all__ = ["css", "markup", "page", "script", "site"]


def script(plotly_url: str | None = None) -> str:
    """Return the player's script; Plotly is on the page already, as it is in every file that replays a run."""
    return replay_script(markup() + markup("runs"))
