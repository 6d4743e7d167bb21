"""The published layouts of models that are read into classes of transformers: tiny, random, and where to find them."""

import json

import checkpoints
import transformers
from transformers import LlamaConfig, Qwen2Config, Qwen3Config, Qwen3MoeConfig

SMALL = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
    max_position_embeddings=256, rope_theta=1e6, tie_word_embeddings=False,
)  # fmt: skip
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "norm_topk_prob": True}
END, IM, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"


def qwen(folder, config_class, architecture, model_type, mask, name, fields):
    """A checkpoint of a Qwen that calls itself something else; the tokenizer has `mask` among its control tokens."""
    folder = folder / name
    special = [END, IM, IM_END, *(["<|expand|>"] if name.startswith("DreamOn") else []), mask]
    size = checkpoints.byte_level(folder, special, eos_token=END, pad_token=END)
    config = config_class(**SMALL | fields, vocab_size=size)
    model_class = getattr(transformers, config_class.__name__.removesuffix("Config") + "ForCausalLM")
    checkpoints.weights(model_class, config).save_pretrained(folder)
    checkpoints.rewrite_config(
        folder, architectures=[architecture], model_type=model_type, rope_parameters=None, rope_theta=1e6,
        rope_scaling=None, layer_types=None, auto_map={"AutoModel": f"modeling.{architecture}"}, mask_token_id=size - 1,
    )  # fmt: skip
    return folder


def own_tokenizer(folder):
    """As in Dream-org/Dream-v0-Instruct-7B: a tokenizer of its own code over vocab.json and merges.txt."""
    control = [END, IM, IM_END, "<|mask|>"]
    vocab = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(" ".join(pair) for pair in checkpoints.MERGES), encoding="utf-8"
    )
    (folder / "tokenizer.json").unlink()
    added = {
        len(vocab) + n: {"content": token, "special": True, "normalized": False} for n, token in enumerate(control)
    }
    said = {
        "tokenizer_class": "DreamTokenizer", "auto_map": {"AutoTokenizer": ["tokenization_dream.DreamTokenizer", None]},
        "eos_token": END, "pad_token": END, "mask_token": "<|mask|>", "added_tokens_decoder": added,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


LLADA_NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ff_norm", "self_attn.q_proj": "q_proj",
    "self_attn.k_proj": "k_proj", "self_attn.v_proj": "v_proj", "self_attn.o_proj": "attn_out",
    "mlp.gate_proj": "ff_proj", "mlp.up_proj": "up_proj", "mlp.down_proj": "ff_out",
}  # fmt: skip


def llada_name(name):
    if name == "lm_head.weight":
        return "model.transformer.ff_out.weight"
    name = name.replace("model.embed_tokens", "model.transformer.wte").replace("model.norm", "model.transformer.ln_f")
    name = name.replace("model.layers", "model.transformer.blocks")
    for ours, theirs in LLADA_NAMES.items():
        name = name.replace(f".{ours}.", f".{theirs}.")
    return name


LLADA = {"num_key_value_heads": 4, "rms_norm_eps": 1e-5}


def llada(folder):
    """As GSAI-ML/LLaDA-8B-Instruct: OLMo's names for fields and weights, a padded table, the mask in the config."""
    folder = folder / "LLaDA-8B-Instruct"
    special = ["<|startoftext|>", END, "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|mdm_mask|>"]
    size = checkpoints.byte_level(folder, special, bos_token=special[0], eos_token=END, pad_token=END)
    table = size + 7
    config = LlamaConfig(**SMALL | LLADA, vocab_size=table)
    checkpoints.weights(transformers.LlamaForCausalLM, config).save_pretrained(folder)
    checkpoints.rename_weights(folder, llada_name)
    (folder / "config.json").unlink()
    (folder / "generation_config.json").unlink()  # as written it is Llama's
    checkpoints.rewrite_config(
        folder, architectures=["LLaDAModelLM"], model_type="llada", activation_type="silu", alibi=False, d_model=32,
        n_layers=2, n_heads=4, n_kv_heads=4, mlp_hidden_size=48, mlp_ratio=4, embedding_size=table, vocab_size=size,
        max_sequence_length=256, rope=True, rope_theta=1e6, rms_norm_eps=1e-5, weight_tying=False, block_type="llama",
        layer_norm_type="rms", include_bias=False, mask_token_id=size - 1, eos_token_id=size - 5,
        auto_map={"AutoModel": "modeling_llada.LLaDAModelLM"},
    )  # fmt: skip
    return folder


