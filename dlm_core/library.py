"""An older name of `dlm_core.engine.library`, for programs that were written for it."""

from dlm_core.engine.library import *  # noqa: F403
