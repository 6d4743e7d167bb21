"""From a name to a model that answers as a denoiser and, where it was trained for it, autoregressively.

Weights are read by transformers, from safetensors only, into its own classes.  A model that is missing, foreign or
damaged becomes one `ModelError` sentence that says what to do.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import is_protobuf_available, is_sentencepiece_available

import dlm_core.models.board  # noqa: F401  its classes are known to transformers from here on
from dlm_core.canvas import Canvas, aligned, blocks
from dlm_core.conversation import Message
from dlm_core.denoiser import Banned, BothOrders, Denoiser, Shifted
from dlm_core.files import ASSETS
from dlm_core.models.compat_v4 import transformers_v4_compat
from dlm_core.models.files import ModelError, end_tokens, read_config, require_fields, shards
from dlm_core.models.hub import allowed, fetched, identity, is_folder, locate, sentence
from dlm_core.models.memory import available
from dlm_core.models.networks import (
    BlockAttention,
    BlockCache,
    CanvasDecoder,
    CausalPrefix,
    CausalWriter,
    FullAttention,
    MaskedEncoder,
    RemoteCode,
    RemoteCodeBlocks,
    RemoteCodeEncoder,
    RemoteCodeTime,
    RemoteCodeTimeBlocks,
    WindowCache,
    quicken_few_rows,
)
from dlm_core.models.progress import Progress, ProgressCallback, reading_progress
from dlm_core.models.registry import BLOCK, END, EXPAND, KNOWN, PINS, SHIPPED, Attention, Family, recognise
from dlm_core.models.text import Text
from dlm_core.trace import Piece

BUNDLED = ASSETS / SHIPPED["bundled"].folder
CACHES = ("prefix", "dual")  # approximate, and never on by themselves
REHEARSED = (24, 40)  # two lengths: what is compiled for one alone is compiled again for the next
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model with everything the rest of the project asks of one."""

    name: str
    revision: str | None
    text: Text = field(repr=False)
    model: PreTrainedModel = field(repr=False)
    build: Callable[[str | None], Denoiser] = field(repr=False)  # given one of CACHES, or None
    mask_token_id: int | None
    stop_ids: tuple[int, ...]  # end of text: everything after the first one is a tail
    context: int  # positions at most, prompt included
    ar_logits: Callable[[Tensor], Tensor] | None = None  # ids to next-token logits, where it was trained for that too
    ending: tuple[int, ...] = ()  # tokens that in this order end a text too
    closing: tuple[int, ...] = ()  # what stands after every text, fixed
    attention: Attention = "full"
    block_length: int | None = None  # of its attention; None: it sees everything
    window: int | None = None  # positions that a policy works on at a time, unless asked otherwise
    columns: int | None = None  # positions a row, where a canvas is a grid and no line of text
    opens: bool = False  # the first position of a block is settled before the others are asked about
    policy: str = "llada"  # how its authors decode, and with what
    settings: Mapping[str, Any] = field(default_factory=dict)
    length: int = 96
    starts: Mapping[str, Any] = field(default_factory=dict)  # what a page begins with, where not a policy's defaults
    cache: str | None = None  # which of CACHES its denoisers approximate by

    @property
    def denoiser(self) -> Denoiser:
        """A fresh denoiser: one that keeps a cache or its own last answer keeps them for one run."""
        return self.build(None)

    def causal_logits(self, ids: Tensor) -> Tensor:
        """Return `ar_logits` of `ids (batch, length)`; ValueError for a model that was not trained to read so."""
        if self.ar_logits is None:
            raise ValueError(f"the model {self.name} does not read left to right")
        return self.ar_logits(ids)

    @property
    def token_ids(self) -> dict[str, Any]:
        """What a policy's parameters of these names are, unless they are given: only a model knows its own tokens."""
        ids = {"eos_id": self.tokenizer.eos_token_id, "stop_ids": self.stop_ids}
        return {name: token for name, token in ids.items() if token not in (None, ())}

    def cached(self, kind: str) -> "LoadedModel":
        """This model with denoisers that approximate, by a prefix or a dual cache; ValueError where it cannot be."""
        if kind not in CACHES:
            raise ValueError(f"cache must be one of {', '.join(CACHES)}, got {kind!r}")
        if not self.caches:
            raise ValueError(
                f"an approximate cache is for decoders that see the whole canvas, and {self.name} is none: leave it out"
            )
        return replace(self, build=lambda _: self.build(kind), cache=kind)

    @property
    def caches(self) -> tuple[str, ...]:
        """The approximate caches that it can have: only a decoder that sees the whole canvas has any."""
        return CACHES if self.attention in ("full", "dual") else ()

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.text.tokenizer

    @property
    def chats(self) -> bool:
        """Whether a prompt is put as a question, through a chat template, and may be a conversation."""
        return self.text.template is not None

    def encode_prompt(self, prompt: str, conversation: Sequence[Message] = ()) -> list[int]:
        """Token ids before the part to be written; "[MASK]" in a prompt is six characters, not a mask.

        `conversation` are the messages before the prompt; ValueError where the model, or its chat template, takes none.
        """
        return self.text.encode(prompt, conversation)

    def piece(self, token_id: int) -> Piece:
        """The text of one token; its bytes if it is only part of a character; nothing for control tokens."""
        return self.text.piece(token_id)

    def canvas(self, prompt: Sequence[int], length: int, seed: int = 0) -> Canvas:
        """The prompt, `length` positions of noise, and what closes a text.

        Noise is masks, or random tokens of their own stream of `seed` where the model has no mask.
        """
        if self.mask_token_id is not None:
            noise = torch.full((length,), self.mask_token_id)
        else:
            generator = torch.Generator().manual_seed(2**63 - 1 - seed)
            noise = torch.randint(self.denoiser.vocab_size, (length,), generator=generator)
        ids = [*prompt, *noise.tolist(), *self.closing]
        return Canvas(ids, [not len(prompt) <= i < len(prompt) + length for i in range(len(ids))])

    def windows(self, start: int, stop: int, block_length: int | None = None) -> list[tuple[int, int]]:
        """Cut the part to be written as the model's attention wants it, or finer; ValueError where that cannot be."""
        own, counted = self.block_length, start if self.attention == "canvas" or self.opens else 0
        if own is None and block_length is None and self.window:
            return aligned(start, stop, self.window, origin=start)
        if own is None:
            return blocks(start, stop, block_length)
        if self.attention == "canvas" and block_length not in (None, own):
            raise ValueError(f"this model writes canvases of {own}, so the block length cannot be {block_length}")
        if block_length is not None and own % block_length:
            raise ValueError(f"block length must divide this model's own, {own}, got {block_length}")
        finer = self.window if self.window and own % self.window == 0 else own
        cut = aligned(start, stop, block_length or finer, origin=counted)
        first = ((lo, lo + self.opens) for lo, _ in cut)
        return [(lo, hi) for opening, rest in zip(first, cut) for lo, hi in (opening, (opening[1], rest[1])) if lo < hi]

    def describe(self) -> dict[str, Any]:
        """What a run file says of the model."""
        more = {"expand": self.settings.get("expand_id"), "ending": list(self.ending), "columns": self.columns}
        return {
            "name": self.name,
            "revision": self.revision,
            "vocab_size": self.denoiser.vocab_size,
            "mask": self.mask_token_id,
            "stop": list(self.stop_ids),
        } | {name: value for name, value in more.items() if value}


