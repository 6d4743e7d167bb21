"""The engine in place of one whose model could not be loaded, or that cannot be reached."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from dlm_core.engine.describe import About, policies_for
from dlm_core.engine.interface import Run
from dlm_core.engine.lesson import Kind, Lesson
from dlm_core.engine.request import Request
from dlm_core.trace import Trace


@dataclass(frozen=True)
class UnavailableEngine:
    """An engine whose model could not be loaded: every request is a ValueError that says why."""

    reason: str

    def about(self, model: str | None = None) -> About:
        return About(policies=policies_for(True, About.policy))

    def run(self, request: Request, stop: threading.Event | None = None) -> Run:
        raise ValueError(self.reason)

    def header_line(self, request: Request) -> str:
        raise ValueError(self.reason)

    def pseudo_likelihood(self, trace: Trace) -> ndarray:
        return unmeasured(trace)

    def autoregressive_likelihood(self, trace: Trace) -> ndarray:
        return unmeasured(trace)

    def lesson(self, text: str, kind: Kind, schedule: str, seed: int, model: str | None = None) -> Lesson:
        raise ValueError(self.reason)


def unmeasured(trace: Trace) -> ndarray:
    """Return a NaN for every position of the newest canvas."""
    return np.full(len(trace.canvas(len(trace.steps))), np.nan)
