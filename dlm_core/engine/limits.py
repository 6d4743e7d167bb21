"""What an operator allows visitors, read once from the environment: lengths, steps, the queue, sessions, models, ..."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

# field: the variable, what the page allows where it is not set
VARIABLES = {
    "length": ("UNMASK_MAX_LENGTH", 2048),
    "steps": ("UNMASK_MAX_STEPS", 2048),
    "seconds": ("UNMASK_MAX_SECONDS", 600),
    "queue": ("UNMASK_MAX_QUEUE", 100),
    "upload": ("UNMASK_MAX_UPLOAD", 32),
    "sessions": ("UNMASK_MAX_SESSIONS", 500),
    "models": ("UNMASK_MAX_MODELS", 1),
}
MAX = 10**6  # of anything: more is a slip of the finger


@dataclass(frozen=True)
class Limits:
    """Limits of everything; a field that is not given is unlimited."""

    length: float = inf  # positions a run may fill
    steps: float = inf  # forward passes of one run
    seconds: float = inf  # one run may hold the model
    queue: float = inf  # runs that hold the model or wait for it
    upload: float = inf  # megabytes of one file a visitor opens
    sessions: float = inf  # visitors whose page is remembered, the latest ones: Gradio frees no other session's memory
    models: int = 1  # in memory at once, beside one that is on its way

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Limits":
        """Return the page's limits from environment variables; ValueError of one sentence for a wrong value."""
        return cls(
            **{
                name: number(variable, environment.get(variable), default, MAX)
                for name, (variable, default) in VARIABLES.items()
            }
        )

    @property
    def full(self) -> str:
        """Return the message for a request that finds the queue full."""
        return f"{self.queue} runs are in line: try again in a minute"


def number(variable: str, text: str | None, default: int, most: int) -> int:
    """Return the whole number from 1 to `most` in a variable's text, `default` where it is empty; else ValueError."""
    text = (text or "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= most):
        raise ValueError(f"{variable} must be a whole number between 1 and {most}, got {text[:40]!r}")
    return int(text)