def load_model(
    name_or_path: str | Path = "bundled", *, revision: str | None = None, device: str = "auto", dtype: str = "auto",
    on_progress: ProgressCallback | None = None, compiled: bool = False,
) -> LoadedModel:  # fmt: skip
    """Load a model by name: of one that ships ("bundled"), a folder, or a repository of the hub.

    Raises `ModelError` with one sentence.

    `device="auto"` takes cuda, then mps, then cpu.  `dtype="auto"` is float32 on a CPU, but bfloat16 for a billion
    weights or more where the CPU has units for it; elsewhere bfloat16.  `revision` is a branch, tag or commit of a
    repository.  `on_progress` is called often, and may end the loading by raising `Cancelled`; one such at a time.
    On the device "meta" no weights are read: such a model says everything of itself, reads prompts and checks requests,
    but cannot be run.  `compiled` spends the time that torch.compile takes now, so that every forward is faster; where
    there is no compiler, or it cannot, the model is as it would have been.
    """
    name = str(name_or_path)
    where = f"the model {name!r}"
    pin = PINS.get(name)
    shipped = SHIPPED.get(name)
    if shipped:
        folder = ASSETS / shipped.folder
    else:
        folder = allowed(name, pin, revision, on_progress) if pin else locate(name, revision, on_progress=on_progress)
    called, commit = identity(folder)
    if shipped or pin or not is_folder(name, revision):
        called = name
    elif called in PINS:
        raise ModelError(f"{where} runs code of its own, which is never taken from a folder: load it as {called}")
    config_json = read_config(folder, where)
    family = pin.family if pin else recognise(config_json, called)
    if isinstance(family, str):
        raise ModelError(f"{where} {family}: choose another model")
    place = _device(device)
    kind = _dtype(dtype, place, weights := _weights(folder, where))
    if not (on_meta := place.type == "meta"):
        _require_memory(weights * kind.itemsize, where)
    try:
        with transformers_v4_compat() if family.attention == "own" else nullcontext():
            config = _config(family, config_json, folder, where)
            config.update(dict(shipped.config_values) if shipped else {})
            tokenizer = _tokenizer(family, folder, where)
            model, report = (
                _on_meta_device(family, config) if on_meta else _with_weights(family, config, folder, kind, on_progress)
            )
    except ModelError:
        raise
    except Exception as error:  # transformers and safetensors raise many kinds; a visitor needs one sentence
        raise ModelError(sentence(where, error)) from error
    _require_all_weights(family, report, where)
    try:
        model.to(place).eval().requires_grad_(False)
    except (RuntimeError, MemoryError) as error:
        raise ModelError(sentence(where, error)) from error
    commit = commit or fingerprint(folder, on_progress)
    ends = end_tokens(folder, config_json, where)
    loaded = _loaded_model(family, config_json, called, commit, model, tokenizer, ends, where)
    if compiled and not on_meta:
        _compile(loaded)
    return loaded


