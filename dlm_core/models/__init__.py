"""Names to loaded models.

`load_model("bundled")` is the story model that ships with the project, "sudoku" the one for puzzles; a folder or a
repository of the hub loads any model of a family in the registry.  Everything a model needs to be run as a diffusion
model (mask, shift, bans, attention, caches, chat template) is settled here and nowhere else.
"""

from dlm_core.models.files import ModelError
from dlm_core.models.hub import cached, identity, is_folder, permit
from dlm_core.models.loading import BUNDLED, CACHES, LoadedModel, Requirements, load_model, requirements
from dlm_core.models.progress import Cancelled, Progress
from dlm_core.models.registry import PINS, SHIPPED

__all__ = [
    "BUNDLED", "CACHES", "PINS", "SHIPPED", "Cancelled", "LoadedModel", "ModelError", "Progress", "Requirements",
    "cached", "identity", "is_folder", "load_model", "permit", "requirements",
]  # fmt: skip
