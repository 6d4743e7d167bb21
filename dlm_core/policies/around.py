"""Policies around another one: tokens that are never written, and runs that are over where the text is.

They know no rule: what is written, and why, the inner policy says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from dlm_core.denoiser import Banned
from dlm_core.policies.policy import Policy, Update, View

EndRule = Literal["llada2", "llada21", "sdar"]  # the release whose rule it is


@dataclass
class Inner:
    """What the inner policy keeps."""

    state: Any


@dataclass(frozen=True)
class _Around:
    """A policy that answers to what the inner one answers to."""

    inner: Policy[Any]

    @property
    def revises(self) -> bool:
        return self.inner.revises

    @property
    def for_masks(self) -> bool:
        return self.inner.for_masks

    @property
    def for_few(self) -> bool:
        return self.inner.for_few

    @property
    def for_both_orders(self) -> bool:
        return self.inner.for_both_orders

    def asks(self, view: View) -> Tensor:
        return self.inner.asks(view)


@dataclass(frozen=True)
class Without(_Around):
    """Give tokens no probability in the whole run (LLaDA's `logits_eos_inf`, dllm's `suppress_tokens`).

    The denoiser is asked as if it never proposed them, so confidence and entropy are those without them, too.
    """

    token_ids: Sequence[int]

    def begin(self, view: View, before: Inner | None) -> Inner:
        if max(self.token_ids) >= view.denoiser.vocab_size:
            raise ValueError(
                f"tokens that are never written must be below {view.denoiser.vocab_size}, got {max(self.token_ids)}"
            )
        if before is None:
            view.denoiser = Banned(view.denoiser, self.token_ids)
        return Inner(self.inner.begin(view, None if before is None else before.state))

    def finished(self, view: View, state: Inner) -> bool:
        return self.inner.finished(view, state.state)

    def __call__(self, view: View, state: Inner) -> Update:
        return self.inner(view, state.state)


@dataclass
class Ending(Inner):
    """With it: whether the last step wrote an end of text, and whether the text has ended."""

    end_written: bool = False
    ended: bool = False


@dataclass(frozen=True)
class UntilEnd(_Around):
    """End the run when the text has ended, whatever masks are left to the right; tokens that are fixed end nothing.

    `when` says which release decides so.  "llada2": a step writes an end of text left of which no mask is, or a window
    is done and an end stands anywhere in what was generated.  "llada21": a window is done, and up to its end there is
    an end of text and no mask.  "sdar": a window is done and there is an end of text.
    """

    stop_ids: Sequence[int]
    when: EndRule

    def _ends(self, tokens: Tensor) -> Tensor:
        return torch.isin(tokens, torch.tensor(self.stop_ids))

    def begin(self, view: View, before: Ending | None) -> Ending:
        if before is None:
            return Ending(self.inner.begin(view, None))
        return replace(before, state=self.inner.begin(view, before.state))

    def __call__(self, view: View, state: Ending) -> Update:
        update = self.inner(view, state.state)
        state.end_written = bool(self._ends(update.tokens[update.write]).any())
        return update

    def finished(self, view: View, state: Ending) -> bool:
        done = self.inner.finished(view, state.state)
        hi = view.window[1]
        ends = (view.free & self._ends(view.ids))[:hi].nonzero()[:, 0]
        if len(ends):
            masks_left = self.when == "llada21" and view.masked[:hi].any()
            now = self.when == "llada2" and state.end_written and not view.masked[: ends[0]].any()
            state.ended = state.ended or bool(now) or (done and not masks_left)
        return done or state.ended