def _compile(loaded: LoadedModel) -> None:
    """Compile the network for canvases of any length, by asking it about two; if that fails, leave it as it was.

    A run begins with ids from elsewhere and goes on with those it made in inference mode: each kind is compiled.
    """
    network = loaded.model.base_model
    network.compile(dynamic=True)
    canvases = [torch.tensor(loaded.canvas([], length).ids)[None] for length in REHEARSED]
    try:
        with torch.inference_mode():
            for ids in [*canvases, *[ids.clone() for ids in canvases]]:
                loaded.denoiser(ids, torch.arange(ids.shape[1]))
    except Exception as error:  # no compiler, or one that does not know this network: of many kinds, and none matters
        network._compiled_call_impl = None
        _log.warning("%s is not compiled: %s", loaded.name, str(error).strip().splitlines()[:1])


def _with_weights(
    family: Family, config: PretrainedConfig, folder: Path, dtype: torch.dtype, on_progress: ProgressCallback | None
) -> tuple[PreTrainedModel, Mapping[str, Any]]:
    """The network with its weights, and which of them were missing or left over."""
    with reading_progress(folder, on_progress):
        return getattr(transformers, family.model).from_pretrained(
            folder, config=config, dtype=dtype, key_mapping=dict(family.weight_names) or None, use_safetensors=True,
            local_files_only=True, output_loading_info=True, trust_remote_code=family.attention == "own",
            ignore_mismatched_sizes=True,
        )  # fmt: skip


def _on_meta_device(family: Family, config: PretrainedConfig) -> tuple[PreTrainedModel, Mapping[str, Any]]:
    """The network as shapes alone, with nothing missing from it."""
    network = getattr(transformers, family.model)
    with torch.device("meta"):
        if isinstance(network, type) and issubclass(network, PreTrainedModel):
            model = network(config)
        else:
            model = network.from_config(config, trust_remote_code=family.attention == "own")
    return model, {"missing_keys": (), "unexpected_keys": (), "mismatched_keys": ()}


def fingerprint(folder: Path, on_progress: ProgressCallback | None = None) -> str:
    """Twelve hex digits that change with the weights: two runs can only be equal if these are."""
    digest, done = hashlib.sha256(), 0
    files = sorted(folder.glob("*.safetensors"))
    total = sum(file.stat().st_size for file in files)
    for number, file in enumerate(files):
        with file.open("rb") as data:
            while part := data.read(1 << 24):
                digest.update(part)
                done += len(part)
                if on_progress is not None:
                    on_progress(Progress("check", done, total, number, len(files)))
    return digest.hexdigest()[:12]


