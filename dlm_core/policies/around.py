"""Policies around another one: tokens that are never written, and runs that are over where the text is.

They know no rule: what is written, and why, the inner policy says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dlm_core.denoiser import Banned
from dlm_core.policies.policy import Policy, Update, View


@dataclass(frozen=True)
class Around:
    """The inner policy, as it is."""

    inner: Policy

    @property
    def revises(self) -> bool:
        return self.inner.revises

    @property
    def for_masks(self) -> bool:
        return self.inner.for_masks

    def asks(self, view: View) -> Tensor:
        return self.inner.asks(view)

    def begin(self, view: View) -> None:
        self.inner.begin(view)

    def finished(self, view: View) -> bool:
        return self.inner.finished(view)

    def __call__(self, view: View) -> Update:
        return self.inner(view)


@dataclass(frozen=True)
class Without(Around):
    """Give tokens no probability in the whole run (LLaDA's `logits_eos_inf`, dllm's `suppress_tokens`).

    The denoiser is asked as if it never proposed them, so confidence and entropy are those without them, too.
    """

    token_ids: Sequence[int]

    def begin(self, view: View) -> None:
        if max(self.token_ids) >= view.denoiser.vocab_size:
            raise ValueError(
                f"tokens that are never written must be below {view.denoiser.vocab_size}, got {max(self.token_ids)}"
            )
        if not view.state.setdefault("banned", False):
            view.denoiser, view.state["banned"] = Banned(view.denoiser, self.token_ids), True
        self.inner.begin(view)


@dataclass(frozen=True)
class UntilEnd(Around):
    """End the run when the text has ended, whatever masks are left to the right; tokens that are fixed end nothing.

    `when` says which release decides so.  "llada2": a step writes an end of text left of which no mask is, or a window
    is done and an end stands anywhere in what was generated.  "llada21": a window is done, and up to its end there is
    an end of text and no mask.  "sdar": a window is done and there is an end of text.
    """

    stop_ids: Sequence[int]
    when: Literal["llada2", "llada21", "sdar"]

    def _ends(self, tokens: Tensor) -> Tensor:
        return torch.isin(tokens, torch.tensor(self.stop_ids))

    def __call__(self, view: View) -> Update:
        update = self.inner(view)
        view.state["end_written"] = bool(self._ends(update.tokens[update.write]).any())
        return update

    def finished(self, view: View) -> bool:
        done = self.inner.finished(view)
        hi = view.window[1]
        ends = (view.free & self._ends(view.ids))[:hi].nonzero()[:, 0]
        if len(ends):
            whole = self.when == "llada21" and view.masked[:hi].any()
            now = self.when == "llada2" and view.state.get("end_written") and not view.masked[: ends[0]].any()
            view.state["ended"] = view.state.get("ended", False) or bool(now) or (done and not whole)
        return done or view.state.get("ended", False)
