"""Code written for older transformers finds what it expects, for as long as it is loaded.

Most modelling files that come with weights were written for transformers 4: they import a name and look up a rotary
embedding that are gone, and leave out what a model now has to say of its tied weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any
from unittest.mock import patch

import torch
from transformers import PretrainedConfig, PreTrainedModel, modeling_rope_utils
from transformers.utils import import_utils


@contextmanager
def as_before() -> Iterator[None]:
    """Load code of transformers 4 inside; nothing is changed any more afterwards."""
    finish = PreTrainedModel._finalize_model_loading

    def with_ties(model: PreTrainedModel, *args: Any) -> Any:
        if not hasattr(model, "all_tied_weights_keys"):
            model.all_tied_weights_keys = model.get_expanded_tied_weights_keys(all_submodels=True)
        if not signature(model.tie_weights).parameters:
            own = model.tie_weights
            model.tie_weights = lambda **_: own()
        if not hasattr(model.config, "use_cache"):
            model.config.use_cache = False
        return finish(model, *args)

    rotary = modeling_rope_utils.ROPE_INIT_FUNCTIONS
    with (
        patch.object(import_utils, "is_torch_fx_available", lambda: True, create=True),
        patch.dict(rotary, {"default": rotary.get("default", _plain_rotary)}),
        patch.object(PreTrainedModel, "_finalize_model_loading", staticmethod(with_ties)),
    ):
        yield


def _plain_rotary(config: PretrainedConfig, device: Any = None, **_: Any) -> tuple[torch.Tensor, float]:
    """Inverse frequencies `(dim / 2,)` of rotary positions as they were first published, and a scale of 1."""
    said = getattr(config, "rope_parameters", None) or {}
    base = getattr(config, "rope_theta", None) or said.get("rope_theta", 10000.0)
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    dim = int(dim * (getattr(config, "partial_rotary_factor", None) or said.get("partial_rotary_factor", 1.0)))
    return 1.0 / base ** (torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim), 1.0