class Requirements(NamedTuple):
    """What a model requires, as far as it is known before it is loaded."""

    memory: int | None = None  # bytes of its weights, in the type in which they would be loaded here
    gpu: bool | None = None  # whether it is slow without one
    licence: str | None = None


def requirements(name: str, revision: str | None = None) -> Requirements:
    """Return what a model requires, from its files where they are on this machine, else from the registry."""
    local = Path(name).is_dir()
    weights, licence = KNOWN.get(identity(Path(name))[0] if local else name, (None, None))
    shipped = SHIPPED.get(name)
    folder = ASSETS / shipped.folder if shipped else Path(name) if local else fetched(name, revision)
    try:
        if folder is not None:
            weights = _weights(folder, "")
    except ModelError:
        pass  # whoever loads it learns what is wrong with its files
    if weights is None:
        return Requirements(licence=licence)
    return Requirements(int(weights * _dtype("auto", _device("auto"), weights).itemsize), weights > _MANY, licence)


def _weights(folder: Path, where: str) -> int:
    """How many numbers a checkpoint's files hold."""
    try:
        return sum(prod(about["shape"]) for tensors in shards(folder).values() for about in tensors.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ModelError(sentence(where, error)) from error


def _require_memory(size: int, where: str) -> None:
    """Refuse what the memory cannot hold: trying would end the process, and not with an error."""
    free = available()
    if free is not None and size > free:
        raise ModelError(
            f"{where} needs {size / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free: choose a smaller model, or "
            "free some memory"
        )


def _device(device: str) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f'the device {device!r} cannot be used here: choose "auto", "cpu", "cuda" or "mps"') from error


_LARGE, _MANY = 1e9, 2e9  # weights: from here on a CPU's memory is worth saving; beyond here a CPU is slow


def _dtype(dtype: str, place: torch.device, weights: float = 0) -> torch.dtype:
    if dtype == "auto" and place.type == "cpu":
        units = any(here for unit, here in torch.cpu.get_capabilities().items() if unit.endswith("bf16"))
        return torch.bfloat16 if units and weights >= _LARGE else torch.float32
    if dtype == "auto":  # older GPUs have no units for bfloat16
        return torch.float16 if place.type == "cuda" and not torch.cuda.is_bf16_supported() else torch.bfloat16
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise ModelError(f'the dtype must be "auto", "float32", "bfloat16" or "float16", got {dtype!r}')
    return kind


_AS_SAVED = ("masked", "dual", "canvas", "own", "causal")  # config and tokenizer are transformers' own, or their own
# what every config has says how a model computes or was saved, and not what it is; how it computes is settled here
_NOT_CONFIG = {each.name for each in fields(PretrainedConfig)} | {
    "model_type", "auto_map", "torch_dtype", "output_attentions", "attn_implementation", "experts_implementation"
}  # fmt: skip
_NEEDED = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


def _config(family: Family, config_json: Mapping[str, Any], folder: Path, where: str) -> PretrainedConfig:
    """The checkpoint's own config, or, for one that is mapped onto another class, that class's with its fields."""
    if family.attention in _AS_SAVED:
        own = family.attention == "own"
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=own)
        config.update(dict(family.config_values))
        return config if own else _default_implementations(config)
    names = family.config_names or {name: name for name in config_json if name not in _NOT_CONFIG and name[:1] != "_"}
    theirs = {ours: name for name, ours in family.config_names.items()}
    require_fields(config_json, [theirs.get(name, name) for name in _NEEDED], where)
    given = {ours: config_json[name] for name, ours in names.items() if config_json.get(name) is not None}
    given |= {name: None for name in ("rope_scaling", "sliding_window") if not given.get(name)}  # some say false
    config = getattr(transformers, family.model).config_class(**given)
    config.is_causal = False
    return config


def _default_implementations(config: PretrainedConfig) -> PretrainedConfig:
    """Forget how a config wants attention and experts computed, and what it wants answered: its parts too."""
    config._attn_implementation = config._experts_implementation = None
    for part in [config, *(getattr(config, name) for name in config.sub_configs)]:
        if part is not None:
            part.output_attentions = part.output_hidden_states = False
            part.return_dict = True
    return config


