"""Logits to what a reader can look at, in one pass: confidence, entropy and the likeliest tokens.

Logits over a large vocabulary are the dearest thing in a step (128 positions of 126,464 tokens are 65 MB), so they
are read a few rows at a time, while the rows are still in the processor's cache, and never copied as a whole.  What is
kept of a row is one number for every `_WIDTH` tokens; only the few groups that matter are looked at again, in float64.
Knows nothing of canvases or policies.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

_CACHE_FLOATS = 1 << 19  # rows worked on at once: two megabytes of float32
_WIDTH = 64  # vocabulary entries per group in the two-level searches
_NUCLEUS = 64  # the best tokens in which a nucleus is looked for first
_BINS = 4096  # of logits, where it is larger


class NotNumbersError(ValueError):
    """Raised where logits are NaN or infinite: nothing can be believed of them."""


@dataclass(frozen=True, eq=False)
class Beliefs:
    """The clean softmax of `logits (n, vocab)`; clean means before any temperature, filter or noise.

    A row's probabilities are exp(l - highest) / (1 + rest).  Keeping `rest` apart from the 1 lets float64
    probabilities near 1 stay distinct, where a float32 softmax would call them all 1 and make ties.
    """

    logits: Tensor  # (n, vocab)
    highest: Tensor  # (n,) float64, the largest logit
    rest: Tensor  # (n,) float64, sum of exp(l - highest) over all other tokens
    entropy: Tensor  # (n,) float64, nats
    top_ids: Tensor  # (n, k), best first, and of equal ones the lower id: the first is argmax
    top_probs: Tensor  # (n, k) float64

    def probability(self, ids: Tensor) -> Tensor:
        """Clean softmax probability `(n,)` float64 of one token id per row."""
        chosen = self.logits.gather(1, ids[:, None])[:, 0].double().numpy()
        return torch.from_numpy(np.exp(chosen - self.highest.numpy()) / (1 + self.rest.numpy()))

    def probability_without(self, ids: Tensor, without: Sequence[int]) -> Tensor:
        """The same `(n,)` if the tokens `without` did not exist; 0 where one of them is asked for."""
        highest, rest = self.highest[:, None], 1 + self.rest
        others = torch.tensor(without)
        weights = (self.logits[:, others].double() - highest).exp()
        best = self.top_ids[:, :1] == others  # its weight is the 1 that is not in `rest`
        rest = torch.where(best.any(1), self.rest, rest) - weights.masked_fill(best, 0.0).sum(1)
        own = (self.logits.gather(1, ids[:, None]).double() - highest).exp()[:, 0]
        return torch.where(torch.isin(ids, others), 0.0, own / rest.maximum(own))


# --- rows and groups --------------------------------------------------------------------------------------------------


class _Scratch(threading.local):
    """Memory that every chunk of every step is worked on in: fresh memory costs more than the arithmetic."""

    def __init__(self) -> None:
        self.kept: dict[torch.dtype, Tensor] = {}

    def like(self, values: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        if dtype not in self.kept or self.kept[dtype].numel() < values.numel():
            with torch.inference_mode(False):  # else it could not be used outside of inference mode
                self.kept[dtype] = torch.empty(max(values.numel(), _CACHE_FLOATS), dtype=dtype)
        return self.kept[dtype][: values.numel()].view(values.shape)


_SCRATCH = _Scratch()


def _chunk_rows(vocab: int) -> int:
    return max(1, _CACHE_FLOATS // max(1, vocab))


def _chunks(logits: Tensor) -> Iterator[tuple[slice, Tensor]]:
    rows = _chunk_rows(logits.shape[1])
    for start in range(0, len(logits), rows):
        yield slice(start, start + rows), logits[start : start + rows].float()


def _group_count(vocab: int) -> int:
    """How many groups of `_WIDTH` there are; the last one may be smaller."""
    return -(-vocab // _WIDTH)


def _by_group(reduce: Callable[..., Tensor], values: Tensor, out: Tensor) -> None:
    """`values (n, vocab)` reduced to `out (n, groups)`."""
    whole = values.shape[1] // _WIDTH
    if whole:
        reduce(values.unfold(1, _WIDTH, _WIDTH), 2, out=out[:, :whole])
    if whole < out.shape[1]:
        reduce(values[:, whole * _WIDTH :], 1, out=out[:, whole])


def _members(logits: Tensor, groups: ndarray) -> tuple[Tensor, Tensor]:
    """The ids `(n, m * _WIDTH)` of `groups (n, m)` and their logits, -inf after the end of the vocabulary."""
    n, m = groups.shape
    ids = torch.from_numpy((groups[:, :, None] * _WIDTH + np.arange(_WIDTH)).reshape(n, m * _WIDTH))
    vocab = logits.shape[1]
    if vocab % _WIDTH == 0:
        return ids, logits.gather(1, ids)
    values = logits.gather(1, ids.clamp(max=vocab - 1))
    return ids, values.masked_fill_(ids >= vocab, float("-inf"))


def _top_in_order(values: Tensor, k: int, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The `k` largest of each row `(n, m)` and where they stand, best first.

    Of equal ones the lower of `ids (n, m)` comes first, or without them the one further left; topk alone takes any.
    """
    found, at = values.topk(min(k + 1, values.shape[1]), dim=1)
    tied = ((found[:, 1:] == found[:, :-1]) & (found[:, 1:] > float("-inf"))).any(1)
    if tied.any():
        left = torch.arange(values.shape[1]).expand(int(tied.sum()), -1) if ids is None else ids[tied].argsort(1)
        best, order = values[tied].gather(1, left).sort(dim=1, descending=True, stable=True)
        found[tied], at[tied] = best[:, : found.shape[1]], left.gather(1, order[:, : found.shape[1]])
    return found[:, :k], at[:, :k]


