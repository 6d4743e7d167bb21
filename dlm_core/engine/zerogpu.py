"""Functions that need a GPU which is assigned by the second: ZeroGPU, on a Hugging Face Space.

There the `spaces` package runs them in a forked process that has the GPU for as long as was requested; anywhere else a
function is itself.  What goes in and out is pickled, and closing a generator frees the GPU after the step it is in.
"""

import os
from collections.abc import Callable
from math import ceil
from typing import Any, TypeVar

Task = TypeVar("Task", bound=Callable[..., Any])


def _decorator() -> Callable[..., Any] | None:
    if os.environ.get("SPACES_ZERO_GPU", "").lower() not in ("1", "t", "true"):  # as `spaces` reads it
        return None
    try:
        import spaces
    except ImportError:
        return None
    return spaces.GPU


_GPU = _decorator()  # with this module, since `spaces` must come before anything that touches CUDA
ON_ZEROGPU = _GPU is not None  # then only models loaded at the start can run on it


def on_gpu(task: Task, seconds: Callable[..., int]) -> Task:
    """Return `task`, a function or generator function, to run on a GPU; `seconds` of its arguments is for how long."""
    return task if _GPU is None else _GPU(duration=seconds)(task)


def seconds(forwards: int, length: int) -> int:
    """Return for how long to request a GPU, generously: 8 billion parameters in bfloat16, ten seconds to begin.

    An estimate from the card's bandwidth and arithmetic, not a measurement: 30 ms a forward, 0.2 ms a position.
    """
    return ceil(10 + forwards * (0.03 + 0.0002 * length))
