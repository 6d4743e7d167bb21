"""Logits to what a reader can look at, in one pass: confidence, entropy and the likeliest tokens.

Logits over a large vocabulary are the dearest thing in a step (128 positions of 126,464 tokens are 65 MB), so they
are read a few rows at a time, while the rows are still in the processor's cache, and never copied as a whole.  What is
kept of a row is one number for every `_WIDTH` tokens; only the few groups that matter are looked at again, in float64.

All of it is worked out on the device that the logits are on, by the same operations everywhere.  What is found of a
row, a few numbers, is on the CPU, where a run's canvas, its random numbers and its rules are.
Knows nothing of canvases or policies.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_CACHE_FLOATS = 1 << 19  # rows worked on at once: two megabytes of float32
_CARD_FLOATS = 1 << 25  # on an accelerator, which has no such cache and wants few and large calls
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

    logits: Tensor  # (n, vocab), where the model is; all that follows is on the CPU
    highest: Tensor  # (n,) float64, the largest logit
    rest: Tensor  # (n,) float64, sum of exp(l - highest) over all other tokens
    entropy: Tensor  # (n,) float64, nats
    top_ids: Tensor  # (n, k), best first, and of equal ones the lower id: the first is argmax
    top_probs: Tensor  # (n, k) float64

    def probability(self, ids: Tensor) -> Tensor:
        """Clean softmax probability `(n,)` float64 of one token id per row."""
        return (at_ids(self.logits, ids).double() - self.highest).exp_().div_(1 + self.rest)

    def probability_without(self, ids: Tensor, without: Sequence[int]) -> Tensor:
        """The same `(n,)` if the tokens `without` did not exist; 0 where one of them is asked for."""
        highest, rest = self.highest[:, None], 1 + self.rest
        others = torch.tensor(without)
        weights = (self.logits[:, others].double().cpu() - highest).exp()
        best = self.top_ids[:, :1] == others  # its weight is the 1 that is not in `rest`
        rest = torch.where(best.any(1), self.rest, rest) - weights.masked_fill(best, 0.0).sum(1)
        own = (at_ids(self.logits, ids).double() - self.highest).exp()
        return torch.where(torch.isin(ids, others), 0.0, own / rest.maximum(own))


def at_ids(values: Tensor, ids: Tensor) -> Tensor:
    """The number `(n,)` of one id per row of `values (n, vocab)`, on the CPU."""
    return values.gather(1, ids[:, None].to(values.device))[:, 0].cpu()


def likeliest(values: Tensor) -> Tensor:
    """The ids `(n,)` of the largest of each row of `values (n, vocab)`, on the CPU."""
    return values.argmax(1).cpu()


# --- rows and groups --------------------------------------------------------------------------------------------------


class _Scratch(threading.local):
    """Memory that every chunk of every step is worked on in: fresh memory costs more than the arithmetic."""

    def __init__(self) -> None:
        self.kept: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def like(self, values: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        kept = self.kept.get(which := (values.device, dtype))
        if kept is None or kept.numel() < values.numel():
            with torch.inference_mode(False):  # else it could not be used outside of inference mode
                kept = torch.empty(max(values.numel(), _CACHE_FLOATS), dtype=dtype, device=values.device)
            self.kept[which] = kept
        return kept[: values.numel()].view(values.shape)


_SCRATCH = _Scratch()


def _chunk_rows(logits: Tensor) -> int:
    floats = _CACHE_FLOATS if logits.device.type == "cpu" else _CARD_FLOATS
    return max(1, floats // max(1, logits.shape[1]))


def _chunks(logits: Tensor) -> Iterator[tuple[slice, Tensor]]:
    rows = _chunk_rows(logits)
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


def _members(logits: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """The ids `(n, m * _WIDTH)` of `groups (n, m)` and their logits, -inf after the end of the vocabulary."""
    within = torch.arange(_WIDTH, device=logits.device)
    ids = torch.add(within, groups[:, :, None], alpha=_WIDTH).view(len(groups), groups.shape[1] * _WIDTH)
    vocab = logits.shape[1]
    if vocab % _WIDTH == 0:
        return ids, logits.gather(1, ids)
    values = logits.gather(1, ids.clamp(max=vocab - 1))
    return ids, values.masked_fill_(ids >= vocab, float("-inf"))


def _top_in_order(values: Tensor, k: int, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The `k` largest of each row `(n, m)` and where they stand, best first.

    Of equal ones the lower of `ids (n, m)` comes first, or without them the one further left; topk alone takes any.
    """
    found, where = values.topk(min(k + 1, values.shape[1]), dim=1)
    if (same := found[:, 1:] == found[:, :-1]).any():
        rows, width = (same & (found[:, 1:] > float("-inf"))).any(1).nonzero()[:, 0], values.shape[1]
        left = torch.arange(width, device=values.device).expand(len(rows), -1) if ids is None else ids[rows].argsort(1)
        best, order = values[rows].gather(1, left).sort(dim=1, descending=True, stable=True)
        found[rows], where[rows] = best[:, : found.shape[1]], left.gather(1, order[:, : found.shape[1]])
    return found[:, :k], where[:, :k]


