"""Policies that sample: what is written, and whether, comes from one draw of the reverse process q(x_s | x_t, x_0)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dlm_core.beliefs import draw
from dlm_core.policies.planned import Draws
from dlm_core.policies.policy import Update, View


@dataclass(frozen=True)
class MDLM:
    """Ancestral sampling of the absorbing process (MDLM, arXiv 2406.07524), with the cached update of its release.

    Over the times t_0 = 1 > t_1 > ... > t_N = 1e-5 a masked position opens with probability (t - s) / t and takes a
    token from the model's own distribution; no confidence is asked.  A draw that opens nothing leaves the canvas as it
    was, so the same logits serve the next time and no forward is spent.  One more forward fills what is left, greedily.

    `temperature` sharpens the token's distribution (1 in the paper).  `draws="canvas"` repeats the release's float32
    race over the whole canvas, and `exhaust` spends forwards after the last mask has gone, as the release does.
    """

    steps: int = 128
    temperature: float = 1.0
    draws: Draws = "positions"
    exhaust: bool = False
    revises: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be 1 or more, got {self.steps}")
        if not self.temperature >= 0:
            raise ValueError(f"temperature must be 0 or more, got {self.temperature}")
        if self.draws not in ("positions", "canvas"):
            raise ValueError(f'draws must be "positions" or "canvas", got {self.draws!r}')

    def begin(self, view: View) -> None:
        steps = view.share_of(self.steps)
        if steps == 0 and view.masks_in_window():
            raise ValueError(f"steps must be at least the number of blocks ({len(view.windows)}), got {self.steps}")
        view.state.update(time=0, times=steps)

    def finished(self, view: View) -> bool:
        return view.state["time"] > view.state["times"] or not (self.exhaust or view.masks_in_window())

    def __call__(self, view: View) -> Update:
        likeliest, inside = view.beliefs.top_ids[:, 0], view.in_window()
        steps, tokens, opened = view.state["times"], likeliest, torch.zeros_like(inside)
        if view.state["time"] == steps:
            view.state["time"] += 1
            return Update(likeliest, inside, info={"t": 0.0})
        times = torch.linspace(1, 1e-5, steps + 1)
        while view.state["time"] < steps and not opened.any():
            t = times[view.state["time"]]
            tokens, opened = self._draw(view, t, t - (1 - 1e-5) / steps)
            opened &= inside
            view.state["time"] += 1
        return Update(torch.where(opened, tokens, likeliest), opened, info={"t": float(t)})

    def _draw(self, view: View, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `(n,)` and which rows open between the times t and s."""
        if self.draws == "canvas":
            return self._race(view, t, s)
        opened = torch.rand(len(view.positions), generator=view.generator) < (t - s) / t
        if self.temperature == 0:
            return view.beliefs.top_ids[:, 0], opened
        return draw(view.logits, self.temperature, view.generator), opened

    def _race(self, view: View, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """The release's one race for token and opening: weight p (t - s) on every token and s on the mask."""
        mask = view.mask_token_id
        logits = view.logits.clone()
        logits[:, mask] -= 1e6
        weight = logits.log_softmax(1).exp() * (t - s)
        weight[:, mask] = s
        uniform = torch.rand(len(view.ids), logits.shape[1], generator=view.generator)[view.positions]
        winner = (weight / (1e-10 - (uniform + 1e-10).log())).argmax(1)
        return winner, winner != mask
