"""The forward process: how clean text becomes noise, one independent coin per position.

A schedule alpha(t) is the probability that a token is still clean at noise level t; t runs from 0 (clean) to
1 (all noise).  Reversing the process needs one number, the chance that a position still noisy at t is
clean at s < t:

    unmask_prob(t, s) = (alpha(s) - alpha(t)) / (1 - alpha(t))                     (MD4, arXiv 2406.04329)

This module knows nothing of models, policies or tokenizers.
"""

from dataclasses import dataclass
from math import cos, pi, sin
from typing import Protocol

import torch
from torch import Tensor


class NoiseSchedule(Protocol):
    """alpha(0) = 1, alpha(1) = 0, decreasing in between."""

    def alpha(self, t: float) -> float:
        """Probability that a token is still clean at noise level t in [0, 1]."""

    def alpha_prime(self, t: float) -> float:
        """The derivative of alpha; -alpha'(t) / (1 - alpha(t)) weighs the loss of the likelihood bound."""


@dataclass(frozen=True)
class Linear:
    """alpha(t) = 1 - t: the share of noise is the noise level itself (LLaDA, arXiv 2502.09992)."""

    def alpha(self, t: float) -> float:
        return 1.0 - t

    def alpha_prime(self, t: float) -> float:
        return -1.0


@dataclass(frozen=True)
class Cosine:
    """alpha(t) = 1 - cos(pi/2 (1 - t)): few tokens open in the first steps, many in the last (MaskGIT)."""

    def alpha(self, t: float) -> float:
        return 1.0 - cos(pi / 2 * (1.0 - t))

    def alpha_prime(self, t: float) -> float:
        return -pi / 2 * sin(pi / 2 * (1.0 - t))


def unmask_prob(schedule: NoiseSchedule, t: float, s: float) -> float:
    """Chance that a position noisy at level t is clean at level s, for 0 <= s < t <= 1."""
    if not 0.0 <= s < t <= 1.0:
        raise ValueError(f"noise levels must satisfy 0 <= s < t <= 1, got t={t} and s={s}")
    return (schedule.alpha(s) - schedule.alpha(t)) / (1.0 - schedule.alpha(t))


REPLACED_WEIGHT = 0.5  # of a random token's loss, where a mask's is 1


def loss_weights(masked: Tensor, replaced: Tensor) -> Tensor:
    """How much the loss of each position counts in training: whole where a mask stands, half where a random token does.

    What noise left alone teaches nothing: there the answer can be read off.
    """
    return masked.float() + REPLACED_WEIGHT * replaced.float()


def weighted_mean(nats: Tensor, weights: Tensor) -> Tensor:
    """The loss that training descends: the mean of `nats (n,)`, in nats per token, by `weights (n,)`."""
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
    if mask_token_id is None and vocab_size is None:
        raise ValueError("uniform noise needs vocab_size: the range to draw random tokens from")
    keep = torch.tensor([schedule.alpha(level) for level in t.tolist()], device=ids.device)
    hit = torch.rand(ids.shape, generator=generator, device=ids.device) >= keep[:, None]
    if fixed is not None:
        hit &= ~fixed
    if mask_token_id is not None:
        noise = torch.full_like(ids, mask_token_id)
    else:
        noise = torch.randint(vocab_size, ids.shape, generator=generator, device=ids.device)
    return torch.where(hit, noise, ids), hit
