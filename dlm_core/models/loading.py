"""From a folder to a model that answers as a denoiser and, where it was trained for it, autoregressively.

Weights are read by transformers, from safetensors only.  A folder that is missing, foreign or damaged becomes one
`ModelError` sentence that says what to do.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from dlm_core.denoiser import Banned, Denoiser, Shifted
from dlm_core.trace import Piece

BUNDLED = Path(__file__).parents[2] / "assets" / "model"


class ModelError(ValueError):
    """A model that cannot be loaded; the message says which, why, and what to do."""


@dataclass(frozen=True, eq=False)
class FullAttention:
    """A causal language model read bidirectionally: its own output at each position, head only where asked."""

    model: PreTrainedModel
    mask_token_id: int

    @property
    def vocab_size(self) -> int:
        return self.model.config.vocab_size

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        states = self.model.model(input_ids=ids, is_causal=False, use_cache=False).last_hidden_state
        return self.model.lm_head(states[:, positions]).float()


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model with everything the rest of the project asks of one."""

    name: str
    revision: str | None
    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel = field(repr=False)
    denoiser: Denoiser = field(repr=False)
    mask_token_id: int
    stop_ids: tuple[int, ...]  # end of text: everything behind the first one is a tail
    context: int  # positions at most, prompt included

    def encode_prompt(self, text: str) -> list[int]:
        """Ids of the beginning-of-text token and the prompt; "[MASK]" in a prompt is six characters, not a mask."""
        ids = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
        return [self.tokenizer.bos_token_id, *ids]

    @torch.inference_mode()
    def ar_logits(self, ids: Tensor) -> Tensor:
        """`ids (batch, length)` to next-token logits `(batch, length, vocab)` under causal attention."""
        return self.model(input_ids=ids, is_causal=True, use_cache=False).logits.float()

    @cached_property
    def _byte_of(self) -> dict[str, int]:
        """The 256 stand-in characters of byte-level tokenizers, in the order of the bytes they stand for."""
        printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        hidden = [byte for byte in range(256) if byte not in printable]
        letters = {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
        assert set(letters) == set(ByteLevel.alphabet())
        return letters

    def piece(self, token_id: int) -> Piece:
        """The text of one token; its bytes if it is only part of a character; nothing for control tokens."""
        if token_id in self.tokenizer.all_special_ids:
            return ""
        text = self.tokenizer.decode([token_id])
        if "�" not in text:
            return text
        letters = self.tokenizer.convert_ids_to_tokens(token_id)
        return bytes(self._byte_of[letter] for letter in letters)

    def describe(self) -> dict[str, Any]:
        """What a run file says of the model."""
        return {
            "name": self.name,
            "revision": self.revision,
            "vocab_size": self.denoiser.vocab_size,
            "mask": self.mask_token_id,
            "stop": list(self.stop_ids),
        }


def fingerprint(folder: Path) -> str:
    """Twelve hex digits that change with the weights: two runs can only be equal if these are."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def load_model(
    name_or_path: str | Path = "bundled", *, revision: str | None = None, device: str = "auto", dtype: str = "auto"
) -> LoadedModel:
    """Load a model by name or folder; raises `ModelError` with one sentence.

    `device="auto"` takes cuda, then mps, then cpu; `dtype="auto"` is float32 on a CPU, where it is the fast one.
    """
    folder = BUNDLED if name_or_path == "bundled" else Path(name_or_path)
    where = f"the model {str(name_or_path)!r}"
    if not folder.is_dir():
        raise ModelError(f'{where} was not found: give "bundled" or a folder with config.json and safetensors weights')
    if not list(folder.glob("*.safetensors")):
        raise ModelError(f"{where} has no .safetensors file: other weight formats can run code and are refused")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind = getattr(torch, dtype) if dtype != "auto" else torch.float32 if device == "cpu" else torch.bfloat16
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, config=config, dtype=kind, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # transformers and safetensors raise many kinds; a visitor needs one sentence
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{where} could not be loaded ({reason}); restore its files or choose another model"
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"{where} lacks {len(missing)} weights, the first is {missing[0]}: it is not whole")
    for token in ("mask_token", "bos_token", "eos_token"):
        if getattr(tokenizer, token) is None:
            raise ModelError(f"{where} has no {token.replace('_', ' ')} in its tokenizer, so it cannot be denoised")
    model.to(device).eval()
    network = FullAttention(model, tokenizer.mask_token_id)
    banned = sorted(set(tokenizer.all_special_ids) - {tokenizer.eos_token_id})
    return LoadedModel(
        name="bundled" if name_or_path == "bundled" else folder.name,
        revision=fingerprint(folder),
        tokenizer=tokenizer,
        model=model,
        denoiser=Banned(Shifted(network), banned),
        mask_token_id=tokenizer.mask_token_id,
        stop_ids=(tokenizer.eos_token_id,),
        context=config.max_position_embeddings,
    )
