"""What a text must be, as a composition around any denoiser: tokens, words, patterns; and how sure an answer is.

A rule about the whole text is an automaton over tokens.  In any order, and with several tokens written in one step,
tokens that are each possible need not be possible together; so the composition chooses a way through the automaton,
the likeliest by the denoiser's own answer, and at every position leaves the tokens that keep to that way.  Whatever a
policy writes of them, the rest of the way stays open, so no text can get lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from dlm_core.canvas import Canvas
from dlm_core.denoiser import Composed, Denoiser, mask_of

_LEAST = 1e-300  # of a token's probability: what is possible stays possible, however unlikely


@dataclass(frozen=True, eq=False)
class Rule:
    """A deterministic automaton over tokens, which begins in state 0; `name` is what an error calls it.

    `kinds (vocab,)` says which tokens are alike, `table (states, kinds)` which state follows, -1 for none, and `final
    (states,)` bool where a text may end.  `a & b` is the rule of texts that both accept.
    """

    name: str
    kinds: ndarray
    table: ndarray
    final: ndarray

    def __and__(self, other: "Rule") -> "Rule":
        pairs, kinds = np.unique(np.stack([self.kinds, other.kinds]), axis=1, return_inverse=True)
        ours, theirs = self.table[:, None, pairs[0]], other.table[None, :, pairs[1]]
        table = np.where((ours < 0) | (theirs < 0), -1, ours * len(other.table) + theirs)
        final = (self.final[:, None] & other.final).reshape(-1)
        return Rule(f"{self.name} and {other.name}", kinds.reshape(-1), table.reshape(len(final), -1), final)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The text of every token, from which rules about text are made; a control token's is empty, and breaks any rule.

    A part of a character is its bytes.  With `end_ids` a text may end before the canvas: after the first such token
    come only such tokens.  Without, it fills the canvas.
    """

    pieces: Sequence[str | bytes]
    end_ids: Sequence[int] = ()

    def contains(self, word: str, *, whole: bool = True) -> Rule:
        """The word must occur, as it is spelled; if `whole`, with no letter or digit before and after it."""
        table, found, ended = _search(word, whole)
        table[found] = np.flatnonzero(found)[:, None]
        return self._rule(f"must contain {word!r}", self._by_token(table), ended)

    def lacks(self, word: str, *, whole: bool = True) -> Rule:
        """The word must not occur, as it is spelled; if `whole`, it may as a part of another word."""
        table, found, ended = _search(word, whole)
        table[found[table]] = -1
        return self._rule(f"must not contain {word!r}", self._by_token(table), ~ended)

    def matches(self, pattern: str) -> Rule:
        """The whole text must match a regular expression of outlines-core: no look-around, no back-references."""
        try:
            import outlines_core
        except ImportError as error:
            raise ValueError("patterns need the package outlines-core: pip install outlines-core") from error
        tokens: dict[bytes, list[int]] = {}
        for token, piece in enumerate(self._bytes):
            if piece and token not in self.end_ids:
                tokens.setdefault(piece, []).append(token)
        outside = len(self.pieces)
        try:
            index = outlines_core.Index(pattern, outlines_core.Vocabulary(outside, tokens))
        except ValueError as error:
            raise ValueError(f"the pattern {pattern!r} cannot be used with these tokens: {error}") from error
        ways, start = index.get_transitions(), index.get_initial_state()
        names = [start, *sorted({*ways, *index.get_final_states()} - {start})]
        numbers = {name: number for number, name in enumerate(names)}
        table = np.full((len(names), outside), -1)
        for name, nexts in ways.items():
            kept = [(token, numbers[to]) for token, to in nexts.items() if token != outside]
            if kept:
                table[numbers[name], [token for token, _ in kept]] = [to for _, to in kept]
        return self._rule(f"must match {pattern!r}", table, np.isin(names, [*index.get_final_states()]))

    @property
    def _bytes(self) -> list[bytes]:
        return [piece.encode() if isinstance(piece, str) else piece for piece in self.pieces]

    def _by_token(self, table: ndarray) -> ndarray:
        """`table (states, 256)` over bytes as one over tokens `(states, vocab)`."""
        pieces = self._bytes
        spelled = np.full((len(pieces), max(map(len, pieces), default=0)), -1)
        for row, piece in zip(spelled, pieces):
            row[: len(piece)] = [*piece]
        state = np.arange(len(table))[:, None].repeat(len(pieces), axis=1)
        for byte in spelled.T:
            state = np.where((byte < 0) | (state < 0), state, table[state, byte])
        state[:, [not piece for piece in pieces]] = -1
        return state

    def _rule(self, name: str, table: ndarray, final: ndarray) -> Rule:
        """The rule of a table over tokens, with one more state for what comes after the end."""
        end, ends = len(table), [*self.end_ids]
        table, final = np.vstack([table, np.full((1, table.shape[1]), -1)]), np.append(final, True)
        table[:, ends] = np.where(final[:, None], end, -1)
        table, kinds = np.unique(table, axis=1, return_inverse=True)
        return Rule(name, kinds.reshape(-1), table, final)


