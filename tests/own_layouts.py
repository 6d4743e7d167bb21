"""The published layouts of models whose own code comes with them: tiny, random, and what must come out of them.

config.json and weights have the names of the real repositories; the code beside them is in `own_code`.  The answers are
computed without that code: by the class of transformers that is the same network, or, where there is none, by hand.
"""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import checkpoints
import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention, silu
from transformers import (
    Glm4MoeConfig,
    Glm4MoeForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Ministral3Config,
    Ministral3ForCausalLM,
    PreTrainedModel,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

CODE = Path(__file__).parent / "own_code"
VOCAB = 300  # more than the tokenizers have
SMALL = dict(
    vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=48, max_position_embeddings=256, rms_norm_eps=1e-5, pad_token_id=1, tie_word_embeddings=False,
)  # fmt: skip
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
YARN = {
    "rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0,
    "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1, "original_max_position_embeddings": 8,
}  # fmt: skip
DIT = {"vocab_size": 50258, "model_length": 64, "hidden_dim": 16, "cond_dim": 8, "n_blocks": 2, "n_heads": 2}
Answers = Callable[[Tensor, Tensor], Tensor]  # ids (rows, length), seen (length, length) bool to logits


class Published(NamedTuple):
    """A layout: what config.json says, the weights by their names, and the answers that they must give."""

    code: str
    config: dict
    weights: dict[str, Tensor]
    answers: Answers
    auto: str  # class of transformers that loads it


def native(model: PreTrainedModel, ids: Tensor, seen: Tensor) -> Tensor:
    mask = torch.where(seen, 0.0, torch.finfo(torch.float32).min)[None, None].expand(len(ids), -1, -1, -1)
    with torch.inference_mode():
        return model(input_ids=ids, attention_mask=mask, use_cache=False).logits


def random(model_class, config) -> PreTrainedModel:
    config._attn_implementation = "eager"
    model = checkpoints.weights(model_class, config)
    for name, buffer in model.named_buffers():
        if "correction_bias" in name:
            torch.nn.init.normal_(buffer, std=0.3)
    return model


def apart(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each expert's matrices by themselves, where transformers keeps those of a layer as one."""
    new = {}
    for name, tensor in weights.items():
        stem, _, kind = name.rpartition(".")
        if not stem.endswith("experts"):
            new[name] = tensor
            continue
        for n, of_expert in enumerate(tensor):
            parts = of_expert.chunk(2) if kind == "gate_up_proj" else [of_expert]
            new |= {f"{stem}.{n}.{part}_proj.weight": t for part, t in zip(kind[:-5].split("_"), parts)}
    return new


def illada() -> Published:
    fields = SMALL | {"rope_theta": 1e5, "tie_word_embeddings": True}
    model = random(LlamaForCausalLM, LlamaConfig(**fields))
    weights = {name: tensor for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    config = fields | {
        "architectures": ["ILLaDAForCausalLM"], "model_type": "illada", "hidden_act": "silu", "attention_bias": False,
        "attention_dropout": 0.0, "mlp_bias": False, "resid_pdrop": 0.0, "layer_norm_eps": None, "rope_scaling": None,
    }  # fmt: skip
    return Published("modeling_illada.ILLaDA", config, weights, partial(native, model), "AutoModelForCausalLM")


def llada_moe() -> Published:
    fields = SMALL | {"num_experts": 4, "num_experts_per_tok": 2, "rope_theta": 5e4, "norm_topk_prob": False}
    ours = fields | {"head_dim": 8, "moe_intermediate_size": 16, "mlp_only_layers": [0]}
    model = random(Qwen3MoeForCausalLM, Qwen3MoeConfig(**ours))
    config = fields | {
        "architectures": ["LLaDAMoEModelLM"], "model_type": "llada_moe", "dense_intermediate_size": 48,
        "expert_intermediate_size": 16, "moe_layer_freq": [0, 1], "qk_layernorm": True, "use_cache": False,
        "moe_router_score_function": "softmax", "moe_router_enable_expert_bias": False, "rope_scaling": None,
        "shared_expert_intermediate_size": None, "partial_rotary_factor": 1.0, "norm_topk_prob": None,
    }  # fmt: skip
    return Published(
        "modeling_lladamoe.LLaDAMoE", config, apart(model.state_dict()), partial(native, model), "AutoModel"
    )


LLADA2_NAMES = {
    "embed_tokens": "word_embeddings", "o_proj": "dense", "self_attn": "attention", "q_norm": "query_layernorm",
    "k_norm": "key_layernorm", "e_score_correction_bias": "expert_bias",
}  # fmt: skip


def llada2() -> Published:
    shared = SMALL | EXPERTS | {"head_dim": 8, "rope_theta": 1e4, "routed_scaling_factor": 2.5, "n_group": 2}
    shared |= {"topk_group": 1, "first_k_dense_replace": 1, "partial_rotary_factor": 0.5}
    ours = {name: value for name, value in shared.items() if name != "num_experts"}
    ours |= {"n_routed_experts": 4, "n_shared_experts": 1, "norm_topk_prob": True, "use_qk_norm": True}
    model = random(Glm4MoeForCausalLM, Glm4MoeConfig(**ours))
    weights, together = {}, {}
    for name, tensor in apart(model.state_dict()).items():
        for theirs in ("q_proj", "k_proj", "v_proj"):
            if theirs in name:
                together.setdefault(name.replace(f"self_attn.{theirs}", "attention.query_key_value"), []).append(tensor)
                break
        else:
            for native_name, published in LLADA2_NAMES.items():
                name = name.replace(native_name, published)
            weights[name] = tensor
    config = shared | {
        "architectures": ["LLaDA2MoeModelLM"], "model_type": "llada2_moe", "num_shared_experts": 1, "use_bias": False,
        "use_qkv_bias": False, "use_qk_norm": True, "norm_head": False, "use_cache": True, "rope_scaling": None,
    }  # fmt: skip
    weights |= {name: torch.cat(parts) for name, parts in together.items()}
    return Published("modeling_llada2_moe.LLaDA2Moe", config, weights, partial(native, model), "AutoModelForCausalLM")


def nemotron() -> Published:
    fields = SMALL | {"head_dim": 8, "sliding_window": None, "rope_parameters": YARN}
    model = random(Ministral3ForCausalLM, Ministral3Config(**fields))
    weights = {
        name.replace("model.", "encoder.").replace("lm_head", "diffusion_head"): tensor
        for name, tensor in model.state_dict().items()
    }
    config = fields | {
        "architectures": ["NemotronLabsDiffusionModel"], "model_type": "nemotron_labs_diffusion", "mask_token_id": 100,
        "dlm_paradigm": "bidirectional", "block_size": 4, "attention_bias": False, "mlp_bias": False,
        "hidden_act": "silu", "dlm_loss_weight": None, "dp_varying_mask_ratio": False,
    }  # fmt: skip
    code = "modeling_nemotron_labs_diffusion.NemotronLabsDiffusion"
    return Published(code, config, weights, partial(native, model), "AutoModel")


def dit_weights() -> dict[str, Tensor]:
    hidden, time = DIT["hidden_dim"], DIT["cond_dim"]
    shapes = {
        "vocab_embed.embedding": (DIT["vocab_size"], hidden), "sigma_map.mlp.0.weight": (time, 256),
        "sigma_map.mlp.0.bias": (time,), "sigma_map.mlp.2.weight": (time, time), "sigma_map.mlp.2.bias": (time,),
        "output_layer.norm_final.weight": (hidden,), "output_layer.linear.weight": (DIT["vocab_size"], hidden),
        "output_layer.linear.bias": (DIT["vocab_size"],), "output_layer.adaLN_modulation.weight": (2 * hidden, time),
        "output_layer.adaLN_modulation.bias": (2 * hidden,),
    }  # fmt: skip
    for n in range(DIT["n_blocks"]):
        block = {
            "norm1.weight": (hidden,), "norm2.weight": (hidden,), "attn_qkv.weight": (3 * hidden, hidden),
            "attn_out.weight": (hidden, hidden), "mlp.0.weight": (4 * hidden, hidden), "mlp.0.bias": (4 * hidden,),
            "mlp.2.weight": (hidden, 4 * hidden), "mlp.2.bias": (hidden,),
            "adaLN_modulation.weight": (6 * hidden, time), "adaLN_modulation.bias": (6 * hidden,),
        }  # fmt: skip
        shapes |= {f"blocks.{n}.{name}": shape for name, shape in block.items()}
    generator = torch.Generator().manual_seed(0)
    weights = {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    size = hidden // DIT["n_heads"]
    weights["rotary_emb.inv_freq"] = 10_000.0 ** -(torch.arange(0, size, 2) / size)
    return weights


def dit_by_hand(w: dict[str, Tensor], ids: Tensor, seen: Tensor) -> Tensor:
    """MDLM's transformer at time 0, written as its equations: positions turn halves of a head as complex numbers."""

    def linear(name, x):
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)

    def norm(name, x, shift, scale):
        return layer_norm(x, x.shape[-1:]) * w[f"{name}.weight"] * (1 + scale) + shift

    def turned(x):
        where = torch.outer(torch.arange(ids.shape[1]).float(), w["rotary_emb.inv_freq"])
        low, high = x.chunk(2, dim=-1)
        spun = torch.complex(low, high) * torch.polar(torch.ones_like(where), where)
        return torch.cat([spun.real, spun.imag], dim=-1)

    still = torch.cat([torch.ones(128), torch.zeros(128)])
    time = silu(linear("sigma_map.mlp.2", silu(linear("sigma_map.mlp.0", still))))
    x = w["vocab_embed.embedding"][ids]
    for n in range(DIT["n_blocks"]):
        at = f"blocks.{n}"
        shift, scale, gate, low, wide, door = linear(f"{at}.adaLN_modulation", time).chunk(6)
        parts = linear(f"{at}.attn_qkv", norm(f"{at}.norm1", x, shift, scale))
        queries, keys, values = parts.unflatten(-1, (3, DIT["n_heads"], -1)).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(turned(queries), turned(keys), values, attn_mask=seen)
        x = x + gate * linear(f"{at}.attn_out", mixed.transpose(1, 2).flatten(-2))
        inner = gelu(linear(f"{at}.mlp.0", norm(f"{at}.norm2", x, low, wide)), approximate="tanh")
        x = x + door * linear(f"{at}.mlp.2", inner)
    shift, scale = linear("output_layer.adaLN_modulation", time).chunk(2)
    return linear("output_layer.linear", norm("output_layer.norm_final", x, shift, scale))


def dit(architecture: str, fields: dict, more: dict[str, Tensor]) -> Published:
    weights = dit_weights()
    config = DIT | {"architectures": [architecture], "model_type": architecture.lower(), "dropout": 0.1}
    config |= {"time_conditioning": False} | fields
    published = {f"backbone.{name}": tensor for name, tensor in weights.items()} | more
    code = f"modeling_{architecture.lower()}.{architecture}"
    return Published(code, config, published, partial(dit_by_hand, weights), "AutoModelForMaskedLM")


def mdlm() -> Published:
    return dit("MDLM", {}, {})


def bd3lm() -> Published:
    fields = {"block_size": 4, "cross_attn": True, "adaln": True, "causal": False, "attn_backend": "flex"}
    fields |= {"var_min": True, "sampling_eps_min": 1e-3, "sampling_eps_max": 0.999}
    more = {"sampling_eps_min": torch.tensor(1e-3), "sampling_eps_max": torch.tensor(0.999)}
    return dit("BD3LM", fields, more)


NEMOTRON = "nvidia/Nemotron-Labs-Diffusion-8B"
# repository: its layout, and the length of its blocks
LAYOUTS = {
    "GSAI-ML/iLLaDA-8B-Instruct": (illada, None),
    "inclusionAI/LLaDA-MoE-7B-A1B-Instruct": (llada_moe, None),
    "inclusionAI/LLaDA2.1-mini": (llada2, 32),
    "kuleshov-group/mdlm-no_flashattn-fp32-owt": (mdlm, None),
    "kuleshov-group/bd3lm-owt-block_size4": (bd3lm, 4),
    NEMOTRON: (nemotron, 4),
}


def write(folder: Path, repository: str) -> Published:
    """A checkpoint of `repository` in its layout, in `folder`, with its code beside it."""
    published = LAYOUTS[repository][0]()
    special = ["<|startoftext|>", "<|endoftext|>", "<|role_end|>"]
    special += ["<|mask|>"] if repository.startswith("inclusionAI") else []
    checkpoints.byte_level(folder, special, bos_token=special[0], eos_token=special[1])
    module, stem = published.code.split(".")
    for file in (CODE / "layers.py", CODE / "dit.py", CODE / f"{module}.py"):
        shutil.copy(file, folder)
    config = published.config | {
        "auto_map": {
            "AutoConfig": f"{module}.{stem}Config",
            published.auto: f"{module}.{published.config['architectures'][0]}",
        }
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = {name: tensor.contiguous() for name, tensor in published.weights.items()}
    checkpoints.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return published
