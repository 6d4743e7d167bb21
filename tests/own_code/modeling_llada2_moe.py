"""Stands for LLaDA2's, of transformers 4: one matrix for queries, keys and values, experts chosen in groups."""

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import MoeCausalLMOutputWithPast
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.utils.import_utils import is_torch_fx_available

from .layers import Gated, Layer, RMSNorm, WithHead, attend, heads, turn

assert is_torch_fx_available()


class LLaDA2MoeConfig(PretrainedConfig):
    model_type = "llada2_moe"

    def __init__(self, rope_theta=10000.0, rope_scaling=None, partial_rotary_factor=0.5, **fields):
        self.rope_theta, self.rope_scaling, self.partial_rotary_factor = rope_theta, rope_scaling, partial_rotary_factor
        super().__init__(**fields)


class LLaDA2MoeRotaryEmbedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.rope_type = "default" if config.rope_scaling is None else config.rope_scaling["rope_type"]
        frequencies, self.attention_scaling = ROPE_INIT_FUNCTIONS[self.rope_type](config, None)
        self.register_buffer("inv_freq", frequencies, persistent=False)
        self.original_inv_freq = self.inv_freq


class LLaDA2MoeAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = config
        self.size, self.counts = c.head_dim, [c.num_attention_heads, c.num_key_value_heads, c.num_key_value_heads]
        self.query_key_value = nn.Linear(c.hidden_size, sum(self.counts) * self.size, bias=c.use_qkv_bias)
        self.query_layernorm, self.key_layernorm = (RMSNorm(self.size, c.rms_norm_eps) for _ in range(2))
        self.dense = nn.Linear(c.num_attention_heads * self.size, c.hidden_size, bias=c.use_bias)

    def forward(self, x, by, mask):
        queries, keys, values = heads(self.query_key_value(x), self.size).split(self.counts, dim=1)
        queries, keys = turn(self.query_layernorm(queries), by), turn(self.key_layernorm(keys), by)
        return self.dense(attend(queries, keys, values, mask))


class LLaDA2MoeGate(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.c, self.weight = config, nn.Parameter(torch.empty(config.num_experts, config.hidden_size))
        self.register_buffer("expert_bias", torch.zeros(config.num_experts))

    def forward(self, x):
        """The share of each expert, `(..., experts)`: chosen with the bias from the best groups, weighed without."""
        scores = (x.float() @ self.weight.float().T).sigmoid()
        grouped = (scores + self.expert_bias).unflatten(-1, (self.c.n_group, -1))
        kept = grouped.topk(2, dim=-1).values.sum(-1).topk(self.c.topk_group, dim=-1).indices
        out = torch.ones(grouped.shape[:-1]).scatter(-1, kept, 0.0).bool()
        chosen = grouped.masked_fill(out[..., None], float("-inf")).flatten(-2).topk(self.c.num_experts_per_tok).indices
        share = torch.zeros_like(scores).scatter(-1, chosen, scores.gather(-1, chosen))
        return self.c.routed_scaling_factor * share / share.sum(-1, keepdim=True)


class LLaDA2MoeSparseMoeBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        inner = config.moe_intermediate_size
        self.experts = nn.ModuleList(Gated(config.hidden_size, inner) for _ in range(config.num_experts))
        self.gate = LLaDA2MoeGate(config)
        self.shared_experts = Gated(config.hidden_size, inner * config.num_shared_experts)

    def forward(self, x):
        share = self.gate(x).to(x.dtype)
        chosen = sum(share[..., n, None] * expert(x) for n, expert in enumerate(self.experts))
        return chosen + self.shared_experts(x)


class LLaDA2MoePreTrainedModel(PreTrainedModel):
    config_class, base_model_prefix = LLaDA2MoeConfig, "model"

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, LLaDA2MoeGate):
            nn.init.normal_(module.weight, std=self.config.initializer_range)


class LLaDA2MoeModel(LLaDA2MoePreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        c, eps = config, config.rms_norm_eps
        self.word_embeddings = nn.Embedding(c.vocab_size, c.hidden_size, c.pad_token_id)
        self.layers = nn.ModuleList(
            Layer(
                LLaDA2MoeAttention(c),
                LLaDA2MoeSparseMoeBlock(c)
                if n >= c.first_k_dense_replace
                else Gated(c.hidden_size, c.intermediate_size),
                c.hidden_size, eps, "attention",
            )
            for n in range(c.num_hidden_layers)
        )  # fmt: skip
        self.norm, self.rotary_emb = RMSNorm(c.hidden_size, eps), LLaDA2MoeRotaryEmbedding(c)
        self.post_init()


class LLaDA2MoeModelLM(WithHead, LLaDA2MoePreTrainedModel):
    table = "word_embeddings"

    def __init__(self, config):
        super().__init__(config)
        self.put_on(LLaDA2MoeModel(config))

    def forward(self, input_ids, attention_mask, position_ids):
        assert attention_mask.shape == (len(input_ids), 1, *[input_ids.shape[1]] * 2)
        assert attention_mask.dtype == self.dtype, "a mask is added to the scores"
        return MoeCausalLMOutputWithPast(logits=self.logits(input_ids, position_ids, attention_mask).float())
