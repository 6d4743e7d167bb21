"""Networks of transformers as denoisers: what each position sees, the head only where asked, exact caches and others.

Each takes ids on any device, computes where its weights are, and answers in float32 there.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from dlm_core.denoiser import mask_of

FEW_ROWS = 5  # up to which weights times rows takes less time than rows times weights


class FewRows(nn.Linear):
    """A linear map that takes little longer for a few rows than for one, where a CPU works it out.

    A draft, its check and a cached block are a few rows.  BLAS multiplies them with the weights from the right as it
    would many, and takes twice as long for four rows as for one; from the left it takes a fifth longer.
    """

    def forward(self, input: Tensor) -> Tensor:
        rows = input.shape[:-1].numel()
        if self._parameters["bias"] is not None or not 1 < rows <= FEW_ROWS or input.device.type != "cpu":
            return super().forward(input)
        return (self.weight @ input.reshape(rows, -1).T).T.contiguous().unflatten(0, input.shape[:-1])


def quicken_few_rows(model: PreTrainedModel) -> None:
    """Let the layers of a network take a few rows as `FewRows` does, in place; its head stays as it is."""
    for module in model.base_model.modules():
        if type(module) is nn.Linear:
            module.__class__ = FewRows


def _no_states() -> Tensor:
    """No positions: what a cache holds before anything is read."""
    return torch.empty(0, 0, 0)


@dataclass(eq=False)
class _Network:
    model: PreTrainedModel
    mask_token_id: int | None

    @property
    def vocab_size(self) -> int:
        return self.model.config.get_text_config().vocab_size

    def head(self, states: Tensor) -> Tensor:
        """`states (batch, n, hidden)` to float32 logits."""
        return self.model.lm_head(states).float()


@dataclass(eq=False)
class FullAttention(_Network):
    """A decoder read bidirectionally: its own output at each position."""

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        states = self.model.model(
            input_ids=ids.to(self.model.device), is_causal=False, use_cache=False
        ).last_hidden_state
        return self.head(states[:, positions.to(states.device)])


class _Cached:
    """A denoiser that keeps what a network has computed: same vocabulary, same mask."""

    network: _Network

    @property
    def vocab_size(self) -> int:
        return self.network.vocab_size

    @property
    def mask_token_id(self) -> int | None:
        return self.network.mask_token_id


class _CacheWithGap(DynamicCache):
    """Keys and values of a whole canvas, in which those from `lo` to `hi` give way to whatever is computed now."""

    def __init__(self, whole: DynamicCache, lo: int, hi: int) -> None:
        super().__init__()
        self.whole, self.lo, self.hi = whole, lo, hi

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        def around(kept: Tensor, new: Tensor) -> Tensor:
            kept = kept.expand(len(new), -1, -1, -1)
            return torch.cat([kept[:, :, : self.lo], new, kept[:, :, self.hi :]], dim=2)

        layer = self.whole.layers[layer_idx]
        return around(layer.keys, key_states), around(layer.values, value_states)


@dataclass(eq=False)
class WindowCache(_Cached):
    """Fast-dLLM's caches around a network that sees everything (arXiv 2505.22618): an approximation.

    The first forward of a window computes the whole canvas and keeps the keys and values; those that follow compute
    from the window on (prefix cache) or, with `suffix`, the window alone (dual cache), as if all else stood still.  It
    does not: in a bidirectional network every key moves with every token, so the answers are near the network's own
    and not equal to them.  One run, one cache; without `focus` it keeps nothing.
    """

    one_run: ClassVar[bool] = True
    network: FullAttention
    suffix: bool = False
    _window: tuple[int, int] | None = field(default=None, init=False)  # None: nobody focuses, so nothing is kept
    _kept: DynamicCache | None = field(default=None, init=False)
    _shape: tuple[int, int] = field(default=(0, 0), init=False)  # of the canvases that it was computed from

    def focus(self, lo: int, hi: int) -> slice:
        if (lo, hi) != self._window:
            self._window, self._kept = (lo, hi), None
        return slice(lo, hi if self.suffix else None)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        rows, length = ids.shape
        lo, cache = 0, DynamicCache()
        if self._window is None or self._kept is None or self._shape not in ((1, length), (rows, length)):
            states = self._states(ids, 0, length, cache)
            if self._window is not None:
                self._kept, self._shape = cache, (rows, length)
        else:
            lo, hi = self._window[0], self._window[1] if self.suffix else length
            states = self._states(ids, lo, hi, _CacheWithGap(self._kept, lo, hi))
        return self.network.head(states[:, positions.to(states.device) - lo])

    def _states(self, ids: Tensor, lo: int, hi: int, cache: DynamicCache) -> Tensor:
        """Last hidden states of `ids[:, lo:hi]`, which see each other and all that the cache holds around them."""
        model = self.network.model
        here = torch.arange(lo, hi, device=model.device)
        everything = torch.ones(1, 1, hi - lo, ids.shape[1], dtype=torch.bool, device=model.device)
        return model.model(
            input_ids=ids[:, lo:hi].to(model.device), past_key_values=cache, use_cache=True,
            attention_mask=everything, position_ids=here[None],
        ).last_hidden_state  # fmt: skip


@dataclass(eq=False)
class RemoteCode(_Network):
    """A model whose code came with its weights: ids in, logits at every position out."""

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        logits = self.call(ids.to(self.model.device))
        return logits[:, positions.to(logits.device)].float()

    def call(self, ids: Tensor) -> Tensor:
        return self.model(input_ids=ids).logits


@dataclass(eq=False)
class RemoteCodeTime(RemoteCode):
    """MDLM's: it takes a time, which a model that is not conditioned on time puts aside."""

    def call(self, ids: Tensor) -> Tensor:
        return self.model(input_ids=ids, timesteps=torch.zeros(len(ids), device=ids.device), return_dict=True).logits


