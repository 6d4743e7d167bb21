"""Stands for BD3-LM's: a mask of noisy and clean positions, made once and kept as a plain tensor."""

import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput

from .dit import DITBackbone


class BD3LMConfig(PretrainedConfig):
    model_type = "bd3lm"

    def __init__(self, block_size=1, vocab_size=50258, model_length=1024, cross_attn=True, adaln=True,
                 attn_backend="flex", causal=False, hidden_dim=768, cond_dim=129, n_blocks=12, n_heads=12, dropout=0.1,
                 time_conditioning=False, var_min=True, sampling_eps_min=1e-3, sampling_eps_max=0.999,
                 **fields):  # fmt: skip
        super().__init__(**fields)
        self.block_size, self.vocab_size, self.model_length = block_size, vocab_size, model_length
        self.cross_attn, self.adaln, self.attn_backend, self.causal = cross_attn, adaln, attn_backend, causal
        self.hidden_dim, self.cond_dim, self.n_blocks, self.n_heads = hidden_dim, cond_dim, n_blocks, n_heads
        self.dropout, self.time_conditioning, self.var_min = dropout, time_conditioning, var_min
        self.sampling_eps_min, self.sampling_eps_max = sampling_eps_min, sampling_eps_max


class Backbone(DITBackbone):
    def __init__(self, config):
        super().__init__(config)
        at = torch.arange(2 * config.model_length)
        clean, block = at >= config.model_length, at % config.model_length // config.block_size
        same, before = block[:, None] == block[None], block[:, None] > block[None]
        self.mask = torch.where(clean[None], (same & clean[:, None]) | before, same & ~clean[:, None])


class BD3LM(PreTrainedModel):
    config_class, base_model_prefix = BD3LMConfig, "bd3lm"

    def __init__(self, config):
        super().__init__(config)
        self.backbone = Backbone(config)
        if config.var_min:
            self.register_buffer("sampling_eps_min", torch.tensor(config.sampling_eps_min))
            self.register_buffer("sampling_eps_max", torch.tensor(config.sampling_eps_max))

    def forward(self, input_ids=None, timesteps=None, sample_mode=None, store_kv=None, output_hidden_states=None,
                return_dict=None):  # fmt: skip
        assert sample_mode and self.config.attn_backend == "sdpa", "sampling wants sdpa"
        clean = self.config.model_length
        to = clean + input_ids.shape[1]
        logits = self.backbone(input_ids, timesteps, self.backbone.mask.to(input_ids.device)[clean:to, clean:to])
        return MaskedLMOutput(logits=logits) if return_dict else logits
