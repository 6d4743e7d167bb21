"""Why a rule wrote a position, took it back or left it as it was: the one list of reasons, and of what rules rank by.

A policy answers with a `Reason` for every position it was asked about, and with the score it ranked them by; the loop
records both, and whoever explains a step looks the reason's phrase up in `assets/words` and fills in recorded numbers.
Nobody works a reason out afterwards.  No torch: viewers read this too.

To add a reason: add a member here and a phrase under `reasons.<key>` in every language.
"""

from collections.abc import Mapping
from enum import Enum, IntEnum, StrEnum
from math import floor

import numpy as np

from dlm_core.step import Step
from dlm_core.words import english


class Effect(Enum):
    """What becomes of a position."""

    WRITE = "write"  # it takes a token
    BACK = "back"  # it becomes noise again, the mask or a random token
    STAY = "stay"  # a mask waits, a token is kept
    SPLICE = "splice"  # it makes room for others, or is removed


class Reason(IntEnum):
    """Why a position was written, taken back or left alone: the code in `Step.reason`.

    Every reason has one effect.  Codes are this version's own; a run file names its reasons, and one that this version
    does not know is read as none.
    """

    effect: Effect

    def __new__(cls, effect: Effect) -> "Reason":
        """Number the members from 0 in their order."""
        member = int.__new__(cls, len(cls.__members__))
        member._value_ = len(cls.__members__)
        member.effect = effect
        return member

    @property
    def key(self) -> str:
        """Its name in run files, and of its phrase below `reasons` in the files of words."""
        return self.name.lower()

    # --- a token is written: by rank, by a bound, because something must be, by chance, or because all is settled ---
    QUOTA = Effect.WRITE  # among the best, as many as the step's quota
    BEST = Effect.WRITE  # among the best, as many as are to stand after the step
    THRESHOLD = Effect.WRITE
    LOW_ENTROPY = Effect.WRITE
    FACTOR = Effect.WRITE  # sure enough for its rank
    ENTROPY_BOUND = Effect.WRITE  # fits under an entropy bound with all that come before it
    STABLE = Effect.WRITE  # sure, and no longer changing
    RUN_BEST = Effect.WRITE  # the best of an unbroken run of masks
    COMB = Effect.WRITE  # on the comb that is at work, and sure enough
    FINEST_COMB = Effect.WRITE  # which takes all that is left on it
    EDIT = Effect.WRITE  # another token is sure enough to replace the one that stands
    FORCED = Effect.WRITE  # below the threshold, but a step must write
    ALMOST_BEST = Effect.WRITE  # below the threshold, but next to the best
    FORCED_ENTROPY = Effect.WRITE  # the lowest entropy of all
    FORCED_BLOCK = Effect.WRITE  # the lowest entropy of a block that must go on
    IN_TIME = Effect.WRITE  # so that the run ends within its steps
    FORCED_FACTOR = Effect.WRITE
    FORCED_BOUND = Effect.WRITE
    LAST_ONE = Effect.WRITE  # the only one that did not pass
    DRAW = Effect.WRITE  # chance picked so many, all alike
    WEIGHED_DRAW = Effect.WRITE  # chance picked so many, the best more readily
    CHANCE = Effect.WRITE  # each by itself, by the clock alone
    POSTERIOR = Effect.WRITE  # drawn from the reverse process, in which the model's belief weighs
    LAST_STEP = Effect.WRITE  # nothing may be left
    EARLY_EXIT = Effect.WRITE  # the answer is settled, so all is written
    SETTLED = Effect.WRITE  # the whole text is settled
    BEHIND_END = Effect.WRITE  # the text ended left of it
    NEXT = Effect.WRITE  # autoregression
    DRAFTED = Effect.WRITE  # to be checked in the next step
    REPLACED = Effect.WRITE  # a drafted token was rejected, and another takes its place
    EXTRA = Effect.WRITE  # every drafted token was accepted, so the check writes one more

    # --- it is taken back ---
    NOT_BEST_BACK = Effect.BACK
    UNSUPPORTED = Effect.BACK  # improbable, seen without itself
    CHANCE_BACK = Effect.BACK
    WEIGHED_BACK = Effect.BACK  # by chance, the less sure more readily
    POSTERIOR_BACK = Effect.BACK
    BOUND_BACK = Effect.BACK
    DISCARDED = Effect.BACK  # drafted after a token that was rejected, or after the end of the text
    BELOW_THRESHOLD_BACK = Effect.BACK  # neither sure enough nor among as many as must be committed by now

    # --- it stays as it is ---
    BEYOND_QUOTA = Effect.STAY
    NOT_BEST = Effect.STAY  # a mask that is to be one after the step
    KEPT_BEST = Effect.STAY  # a token that is among the best
    BELOW_THRESHOLD = Effect.STAY
    HIGH_ENTROPY = Effect.STAY
    BELOW_FACTOR = Effect.STAY
    OVER_BOUND = Effect.STAY
    UNSURE = Effect.STAY  # of what must be sure and stable, not sure
    CHANGING = Effect.STAY  # of what must be sure and stable, sure alone
    STABLE_WAITS = Effect.STAY  # both, but only one of them goes now
    OFF_COMB = Effect.STAY
    CAPPED = Effect.STAY  # passed the threshold, but a step writes no more
    UNSURE_EDIT = Effect.STAY  # another token is likelier, but not sure enough
    AGREES = Effect.STAY  # the token that stands was proposed again
    SUPPORTED = Effect.STAY
    SPARED = Effect.STAY  # unsupported, but no more may go back
    UNCHECKED = Effect.STAY  # this step takes nothing back
    NOT_DRAWN = Effect.STAY
    NOT_DRAWN_WEIGHED = Effect.STAY
    CHANCE_LEFT = Effect.STAY
    WEIGHED_LEFT = Effect.STAY
    POSTERIOR_LEFT = Effect.STAY
    ACCEPTED = Effect.STAY  # a drafted token that the check would have written
    KEPT_IN_TIME = Effect.STAY  # one that it would not, so that the run ends within its steps
    COMMITTED = Effect.STAY  # for good
    GIVEN = Effect.STAY  # a token that this run did not write
    STANDS = Effect.STAY  # a token, and this step writes masks alone
    CLOSED_BLOCK = Effect.STAY  # a block inside of the window that has not opened yet
    OUTSIDE = Effect.STAY  # of the window
    FIXED = Effect.STAY  # by the user; the loop's own reason, whatever the policy wants

    # --- positions come and go ---
    ROOM = Effect.SPLICE
    CLOSED = Effect.SPLICE