def _tokenizer(family: Family, folder: Path, where: str) -> PreTrainedTokenizerBase:
    """Of a mapped checkpoint, the tokenizer file as it is, or else Qwen's from its vocabulary and merges."""
    whole = family.tokenizer or any((folder / name).exists() for name in ("tokenizer.json", "vocab.json", "vocab.txt"))
    pieces = [] if whole else sorted(folder.glob("*.model"))
    if pieces and not (is_sentencepiece_available() and is_protobuf_available()):
        raise ModelError(
            f"{where} has its tokenizer as a file of SentencePiece alone ({pieces[0].name}), which two more packages "
            "read: `pip install sentencepiece protobuf`"
        )
    if family.tokenizer:
        folder = locate(family.tokenizer, weights=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    elif family.attention in _AS_SAVED or pieces:
        own = family.attention == "own"
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=own)
    elif (folder / "tokenizer.json").exists():
        tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    else:
        tokenizer = transformers.Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
    if family.mask is not None and family.mask in tokenizer.get_vocab():
        tokenizer.add_special_tokens({"mask_token": family.mask})
    return tokenizer


def _require_all_weights(family: Family, report: Mapping[str, Any], where: str) -> None:
    """Refuse a checkpoint that does not fill its class, and a mapped one that has more than fits in it."""
    for key, shape, wanted in sorted(report["mismatched_keys"]):
        raise ModelError(
            f"{where} has weights of other sizes than its config.json says, the first is {key}, {tuple(shape)} and not "
            f"{tuple(wanted)}: restore its files"
        )
    missing = sorted(report["missing_keys"])
    if missing and family.attention == "masked":
        raise ModelError(
            f"{where} has no trained masked-language-model head ({len(missing)} weights are missing, the first is "
            f"{missing[0]}): choose a checkpoint that was saved with its head"
        )
    if missing:
        raise ModelError(f"{where} lacks {len(missing)} weights, the first is {missing[0]}: it is not whole")
    extra = sorted(key for key in report["unexpected_keys"] if not re.search(r"inv_freq|position_ids", key))
    if extra and family.attention in ("full", "block"):
        raise ModelError(
            f"{where} has {len(extra)} weights that a {family.name} does not have, the first is {extra[0]}: "
            "it is of another kind than its config.json says"
        )


def _loaded_model(
    family: Family, config_json: Mapping[str, Any], name: str, revision: str, model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase, ends: set[int], where: str,
) -> LoadedModel:  # fmt: skip
    vocab = model.config.get_text_config().vocab_size
    mask = None if family.attention == "canvas" else tokenizer.mask_token_id
    if mask is None and family.attention != "canvas":
        mask = family.mask_id if config_json.get("mask_token_id") is None else config_json["mask_token_id"]
        if mask is None:
            raise ModelError(f"{where} has no mask token in its tokenizer, so it cannot be denoised: choose another")
    known = tokenizer.get_vocab()
    template = None if "-Base" in name else _template(tokenizer, where) or family.template
    ends = {tokenizer.eos_token_id, *ends, *(known[token] for token in family.stop if token in known)}
    opening, closing = [tokenizer.bos_token_id], []
    if family.attention == "masked":
        first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
        opening, closing = [first], [] if template else [last]
        ends = {*ends, last, tokenizer.pad_token_id, known.get(family.ending)} if template else set()
    opening, closing = ([token for token in each if token is not None] for each in (opening, closing))
    for what, token in [("mask", mask), *(("first", t) for t in opening), *(("last", t) for t in closing)]:
        if token is not None and token >= vocab:
            raise ModelError(
                f"{where} has a {what} token, {token}, that is not one of its {vocab} tokens: its tokenizer or its "
                "config.json is not of these weights, so restore its files"
            )
    stop = tuple(sorted(token for token in ends if token is not None and token < vocab))
    block = next(
        (config_json[at] for at in family.block_fields if isinstance(config_json.get(at), int)), family.block_length
    )
    room = known.get(family.expand)
    control = tuple(token for token in (mask, room, *stop) if token is not None)
    text = Text(tokenizer, tuple(opening), template, family.template_options, control)
    meant = {BLOCK: block, EXPAND: room, END: tokenizer.eos_token_id}
    banned = sorted(
        token for token in {mask, *tokenizer.all_special_ids} - {*stop, room} if token is not None and token < vocab
    )
    return LoadedModel(
        name=name, revision=revision, text=text, model=model, mask_token_id=mask, stop_ids=stop,
        build=_builder(family, model, mask, block, banned, where), context=_context(model, tokenizer, where),
        ar_logits=_next_token(model) if family.attention == "dual" else None,
        ending=tuple(text.plain(family.ending)) if family.ending and family.ending not in known else (),
        closing=tuple(closing), attention=family.attention,
        window=family.window, opens=family.calls == "encoder",
        block_length=block if family.attention in ("block", "canvas", "own", "causal") else None, length=family.length,
        starts=family.starts, policy=family.policy, columns=family.columns,
        settings={name: meant.get(value, value) for name, value in family.settings.items()},
    )  # fmt: skip


