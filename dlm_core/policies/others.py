"""What other rules would have done with the beliefs of a step: for whoever looks at it, never for the run itself."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch

from dlm_core.denoiser import TableDenoiser
from dlm_core.policies.planned import EntropyBound, Select, Threshold
from dlm_core.policies.policy import View, having
from dlm_core.reasons import Effect, Ranking
from dlm_core.step import Step

# what each ranks by, and what says how many it writes; None is as many as the run's own rule wrote
OTHERS: Mapping[str, tuple[Ranking, Select[Any] | None]] = MappingProxyType(
    {
        "surest": (Ranking.CONFIDENCE, None),
        "above": (Ranking.CONFIDENCE, Threshold(threshold=0.9)),
        "entropy": (Ranking.ENTROPY, EntropyBound(gamma=0.1)),
        "leftmost": (Ranking.POSITION, None),
    }
)
RANKINGS = {name: str(ranking) for name, (ranking, _) in OTHERS.items()}


def others(step: Step, mask_token_id: int | None) -> list[int]:
    """How many masks of the window each rule would have written, in the order of `OTHERS`; [] if there was no mask.

    They are the best by the rule's ranking, the leftmost of equal ones first.
    """
    lo, hi = step.window
    masked = torch.from_numpy((step.before == mask_token_id) & step.measured)
    masked[:lo], masked[hi:] = False, False
    rows = masked.nonzero()[:, 0]
    if not len(rows):
        return []
    scores = {
        Ranking.CONFIDENCE: torch.tensor(step.confidence),
        Ranking.ENTROPY: -torch.tensor(step.entropy),
        Ranking.POSITION: -torch.arange(len(step.before)).double(),
    }
    unused = TableDenoiser(torch.empty(0, 0), 0, mask_token_id)  # the rules go by the recorded scores alone
    view = View(torch.tensor(step.before), unused, masked, masked, torch.Generator(), [step.window])
    counts, own = [], max(1, int(step.written.sum()))
    for ranking, select in OTHERS.values():
        if select is None:
            counts.append(min(own, len(rows)))
            continue
        order = rows[scores[ranking][rows].argsort(descending=True, stable=True)]
        reasons, _ = select(view, select.begin(view, None), scores[ranking], order)
        counts.append(int(having(reasons, Effect.WRITE).sum()))
    return counts
