"""Names to loaded models.

`load_model("bundled")` is the model that ships with the project; a path loads a folder of the same kind.  Everything
a model needs to be run as a diffusion model (shift, bans, attention) is settled here and nowhere else.
"""

from dlm_core.models.loading import BUNDLED, LoadedModel, ModelError, load_model

__all__ = ["BUNDLED", "LoadedModel", "ModelError", "load_model"]
