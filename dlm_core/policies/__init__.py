"""The table of names: every policy the command line, the page and the run file can ask for.

`make_policy("llada", steps=32, temperature=0.7)`: parameter names are those of the reference implementations.
"""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dlm_core.policies.planned import (
    Confidence,
    Draws,
    EntropyBound,
    Leftmost,
    NegativeEntropy,
    Planned,
    Propose,
    Quota,
    Random,
    Threshold,
)
from dlm_core.policies.policy import Policy, Update, View
from dlm_core.policies.posterior import MDLM

__all__ = ["POLICIES", "Policy", "Update", "View", "make_policy", "parameters"]


def llada(
    steps: int = 128, temperature: float = 0.0, remasking: str = "low_confidence", draws: Draws = "positions",
    left_open: bool = False, exhaust: bool = False,
) -> Policy:  # fmt: skip
    """Most confident first, or in random order; an equal number each step (LLaDA, arXiv 2502.09992)."""
    orders = {"low_confidence": Confidence(), "random": Random(draws)}
    if remasking not in orders:
        raise ValueError(f"remasking must be one of {', '.join(orders)}, got {remasking!r}")
    return Planned(Propose(temperature, draws), orders[remasking], Quota(steps, exhaust), left_open)


def threshold(
    threshold: float = 0.9, steps: int | None = None, temperature: float = 0.0, draws: Draws = "positions",
    left_open: bool = False,
) -> Policy:  # fmt: skip
    """Everything at least this confident, and always the best; `steps` is the most it may take."""
    return Planned(Propose(temperature, draws), Confidence(), Threshold(steps, threshold), left_open)


def fast_dllm(
    steps: int = 128, temperature: float = 0.0, remasking: str = "low_confidence", threshold: float | None = None,
    draws: Draws = "positions", left_open: bool = False,
) -> Policy:  # fmt: skip
    """Fast-dLLM's own parameters (arXiv 2505.22618): without a threshold it is LLaDA's quota."""
    if threshold is None:
        return llada(steps, temperature, remasking, draws, left_open)
    if remasking != "low_confidence":
        raise ValueError(f"a threshold is a confidence, so remasking must be low_confidence, got {remasking!r}")
    return Planned(Propose(temperature, draws), Confidence(), Threshold(None, threshold), left_open)


def eb(gamma: float = 0.1, steps: int | None = None, temperature: float = 0.0, draws: Draws = "positions") -> Policy:
    """As many as an entropy bound allows, surest first; `steps` is the most it may take."""
    return Planned(Propose(temperature, draws), NegativeEntropy(), EntropyBound(steps, gamma))


def left_to_right(steps: int = 128, temperature: float = 0.0, draws: Draws = "positions") -> Policy:
    """Reading order, an equal number each step: one a step is how autoregressive models write."""
    return Planned(Propose(temperature, draws), Leftmost(), Quota(steps))


POLICIES: Mapping[str, Callable[..., Policy]] = MappingProxyType(
    {
        "llada": llada,
        "threshold": threshold,
        "fast_dllm": fast_dllm,
        "eb": eb,
        "mdlm": MDLM,
        "left_to_right": left_to_right,
    }
)


def parameters(name: str) -> Mapping[str, inspect.Parameter]:
    """The parameters a policy has, by name, with their defaults; unknown names are a ValueError."""
    if name not in POLICIES:
        raise ValueError(f"unknown policy {name!r}: choose one of {', '.join(POLICIES)}")
    return inspect.signature(POLICIES[name]).parameters


def make_policy(name: str, **params: Any) -> Policy:
    """Build the policy called `name`; every parameter has the reference's default unless given."""
    known = parameters(name)
    if unknown := sorted(set(params) - set(known)):
        raise ValueError(f"policy {name} has no parameter {unknown[0]!r}: it has {', '.join(known)}")
    return POLICIES[name](**params)
