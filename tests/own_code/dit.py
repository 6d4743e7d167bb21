"""The transformer of MDLM and BD3-LM: every layer shifted, scaled and gated by what a time becomes."""

import torch
from torch import nn
from torch.nn.functional import layer_norm, silu

from .layers import angles, attend, heads, turn


class LayerNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return layer_norm(x.float(), x.shape[-1:]) * self.weight


class Rotary(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.register_buffer("inv_freq", 1.0 / 10_000 ** (torch.arange(0, size, 2).float() / size))  # saved, here


class TimestepEmbedder(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, size), nn.SiLU(), nn.Linear(size, size))

    def forward(self, time):
        waves = time[:, None] * torch.exp(-torch.arange(128) / 128 * torch.log(torch.tensor(10_000.0)))
        return self.mlp(torch.cat([waves.cos(), waves.sin()], dim=-1))


class DDiTBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden = config.hidden_dim
        self.size = hidden // config.n_heads
        self.norm1, self.norm2 = LayerNorm(hidden), LayerNorm(hidden)
        self.attn_qkv, self.attn_out = nn.Linear(hidden, 3 * hidden, bias=False), nn.Linear(hidden, hidden, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(hidden, 4 * hidden), nn.GELU(approximate="tanh"), nn.Linear(4 * hidden, hidden)
        )
        self.adaLN_modulation = nn.Linear(config.cond_dim, 6 * hidden)

    def forward(self, x, by, time, mask):
        shift, scale, gate, low, wide, door = self.adaLN_modulation(time)[:, None].chunk(6, dim=-1)
        queries, keys, values = (
            heads(part, self.size) for part in self.attn_qkv(self.norm1(x) * (1 + scale) + shift).chunk(3, dim=-1)
        )
        x = x + gate * self.attn_out(attend(turn(queries, by), turn(keys, by), values, mask))
        return x + door * self.mlp(self.norm2(x) * (1 + wide) + low)


class EmbeddingLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.hidden_dim))


class DDitFinalLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_final, self.linear = LayerNorm(config.hidden_dim), nn.Linear(config.hidden_dim, config.vocab_size)
        self.linear.weight.data.zero_()
        self.adaLN_modulation = nn.Linear(config.cond_dim, 2 * config.hidden_dim)

    def forward(self, x, time):
        shift, scale = self.adaLN_modulation(time)[:, None].chunk(2, dim=-1)
        return self.linear(self.norm_final(x) * (1 + scale) + shift)


class DITBackbone(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.vocab_embed = config, EmbeddingLayer(config)
        self.sigma_map, self.rotary_emb = (
            TimestepEmbedder(config.cond_dim),
            Rotary(config.hidden_dim // config.n_heads),
        )
        self.blocks = nn.ModuleList(DDiTBlock(config) for _ in range(config.n_blocks))
        self.output_layer = DDitFinalLayer(config)

    def forward(self, ids, sigma, mask=None):
        if not self.config.time_conditioning:
            sigma = torch.zeros_like(sigma)
        x, time = self.vocab_embed.embedding[ids], silu(self.sigma_map(sigma))
        by = angles(self.rotary_emb.inv_freq, torch.arange(ids.shape[1], device=ids.device)[None])
        for block in self.blocks:
            x = block(x, by, time, mask)
        return self.output_layer(x, time)
