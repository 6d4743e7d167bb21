"""Which models there are: one entry a family, plain data, and how config.json tells them apart.

An entry holds everything that makes a checkpoint a diffusion model and that its files do not say: the class that holds
its weights, what it sees, whether its output speaks about the next position, its mask, where its text ends, how it is
asked, and with which policy its authors decode.  Nothing here loads anything.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

BLOCK, EXPAND, END = object(), object(), object()  # in settings: the length of a block, `expand`, the end of text

# masked: an encoder under its own head · dual: trained in both orders · full: a decoder that sees everything
# block: its own block and all before it · canvas: an encoder for the past, a decoder for the canvas, no mask token
# own: as the code that comes with it says · causal: a canvas as it first stood, whole, then what is written, in order
Attention = Literal["masked", "dual", "full", "block", "canvas", "own", "causal"]
# what code of its own wants: token ids alone · a mask of blocks and positions · a time · a time, blocks being its own
# · what is settled in one direction, then a block in both
Calls = Literal["ids", "blocks", "time", "time, blocks", "encoder"]


@dataclass(frozen=True)
class Family:
    """What the files of a checkpoint leave unsaid."""

    name: str
    model: str  # class of transformers
    attention: Attention
    known_by: tuple[str, ...] = ()  # what `architectures` or `model_type` in config.json say
    called: str = ""  # a pattern in its name, where config.json cannot tell
    shifted: bool = False  # the output at i - 1 speaks about position i
    block_fields: tuple[str, ...] = ()  # where config.json may say how long a block is
    block_length: int | None = None  # else
    window: int | None = None  # positions that a policy works on at a time, unless asked otherwise
    mask: str | None = None  # None: the tokenizer knows
    mask_id: int | None = None  # where neither tokenizer nor config.json does
    stop: tuple[str, ...] = ()  # ends of text beside the tokenizer's own
    ending: str | None = None  # what ends an answer in plain text, where no token does
    expand: str | None = None  # the token that asks for room
    columns: int | None = None  # positions a row, where a canvas is a grid and no line of text
    template: str | None = None  # a chat template where the checkpoint brings none
    template_options: Mapping[str, Any] = field(default_factory=dict)
    config_names: Mapping[str, str] = field(default_factory=dict)  # its names of config fields: transformers' names
    weight_names: Mapping[str, str] = field(default_factory=dict)  # patterns of its weights: transformers' names
    policy: str = "llada"
    settings: Mapping[str, Any] = field(default_factory=dict)  # of that policy, where not its own defaults
    length: int = 96  # positions to fill unless asked otherwise
    starts: Mapping[str, Any] = field(default_factory=dict)  # what a page begins with, where not a policy's defaults
    calls: Calls = "ids"  # how code of its own is called
    tokenizer: str | None = None  # the repository that has its tokenizer, where its own has none
    config_values: Mapping[str, Any] = field(default_factory=dict)  # fields that must not stay as they were published


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HEADERS = (  # Llama 3's, which LLaDA was taught in
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
QUESTIONS = (  # dllm's ModernBERT chat checkpoints
    "{% for m in messages %}{% set tag = {'system': 'SYS', 'user': 'Question', 'assistant': 'Answer'}[m['role']] %}"
    "[{{ tag }}]\n{{ m['content'] | trim }}\n[/{{ tag }}]\n\n{% endfor %}"
    "{% if add_generation_prompt %}[Answer]\n{% endif %}"
)
_LLADA_CONFIG = {
    "d_model": "hidden_size", "n_layers": "num_hidden_layers", "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads", "mlp_hidden_size": "intermediate_size", "embedding_size": "vocab_size",
    "max_sequence_length": "max_position_embeddings", "weight_tying": "tie_word_embeddings",
    "rope_theta": "rope_theta", "rms_norm_eps": "rms_norm_eps",
}  # fmt: skip
_LLADA_LAYER = {
    "attn_norm": "input_layernorm", "ff_norm": "post_attention_layernorm", "q_proj": "self_attn.q_proj",
    "k_proj": "self_attn.k_proj", "v_proj": "self_attn.v_proj", "attn_out": "self_attn.o_proj",
    "ff_proj": "mlp.gate_proj", "up_proj": "mlp.up_proj", "ff_out": "mlp.down_proj",
}  # fmt: skip
_LLADA_WEIGHTS = {
    r"^model\.transformer\.wte\.": "model.embed_tokens.",
    r"^model\.transformer\.ln_f\.": "model.norm.",
    r"^model\.transformer\.ff_out\.": "lm_head.",
} | {
    rf"^model\.transformer\.blocks\.(\d+)\.{theirs}\.": rf"model.layers.\1.{ours}."
    for theirs, ours in _LLADA_LAYER.items()
}
_DREAM = {"alg": "entropy", "temperature": 0.2, "top_p": 0.95}

FAMILIES = (
    Family(
        "LLaDA", "LlamaForCausalLM", "full", ("LLaDAModelLM",), mask="<|mdm_mask|>", stop=("<|eot_id|>",),
        template=HEADERS, config_names=_LLADA_CONFIG, weight_names=_LLADA_WEIGHTS,
    ),
    Family(
        "DreamOn", "Qwen2ForCausalLM", "full", ("DreamModel", "Dream"), "DreamOn", shifted=True, mask="<|mask|>",
        expand="<|expand|>", policy="dreamon", settings={"expand_id": EXPAND, "eos_id": END},
    ),
    Family(
        "Dream", "Qwen2ForCausalLM", "full", ("DreamModel", "Dream"), shifted=True, mask="<|mask|>",
        stop=("<|im_end|>",), template=CHATML, policy="dream", settings=_DREAM,
    ),
    Family(
        "Fast-dLLM v2", "Qwen2ForCausalLM", "block", ("Fast_dLLM_QwenForCausalLM", "Fast_dLLM_Qwen"), shifted=True,
        block_fields=("bd_size",), block_length=32, mask="|<MASK>|", stop=("<|im_end|>",), template=CHATML,
        policy="threshold", window=8,
    ),
    *(
        Family(
            f"SDAR{moe}, TraDo", f"Qwen3{moe}ForCausalLM", "block",
            (f"SDAR{moe}ForCausalLM", f"sdar{'_moe' if moe else ''}"), block_fields=("block_size",), block_length=4,
            mask="<|MASK|>", stop=("<|im_end|>",), template=CHATML, policy="sdar",
            settings={"denoising_steps": BLOCK, "remasking_strategy": "low_confidence_dynamic"},
        )
        for moe in ("", "Moe")
    ),
    Family(
        "OPDLM", "Qwen3ForCausalLM", "block", ("Qwen3ForCausalLM", "qwen3", "A2DQwen3LMHeadModel"), "(?i)opdlm",
        block_fields=("block_size", "bd_size", "block_length"), stop=("<|im_end|>",), template=CHATML,
    ),
    *(
        Family(
            f"A2D {base}{', blocks' if called else ''}", f"{base}ForCausalLM", "block" if called else "full",
            (f"A2D{base}LMHeadModel", f"a2d-{base.lower()}"), called, block_fields=("block_size",),
            block_length=32 if called else None, mask="<|mask|>", stop=("<|im_end|>",), template=CHATML,
            template_options={"enable_thinking": False}, policy="dllm_mdlm", length=128,
        )
        for base in ("Qwen2", "Qwen3")
        for called in ("bd3lm", "")
    ),
    Family("RND1", "Qwen3MoeForCausalLM", "full", ("RND1LM", "rnd1"), mask="<|MASK|>"),
    Family(
        "DiffusionGemma", "DiffusionGemmaForBlockDiffusion", "canvas",
        ("DiffusionGemmaForBlockDiffusion", "diffusion_gemma"), block_fields=("canvas_length",), block_length=256,
        policy="diffusion_gemma", length=256,
    ),
    Family(
        "bundled", "Qwen3ForCausalLM", "dual", ("Qwen3ForCausalLM", "qwen3"), shifted=True,
        # ends of text last: else they are committed first, and of forty ordinary prompts a third gets less than fifty
        # words (`python -m tests.benchmarks.bench prompts`)
        settings={"confidence_eos_eot_inf": True}, starts={"steps": 64, "temperature": 0.7, "seed": 2},
    ),
    Family(
        "ModernBERT chat", "AutoModelForMaskedLM", "masked", ("ModernBertForMaskedLM", "modernbert"),
        "(?i)modernbert.*chat", template=QUESTIONS, ending="[/Answer]",
        policy="dllm_mdlm", length=128, window=32,
    ),
    Family(
        "Sudoku", "AutoModelForMaskedLM", "masked", ("BoardForMaskedLM",), policy="threshold",
        settings={"threshold": 0.99}, length=81, columns=9,
    ),
    Family(
        "Sudoku, left to right", "AutoModelForCausalLM", "causal", ("BoardForCausalLM",), block_length=1,
        policy="threshold", length=81, columns=9,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Shipped:
    """A model that comes with the project: its folder in `assets`, and the fields of its config that are others."""

    folder: str
    config_values: Mapping[str, Any] = field(default_factory=dict)


SHIPPED: Mapping[str, Shipped] = {
    "bundled": Shipped("model"),
    "sudoku": Shipped("sudoku"),
    # the same weights, each forward thinking more briefly or longer
    "sudoku-shallow": Shipped("sudoku", {"loops": 1}),
    "sudoku-deep": Shipped("sudoku", {"loops": 8}),
    "sudoku-autoregressive": Shipped("sudoku/autoregressive"),
}

# repositories that were read about, none of them run here: weights, and licence, as in the table of docs/models.md
KNOWN: Mapping[str, tuple[float, str]] = {
    "dllm-hub/ModernBERT-base-chat-v0.1": (0.15e9, "Apache-2.0"),
    "dllm-hub/ModernBERT-large-chat-v0.1": (0.4e9, "Apache-2.0"),
    "dllm-hub/Qwen3-0.6B-diffusion-mdlm-v0.1": (0.6e9, "Apache-2.0"),
    "dllm-hub/Qwen3-0.6B-diffusion-bd3lm-v0.1": (0.6e9, "Apache-2.0"),
    "dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-mdlm-v0.1": (0.5e9, "Apache-2.0"),
    "dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-bd3lm-v0.1": (0.5e9, "Apache-2.0"),
    "GSAI-ML/LLaDA-8B-Base": (8e9, "MIT"),
    "GSAI-ML/LLaDA-8B-Instruct": (8e9, "MIT"),
    "GSAI-ML/LLaDA-1.5": (8e9, "MIT"),
    "GSAI-ML/iLLaDA-8B-Instruct": (7.6e9, "Apache-2.0"),
    "Dream-org/Dream-v0-Base-7B": (7.6e9, "Apache-2.0"),
    "Dream-org/Dream-v0-Instruct-7B": (7.6e9, "Apache-2.0"),
    "Dream-org/Dream-Coder-v0-Instruct-7B": (7.6e9, "Apache-2.0"),
    "Dream-org/DreamOn-v0-7B": (7.6e9, "Apache-2.0"),
    "apple/DiffuCoder-7B-Base": (7.6e9, "apple-amlr"),
    "apple/DiffuCoder-7B-Instruct": (7.6e9, "apple-amlr"),
    "apple/DiffuCoder-7B-cpGRPO": (7.6e9, "apple-amlr"),
    "Efficient-Large-Model/Fast_dLLM_v2_1.5B": (1.5e9, "Apache-2.0"),
    "Efficient-Large-Model/Fast_dLLM_v2_7B": (7.6e9, "Apache-2.0"),
    "JetLM/SDAR-1.7B-Chat": (1.7e9, "Apache-2.0"),
    "JetLM/SDAR-4B-Chat": (4e9, "Apache-2.0"),
    "JetLM/SDAR-8B-Chat": (8e9, "Apache-2.0"),
    "JetLM/SDAR-30B-A3B-Chat": (30e9, "Apache-2.0"),
    "Gen-Verse/TraDo-4B-Instruct": (4e9, "MIT"),
    "Gen-Verse/TraDo-8B-Instruct": (8e9, "MIT"),
    "Gen-Verse/TraDo-8B-Thinking": (8e9, "MIT"),
    "radicalnumerics/RND1-Base-0910": (30e9, "Apache-2.0"),
    "google/diffusiongemma-26B-A4B-it": (25.2e9, "Apache-2.0"),
}

MASKED = Family("masked language model", "AutoModelForMaskedLM", "masked")
# they have an entry in transformers' table, but are fed or read otherwise
_NOT_PLAIN = {"bart", "mbart", "mvp", "perceiver", "tapas", "layoutlm", "modernvbert", "ultravbert", "reformer", "luke"}


@dataclass(frozen=True)
class Pin:
    """A repository whose own code may run, if the operator allows it, at one commit and no other."""

    commit: str | None  # the beginning of it; None: none is known here, so the operator has to name one
    family: Family


_LING = Family(
    "LLaDA-MoE", "AutoModel", "own", mask="<|mask|>", mask_id=156895, stop=("<|role_end|>",)
)  # fmt: skip
_LLADA2 = replace(_LING, model="AutoModelForCausalLM", calls="blocks", block_length=32)
_MDLM = Family(
    "MDLM", "AutoModelForMaskedLM", "own", calls="time", policy="mdlm", mask_id=50257,
    tokenizer="openai-community/gpt2",
)  # fmt: skip
_BD3LM = replace(
    _MDLM, name="BD3-LM", calls="time, blocks", block_fields=("block_size",), policy="bd3lm",
    config_values={"attn_backend": "sdpa"},
)  # fmt: skip
_NEMOTRON = Family(
    "Nemotron-Labs-Diffusion", "AutoModel", "own", calls="encoder", block_fields=("block_size",), block_length=32,
    mask_id=100, policy="threshold",
)  # fmt: skip
PINS: Mapping[str, Pin] = {
    "GSAI-ML/iLLaDA-8B-Instruct": Pin("5769f04922", Family("iLLaDA", "AutoModelForCausalLM", "own", mask_id=5)),
    "inclusionAI/LLaDA-MoE-7B-A1B-Instruct": Pin(None, _LING),
    **{
        f"inclusionAI/LLaDA{kind}-{size}": Pin(None, replace(_LLADA2, name=f"LLaDA{kind}", policy=policy))
        for kind, policy in (("2.0", "llada2"), ("2.1", "llada21"))
        for size in ("mini", "flash")
    },
    **{
        f"nvidia/Nemotron-Labs-Diffusion-{size}{base}": Pin("16c67f0560" if size + base == "8B" else None, _NEMOTRON)
        for size in ("3B", "8B", "14B")
        for base in ("", "-Base")
    },
    "kuleshov-group/mdlm-no_flashattn-fp32-owt": Pin(None, _MDLM),
    **{f"kuleshov-group/bd3lm-owt-block_size{n}": Pin(None, _BD3LM) for n in (4, 8, 16)},
}


def recognise(config: Mapping[str, Any], name: str) -> Family | str:
    """The family that a config.json and a name belong to, or, for none, the sentence's half that says why not.

    Of owner/name only the name counts: an owner may be called after another model.
    """
    kind = str(config.get("model_type"))
    names = {kind, *(config.get("architectures") or ())}
    for family in FAMILIES:
        if names & set(family.known_by) and re.search(family.called, name.rpartition("/")[2]):
            return family
    if config.get("is_encoder_decoder") or kind in {"t5", "mt5", "bart", "mbart", "mvp", "pegasus", "marian"}:
        return f"is a sequence-to-sequence model ({kind}), which writes left to right"
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and kind not in _NOT_PLAIN:
        return MASKED
    return f"is of a kind ({kind}) that is not known here as a diffusion or masked language model"