def modernbert_chat(folder, silence=0.0):
    """As dllm-hub/ModernBERT-base-chat-v0.1: ModernBERT, and no template in its tokenizer.

    `silence` is added to the logit of the token that ends a text, so that some answers do end.
    """
    folder = folder / "ModernBERT-base-chat-v0.1"
    roles = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    size = checkpoints.byte_level(folder, [*roles.values()], **roles)
    config = transformers.ModernBertConfig(
        vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=256, bos_token_id=size - 3, eos_token_id=size - 2, pad_token_id=size - 4,
        cls_token_id=size - 3, sep_token_id=size - 2,
    )  # fmt: skip
    model = checkpoints.weights(transformers.ModernBertForMaskedLM, config)
    model.decoder.bias.data[size - 2] += silence
    model.save_pretrained(folder)
    return folder


DREAM = (Qwen2Config, "DreamModel", "Dream", "<|mask|>")
A2D = (Qwen3Config, "A2DQwen3LMHeadModel", "a2d-qwen3", "<|mask|>")
QWEN3 = {"head_dim": 8}
# family: the layout, the name it goes by, more fields of config.json; whether it is shifted, the length of a block
QWENS = {
    "Dream": (*DREAM, "Dream-v0-Instruct-7B", {}, True, None),
    "DiffuCoder": (*DREAM, "DiffuCoder-7B-cpGRPO", {}, True, None),
    "DreamOn": (*DREAM, "DreamOn-v0-7B", {}, True, None),
    "A2D Qwen3": (*A2D, "Qwen3-0.6B-diffusion-mdlm-v0.1", QWEN3, False, None),
    "A2D Qwen3, blocks": (*A2D, "Qwen3-0.6B-diffusion-bd3lm-v0.1", QWEN3, False, 32),
    "A2D Qwen2": (
        Qwen2Config, "A2DQwen2LMHeadModel", "a2d-qwen2", "<|mask|>", "Qwen2.5-Coder-diffusion", {}, False, None
    ),
    "A2D Qwen2, blocks": (
        Qwen2Config, "A2DQwen2LMHeadModel", "a2d-qwen2", "<|mask|>",
        "Qwen2.5-Coder-0.5B-Instruct-diffusion-bd3lm-v0.1", {}, False, 32,
    ),
    "Fast-dLLM v2": (
        Qwen2Config, "Fast_dLLM_QwenForCausalLM", "Fast_dLLM_Qwen", "|<MASK>|", "Fast_dLLM_v2_1.5B",
        {"bd_size": 8}, True, 8,
    ),
    "SDAR": (Qwen3Config, "SDARForCausalLM", "sdar", "<|MASK|>", "SDAR-1.7B-Chat", QWEN3, False, 4),
    "SDAR, longer blocks": (
        Qwen3Config, "SDARForCausalLM", "sdar", "<|MASK|>", "SDAR-1.7B-Chat-b16", QWEN3 | {"block_size": 16}, False, 16
    ),
    "TraDo": (Qwen3Config, "SDARForCausalLM", "sdar", "<|MASK|>", "TraDo-8B-Instruct", QWEN3, False, 4),
    "SDAR MoE": (
        Qwen3MoeConfig, "SDARMoeForCausalLM", "sdar_moe", "<|MASK|>", "SDAR-30B-A3B-Chat", QWEN3 | EXPERTS, False, 4
    ),
    "OPDLM": (Qwen3Config, "Qwen3ForCausalLM", "qwen3", "<|MASK|>", "opdlm-0.6B", QWEN3 | {"block_size": 8}, False, 8),
    "OPDLM, as A2D": (
        Qwen3Config, "A2DQwen3LMHeadModel", "a2d-qwen3", "<|mask|>", "OPDLM-0.6B", QWEN3 | {"block_length": 8}, False, 8
    ),
    "RND1": (Qwen3MoeConfig, "RND1LM", "rnd1", "<|MASK|>", "RND1-Base-0910", QWEN3 | EXPERTS, False, None),
}  # fmt: skip
FAMILIES = {"LLaDA": (False, None)} | {family: tuple(layout[-2:]) for family, layout in QWENS.items()}
BLOCKS = [family for family, (_, block) in FAMILIES.items() if block]


def write(folder, family):
    """A checkpoint of `family` in its layout, somewhere in `folder`."""
    if family == "LLaDA":
        return llada(folder)
    made = qwen(folder, *QWENS[family][:-2])
    return own_tokenizer(made) if family == "Dream" else made