def _search(word: str, whole: bool) -> tuple[ndarray, ndarray, ndarray]:
    """The automaton `(states, 256)` over bytes that looks for a word, and where it has found it, `(states,)` bool.

    The last is the same at the end of a text, where a word is whole as well.
    """
    if not word:
        raise ValueError("a rule needs a word, got an empty one")
    letters = np.array([byte >= 128 or chr(byte).isalnum() for byte in range(256)])
    wanted = [np.arange(256) == byte for byte in word.encode()]
    wanted = [~letters, *wanted, ~letters] if whole else wanted
    first = frozenset({0, 1} if whole else {0})  # how much of it may stand here: the start is as good as a space
    states, numbers, table = [first], {first: 0}, []
    for state in states:  # which grow on the way
        row = []
        for byte in range(256):
            reached = frozenset({0, *(n + 1 for n in state if n < len(wanted) and wanted[n][byte])})
            if reached not in numbers:
                numbers[reached] = len(states)
                states.append(reached)
            row.append(numbers[reached])
        table.append(row)
    found = np.array([len(wanted) in state for state in states])
    return np.array(table), found, found | [whole and len(wanted) - 1 in state for state in states]


@dataclass(frozen=True, eq=False)
class Constrained(Composed):
    """A denoiser that gives no probability to what would break a rule, for the runs of one canvas.

    `allowed` are the token ids that may stand at a position of the canvas, whatever the others; `rule` is about the
    text from the first position that is not fixed to the last, with what is fixed between them.  What is left is the
    denoiser's own answer: confidence and entropy of a step are those among the tokens that were possible in it.

    A text that no tokens can make is a ValueError, here already as far as the canvas tells.  The most likely way
    through an automaton is that of DINGO (arXiv 2505.23061), here taken for classes of tokens instead of single ones.
    """

    denoiser: Denoiser
    canvas: Canvas
    rule: Rule | None = None
    allowed: Mapping[int, Sequence[int]] = field(default_factory=dict)
    _prior: Tensor = field(init=False, repr=False)  # (length, kinds) float64: of a mask that nobody asked about

    def __post_init__(self) -> None:
        length, vocab = len(self.canvas), self.vocab_size
        for position, ids in self.allowed.items():
            if not 0 <= position < length or not len(ids) or not 0 <= min(ids) <= max(ids) < vocab:
                raise ValueError(
                    f"allowed tokens need a position below {length} and one or more ids below {vocab}, "
                    f"got {[*ids][:9]} at position {position}"
                )
            if self.canvas.fixed[position] and self.canvas.ids[position] not in ids:
                raise ValueError(f"position {position} is fixed to {self.canvas.ids[position]}, which is not allowed")
        if self.rule is None:
            return
        mask_of(self)
        if len(self.rule.kinds) != vocab:
            raise ValueError(f"the rule knows {len(self.rule.kinds)} tokens, and the denoiser {vocab}")
        if self.canvas.fixed.all():
            raise ValueError("the rule has nothing to decide: every position of the canvas is fixed")
        uniform = torch.zeros(length, vocab)
        for position, ids in self.allowed.items():
            uniform[position] = _only(uniform[position], ids)
        object.__setattr__(self, "_prior", self._by_kind(uniform))
        self._way(torch.tensor(self.canvas.ids), torch.empty(0, dtype=torch.long), torch.empty(0, vocab))

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        fixed = torch.tensor(self.canvas.fixed)
        if ids.shape[1] != len(fixed) or (ids != torch.tensor(self.canvas.ids))[:, fixed].any():
            raise ValueError(
                "these constraints are for one canvas, and this is another: its length or what is fixed has changed"
            )
        logits = self.denoiser(ids, positions)
        for row, position in enumerate(positions.tolist()):
            if position in self.allowed:
                logits[:, row] = _only(logits[:, row], self.allowed[position])
                if (logits[:, row].amax(-1) == float("-inf")).any():
                    raise ValueError(f"the denoiser writes none of the tokens that are allowed at position {position}")
        if self.rule is not None:
            table, kinds, (lo, hi) = torch.tensor(self.rule.table), torch.tensor(self.rule.kinds), self._span
            for canvas, answer in zip(ids, logits):
                way = self._way(canvas, positions, answer)
                for row, position in enumerate(positions.tolist()):
                    if lo <= position < hi:
                        before, after = way[position - lo : position - lo + 2]
                        answer[row, (table[before] != after)[kinds]] = float("-inf")
        return logits

    @property
    def _span(self) -> tuple[int, int]:
        free = np.flatnonzero(~self.canvas.fixed)
        return int(free[0]), int(free[-1]) + 1

    def _by_kind(self, logits: Tensor) -> Tensor:
        """The probability `(n, kinds)` float64 of each kind of token, not 0 where it is possible."""
        assert self.rule is not None
        p = logits.double().softmax(1).clamp(min=_LEAST).masked_fill(logits == float("-inf"), 0.0)
        kinds = torch.tensor(self.rule.kinds).to(p.device).expand(len(p), -1)
        return p.new_zeros(len(p), self.rule.table.shape[1]).scatter_add_(1, kinds, p).cpu()

    def _way(self, ids: Tensor, positions: Tensor, logits: Tensor) -> list[int]:
        """The likeliest states before and after each position of the text, that its tokens can go through.

        What stands on the canvas `ids (length,)` counts as it is, masks by `logits (n, vocab)` at the `positions (n,)`
        asked about, and as any token elsewhere.  ValueError if there is no way.
        """
        assert self.rule is not None
        (lo, hi), (states, _) = self._span, self.rule.table.shape
        kinds = self._prior.clone()
        kinds[positions] = self._by_kind(logits)
        written = ids != mask_of(self)
        kinds[written] = 0.0
        kinds[written, torch.tensor(self.rule.kinds)[ids[written]]] = 1.0
        nexts = torch.tensor(self.rule.table).where(torch.tensor(self.rule.table) >= 0, states)
        best, sources = torch.full((states,), float("-inf"), dtype=torch.float64), []
        best[0] = 0.0
        for position in range(lo, hi):
            mass = kinds.new_zeros(states, states + 1).scatter_add_(1, nexts, kinds[position].expand(states, -1))
            best, source = (best[:, None] + mass[:, :states].log()).max(0)
            if best.max() == float("-inf"):
                raise ValueError(f"{self._nothing}: no token can stand at position {position}")
            sources.append(source)
        best[~torch.tensor(self.rule.final)] = float("-inf")
        if best.max() == float("-inf"):
            raise ValueError(f"{self._nothing}: it cannot end there")
        way = [int(best.argmax())]
        for source in reversed(sources):
            way.append(int(source[way[-1]]))
        return way[::-1]

    @property
    def _nothing(self) -> str:
        lo, hi = self._span
        return f"no text from position {lo} to {hi - 1} satisfies the rule: it {self.rule.name if self.rule else ''}"


