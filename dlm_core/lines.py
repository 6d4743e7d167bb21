"""The lines that runs travel in: every line is a JSON object whose `type` says what it is, and that comes first.

A run file has three types of lines.  What the page and an engine on another machine receive has these and others,
which `docs/run-file.md` lists with their fields.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from dlm_core.unicode import well_formed

LineType = Literal[
    # of a run file
    "run", "step", "end",
    # the first line of what a part of the page receives
    "live", "recorded", "notice", "error", "asking", "lesson", "canvas", "puzzle", "models",
    # between the lines of runs
    "waiting", "pane", "summary", "rewind", "figure", "done",
    # answers of an engine on another machine
    "about", "probabilities",
]  # fmt: skip
RUN_LINES: tuple[LineType, ...] = ("run", "step", "end")

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dumps(value: Any) -> str:
    """Return a value as JSON on one line that may stand in a script of a page: every "<" is spelled out."""
    return well_formed(_ENCODER.encode(value)).replace("<", "\\u003c")


def make_line(kind: LineType, /, **fields: Any) -> str:
    """Return a line of a type, with its end."""
    return dumps({"type": kind, **fields}) + "\n"


def type_of(record: Mapping[str, Any]) -> Any:
    """Return the type of a line that was read; what stands there may be none of `LineType`.

    Lines of run files had no types at first: what such a line contains says which it is.
    """
    if "type" in record:
        return record["type"]
    return "run" if "unmask" in record else "end" if "end" in record else "step"


def read_line(text: str) -> dict[str, Any]:
    """Return a line that an engine sent as an object; ValueError where it is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise ValueError(f"a line must be a JSON object, got {text[:40]!r}")
    return record


def is_waiting(text: str) -> bool:
    """Return whether a line of an engine says that others are ahead, and is no part of the run."""
    return type_of(read_line(text)) == "waiting"
