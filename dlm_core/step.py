"""One recorded transition of one canvas: what the denoiser saw, what it believed, what was done.  NumPy only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy import ndarray


def _unknown() -> ndarray:
    """Stand for one missing value a position, until the step knows how many positions there are."""
    return np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What one forward pass led to.

    All arrays are read-only.  All but `after` are indexed by position in the canvas before the step.  Where nothing was
    measured, floats are NaN and ids are -1: a number here was always computed by the model.
    """

    index: int  # 0-based, over the whole run
    window: tuple[int, int]  # half-open range the policy worked on
    before: ndarray  # (length,) token ids the denoiser saw
    after: ndarray  # (length,) token ids it left; (copies.sum(),) where positions were spliced
    predicted: ndarray  # (length,) token proposed for each position asked about
    confidence: ndarray  # (length,) probability of `predicted` in the clean softmax, 0 to 1
    entropy: ndarray  # (length,) of the clean softmax, nats
    top_ids: ndarray  # (length, k) likeliest tokens, best first
    top_probs: ndarray  # (length, k)
    written: ndarray  # (length,) bool: took a token in this step
    blanked: ndarray  # (length,) bool: became noise again in this step
    copies: ndarray  # (length,) positions that stand in its place afterwards: 1, but 0 if removed, more if it grew
    forwards: int  # network calls so far; -1 where nobody counted
    seconds: float  # spent in the model and the policy so far, without waiting for whoever watches; NaN where not timed
    info: Mapping[str, float] = field(default_factory=dict)  # the rule's numbers in force, such as its quota
    score: ndarray = field(default_factory=_unknown)  # (length,) the rule's rank, best highest; NaN if it has none
    ranking: str = ""  # what the score is: the name of a `Ranking`
    reason: ndarray = field(default_factory=_unknown)  # (length,) why it was so treated: a `Reason`; -1 if not known

    def __post_init__(self) -> None:
        for name, missing in (("score", np.nan), ("reason", -1)):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.full(len(self.before), missing))
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, ndarray):
                value.setflags(write=False)

    @property
    def left(self) -> ndarray:
        """(length,) token that each position was left with; -1 where it was removed."""
        if len(self.after) == len(self.before) and (self.copies == 1).all():
            return self.after
        return np.where(self.copies > 0, np.append(self.after, -1)[self.copies.cumsum() - self.copies], -1)

    @property
    def measured(self) -> ndarray:
        """(length,) bool: positions the model was asked about."""
        return ~np.isnan(self.confidence)