NO_REASON = -1


class Ranking(StrEnum):
    """What a score is; higher is sooner, so a name with a minus says that the score is the negative of the quantity."""

    CONFIDENCE = "confidence"  # of the proposed token, in the clean softmax
    CONFIDENCE_WITHOUT = "confidence_without"  # and among all tokens but those that end a text, or others
    PROPOSAL_CONFIDENCE = "proposal_confidence"  # and in the distribution it was drawn from
    MARGIN = "margin"  # of the two likeliest tokens
    ENTROPY = "-entropy"
    PROPOSAL_ENTROPY = "-proposal_entropy"
    RANDOM = "random"
    POSITION = "-position"
    INFORMATIVENESS = "informativeness"
    LOG_PROBABILITY = "log_probability"
    WEIGHED_LOG_PROBABILITY = "weighed_log_probability"  # that of a token that stands is multiplied
    PLANNED_LOG_PROBABILITY = "planned_log_probability"  # and by a second opinion
    LOGIT = "logit"
    ACCEPTANCE = "acceptance"  # of a drafted token: its probability from left to right over that of the draft
    WRITTEN_CONFIDENCE = "-written_confidence"  # with which the token that stands was written

    @property
    def key(self) -> str:
        """The name of its phrase below `scores` in the files of words."""
        return self.removeprefix("-")


def why(step: Step, position: int) -> str:
    """Say in an English sentence why the rule did with `position` what it did in `step`, with the recorded numbers."""
    code = int(step.reason[position])
    if code == NO_REASON:
        return english("why.unrecorded") + "."
    return english(f"reasons.{[*Reason][code].key}").format_map(_numbers(step, position)) + "."


def _numbers(step: Step, position: int) -> dict[str, str]:
    """What a reason's phrase may name: the rule's numbers, and the position's own."""
    numbers = {name: _number(value) for name, value in step.info.items()}
    score = step.score[position]
    if np.isnan(score):
        return numbers
    value = -score if step.ranking.startswith("-") else score
    ahead, level = int((step.score > score).sum()), int((step.score == score).sum())
    numbers |= {
        "value": _number(value, step.info),
        "rank": str(ahead + 1) if level == 1 else f"{ahead + 1}–{ahead + level}",  # what is recorded alike shares ranks
        "all": str(int((~np.isnan(step.score)).sum())),
    }
    key = Ranking(step.ranking).key if step.ranking in list(Ranking) else "other"
    return numbers | {"score": english(f"scores.{key}").format_map(numbers)}


def _number(value: float, beside: Mapping[str, float] = {}) -> str:
    """Two decimals; four for what is small, or would read like a different number that stands beside it."""
    two = _rounded(value, 100)
    alike = any(two == _rounded(other, 100) and value != other for other in beside.values())
    return two if abs(value) >= 0.1 and not alike else _rounded(value, 10_000)


def _rounded(value: float, parts: int) -> str:
    return f"{floor(value * parts + 0.5) / parts:g}"
