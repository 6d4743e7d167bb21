"""Stands for Nemotron-Labs-Diffusion's: an encoder whose layers say in which direction they read, and a head."""

import torch
from torch import nn
from transformers import DynamicCache, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS, rope_config_validation

from .layers import Attention, Gated, Layer, RMSNorm, angles, attend, heads, turn


class NemotronLabsDiffusionConfig(PretrainedConfig):
    model_type = "nemotron_labs_diffusion"

    def __init__(self, rope_parameters=None, mask_token_id=-1, dlm_paradigm="bidirectional", block_size=32,
                 max_position_embeddings=262144, **fields):  # fmt: skip
        self.max_position_embeddings = max_position_embeddings
        self.rope_parameters, self.rope_theta = rope_parameters, rope_parameters["rope_theta"]
        rope_config_validation(self)
        self.mask_token_id, self.dlm_paradigm, self.block_size = mask_token_id, dlm_paradigm, block_size
        super().__init__(**fields)


class Ministral3RotaryEmbedding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.rope_type = config, config.rope_parameters["rope_type"]
        frequencies, self.attention_scaling = ROPE_INIT_FUNCTIONS[self.rope_type](config, None)
        self.register_buffer("inv_freq", frequencies, persistent=False)
        self.register_buffer("original_inv_freq", frequencies.clone(), persistent=False)

    def forward(self, positions):
        return tuple(part * self.attention_scaling for part in angles(self.inv_freq, positions))


class Ministral3Attention(Attention):
    def __init__(self, config, number):
        super().__init__(config.hidden_size, config.num_attention_heads, config.num_key_value_heads, config.head_dim)
        self.number, self.diffusion_lm = number, config.diffusion_lm
        self.beta = config.rope_parameters["llama_4_scaling_beta"]
        self.original = config.rope_parameters["original_max_position_embeddings"]

    def forward(self, x, by, positions, cache, keep):
        queries = turn(heads(self.q_proj(x), self.size), by)
        queries = queries * (1 + self.beta * torch.log1p(torch.floor(positions / self.original)))[:, None, :, None]
        keys, values = turn(heads(self.k_proj(x), self.size), by), heads(self.v_proj(x), self.size)
        if keep:
            keys, values = cache.update(keys, values, self.number)
        elif cache is not None:  # seen, and left as it was
            past = cache.layers[self.number]
            keys, values = torch.cat([past.keys, keys], dim=2), torch.cat([past.values, values], dim=2)
        length, seen = queries.shape[2], keys.shape[2]
        mask = None
        if not self.diffusion_lm:
            mask = torch.ones(length, seen, dtype=torch.bool, device=x.device).tril(seen - length)
        return self.o_proj(attend(queries, keys, values, mask))


class Ministral3PreTrainedModel(PreTrainedModel):
    config_class, base_model_prefix = NemotronLabsDiffusionConfig, "model"


class Ministral3Model(Ministral3PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        c, eps = config, config.rms_norm_eps
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size, c.pad_token_id)
        self.layers = nn.ModuleList(
            Layer(Ministral3Attention(c, n), Gated(c.hidden_size, c.intermediate_size), c.hidden_size, eps)
            for n in range(c.num_hidden_layers)
        )
        self.norm, self.rotary_emb = RMSNorm(c.hidden_size, eps), Ministral3RotaryEmbedding(c)
        self.post_init()

    def forward(self, input_ids, past_key_values=None, use_cache=True, use_causal_mask=False, is_training=True):
        assert all(layer.self_attn.diffusion_lm is not use_causal_mask for layer in self.layers), "half switched"
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache()
        first = past_key_values.get_seq_length() if past_key_values is not None else 0
        positions = torch.arange(first, first + input_ids.shape[1], device=input_ids.device)[None]
        x, by = self.embed_tokens(input_ids), self.rotary_emb(positions)
        for layer in self.layers:
            x = layer(x, by, positions, past_key_values, use_cache)
        return BaseModelOutputWithPast(last_hidden_state=self.norm(x), past_key_values=past_key_values)


class NemotronLabsDiffusionModel(Ministral3PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        config.diffusion_lm = config.dlm_paradigm != "autoregressive"
        self.encoder = Ministral3Model(config)
        self.diffusion_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.encoder.embed_tokens

    def get_output_embeddings(self):
        return self.diffusion_head

    def forward(self, input_ids, past_key_values=None, labels=None, **more):
        read = self.encoder(input_ids, past_key_values=past_key_values, is_training=labels is not None, **more)
        logits = self.diffusion_head(read.last_hidden_state)
        return CausalLMOutputWithPast(logits=logits, past_key_values=read.past_key_values)
