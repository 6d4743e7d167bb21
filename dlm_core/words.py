"""Every sentence that a visitor reads, by key, in every language: one file a language in `assets/words`.

To add a string: put it under one key into every file of `assets/words` (names in braces are filled in), then use it:
`phrase("player.step")` in a script, `data-word="player.step"` in markup, `label` or `message` of `ui/words.py`.
A language is a file more.  English is what is shown where a language lacks a key; model text is never translated.

What the core itself raises (a length out of range, a damaged file) is English everywhere: the core knows no language.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache

from dlm_core.files import ASSETS

FOLDER = ASSETS / "words"


@cache
def languages() -> dict[str, dict[str, str]]:
    """Return sentences by dotted key, by the language's code as browsers call it; English first."""
    files = sorted(FOLDER.glob("*.json"), key=lambda file: (file.stem != "en", file.stem))
    dictionaries = [dict(_flat(json.loads(file.read_text(encoding="utf-8")))) for file in files]
    return {words["language.code"]: words for words in dictionaries}


def _flat(words: Mapping[str, str | Mapping], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in words.items():
        if isinstance(value, str):
            yield above + key, value
        else:
            yield from _flat(value, f"{above}{key}.")


def english(key: str) -> str:
    """Return the English sentence of a key."""
    return languages()["en"][key]


def names_below(section: str) -> list[str]:
    """Return the names directly below a key, in order: `names_below("policies")` are the policies with words."""
    keys = (key.removeprefix(f"{section}.") for key in languages()["en"] if key.startswith(f"{section}."))
    return list(dict.fromkeys(key.partition(".")[0] for key in keys))