def _only(logits: Tensor, ids: Sequence[int]) -> Tensor:
    """`logits (..., vocab)` of these tokens, and -inf elsewhere."""
    kept = torch.full_like(logits, float("-inf"))
    kept[..., [*ids]] = logits[..., [*ids]]
    return kept


@torch.inference_mode()
def answer_probabilities(denoiser: Denoiser, canvas: Canvas, start: int, options: Sequence[Sequence[int]]) -> ndarray:
    """The probability `(options,)` float64 of each answer, token ids of one length, in the slot that begins at `start`.

    Of one token it is the clean softmax at its position, with the rest of the canvas as it stands.  Of several it is
    the product from left to right, each token read with those before it written and those after it masks, so it takes
    as many forwards.  They are not made to add up to 1: what is missing is the probability of any other answer.
    """
    size = {len(option) for option in options}
    if len(size) != 1 or 0 in size or not 0 <= start <= len(canvas) - max(size):
        raise ValueError(
            "the options must be one or more of one length, and lie inside the canvas, "
            f"got lengths {sorted(size)} at position {start}"
        )
    answers = torch.tensor([[*option] for option in options])
    slot = slice(start, start + answers.shape[1])
    rows = torch.tensor(canvas.ids).repeat(len(answers), 1)
    rows[:, slot] = mask_of(denoiser)
    total = torch.zeros(len(answers), dtype=torch.float64)
    for position, tokens in zip(range(slot.start, slot.stop), answers.T):
        logits = denoiser(rows, torch.tensor([position]))[:, 0].double()
        total += logits.log_softmax(1).gather(1, tokens[:, None].to(logits.device))[:, 0].cpu()
        rows[:, position] = tokens
    return total.exp().numpy()
