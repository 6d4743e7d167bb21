"""Stands for LLaDA-MoE's: written for transformers 4, frequencies by its table, every token to a few experts."""

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import MoeCausalLMOutputWithPast
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS, rope_config_validation

from .layers import Attention, Gated, Layer, RMSNorm, WithHead


class LLaDAMoEConfig(PretrainedConfig):
    model_type = "llada_moe"

    def __init__(self, rope_theta=50000.0, rope_scaling=None, partial_rotary_factor=1.0, **fields):
        self.rope_theta, self.rope_scaling, self.partial_rotary_factor = rope_theta, rope_scaling, partial_rotary_factor
        rope_config_validation(self)
        super().__init__(**fields)


class LLaDAMoERotaryEmbedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.rope_type = "default" if config.rope_scaling is None else config.rope_scaling["rope_type"]
        frequencies, self.attention_scaling = ROPE_INIT_FUNCTIONS[self.rope_type](config, None)
        self.register_buffer("inv_freq", frequencies, persistent=False)
        self.original_inv_freq = self.inv_freq


class LLaDAMoESparseMoeBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.top_k = config.num_experts_per_tok
        self.gate = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.experts = nn.ModuleList(
            Gated(config.hidden_size, config.expert_intermediate_size) for _ in range(config.num_experts)
        )

    def forward(self, x):
        weight, chosen = self.gate(x).softmax(-1, dtype=torch.float).topk(self.top_k, dim=-1)
        share = torch.zeros(*x.shape[:-1], len(self.experts)).scatter(-1, chosen, weight).to(x.dtype)
        return sum(share[..., n, None] * expert(x) for n, expert in enumerate(self.experts))


class LLaDAMoEPreTrainedModel(PreTrainedModel):
    config_class, base_model_prefix = LLaDAMoEConfig, "model"

    def _init_weights(self, module):
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.data.normal_(std=self.config.initializer_range)


class LLaDAMoEModel(LLaDAMoEPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        c, eps = config, config.rms_norm_eps
        size = c.hidden_size // c.num_attention_heads
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size, c.pad_token_id)
        self.layers = nn.ModuleList(
            Layer(
                Attention(c.hidden_size, c.num_attention_heads, c.num_key_value_heads, size, eps),
                LLaDAMoESparseMoeBlock(c) if sparse else Gated(c.hidden_size, c.dense_intermediate_size),
                c.hidden_size, eps,
            )
            for sparse in c.moe_layer_freq
        )  # fmt: skip
        self.norm, self.rotary_emb = RMSNorm(c.hidden_size, eps), LLaDAMoERotaryEmbedding(c)
        self.post_init()


class LLaDAMoEModelLM(WithHead, LLaDAMoEPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.put_on(LLaDAMoEModel(config))

    def forward(self, input_ids, use_cache=None):
        assert not (use_cache or self.config.use_cache), "no cache is supported"
        return MoeCausalLMOutputWithPast(logits=self.logits(input_ids))
