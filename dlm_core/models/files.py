"""What stands in a checkpoint's files, looked at before anything believes it.

A file may be a pointer of Git LFS, a web page or cut short, and a number in it may be a text, negative or missing: each
becomes one sentence that names the file, the field and the value.  Nothing here loads a model.
"""

import json
from collections.abc import Iterable, Mapping
from math import isfinite, prod
from pathlib import Path
from typing import Any

TEXTS = ["*.json", "*.txt", "*.model", "*.jinja"]
WEIGHTS = "*.safetensors"
INDEX = "model.safetensors.index.json"

# of the files that are fetched, those that transformers may read
_READ = (
    "*config.json", "tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt",
    "*.model", "*.jinja", INDEX,
)  # fmt: skip
_POINTER = b"version https://git-lfs"
_PAGES = (b"<!doctype html", b"<html", b"<?xml")
_LONGEST = 100_000_000  # bytes of a header, as the safetensors library itself allows
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32,
    "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
}  # fmt: skip

# fields of config.json under the names of all families, and the most that each can be; none can be less than 1
_SIZES = dict.fromkeys(
    (
        "vocab_size", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim",
        "max_position_embeddings", "embedding_size", "d_model", "n_heads", "n_kv_heads", "mlp_hidden_size",
        "max_sequence_length", "model_length", "dim", "hidden_dim", "block_size", "bd_size", "block_length",
        "canvas_length",
    ),
    2**31 - 1,
) | {"num_hidden_layers": 1000, "n_layers": 1000}  # fmt: skip
_COUNTS = ("type_vocab_size", "num_experts", "num_local_experts", "num_experts_per_tok", "moe_intermediate_size")
_POSITIVE = ("rms_norm_eps", "layer_norm_eps", "norm_eps", "rope_theta", "partial_rotary_factor", "factor")
_PARTS = ("rope_parameters", "rope_scaling")  # and all that end in _config


class ModelError(ValueError):
    """A model that cannot be loaded; the message says which, why, and what to do."""


def read_config(folder: Path, where: str) -> dict[str, Any]:
    """Return config.json as plain data, from a folder whose files are what they are called; raises `ModelError`."""
    if not list(folder.glob(WEIGHTS)):
        raise ModelError(f"{where} has no .safetensors file: other weight formats can run code and are refused")
    for file in sorted(file for pattern in _READ for file in folder.glob(pattern)):
        _check_itself(file, where)
    config = read_object(folder / "config.json", where)
    _check_numbers(config, "config.json", where)
    _check_others(config, where)
    try:
        weights = [folder / name for name in _names(folder)]
    except ValueError as error:
        raise ModelError(f"{where} could not be loaded: {error}, so restore its files") from error
    for file in weights:
        _check_itself(file, where)
    return config


def read_object(file: Path, where: str) -> dict[str, Any]:
    """Return the one object of a JSON file; raises `ModelError` that names the file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{where} could not be loaded: it has no {file.name}, so restore its files") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120]
        raise ModelError(
            f"{where} could not be loaded: {file.name} is not JSON ({reason}), so restore its files"
        ) from error
    if not isinstance(found, dict):
        raise ModelError(f"{where} could not be loaded: {file.name} is not an object, so restore its files")
    return found


def end_tokens(folder: Path, config: Mapping[str, Any], where: str) -> set[int]:
    """Return the ids that end a text, as config.json and generation_config.json say; raises `ModelError`.

    Both count, as for `generate()` of transformers, which takes one id or a list from either.
    """
    part = config.get("text_config")
    configs = [config, part if isinstance(part, dict) else {}]
    if (folder / "generation_config.json").exists():
        configs.append(read_object(folder / "generation_config.json", where))
        _check_numbers(configs[-1], "generation_config.json", where)
    ends: set[int] = set()
    for each in configs:
        end = each.get("eos_token_id")
        ends.update(end if isinstance(end, list) else [] if end is None else [end])
    return ends


def require_fields(config: Mapping[str, Any], fields: Iterable[str], where: str) -> None:
    """Refuse a config.json without sizes that no class can guess; raises `ModelError`."""
    for name in fields:
        if config.get(name) is None:
            raise ModelError(f"{where} has a config.json without {name}: restore the file")


def shards(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the weight files that are read, by name: the tensors that each holds, as its header says.

    A header that cannot be true of its file is a ValueError of one phrase.
    """
    return {name: _header(folder / name) for name in _names(folder)}


# --- weights ----------------------------------------------------------------------------------------------------------


