"""Tiny random checkpoints in the layouts that are published: config fields, weight names, tokenizer files."""

import json

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

COMMIT = "0123456789" * 4
LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = [("Ġ", "t"), ("Ġ", "a"), ("h", "e"), ("Ġt", "he")]
WORDS = ["the", "cat", "sat", "play", "##ing", "##s", "##ed", ".", ",", "!", "a", "on", "mat", "[MASK", "(", ")"]


def byte_level(folder, special, chat_template=None, extra=(), **roles):
    """A byte-level tokenizer whose control tokens stand behind all others; `roles` as in tokenizer_config.json."""
    words = [*LETTERS, *("".join(pair) for pair in MERGES), *extra]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles)
    fast.chat_template = chat_template
    fast.save_pretrained(folder)
    return len(fast)


def word_pieces(folder):
    """A tokenizer of BERT's kind, lower case, with `##` pieces."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(97, 123) if chr(c) not in WORDS]
    vocab = {word: i for i, word in enumerate([*special, *WORDS, *letters, *(f"##{letter}" for letter in letters)])}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles).save_pretrained(folder)
    return len(vocab)


def metaspace(folder):
    """A tokenizer of SentencePiece's kind, with `▁` for spaces, as in XLM-RoBERTa."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words = ["▁the", "▁cat", "▁s", "at", "▁", *"abcdefghijklmnopqrstuvwxyz", ".", "é"]
    vocab = [(token, 0.0) for token in special] + [(word, -1.0 - i / 10) for i, word in enumerate(words)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer.add_special_tokens(["<mask>"])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, cls_token="<s>", bos_token="<s>", sep_token="</s>", eos_token="</s>",
        pad_token="<pad>", unk_token="<unk>", mask_token="<mask>",
    ).save_pretrained(folder)  # fmt: skip
    return len(vocab) + 1


def weights(model_class, config, seed=0):
    """A model of random weights large enough that its answers differ everywhere."""
    torch.manual_seed(seed)
    model = model_class(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def rewrite_config(folder, **fields):
    """Set fields of config.json; None removes one."""
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    config = {name: value for name, value in (config | fields).items() if value is not None}
    file.write_text(json.dumps(config), encoding="utf-8")


def rename_weights(folder, rename):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    save_file({rename(name): tensor for name, tensor in tensors.items()}, file, metadata={"format": "pt"})


def dream(folder):
    """A model of Dream's layout, which chats, in several shards."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|beginoftext|>", "<|mask|>"]
    size = byte_level(folder, special, bos_token="<|beginoftext|>", eos_token=special[0])
    config = Qwen2Config(
        vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256,
    )  # fmt: skip
    weights(Qwen2ForCausalLM, config).save_pretrained(folder, max_shard_size=30_000)
    rewrite_config(folder, architectures=["DreamModel"], model_type="Dream")
    return folder
