"""An older name of `dlm_core.export`, for programs that were written for it."""

from dlm_core.export import *  # noqa: F403
