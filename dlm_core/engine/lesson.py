"""One training example in detail: a sentence, its noise at every level, what the model believes, and the loss.

Noise is nested, so a sentence of n tokens is corrupted in at most n + 1 ways however finely the level moves: all of
them are computed at once, and moving the level afterwards needs no forward.  Knows no page and no run.
"""

from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlm_core.beliefs import believe
from dlm_core.canvas import Canvas
from dlm_core.models import LoadedModel
from dlm_core.noise import SCHEDULES, corrupt, loss_weights, weighted_mean
from dlm_core.trace import Piece

Kind = Literal["mask", "replace"]
LEVELS = 100  # noise levels are 0, 1/LEVELS, ..., 1
MAX_TOKENS = 64
TOP_K = 5
_BATCH = 8  # canvases in one forward


class NoisyState(NamedTuple):
    """A sentence as noise left it, and what the model believes the clean text is."""

    ids: list[int]
    hit: list[int]  # positions where noise fell
    asked: list[int]  # positions the model is asked about: the masks, or all where noise cannot be told from text
    probability: list[float]  # of the true token, for every position asked
    top_ids: list[list[int]]  # likeliest first, for every position asked
    top_probs: list[list[float]]
    loss: float | None  # nats per token under noise, as training counts it; None without noise

    @property
    def canvas(self) -> Canvas:
        """Return the canvas to restore: free where noise fell, or everywhere if noise looks like text."""
        return Canvas(self.ids, ~np.isin(np.arange(len(self.ids)), self.asked))


class Lesson(NamedTuple):
    """Everything about one example; `state[i]` says which of `states` the sentence is in at level `t[i]`."""

    kind: Kind
    model: dict[str, Any]  # as in the header of a run file
    pieces: dict[int, Piece]  # the text of every token in it
    clean: list[int]
    t: list[float]
    alpha: list[float]
    state: list[int]
    states: list[NoisyState]


def lesson(model: LoadedModel, text: str, kind: Kind = "mask", schedule: str = "linear", seed: int = 0) -> Lesson:
    """Corrupt `text` at every level and let the model predict it; a text that is too long is a ValueError."""
    if schedule not in SCHEDULES:
        raise ValueError(f"the schedule must be one of {', '.join(SCHEDULES)}, got {schedule!r}")
    if kind not in ("mask", "replace"):
        raise ValueError(f"the noise must be mask or replace, got {kind!r}")
    clean = torch.tensor(model.encode_prompt(text))
    most = min(MAX_TOKENS, model.context - 1)
    if not 1 <= len(clean) - 1 <= most:
        raise ValueError(f"a sentence for this page has 1 to {most} tokens, this one has {len(clean) - 1}")
    levels = [step / LEVELS for step in range(LEVELS + 1)]
    noisy = [_noise(model, clean, t, kind, schedule, seed) for t in levels]
    order = {tuple(hit.tolist()): ids for ids, hit in noisy}  # every state once, from no noise to all
    numbers = {hit: number for number, hit in enumerate(order)}
    canvases, hits = torch.stack(list(order.values())), torch.tensor(list(order))
    states = _believed(model, clean, canvases, hits, kind)
    tokens = {*clean.tolist()}.union(*(chain(state.ids, *state.top_ids) for state in states))
    alpha = SCHEDULES[schedule].alpha(torch.tensor(levels, dtype=torch.float64))
    return Lesson(
        kind=kind, model=model.describe(), pieces={token: model.piece(token) for token in sorted(tokens)},
        clean=clean.tolist(), t=levels, alpha=alpha.tolist(),
        state=[numbers[tuple(hit.tolist())] for _, hit in noisy], states=states,
    )  # fmt: skip


def _noise(model: LoadedModel, clean: Tensor, t: float, kind: Kind, schedule: str, seed: int) -> tuple[Tensor, Tensor]:
    """Return the sentence `(length,)` at level t and where noise fell, which spares the first, special, token."""
    ids, hit = corrupt(
        clean[None], torch.tensor([t]), mask_token_id=model.mask_token_id if kind == "mask" else None,
        vocab_size=model.denoiser.vocab_size, schedule=SCHEDULES[schedule], fixed=torch.arange(len(clean))[None] == 0,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    return ids[0], hit[0]


@torch.inference_mode()
def _believed(model: LoadedModel, clean: Tensor, canvases: Tensor, hits: Tensor, kind: Kind) -> list[NoisyState]:
    positions, states = torch.arange(1, len(clean)), []
    for rows, marks in zip(canvases.split(_BATCH), hits.split(_BATCH)):
        for ids, hit, logits in zip(rows, marks, model.denoiser(rows, positions)):
            asked = (hit[1:] if kind == "mask" else torch.ones_like(hit[1:])).nonzero()[:, 0]
            beliefs = believe(logits[asked], TOP_K)
            probability = beliefs.probability(clean[1:][asked])
            where, nowhere = hit[1:][asked], torch.zeros(len(asked), dtype=torch.bool)
            weights = loss_weights(where, nowhere) if kind == "mask" else loss_weights(nowhere, where)
            # not the logarithm of the probability: that of a token that is all but impossible is infinite
            wanted = clean[1:][asked].to(logits.device)
            nats = torch.nn.functional.cross_entropy(logits[asked].float(), wanted, reduction="none").cpu()
            loss = float(weighted_mean(nats, weights)) if hit.any() else None
            states.append(
                NoisyState(
                    ids.tolist(), hit.nonzero()[:, 0].tolist(), (asked + 1).tolist(), probability.tolist(),
                    beliefs.top_ids.tolist(), beliefs.top_probs.tolist(), loss,
                )
            )  # fmt: skip
    return states