@dataclass(eq=False)
class RemoteCodeBlocks(RemoteCode):
    """LLaDA2's: it takes the mask of its blocks, added to the scores, one for each row; later blocks stay away."""

    block_length: int

    def focus(self, lo: int, hi: int) -> slice:
        """A block is settled before the next."""
        return slice(lo, hi)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        last = int(positions.max()) // self.block_length if len(positions) else 0
        return super().__call__(ids[:, : (last + 1) * self.block_length], positions)

    def call(self, ids: Tensor) -> Tensor:
        here = torch.arange(ids.shape[1], device=ids.device)
        added = torch.zeros((), dtype=self.model.dtype, device=ids.device)
        added = added.where(block_mask(here, here, self.block_length), float("-inf")).expand(len(ids), -1, -1, -1)
        return self.model(input_ids=ids, attention_mask=added, position_ids=here[None]).logits


@dataclass(eq=False)
class RemoteCodeTimeBlocks(RemoteCodeBlocks):
    """BD3-LM's: it takes a time, and masks its blocks itself where it is asked to sample."""

    def call(self, ids: Tensor) -> Tensor:
        time = torch.zeros(len(ids), device=ids.device)
        return self.model(input_ids=ids, timesteps=time, sample_mode=True, return_dict=True).logits


_POSITIONS: ContextVar[Tensor | None] = ContextVar("_ASKED", default=None)


def _head_at_positions(module: torch.nn.Module, args: tuple, output: Any) -> Any:
    """Forward hook of an encoder: its head gets to see the positions asked about and no others."""
    if (positions := _POSITIONS.get()) is not None:
        output.last_hidden_state = output.last_hidden_state[:, positions.to(output.last_hidden_state.device)]
    return output


@dataclass(eq=False)
class MaskedEncoder(_Network):
    """A masked language model under its own head, whatever that is made of."""

    def __post_init__(self) -> None:
        base = self.model.base_model
        if _head_at_positions not in base._forward_hooks.values():  # denoisers may share a model
            base.register_forward_hook(_head_at_positions)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        token = _POSITIONS.set(positions)
        try:
            return self.model(input_ids=ids.to(self.model.device)).logits.float()
        finally:
            _POSITIONS.reset(token)


