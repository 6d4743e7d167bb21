"""Code written for older transformers finds what it expects, for as long as it is loaded.

Most modelling files that come with weights were written for transformers 4.  They import a name and look up a rotary
embedding that are gone, and name tied weights without saying to what they are tied.  And they compute tensors where a
model is made, such as rotary frequencies or a mask, which transformers 5 makes without memory and then fills with
whatever is there: so here a model is made in memory, and keeps what it computed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any
from unittest.mock import patch

import torch
from transformers import PretrainedConfig, PreTrainedModel, initialization, modeling_rope_utils
from transformers.utils import import_utils


@contextmanager
def transformers_v4_compat() -> Iterator[None]:
    """Load code of transformers 4 inside; nothing is changed any more afterwards."""
    around, move = PreTrainedModel.get_init_context.__func__, PreTrainedModel._move_missing_keys_from_meta_to_device
    expand, finish = PreTrainedModel.get_expanded_tied_weights_keys, PreTrainedModel._finalize_model_loading

    def in_memory(cls: type[PreTrainedModel], *args: Any, **kwargs: Any) -> list:
        """Memory that nothing is written to yet costs nothing, and weights need no values before they are read."""
        contexts = around(cls, *args, **kwargs)
        return [each for each in contexts if not isinstance(each, torch.device)] + [initialization.no_init_weights()]

    def with_buffers(model: PreTrainedModel, *args: Any) -> None:
        computed = dict(model.named_non_persistent_buffers())
        move(model, *args)
        for name, buffer in computed.items():
            model.get_buffer(name).copy_(buffer)

    def with_sources(model: PreTrainedModel, all_submodels: bool = False) -> dict[str, str]:
        if isinstance(names := model._tied_weights_keys, list):
            table = model.get_input_embeddings().weight
            source = next(name for name, weight in model.named_parameters() if weight is table)
            model._tied_weights_keys = dict.fromkeys(names, source)
        return expand(model, all_submodels)

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
        patch.object(PreTrainedModel, "get_init_context", classmethod(in_memory)),
        patch.object(PreTrainedModel, "_move_missing_keys_from_meta_to_device", with_buffers),
        patch.object(PreTrainedModel, "get_expanded_tied_weights_keys", with_sources),
        patch.object(PreTrainedModel, "_finalize_model_loading", staticmethod(with_ties)),
    ):
        yield


def _plain_rotary(config: PretrainedConfig, device: Any = None, **_: Any) -> tuple[torch.Tensor, float]:
    """Inverse frequencies `(dim / 2,)` of rotary positions as they were first published, and a scale of 1."""
    rope_parameters = getattr(config, "rope_parameters", None) or {}
    base = getattr(config, "rope_theta", None) or rope_parameters.get("rope_theta", 10000.0)
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    dim = int(
        dim * (getattr(config, "partial_rotary_factor", None) or rope_parameters.get("partial_rotary_factor", 1.0))
    )
    return 1.0 / base ** (torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim), 1.0