def top(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` largest of each row `(n, vocab)` with their ids, best first, and of equal ones the lower id.

    The k largest lie in the k groups with the largest maxima, so only those groups are sorted: a plain topk over
    126,464 entries costs more than the rest of a step.
    """
    groups = _group_count(values.shape[1])
    if groups <= k:
        return _top_in_order(values, k)
    highest = torch.empty(len(values), groups)
    _by_group(torch.amax, values, highest)
    ids, found = _members(values, top(highest, k)[1].numpy())
    found, where = _top_in_order(found, k, ids)
    return found, ids.gather(1, where)


# --- what is measured -------------------------------------------------------------------------------------------------


def believe(logits: Tensor, top_k: int = 5) -> Beliefs:
    """Measure the clean softmax of `logits (n, vocab)`; `NotNumbersError` where a row has none, by NaN or +inf.

    A logit of -inf is a banned token's; a row of nothing else is no softmax either.
    """
    (n, vocab), k = logits.shape, min(top_k, logits.shape[1])
    highest, masses, sums = torch.empty(3, n, _group_count(vocab))
    for rows, values in _chunks(logits):
        p = _SCRATCH.like(values)
        _by_group(torch.amax, values, highest[rows])
        torch.softmax(values, 1, out=p)  # fused: twice as fast as a plain exp
        _by_group(torch.sum, p, masses[rows])
        _by_group(torch.nansum, p.mul_(values), sums[rows])  # a banned token's 0 * -inf is not a number
    # the k likeliest tokens lie in the k groups with the largest maxima, and those are in order
    group = top(highest, min(k, highest.shape[1]))[1].numpy()
    ids, found = _members(logits, group)
    likeliest, where = _top_in_order(found, k, ids)
    top_ids = ids.gather(1, where)
    # 1 - p would lose a small p's digits, so the best token's group is summed again, without that token
    row, scores, mass, weighted = np.arange(n), likeliest.double().numpy(), masses.numpy(), sums.numpy()
    if np.isnan(mass[row, group[:, 0]]).any():  # of sums that are there already, so no logit is read twice
        raise NotNumbersError(
            "the model's answers are not numbers (NaN or infinite logits): load it in float32 or bfloat16, or restore "
            "its weights"
        )
    best = scores[:, 0]
    near = np.maximum(found[:, :_WIDTH].double().numpy() - best[:, None], -1e4)
    e = np.exp(near)
    e[row, near.argmax(1)] = 0.0
    inside = e.sum(1)
    z = (1 + inside) / mass[row, group[:, 0]]  # the softmax divided by this
    mass[row, group[:, 0]] = weighted[row, group[:, 0]] = 0.0
    outside = mass.sum(1).astype(float) * z
    rest = inside + outside
    # H = log Z - sum p (l - highest), and the largest token adds nothing to the sum
    below = (e * near).sum(1) + weighted.sum(1).astype(float) * z - best * outside
    entropy = np.log1p(rest) - below / (1 + rest)
    top_probs = np.exp(scores - best[:, None]) / (1 + rest)[:, None]
    return Beliefs(
        logits, highest=torch.from_numpy(best), rest=torch.from_numpy(rest), entropy=torch.from_numpy(entropy),
        top_ids=top_ids, top_probs=torch.from_numpy(top_probs),
    )  # fmt: skip


def divergence(now: Tensor, before: Tensor, rows: Tensor, rows_before: Tensor, floor: float) -> Tensor:
    """KL `(m,)` in nats of softmax(now) from softmax(before), at `rows` and `rows_before`, both `(m,)`.

    `floor` is added to every probability inside a logarithm.
    """
    change, few = torch.empty(len(rows)), _chunk_rows(now.shape[1])
    for at in torch.arange(len(rows)).split(few):
        p, q = now[rows[at]].float().softmax(1), before[rows_before[at]].float().softmax(1)
        change[at] = torch.linalg.vecdot(p, (p + floor).log_().sub_(q.add_(floor).log_()))
    return change


def nucleus_edge(logits: Tensor, p: float, crossing: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest logit `(n,)` among each row's likeliest tokens that together stay within `p`, and their probability.

    With `crossing` the token that crosses the line stays too.  The best token always does, and so do tokens as likely
    as the last one that stays.  No row is sorted as a whole: that costs more than the rest of a step.
    """
    if p >= 1:
        return torch.full((len(logits),), float("-inf")), torch.ones(len(logits), dtype=torch.float64)
    edge, mass = torch.empty(len(logits)), torch.empty(len(logits), dtype=torch.float64)
    for rows, values in _chunks(logits):
        share = torch.softmax(values, 1, out=_SCRATCH.like(values))
        best, ids = top(values, min(_NUCLEUS, values.shape[1]))
        least, kept = _cut(best, share.gather(1, ids), torch.zeros(len(best)), p, crossing)
        if (least <= best[:, -1]).any():
            least, kept = _cut_by_bins(values, share, p, crossing)
        edge[rows], mass[rows] = least, kept
    return edge, mass


def _cut(best: Tensor, share: Tensor, before: Tensor, p: float, crossing: bool) -> tuple[Tensor, Tensor]:
    """The edge and the mass of a nucleus that ends among `best (n, m)`, before which stand tokens of `before (n,)`."""
    share = share.double()
    within = (before[:, None] + share.cumsum(1) <= p).sum(1, keepdim=True)
    least = best.gather(1, (within if crossing else within - 1).clamp(0, best.shape[1] - 1))
    return least[:, 0], before + (share * (best >= least)).sum(1)


def _cut_by_bins(values: Tensor, share: Tensor, p: float, crossing: bool) -> tuple[Tensor, Tensor]:
    """The same of whole rows: logits are counted into bins by mass, and only the bin of the edge is sorted."""
    highest = values.amax(1, keepdim=True)
    # all tokens below this depth have less than 1 - p together, so the edge lies above it
    depth = (values.shape[1] * share.amax(1, keepdim=True) / (1 - p)).log()
    scaled = torch.sub(highest, values).mul_((_BINS - 1) / depth).nan_to_num_(0).clamp_(max=_BINS - 1)
    bins = _SCRATCH.like(values, torch.long).copy_(scaled)
    mass = torch.zeros(len(values), _BINS).scatter_add_(1, bins, share).double().cumsum(1)
    mass /= (whole := mass[:, -1:].clone())  # a softmax over many tokens adds up to 1 and some millionths
    last = (mass <= p).sum(1, keepdim=True).clamp(max=_BINS - 1)
    # with the bin before it that is not empty, in which the last token stands if none of this one stays
    first = (mass < mass.gather(1, (last - 1).clamp(min=0))).sum(1, keepdim=True)
    inside, before = (scaled >= first).logical_and_(scaled < last + 1), torch.cat([torch.zeros_like(whole), mass], 1)
    edge, kept = torch.empty(len(values)), torch.empty(len(values), dtype=torch.float64)
    for row, start in enumerate(before.gather(1, first)):
        at = torch.from_numpy(np.flatnonzero(inside[row].numpy()))
        best, order = values[row, at].sort(descending=True)
        edge[row], kept[row] = _cut(best[None], (share[row, at[order]] / whole[row])[None], start, p, crossing)
    return edge, kept


def draw(logits: Tensor, temperature: float, generator: torch.Generator, edge: Tensor | None = None) -> Tensor:
    """One exact sample `(n,)` per row from softmax(logits / temperature), with a single uniform number per row.

    With `edge (n,)`, from the tokens of at least that logit alone.  Equal in distribution to the Gumbel race over every
    entry of the vocabulary, which is where published samplers spend most of their time.
    """
    return inverse(logits, temperature, uniforms(len(logits), generator), edge)[0]


def perturbed(logits: Tensor, temperature: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Tokens `(n,)` that win a race of Gumbel noise on logits / temperature, and their log-probability in its softmax.

    The log-probability `(n,)` float64 is that in softmax(logits / temperature + noise).  The race is won at an
    exponential time T that says nothing of the winner, and all other tokens j arrive at T + E_j / p_j; so the winner's
    probability is 1 / (1 + sum of T p_j / (T p_j + E_j)).  Only that sum takes a number for every token, and float32
    will do for it.
    """
    tokens = draw(logits, temperature, generator)
    time, crowd = -(-uniforms(len(logits), generator)).log1p(), torch.empty(len(logits), dtype=torch.float64)
    noise = torch.empty(min(len(logits), _chunk_rows(logits.shape[1])), logits.shape[1])
    for rows, values in _chunks(logits):
        share = torch.mul(values, 1 / temperature, out=_SCRATCH.like(values))
        torch.softmax(share, 1, out=share).mul_(time[rows, None]).scatter_(1, tokens[rows, None], 0.0)
        late = torch.rand(values.shape, generator=generator, out=noise[: len(values)]).log_()
        crowd[rows] = share.div_(late.neg_().add_(share)).sum(1).double()
    return tokens, -crowd.log1p()


def uniforms(n: int, generator: torch.Generator) -> Tensor:
    """What `draw` spends on `n` rows, `(n,)` float64."""
    return torch.rand(n, dtype=torch.float64, generator=generator)


def inverse(logits: Tensor, temperature: float, uniform: Tensor, edge: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Tokens `(n,)` at which the cumulative distribution of softmax(logits / temperature) passes `uniform (n,)`.

    With their probabilities in it, `(n,)` float64.  Found in two levels, the group by the sums of groups, then the
    token inside it, in float64.
    """
    n, vocab = logits.shape
    masses, row = torch.empty(n, _group_count(vocab)), np.arange(n)
    for rows, values in _chunks(logits):
        weight = torch.mul(values, 1 / temperature, out=_SCRATCH.like(values))
        torch.softmax(weight, 1, out=weight)
        if edge is not None:
            weight.masked_fill_(values < edge[rows, None], 0.0)
        _by_group(torch.sum, weight, masses[rows])
    mass = masses.numpy()
    level = mass.cumsum(1, dtype=np.float64)
    whole = level[:, -1]
    target = np.minimum(uniform.numpy() * whole, np.nextafter(whole, 0))  # so that the group has weight
    group = (level <= target[:, None]).sum(1).clip(max=level.shape[1] - 1)  # the last for logits that are no numbers
    here = mass[row, group]
    part = 1 - (level[row, group] - target) / here
    ids, found = _members(logits, group[:, None])
    members = found.double().numpy()
    if edge is not None:
        members = np.where(members < edge.numpy()[:, None], -np.inf, members)
    inside = np.exp((members - members.max(1, keepdims=True)) / temperature)
    running = inside.cumsum(1)
    total = running[:, -1:]
    at = np.minimum((running <= part[:, None] * total).sum(1), (running < total).sum(1))
    return torch.from_numpy(ids.numpy()[row, at]), torch.from_numpy(here / whole * inside[row, at] / total[:, 0])