def block_mask(queries: Tensor, keys: Tensor, block_length: int) -> Tensor:
    """`(1, 1, queries, keys)` bool: positions of one block see each other and every block before."""
    return (keys[None] // block_length <= queries[:, None] // block_length)[None, None]


@dataclass(eq=False)
class BlockAttention(_Network):
    """A decoder whose positions see their own block and those before; blocks count from position 0."""

    block_length: int

    def states(self, ids: Tensor, done: int, cache: DynamicCache | None) -> Tensor:
        """Last hidden states of `ids[:, done:]`, given a cache that holds the positions before `done`."""
        here = torch.arange(ids.shape[1], device=self.model.device)
        return self.model.model(
            input_ids=ids[:, done:].to(self.model.device), past_key_values=cache, use_cache=cache is not None,
            attention_mask=block_mask(here[done:], here, self.block_length), position_ids=here[None, done:],
        ).last_hidden_state  # fmt: skip

    def focus(self, lo: int, hi: int) -> slice:
        """A block is settled before the next, which sees it, is computed."""
        return slice(lo, hi)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        states = self.states(ids, 0, None)
        return self.head(states[:, positions.to(states.device)])


@dataclass(eq=False)
class BlockCache(_Cached):
    """An exact KV cache around a block-causal network: what stands in blocks that did not change is never recomputed.

    A block depends on nothing after it, so of two canvases that begin with the same whole blocks, keys, values and
    last states of those blocks are the same.  Blocks after the last one asked about are not computed at all.
    One run, one cache; answers are right whatever it is asked, and dear where the canvas changes far left.
    """

    network: BlockAttention
    _ids: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.long), init=False)
    _states: Tensor = field(default_factory=_no_states, init=False)
    _cache: DynamicCache = field(default_factory=DynamicCache, init=False)

    def focus(self, lo: int, hi: int) -> slice:
        return self.network.focus(lo, hi)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        length = self.network.block_length
        last = int(positions.max()) if len(positions) else -1
        ids = ids[:, : (last // length + 1) * length]
        kept = self._keep(ids)
        if kept < ids.shape[1]:
            new = self.network.states(ids, kept, self._cache)
            self._states = torch.cat([self._states, new], dim=1) if kept else new
            self._ids = ids.clone()
        if not len(positions):
            return torch.empty(len(ids), 0, self.vocab_size)
        return self.network.head(self._states[:, positions.to(self._states.device)])

    def _keep(self, ids: Tensor) -> int:
        """Forget everything from the first block on that changed; how many positions of `ids` stay known."""
        if len(ids) != len(self._ids):
            self._ids, self._states, self._cache = ids[:, :0], _no_states(), DynamicCache()
        known, length, wanted = self._ids.shape[1], self.network.block_length, ids.shape[1]
        common = min(known, wanted)
        same = (self._ids[:, :common] == ids[:, :common]).all(0)
        kept = common if same.all() else int(same.int().argmin())
        if not kept == known == wanted:  # a block that was cut short by the end of a canvas saw less of itself
            kept -= kept % length
        if kept < known and kept < wanted:
            self._cache.crop(kept - known)
            self._states, self._ids = self._states[:, :kept], self._ids[:, :kept]
        return kept


@dataclass(eq=False)
class CausalPrefix(_Network):
    """A decoder of both orders: text is read causally, the masks after it see all of it and each other.

    The text ends at the first mask of any row.  This is how decoders that draft and verify ask a network (TiDAR, arXiv
    2511.08923), and of a text without masks it is the causal reading.  What is causal depends on nothing after it, so
    keys, values and last states of text that stands are kept, exactly.  One run, one cache; answers are right whatever
    it is asked, and dear where the text changes far left.
    """

    one_run: ClassVar[bool] = True
    _text: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.long), init=False)
    _states: Tensor = field(default_factory=_no_states, init=False)
    _cache: DynamicCache = field(default_factory=DynamicCache, init=False)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        stop = int(positions.max()) + 1 if len(positions) else 0
        ids = ids[:, :stop]
        masks = (ids == mask_of(self)).any(0).nonzero()
        end = int(masks[0]) if len(masks) else stop
        known = self._known(ids[:, :end])
        states = self._states[:, :known]
        if known < stop:
            self._cache.crop(known - self._text.shape[1])
            new = self.states(ids, known, end, self._cache)
            states = torch.cat([states, new], dim=1) if known else new
            self._cache.crop(end - stop)
            self._text, self._states = ids[:, :end].clone(), states[:, :end]
        if not len(positions):
            return torch.empty(len(ids), 0, self.vocab_size)
        return self.head(states[:, positions.to(states.device)])

    def states(self, ids: Tensor, known: int, end: int, cache: DynamicCache) -> Tensor:
        """Last hidden states of `ids[:, known:]`, of which text ends at `end`; the cache holds what stands before."""
        here = torch.arange(ids.shape[1], device=self.model.device)
        sight = here.where(here < end, ids.shape[1] - 1)  # the last position that each of them sees
        return self.model.model(
            input_ids=ids[:, known:].to(self.model.device), past_key_values=cache, use_cache=True,
            attention_mask=(here <= sight[known:, None])[None, None], position_ids=here[None, known:],
        ).last_hidden_state  # fmt: skip

    def _known(self, text: Tensor) -> int:
        """Return how many positions of `text` are known from the last forward; nothing is, of other rows."""
        if len(text) != len(self._text):
            self._text, self._states, self._cache = text[:, :0], _no_states(), DynamicCache()
        common = min(self._text.shape[1], text.shape[1])
        same = (self._text[:, :common] == text[:, :common]).all(0)
        return common if same.all() else int(same.int().argmin())


