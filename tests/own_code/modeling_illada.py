"""Stands for iLLaDA's: frequencies in a buffer that is not saved, and an `_init_weights` that does not know of them."""

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from .layers import Attention, Gated, Layer, RMSNorm, WithHead


class ILLaDAConfig(PretrainedConfig):
    model_type = "illada"

    def __init__(self, rope_theta=1e6, layer_norm_eps=None, **fields):
        self.rope_theta, self.layer_norm_eps = rope_theta, layer_norm_eps
        super().__init__(**fields)


class ILLaDARotaryEmbedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        size = config.hidden_size // config.num_attention_heads
        frequencies = 1.0 / config.rope_theta ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
        self.register_buffer("inv_freq", frequencies, persistent=False)


class ILLaDAPreTrainedModel(PreTrainedModel):
    config_class, base_model_prefix = ILLaDAConfig, "model"

    def _init_weights(self, module):
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.data.normal_(std=self.config.initializer_range)


class ILLaDAModel(ILLaDAPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        c, eps = config, config.rms_norm_eps
        size = c.hidden_size // c.num_attention_heads
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size, c.pad_token_id)
        self.layers = nn.ModuleList(
            Layer(
                Attention(c.hidden_size, c.num_attention_heads, c.num_key_value_heads, size),
                Gated(c.hidden_size, c.intermediate_size), c.hidden_size, eps,
            )
            for _ in range(c.num_hidden_layers)
        )  # fmt: skip
        self.norm, self.rotary_emb = RMSNorm(c.hidden_size, eps), ILLaDARotaryEmbedding(c)
        self.post_init()


class ILLaDAForCausalLM(WithHead, ILLaDAPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.put_on(ILLaDAModel(config))

    def forward(self, input_ids):
        return CausalLMOutput(logits=self.logits(input_ids))
