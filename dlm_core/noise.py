"""The forward process: how clean text becomes noise, one independent coin per position.

A schedule alpha(t) is the probability that a token is still clean at noise level t; t runs from 0 (clean) to
1 (all noise).  Schedules that belong to one paper alone stand beside its policy.  This module knows nothing of models,
policies or tokenizers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor


class NoiseSchedule(Protocol):
    """alpha(0) = 1, alpha(1) = 0, decreasing in between."""

    def alpha(self, t: Tensor) -> Tensor:
        """Probability that a token is still clean at the noise levels `t`, each in [0, 1], in their own precision."""


@dataclass(frozen=True)
class Linear:
    """alpha(t) = 1 - t: the share of noise is the noise level itself (LLaDA, arXiv 2502.09992)."""

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - t


@dataclass(frozen=True)
class Cosine:
    """alpha(t) = 1 - cos(pi/2 (1 - t)): few tokens open in the first steps, many in the last (MaskGIT)."""

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - torch.cos(pi / 2 * (1 - t))


SCHEDULES: Mapping[str, NoiseSchedule] = MappingProxyType({"linear": Linear(), "cosine": Cosine()})


REPLACED_WEIGHT = 0.5  # of a random token's loss, where a mask's is 1


def loss_weights(masked: Tensor, replaced: Tensor) -> Tensor:
    """Return how much the loss of each position counts in training: 1 where a mask stands, `REPLACED_WEIGHT` where a
    random token does, and 0 where noise left the token, since there the answer can be read off.
    """
    return masked.float() + REPLACED_WEIGHT * replaced.float()


def weighted_mean(nats: Tensor, weights: Tensor) -> Tensor:
    """Return the loss that training descends: the mean of `nats (n,)`, in nats per token, by `weights (n,)`."""
    return (nats * weights).sum() / weights.sum()


def corrupt(
    ids: Tensor,
    t: Tensor,
    *,
    mask_token_id: int | None,
    vocab_size: int | None = None,
    schedule: NoiseSchedule = Linear(),
    fixed: Tensor | None = None,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Corrupt `ids (batch, length)` to the noise levels `t (batch,)`; returns the noisy ids and where noise fell.

    Each position that is not `fixed` is hit with probability 1 - alpha(t).  A hit becomes `mask_token_id`, or,
    where that is None (uniform noise), a random id below `vocab_size` that may happen to be the old one.  The same
    generator state gives nested noise: raising t adds hits and changes none.  `ids` and `generator` are on one device.
    """
    keep = schedule.alpha(t.to(ids.device))
    hit = torch.rand(ids.shape, generator=generator, device=ids.device) >= keep[:, None]
    if fixed is not None:
        hit &= ~fixed
    if mask_token_id is not None:
        noise = torch.full_like(ids, mask_token_id)
    elif vocab_size is None:
        raise ValueError("uniform noise needs vocab_size: the range to draw random tokens from")
    else:
        noise = torch.randint(vocab_size, ids.shape, generator=generator, device=ids.device)
    return torch.where(hit, noise, ids), hit