@dataclass(eq=False)
class CausalWriter(_Network):
    """A writer that reads a canvas whole, as it stood when it was first asked, and then writes its cells in order.

    What is written sees the reading and the cells before it, in an exact cache: each cell is computed once.  One run,
    one cache; another canvas, in which something else was given, is read anew.
    """

    one_run: ClassVar[bool] = True
    _read: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.long), init=False)
    _fed: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.long), init=False)  # cells, as computed
    _states: Tensor = field(default_factory=_no_states, init=False)
    _cache: DynamicCache | None = field(default=None, init=False)

    def focus(self, lo: int, hi: int) -> slice:
        """A cell is settled before the next."""
        return slice(lo, hi)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        given = self._read != self.mask_token_id
        if self._read.shape != ids.shape or not torch.equal(self._read[given], ids[given]):
            self._read, self._cache = ids.clone(), None
        stop = int(positions.max()) + 1 if len(positions) else 0
        known = 0 if self._cache is None else self._fed.shape[1]
        if known and not torch.equal(self._fed[:, :-1], ids[:, : known - 1]):  # the last one was not read, only asked
            known, self._cache = 0, None
        there = ids.to(self.model.device)
        if self._cache is None:
            self._cache = self.model.read(self._read.to(self.model.device))
            self._states = there.new_empty(len(ids), 0, self.model.config.hidden_size, dtype=self.model.dtype)
        if known < stop:
            new = self.model.write(there, known, stop, self._cache)[-1]
            self._states, self._fed = torch.cat([self._states, new], 1), ids[:, :stop].clone()
        return self.head(self._states[:, positions.to(self._states.device)])


@dataclass(eq=False)
class _Canvases(ABC):
    """Canvases in order, each settled before the next; what stands before the one at work is read once and kept.

    They count from the first position asked about in the run.
    """

    one_run: ClassVar[bool] = True
    model: PreTrainedModel
    _start: int | None = field(default=None, init=False)
    _read: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.long), init=False)
    _cache: Any = field(default=None, init=False)

    def focus(self, lo: int, hi: int) -> slice:
        """A canvas is settled before it is read."""
        return slice(lo, hi)

    def canvas_of(self, positions: Tensor, length: int, canvas_length: int) -> tuple[int, int]:
        """The canvas that the positions stand in; ValueError if it is more than one."""
        first, last = int(positions.min()), int(positions.max())
        self._start = first if self._start is None else self._start
        lo = first - (first - self._start) % canvas_length
        if last >= (hi := min(lo + canvas_length, length)):
            raise ValueError(f"asked about positions {first} to {last}, but a canvas ends at {hi}: one at a time")
        return lo, hi

    @abstractmethod
    def encode(self, ids: Tensor, cache: Any) -> Any:
        """Read `ids (batch, n)` after what is in the `cache`, which is None at first; return the cache with them."""

    def keep(self, ids: Tensor) -> None:
        """Bring the cache to hold exactly `ids`: it can grow, but what is in it cannot be changed."""
        known = self._read.shape[1]
        if len(ids) != len(self._read) or known > ids.shape[1] or not torch.equal(self._read, ids[:, :known]):
            known, self._cache = 0, None
        if known < ids.shape[1]:
            self._cache, self._read = self.encode(ids[:, known:].to(self.model.device), self._cache), ids.clone()


