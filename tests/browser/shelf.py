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
