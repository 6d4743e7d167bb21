"""Text that comes in from anywhere and goes out anywhere, as Unicode.

Python takes a byte that is no UTF-8 on the command line, and JSON an escaped half of a pair of surrogates, for a
character; no tokenizer, file or browser does.
"""

import io
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def well_formed(value: T) -> T:
    """Replace every lone surrogate by U+FFFD, as JavaScript's `toWellFormed` does, and join those that make a pair.

    Those that Python makes of bytes, of arguments and names of files in a locale of ASCII, are read as UTF-8 first.  In
    a text, and in every text of a mapping, list or tuple; anything else is returned as it is.
    """
    return _well_formed(value)


def _well_formed(value: Any) -> Any:
    if isinstance(value, str):
        for encoding, errors in (("utf-8", "strict"), ("utf-8", "surrogateescape"), ("utf-16-le", "surrogatepass")):
            with suppress(UnicodeEncodeError):
                return value.encode(encoding, errors).decode(encoding, "replace")
    if isinstance(value, Mapping):
        return {well_formed(name): well_formed(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        parts = map(well_formed, value)
        return value._make(parts) if hasattr(value, "_make") else type(value)(parts)
    return value


def utf8_output() -> None:
    """Write standard output and error in UTF-8 from now on, whatever the locale: no character of a text is lost.

    Into a pipe or a file Python else writes in the locale's encoding, such as cp1252 or ASCII.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