def top(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` largest of each row `(n, vocab)` with their ids, best first, and of equal ones the lower id.

    The k largest lie in the k groups with the largest maxima, so only those groups are sorted: a plain topk over
    126,464 entries costs more than the rest of a step.
    """
    groups = _group_count(values.shape[1])
    if groups <= k:
        return _top_in_order(values, k)
    highest = torch.empty(len(values), groups, device=values.device)
    _by_group(torch.amax, values, highest)
    ids, found = _members(values, top(highest, k)[1])
    found, where = _top_in_order(found, k, ids)
    return found, ids.gather(1, where)


# --- what is measured -------------------------------------------------------------------------------------------------


def believe(logits: Tensor, top_k: int = 5) -> Beliefs:
    """Measure the clean softmax of `logits (n, vocab)`; `NotNumbersError` where a row has none, by NaN or +inf.

    A logit of -inf is a banned token's; a row of nothing else is no softmax either.
    """
    (n, vocab), k = logits.shape, min(top_k, logits.shape[1])
    groups = torch.empty(3, n, _group_count(vocab), device=logits.device)
    highest, masses, sums = groups
    for rows, values in _chunks(logits):
        p = _SCRATCH.like(values)
        _by_group(torch.amax, values, highest[rows])
        torch.softmax(values, 1, out=p)  # fused: twice as fast as a plain exp
        _by_group(torch.sum, p, masses[rows])
        _by_group(torch.nansum, p.mul_(values), sums[rows])  # a banned token's 0 * -inf is not a number
    # the k likeliest tokens lie in the k groups with the largest maxima, and those are in order
    group = top(highest, min(k, highest.shape[1]))[1]
    ids, found = _members(logits, group)
    scores, where = _top_in_order(found, k, ids)
    top_ids, scores, first = ids.gather(1, where), scores.double(), group[:, :1]
    # 1 - p would lose a small p's digits, so the best token's group is summed again, without that token
    best = scores[:, :1]
    near = (found[:, :_WIDTH].double() - best).clamp_(min=-1e4)
    e = near.exp().scatter_(1, near.argmax(1, keepdim=True), 0.0)
    inside = e.sum(1, keepdim=True)
    z = (1 + inside) / masses.gather(1, first)  # the softmax divided by this
    groups[1:].scatter_(2, first.expand(2, -1, -1), 0.0)
    outside, weighted = groups[1:].sum(2, keepdim=True, dtype=torch.float64) * z
    whole = 1 + (rest := inside + outside)
    # H = log Z - sum p (l - highest), and the largest token adds nothing to the sum
    below = e.mul_(near).sum(1, keepdim=True) + weighted - best * outside
    entropy, top_probs = rest.log1p() - below / whole, (scores - best).exp_() / whole
    best, rest, entropy, top_probs = torch.cat([best, rest, entropy, top_probs], 1).cpu().split([1, 1, 1, k], 1)
    if rest.isnan().any():
        raise NotNumbersError(
            "the model's answers are not numbers (NaN or infinite logits): load it in float32 or bfloat16, or restore "
            "its weights"
        )
    return Beliefs(logits, best[:, 0], rest[:, 0], entropy[:, 0], top_ids.cpu(), top_probs)


def divergence(now: Tensor, before: Tensor, rows: Tensor, rows_before: Tensor, floor: float) -> Tensor:
    """KL `(m,)` in nats of softmax(now) from softmax(before), at `rows` and `rows_before`, both `(m,)`.

    `floor` is added to every probability inside a logarithm.
    """
    change, few = torch.empty(len(rows), device=now.device), _chunk_rows(now)
    for some in torch.arange(len(rows)).split(few):
        p, q = now[rows[some]].float().softmax(1), before[rows_before[some]].float().softmax(1)
        change[some] = torch.linalg.vecdot(p, (p + floor).log_().sub_(q.add_(floor).log_()))
    return change.cpu()


def nucleus_edge(logits: Tensor, p: float, crossing: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest logit `(n,)` among each row's likeliest tokens that together stay within `p`, and their probability.

    The edge is where the logits are, which it is for, and the probability `(n,)` float64 on the CPU.  With `crossing`
    the token that crosses the line stays too.  The best token always does, and so do tokens as likely as the last one
    that stays.  No row is sorted as a whole: that costs more than the rest of a step.
    """
    if p >= 1:
        edge = torch.full((len(logits),), float("-inf"), device=logits.device)
        return edge, torch.ones(len(logits), dtype=torch.float64)
    edge = torch.empty(len(logits), device=logits.device)
    mass = torch.empty(len(logits), dtype=torch.float64, device=logits.device)
    for rows, values in _chunks(logits):
        share = torch.softmax(values, 1, out=_SCRATCH.like(values))
        best, ids = top(values, min(_NUCLEUS, values.shape[1]))
        least, kept = _cut(best, share.gather(1, ids), torch.zeros(len(best), device=best.device), p, crossing)
        if (least <= best[:, -1]).any():
            least, kept = _cut_by_bins(values, share, p, crossing)
        edge[rows], mass[rows] = least, kept
    return edge, mass.cpu()


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
    mass = torch.zeros(len(values), _BINS, device=values.device).scatter_add_(1, bins, share).double().cumsum(1)
    mass /= (whole := mass[:, -1:].clone())  # a softmax over many tokens adds up to 1 and some millionths
    last = (mass <= p).sum(1, keepdim=True).clamp(max=_BINS - 1)
    # with the bin before it that is not empty, in which the last token stands if none of this one stays
    first = (mass < mass.gather(1, (last - 1).clamp(min=0))).sum(1, keepdim=True)
    inside, before = (scaled >= first).logical_and_(scaled < last + 1), torch.cat([torch.zeros_like(whole), mass], 1)
    edge, kept = torch.empty_like(highest[:, 0]), torch.empty_like(whole[:, 0])
    for row, start in enumerate(before.gather(1, first)):
        ids = inside[row].nonzero()[:, 0]
        best, order = values[row, ids].sort(descending=True)
        edge[row], kept[row] = _cut(best[None], (share[row, ids[order]] / whole[row])[None], start, p, crossing)
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
    won, when = tokens.to(logits.device), time.to(logits.device)
    noise = torch.empty(min(len(logits), _chunk_rows(logits)), logits.shape[1])
    for rows, values in _chunks(logits):
        share = torch.mul(values, 1 / temperature, out=_SCRATCH.like(values))
        torch.softmax(share, 1, out=share).mul_(when[rows, None]).scatter_(1, won[rows, None], 0.0)
        late = torch.rand(values.shape, generator=generator, out=noise[: len(values)]).to(values.device).log_()
        crowd[rows] = share.div_(late.neg_().add_(share)).sum(1).double().cpu()
    return tokens, -crowd.log1p()


def uniforms(n: int, generator: torch.Generator) -> Tensor:
    """What `draw` spends on `n` rows, `(n,)` float64."""
    return torch.rand(n, dtype=torch.float64, generator=generator)


def inverse(logits: Tensor, temperature: float, uniform: Tensor, edge: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Tokens `(n,)` at which the cumulative distribution of softmax(logits / temperature) passes `uniform (n,)`.

    With their probabilities in it, `(n,)` float64, both on the CPU, from where `uniform` comes.  Found in two levels,
    the group by the sums of groups, then the token inside it, in float64.
    """
    masses = torch.empty(len(logits), _group_count(logits.shape[1]), device=logits.device)
    for rows, values in _chunks(logits):
        weight = torch.mul(values, 1 / temperature, out=_SCRATCH.like(values))
        torch.softmax(weight, 1, out=weight)
        if edge is not None:
            weight.masked_fill_(values < edge[rows, None], 0.0)
        _by_group(torch.sum, weight, masses[rows])
    level = masses.cumsum(1, dtype=torch.float64)
    whole = level[:, -1:]
    target = uniform.to(logits.device)[:, None] * whole
    target = target.minimum(whole.nextafter(torch.zeros_like(whole)))  # so that the group has weight
    group = (level <= target).sum(1, keepdim=True).clamp_(max=level.shape[1] - 1)  # the last for what is no numbers
    here = masses.gather(1, group).double()
    part = 1 - (level.gather(1, group) - target) / here
    ids, members = _members(logits, group)
    members = members.double()
    if edge is not None:
        members = members.masked_fill_(members < edge[:, None], float("-inf"))
    inside = ((members - members.amax(1, keepdim=True)) / temperature).exp_()
    running = inside.cumsum(1)
    total = running[:, -1:]
    found = torch.minimum((running <= part * total).sum(1, keepdim=True), (running < total).sum(1, keepdim=True))
    probability = here / whole * inside.gather(1, found) / total
    return ids.gather(1, found)[:, 0].cpu(), probability[:, 0].cpu()
