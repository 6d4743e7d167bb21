"""Tiny random checkpoints for a menu of models: one that chats, one that fills in, in folders of their own."""

from pathlib import Path

import checkpoints
import transformers


def bert(folder: Path) -> Path:
    """A masked language model that was never trained."""
    size = checkpoints.word_pieces(folder)
    config = transformers.BertConfig(
        vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=128,
    )  # fmt: skip
    checkpoints.weights(transformers.BertForMaskedLM, config).save_pretrained(folder)
    return folder


def dream(folder: Path) -> Path:
    """A model of Dream's layout, which chats, in several shards."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|beginoftext|>", "<|mask|>"]
    size = checkpoints.byte_level(folder, special, bos_token="<|beginoftext|>", eos_token=special[0])
    config = transformers.Qwen2Config(
        vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256,
    )  # fmt: skip
    checkpoints.weights(transformers.Qwen2ForCausalLM, config).save_pretrained(folder, max_shard_size=30_000)
    checkpoints.rewrite_config(folder, architectures=["DreamModel"], model_type="Dream")
    return folder