def _names(folder: Path) -> list[str]:
    """Which weight files transformers reads: those of the index, else model.safetensors, else all that there are."""
    if (folder / INDEX).exists():
        try:
            table = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        except RecursionError as error:
            raise ValueError(f"{INDEX} is not JSON") from error
        files = table.get("weight_map") if isinstance(table, dict) else None
        if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
            raise ValueError(f"{INDEX} has no weight_map of tensors to files")
        for name in (names := sorted(set(files.values()))):
            if Path(name).name != name or not (folder / name).exists():
                raise ValueError(f"{INDEX} names the file {name[:80]!r}, which is not there")
        return names
    if (folder / "model.safetensors").exists():
        return ["model.safetensors"]
    return sorted(file.name for file in folder.glob(WEIGHTS))


def _header(file: Path) -> dict[str, dict[str, Any]]:
    size = file.stat().st_size
    with file.open("rb") as data:
        length = int.from_bytes(data.read(8), "little")
        if length > min(size - 8, _LONGEST):
            raise ValueError(
                f"{file.name} is cut short or no safetensors file: its header does not fit its {size} bytes"
            )
        try:
            header = json.loads(data.read(length))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the header of {file.name} is not JSON") from error
    if not isinstance(header, dict):
        raise ValueError(f"the header of {file.name} is not an object")
    tensors = {name: about for name, about in header.items() if name != "__metadata__"}
    for name, about in tensors.items():
        if not _is_tensor(about):
            raise ValueError(f"the header of {file.name} says of {name[:80]!r} what cannot be: {str(about)[:80]}")
        if about["data_offsets"][1] > size - 8 - length:
            raise ValueError(f"{file.name} is cut short: it has {size} bytes, and {name[:80]!r} lies beyond them")
    return tensors


def _is_tensor(about: Any) -> bool:
    """Whether a header's entry has a shape and a place that agree with each other."""
    if not isinstance(about, dict):
        return False
    shape, place, bits = about.get("shape"), about.get("data_offsets"), _BITS.get(str(about.get("dtype")))
    if not isinstance(shape, list) or not isinstance(place, list) or not all(map(_is_count, [*shape, *place])):
        return False
    if len(place) != 2:
        return False
    return place[0] <= place[1] and (bits is None or prod(shape) * bits == 8 * (place[1] - place[0]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value) and value >= 0


# --- texts ------------------------------------------------------------------------------------------------------------


def _check_itself(file: Path, where: str) -> None:
    """Refuse a file in whose place something else stands."""
    try:
        with file.open("rb") as data:
            start = data.read(64)
    except OSError as error:
        raise ModelError(f"{where} could not be loaded: {file.name} cannot be read ({error.strerror})") from error
    if start.startswith(_POINTER):
        raise ModelError(
            f"{where} has a pointer of Git LFS in place of {file.name}: run `git lfs pull` there, or download it again"
        )
    if start.lstrip().lower().startswith(_PAGES):
        raise ModelError(f"{where} has a web page in place of {file.name}: download the file again")
    if not start and file.suffix != ".txt":
        raise ModelError(f"{where} has an empty {file.name}: download the file again")


def _check_others(config: Mapping[str, Any], where: str) -> None:
    names, padding = config.get("architectures") or [], config.get("pad_token_id")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError(f"{where} has a config.json whose architectures must be a list of names, got {_cut(names)}")
    vocab = config.get("embedding_size") or config.get("vocab_size")
    if isinstance(padding, int) and isinstance(vocab, int) and _is_count(vocab) and padding >= vocab:
        raise ModelError(
            f"{where} has a config.json whose pad_token_id must be below its {vocab} tokens, got {padding}: restore it"
        )


def _check_numbers(config: Mapping[str, Any], file: str, where: str, within: str = "") -> None:
    """Refuse numbers that no model can have, also of a config within the config; of fields that are known here."""
    for name, value in config.items():
        if isinstance(value, dict) and (name.endswith("_config") or name in _PARTS):
            _check_numbers(value, file, where, f"{within}{name}.")
        elif value is not None and (rule := _broken(name, value)):
            raise ModelError(
                f"{where} has a {file} whose {within}{name} must be {rule}, got {_cut(value)}: restore the file"
            )


def _broken(name: str, value: Any) -> str | None:
    """Return what a field must be, if its value is not."""
    if name in _SIZES and not (_is_count(value) and 1 <= value <= _SIZES[name]):
        return f"a whole number from 1 to {_SIZES[name]}"
    if name in _COUNTS and not _is_count(value):
        return "a whole number of 0 or more"
    if name.endswith(("_dropout", "_dropout_prob")) and _is_number(value) and not 0 <= value <= 1:
        return "a number from 0 to 1"
    if name == "mask_token_id" and not _is_count(value):
        return "a token id, which is a whole number of 0 or more"
    if name == "eos_token_id" and not all(map(_is_count, value if isinstance(value, list) else [value])):
        return "a token id, which is a whole number of 0 or more, or a list of them"
    if name in _POSITIVE and not (_is_number(value) and isfinite(value) and value > 0):
        return "a number above 0"
    return None


def _cut(value: Any) -> str:
    return json.dumps(value)[:80]