def _template(tokenizer: PreTrainedTokenizerBase, where: str) -> str | None:
    """A checkpoint's chat template; of several with names, the one that transformers takes unasked."""
    given = tokenizer.chat_template
    if isinstance(given, Mapping):
        if "default" not in given:
            raise ModelError(
                f"{where} has chat templates called {', '.join(sorted(map(str, given)))[:120]} and none called "
                "default: call one of them so in its tokenizer_config.json"
            )
        given = given["default"]
    if given is not None and not isinstance(given, str):
        raise ModelError(f"{where} has a chat template that is no text, got {str(given)[:80]!r}: restore its files")
    return given


def _builder(
    family: Family, model: PreTrainedModel, mask: int | None, block: int | None, banned: Sequence[int], where: str
) -> Callable[[str | None], Denoiser]:
    """Return what makes a denoiser for one run, given one of `CACHES` or None.

    A process of random tokens has every token as noise, so none is banned.
    """

    def block_length() -> int:
        if block is None:
            raise ModelError(f"{where} does not say how long its blocks are: config.json needs a field block_size")
        return block

    def finished(network: Denoiser) -> Denoiser:
        return Banned(Shifted(network) if family.shifted else network, banned)

    if family.attention == "canvas":
        canvas = block_length()
        return lambda _: CanvasDecoder(model, canvas)
    if family.calls == "encoder":
        size = block_length()
        return lambda _: finished(RemoteCodeEncoder(model, mask, size))
    if family.attention == "causal":
        return lambda _: finished(CausalWriter(model, mask))
    if family.attention == "block":
        in_blocks = BlockAttention(model, mask, block_length())
        return lambda _: finished(BlockCache(in_blocks))
    if family.attention == "own":
        own: Denoiser = (
            {"blocks": RemoteCodeBlocks, "time, blocks": RemoteCodeTimeBlocks}[family.calls](model, mask, block)
            if block is not None else {"ids": RemoteCode, "time": RemoteCodeTime}[family.calls](model, mask)
        )  # fmt: skip
        return lambda _: finished(own)
    if family.attention == "masked":
        encoder = MaskedEncoder(model, mask)
        return lambda _: finished(encoder)
    full = FullAttention(model, mask)

    def any_order(cache: str | None) -> Denoiser:
        return finished(WindowCache(full, suffix=cache == "dual") if cache else full)

    if family.attention == "dual":
        quicken_few_rows(model)
        return lambda cache: BothOrders(any_order(cache), finished(CausalPrefix(model, mask)))
    return any_order


def _next_token(model: PreTrainedModel) -> Callable[[Tensor], Tensor]:
    @torch.inference_mode()
    def ar_logits(ids: Tensor) -> Tensor:
        """`ids (batch, length)` to next-token logits `(batch, length, vocab)` under causal attention."""
        return model(input_ids=ids.to(model.device), is_causal=True, use_cache=False).logits.float()

    return ar_logits


def _context(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, where: str) -> int:
    """Positions at most: what config and tokenizer say, less those that learned positions keep for padding."""
    config = model.config.get_text_config()
    most = getattr(config, "max_position_embeddings", None) or getattr(config, "model_length", None) or 512
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            most = module.num_embeddings - module.padding_idx - 1
    length = tokenizer.model_max_length
    if not isinstance(length, int | float) or not length >= 1:
        raise ModelError(
            f"{where} has a tokenizer_config.json whose model_max_length must be a number of 1 or more, got "
            f"{str(length)[:80]}: restore the file"
        )
    return int(min(most, length))
