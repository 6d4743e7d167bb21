"""What the modelling files here share: norms, turning by position, gated networks, attention over grouped heads.

Each file beside this one stands for one that is published with weights, and is written for these tests: the same config
fields, weight names, calls and way of making its buffers, none of its text.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x.float() * (x.float().square().mean(-1, keepdim=True) + self.eps).rsqrt()).to(x.dtype)


class Gated(nn.Module):
    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, inner, bias=False)
        self.up_proj = nn.Linear(hidden, inner, bias=False)
        self.down_proj = nn.Linear(inner, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))


def angles(frequencies: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines `(rows, 1, length, 2 * frequencies)` of `positions (rows, length)`."""
    turned = (positions[..., None].float() * frequencies.float()).repeat(1, 1, 2)[:, None]
    return turned.cos(), turned.sin()


def turn(x: Tensor, by: tuple[Tensor, Tensor]) -> Tensor:
    """`x (rows, heads, length, size)` with its first entries turned, the first half against the second."""
    cosines, sines = by
    head, rest = x[..., : cosines.shape[-1]], x[..., cosines.shape[-1] :]
    low, high = head.chunk(2, dim=-1)
    return torch.cat([head * cosines + torch.cat([-high, low], dim=-1) * sines, rest], dim=-1)


def heads(x: Tensor, size: int) -> Tensor:
    """`(rows, length, heads * size)` as `(rows, heads, length, size)`."""
    return x.unflatten(-1, (-1, size)).transpose(1, 2)


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """`(rows, length, heads * size)`; a mask is bool or added."""
    seen = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=causal, enable_gqa=True)
    return seen.transpose(1, 2).flatten(-2)


class Attention(nn.Module):
    """Projections by their usual names; with `eps`, queries and keys of each head are normed."""

    def __init__(self, hidden: int, of_queries: int, of_keys: int, size: int, eps: float | None = None) -> None:
        super().__init__()
        self.size = size
        self.q_proj = nn.Linear(hidden, of_queries * size, bias=False)
        self.k_proj = nn.Linear(hidden, of_keys * size, bias=False)
        self.v_proj = nn.Linear(hidden, of_keys * size, bias=False)
        self.o_proj = nn.Linear(of_queries * size, hidden, bias=False)
        self.q_norm, self.k_norm = (RMSNorm(size, eps) if eps else nn.Identity() for _ in range(2))

    def forward(self, x: Tensor, by: tuple[Tensor, Tensor]) -> Tensor:
        queries = turn(self.q_norm(heads(self.q_proj(x), self.size)), by)
        keys = turn(self.k_norm(heads(self.k_proj(x), self.size)), by)
        return self.o_proj(attend(queries, keys, heads(self.v_proj(x), self.size)))


class Layer(nn.Module):
    def __init__(self, attention: nn.Module, mlp: nn.Module, hidden: int, eps: float, name: str = "self_attn") -> None:
        super().__init__()
        setattr(self, name, attention)
        self.name, self.mlp = name, mlp
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(hidden, eps), RMSNorm(hidden, eps)

    def forward(self, x: Tensor, *args) -> Tensor:
        x = x + getattr(self, self.name)(self.input_layernorm(x), *args)
        return x + self.mlp(self.post_attention_layernorm(x))


class WithHead:
    """A transformer called `model` under its `lm_head`, for a `PreTrainedModel`; tied as transformers 4 says it."""

    _tied_weights_keys = ["lm_head.weight"]
    table = "embed_tokens"

    def put_on(self, model: nn.Module) -> None:
        self.model, c = model, model.config
        self.lm_head = nn.Linear(c.hidden_size, c.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return getattr(self.model, self.table)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def logits(self, input_ids: Tensor, positions: Tensor | None = None, *args) -> Tensor:
        if positions is None:
            positions = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        x = self.get_input_embeddings()(input_ids)
        for layer in self.model.layers:
            x = layer(x, angles(self.model.rotary_emb.inv_freq, positions), *args)
        return self.lm_head(self.model.norm(x))
