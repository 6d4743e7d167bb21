"""Transformers that read boards of 9 x 9 cells: a denoiser, and its twin that writes the cells in reading order.

What two cells are to each other (same row, same column, same box) is all that the denoiser knows of their places, as a
learned bias of attention for each such relation; so it answers alike however rows, columns, bands and stacks are
exchanged.  Its layers are passed through `loops` times, the embedding added again before each further time: how deep
one forward thinks is a number of the config, not of the weights (recurrent transformers for Sudoku: Yang et al.,
arXiv 2307.04895).  The last token of the vocabulary is the mask, which neither of them ever proposes.
"""

import torch
import torch.nn.functional as F
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    DynamicCache,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput, MaskedLMOutput

SIDE, CELLS = 9, 81
RELATIONS = 8  # same row (1), same column (2) and same box (4), summed: 0 for strangers, 7 for the cell itself
READ, ACROSS, WRITTEN = range(3)  # of the writer: puzzle to puzzle, written cell to puzzle, written to written


def relations(device: torch.device) -> Tensor:
    """What each cell is to each, `(81, 81)` from 0 to 7."""
    cell = torch.arange(CELLS, device=device)
    row, column = cell // SIDE, cell % SIDE
    row_column_box = torch.stack([row, column, row // 3 * 3 + column // 3])
    weight = torch.tensor([1, 2, 4], device=device)[:, None, None]
    return ((row_column_box[:, :, None] == row_column_box[:, None]) * weight).sum(0)


@strict
class BoardConfig(PreTrainedConfig):
    """The shape of a board's network; `loops` is how often its layers are passed through."""

    model_type = "board"

    vocab_size: int = 10
    hidden_size: int = 128
    intermediate_size: int = 384
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    loops: int = 1
    rms_norm_eps: float = 1e-6
    max_position_embeddings: int = CELLS


class BoardLayer(nn.Module):
    """Attention with a bias for each relation, and an MLP; RMSNorm before each, no other biases."""

    def __init__(self, config: BoardConfig, kinds: int) -> None:
        super().__init__()
        width, self.heads = config.hidden_size, config.num_attention_heads
        self.input_norm, self.post_norm = (nn.RMSNorm(width, eps=config.rms_norm_eps) for _ in range(2))
        self.qkv_proj, self.o_proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up_proj = nn.Linear(width, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, width, bias=False)
        self.relation_bias = nn.Parameter(torch.zeros(kinds, self.heads, RELATIONS))

    def forward(self, states: Tensor, bias: Tensor, cache: DynamicCache | None = None, slot: int = 0) -> Tensor:
        """`states (batch, n, width)`; `bias (heads, n, m)` over what `cache` holds in `slot`, and then these."""
        qkv = self.qkv_proj(self.input_norm(states)).unflatten(-1, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        if cache is not None:
            key, value = cache.update(key, value, slot)
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5 + bias  # plain products: a CPU's fastest way
        seen = scores.softmax(-1).to(value.dtype) @ value
        states = states + self.o_proj(seen.transpose(1, 2).flatten(2))
        return states + self.down_proj(F.gelu(self.up_proj(self.post_norm(states))))


class BoardPreTrainedModel(PreTrainedModel):
    """What the denoiser and the writer share."""

    config_class = BoardConfig
    base_model_prefix = "model"
    _supports_sdpa = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Each layer begins as the identity, so that many loops can be trained from the first step."""
        if isinstance(module, BoardLayer):
            for projection in (module.o_proj, module.down_proj):
                nn.init.zeros_(projection.weight)
            nn.init.zeros_(module.relation_bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5)


class BoardModel(BoardPreTrainedModel):
    """Token ids of a board to states; also where the writer reads and writes."""

    def __init__(self, config: BoardConfig, kinds: int = 1) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(BoardLayer(config, kinds) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_init()

    def relation_biases(self) -> list[Tensor]:
        """The biases `(kinds, heads, relations)` of every layer."""
        return [layer.relation_bias for layer in self.layers if isinstance(layer, BoardLayer)]

    def forward(self, input_ids: Tensor, output_hidden_states: bool = False, **_: object) -> BaseModelOutput:
        """Ids `(batch, n)` of the first n cells; `hidden_states` holds the states after each loop."""
        if (length := input_ids.shape[1]) > CELLS:
            raise ValueError(f"a board has {CELLS} cells, got {length}")
        within = relations(input_ids.device)[:length, :length]
        biases = [bias[READ][:, within] for bias in self.relation_biases()]
        after = self.looped(self.embed_tokens(input_ids), biases)
        return BaseModelOutput(
            last_hidden_state=after[-1], hidden_states=tuple(after) if output_hidden_states else None
        )

    def looped(self, embedded: Tensor, biases: list[Tensor], cache: DynamicCache | None = None) -> list[Tensor]:
        """The states after each loop, ready for a head; keys and values of each loop have slots of their own."""
        states, after = torch.zeros_like(embedded), []
        for loop in range(self.config.loops):
            states = states + embedded
            for number, (layer, bias) in enumerate(zip(self.layers, biases)):
                states = layer(states, bias, cache, loop * len(self.layers) + number)
            after.append(self.norm(states))
        return after


class _Head(nn.Linear):
    """States to logits over the vocabulary; the mask, its last token, is never an answer."""

    def __init__(self, config: BoardConfig) -> None:
        super().__init__(config.hidden_size, config.vocab_size - 1, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        return F.pad(super().forward(states), (0, 1), value=float("-inf"))


class BoardForMaskedLM(BoardPreTrainedModel):
    """The denoiser: a board with masks to logits at every cell."""

    def __init__(self, config: BoardConfig) -> None:
        super().__init__(config)
        self.model = BoardModel(config)
        self.lm_head = _Head(config)
        self.post_init()

    def forward(self, input_ids: Tensor, **_: object) -> MaskedLMOutput:
        return MaskedLMOutput(logits=self.lm_head(self.model(input_ids).last_hidden_state))

    def after_each_loop(self, input_ids: Tensor) -> list[Tensor]:
        """Logits `(batch, n, vocab)` after each loop, for training."""
        return [self.lm_head(states) for states in self.model(input_ids, output_hidden_states=True).hidden_states]


class BoardForCausalLM(BoardPreTrainedModel):
    """The writer: reads a puzzle whole, then writes every cell in reading order, each seeing those before it.

    A prefix language model.  As it has to know whose turn it is, each cell has an embedding of its own too.
    """

    def __init__(self, config: BoardConfig) -> None:
        super().__init__(config)
        self.model = BoardModel(config, kinds=3)
        self.embed_cells = nn.Embedding(CELLS, config.hidden_size)
        self.embed_parts = nn.Embedding(2, config.hidden_size)  # what is read, what is written
        self.embed_start = nn.Embedding(1, config.hidden_size)  # in place of the cell before the first
        self.lm_head = _Head(config)
        self.post_init()

    def forward(self, input_ids: Tensor, written: Tensor, **_: object) -> CausalLMOutput:
        """Logits at every cell of puzzles `(batch, 81)`, given the boards `written (batch, 81)` up to that cell."""
        return CausalLMOutput(logits=self.after_each_loop(input_ids, written)[-1])

    def after_each_loop(self, input_ids: Tensor, written: Tensor) -> list[Tensor]:
        """Logits `(batch, 81, vocab)` after each loop, for training."""
        return [self.lm_head(states) for states in self.write(written, 0, CELLS, self.read(input_ids))]

    def read(self, puzzle: Tensor) -> DynamicCache:
        """Read puzzles `(batch, 81)`; what is written later sees them through the cache."""
        if puzzle.shape[1] != CELLS:
            raise ValueError(f"a board has {CELLS} cells, got {puzzle.shape[1]}")
        cache = DynamicCache()
        embedded = self.model.embed_tokens(puzzle) + self.embed_parts.weight[0] + self.embed_cells.weight
        within = relations(puzzle.device)
        self.model.looped(embedded, [bias[READ][:, within] for bias in self.model.relation_biases()], cache)
        return cache

    def write(self, ids: Tensor, first: int, stop: int, cache: DynamicCache) -> list[Tensor]:
        """The states of cells `first` to `stop` after each loop, given `ids (batch, 81)` and all before in `cache`."""
        before = self.model.embed_tokens(ids[:, max(first - 1, 0) : stop - 1])
        if first == 0:
            before = torch.cat([self.embed_start.weight.expand(len(ids), 1, -1), before], 1)
        embedded = before + self.embed_parts.weight[1] + self.embed_cells.weight[first:stop]
        across = relations(ids.device)[first:stop]
        later = torch.arange(stop, device=ids.device) > torch.arange(first, stop, device=ids.device)[:, None]
        biases = []
        for bias in self.model.relation_biases():
            written = bias[WRITTEN][:, across[:, :stop]].masked_fill(later, float("-inf"))
            biases.append(torch.cat([bias[ACROSS][:, across], written], -1))
        return self.model.looped(embedded, biases, cache)


AutoConfig.register(BoardConfig.model_type, BoardConfig)
AutoModelForMaskedLM.register(BoardConfig, BoardForMaskedLM)
AutoModelForCausalLM.register(BoardConfig, BoardForCausalLM)
