"""Text that comes in from anywhere, as Unicode.

Python takes a byte that is no UTF-8 on the command line, and JSON an escaped half of a pair of surrogates, for a
character; no tokenizer, file or browser does.
"""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def well_formed(value: T) -> T:
    """Replace every lone surrogate by U+FFFD, as JavaScript's `toWellFormed` does, and join those that make a pair.

    In a text, and in every text of a mapping, list or tuple; anything else is returned as it is.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return value
    if isinstance(value, Mapping):
        return {well_formed(name): well_formed(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        parts = map(well_formed, value)
        return value._make(parts) if hasattr(value, "_make") else type(value)(parts)
    return value