@contextmanager
def _causal_mode(model: PreTrainedModel) -> Iterator[None]:
    """Nemotron-Labs-Diffusion as an autoregressive model: a switch in each of its layers says which it is."""
    switches = [layer.self_attn for layer in model.encoder.layers if hasattr(layer.self_attn, "diffusion_lm")]
    try:
        for switch in switches:
            switch.diffusion_lm = False
        yield
    finally:
        for switch in switches:
            switch.diffusion_lm = True


@dataclass(eq=False)
class RemoteCodeEncoder(RemoteCode, _Canvases):
    """Nemotron-Labs-Diffusion's: it reads what is settled in one direction, and a block in both, as if after that.

    The reading's last answer is the next token, and opens the block; all other positions are asked with the block.
    After the order in which dllm's `nemotron_diffusion` sampler calls it.
    """

    block_length: int
    _next: Tensor = field(default_factory=_no_states, init=False)  # (batch, vocab) logits, after what was read

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        lo, hi = self.canvas_of(positions, ids.shape[1], self.block_length)
        if lo == 0:
            raise ValueError("this model reads before it writes: begin with a prompt")
        self.keep(ids[:, :lo])
        answers = self._next[:, None].expand(-1, len(positions), -1).clone()
        if (inside := positions != lo).any():
            block = ids[:, lo:hi].to(self.model.device)
            logits = self.model(block, past_key_values=self._cache, use_cache=False).logits
            answers[:, inside.to(logits.device)] = logits[:, (positions[inside] - lo).to(logits.device)]
        return answers.float()

    def encode(self, ids: Tensor, cache: Any) -> Any:
        past = {} if cache is None else {"past_key_values": cache}
        with _causal_mode(self.model):
            read = self.model(ids, **past, use_cache=True, use_causal_mask=True)
        self._next = read.logits[:, -1]
        return read.past_key_values


@dataclass(eq=False)
class CanvasDecoder(_Canvases):
    """DiffusionGemma: a causal encoder for what is settled, a decoder that sees it and all of the canvas at work.

    The encoder reads each token once.  The decoder is conditioned on the logits it gave in the step before, as the
    policy tempered them; a new canvas starts without.  After transformers' `generation_diffusion_gemma.py`.
    """

    canvas_length: int
    mask_token_id: None = None
    _canvas: tuple[int, int] = field(default=(0, 0), init=False)
    _positions: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long), init=False)
    _last_logits: Tensor | None = field(default=None, init=False)

    @property
    def vocab_size(self) -> int:
        return self.model.config.get_text_config().vocab_size

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        canvas = self.canvas_of(positions, ids.shape[1], self.canvas_length)
        lo = canvas[0]
        if canvas != self._canvas or len(ids) != len(self._read):
            self._canvas, self._last_logits = canvas, None
        self.keep(ids[:, :lo])
        logits = self.model(
            decoder_input_ids=ids[:, slice(*canvas)].to(self.model.device), past_key_values=self._cache,
            self_conditioning_logits=self._last_logits,
        ).logits.float()  # fmt: skip
        self._positions = positions.to(logits.device) - lo
        self._last_logits = logits.to(self.model.dtype)
        return logits[:, self._positions]

    def observe(self, logits: Tensor) -> None:
        if self._last_logits is not None:
            self._last_logits[:, self._positions] = logits.to(self._last_logits)

    def encode(self, ids: Tensor, cache: Any) -> Any:
        return self.model.model.encoder(input_ids=ids, past_key_values=cache).past_key_values
