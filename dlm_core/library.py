"""An older name of `dlm_core.engine.library`, for programs that were written for it."""

from dlm_core.engine.library import Library
from dlm_core.engine.library import ModelSource as Choice
from dlm_core.engine.library import sources_from_environment as choices

__all__ = ["Choice", "Library", "choices"]
