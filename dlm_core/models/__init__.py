"""Names to loaded models.

`load_model("bundled")` is the model that ships with the project; a folder or a repository of the hub loads any model of
a family in the registry.  Everything a model needs to be run as a diffusion model (mask, shift, bans, attention,
caches, chat template) is settled here and nowhere else.
"""

from dlm_core.models.files import ModelError
from dlm_core.models.hub import cached, identity, is_folder, permit
from dlm_core.models.loading import BUNDLED, CACHES, LoadedModel, Needs, load_model, needs
from dlm_core.models.progress import Cancelled, Progress
from dlm_core.models.registry import PINS

__all__ = [
    "BUNDLED", "CACHES", "PINS", "Cancelled", "LoadedModel", "ModelError", "Needs", "Progress", "cached", "identity",
    "is_folder", "load_model", "needs", "permit",
]  # fmt: skip
