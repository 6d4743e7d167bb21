"""How a token is drawn: filters on a distribution, and the published samplers' own streams of random numbers.

Every published sampler draws its numbers in its own shape and precision, for more positions than it needs.  These
functions repeat such a stream and give the part of it that belongs to the rows at hand.  Numbers are drawn on the CPU,
so that a seed gives the same ones everywhere, and go to where the distribution is; tokens come back.
"""

import torch
from torch import Tensor

from dlm_core.beliefs import likeliest, nucleus_edge
from dlm_core.policies.settings import COLDEST


def tempered(logits: Tensor, temperature: float) -> Tensor:
    """`logits (n, vocab)` at a temperature: themselves at 1; at 0 so steep that the likeliest token alone is left."""
    return logits if temperature == 1 else logits / (temperature or COLDEST)


def gumbel_race(logits: Tensor, rows: Tensor, total: int, temperature: float, generator: torch.Generator) -> Tensor:
    """Tokens `(n,)` by argmax exp(l) / (-log u)^T with float64 uniforms of shape `(total, vocab)`, used at `rows`.

    Lower precision would cut the tails and lower the effective temperature (arXiv 2409.02908).
    """
    uniform = torch.rand(total, logits.shape[1], dtype=torch.float64, generator=generator)[rows].to(logits.device)
    return likeliest(logits.double() - temperature * (-uniform.log()).log())


def categorical(probabilities: Tensor, rows: Tensor, total: int, generator: torch.Generator) -> Tensor:
    """Tokens `(n,)` as `torch.multinomial` draws them for `(total, vocab)` rows, of which those at `rows` are wanted.

    That is argmax p / e with exponential e, one number an entry; a row's numbers do not depend on other rows.
    """
    shape = (total, probabilities.shape[1])
    exponential = torch.empty(shape, dtype=probabilities.dtype).exponential_(generator=generator)
    return likeliest(probabilities / exponential[rows].to(probabilities.device))


def weighed(scores: Tensor, temperature: float, exponential: Tensor) -> Tensor:
    """Keys `(n,)` whose k largest are k rows drawn without replacement from softmax(scores / temperature).

    `exponential (n,)` is what `torch.multinomial` draws for them and divides weights by, which underflow where the
    temperature is small; their logarithms do not.
    """
    return scores / temperature - exponential.double().log()


def keep_top_k(logits: Tensor, k: int | None) -> Tensor:
    """All but each row's `k` largest logits become -inf; None or 0 keeps all."""
    if not k:
        return logits
    least = logits.topk(min(k, logits.shape[1]), dim=1).values[:, -1:]
    return logits.masked_fill(logits < least, float("-inf"))


def keep_top_p(logits: Tensor, p: float | None, spent: bool = False) -> Tensor:
    """The smallest set of tokens whose probabilities pass `p`, the crossing token included; the others become -inf.

    `spent` logits are overwritten: a copy of a large vocabulary costs as much as all that is measured of it.
    """
    if p is None or p >= 1:
        return logits
    out = nucleus_edge(logits, p, crossing=True)[0].to(logits.dtype)[:, None] > logits
    return logits.masked_fill_(out, float("-inf")) if spent else logits.masked_fill(out, float("-inf"))


def nucleus(probabilities: Tensor, p: float) -> Tensor:
    """Probabilities whose running sum stays within `p`, the best token always, renormalised (ReMDM, BD3-LM).

    Stricter than `keep_top_p`: the token that crosses the line is dropped.
    """
    if p >= 1:
        return probabilities
    ordered, order = probabilities.sort(dim=1, descending=True)
    inside = ordered.cumsum(1) <= p
    inside[:, 0] = True
    kept = ordered * inside
    return torch.zeros_like(probabilities).scatter(1, order, kept / kept.sum(1, keepdim=True))
