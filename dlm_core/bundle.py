"""Join the player's ES modules into one script, for the page and for a file that replays a run without a server.

The modules in `assets/player` are plain JavaScript that node and a type checker read as they are.  A page would have to
ask for some forty of them one after the other, and a file opened from disk may import none, so both get one script: the
modules in the order in which they need each other, without their import and export lines and their comments.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from dlm_core.conversation import MAX_CHARACTERS, MAX_MESSAGES
from dlm_core.figures import (
    MAX_ENTROPY,
    HeatmapData,
    Measure,
    ProgressData,
    Theme,
    plot_heatmap,
    plot_progress,
)
from dlm_core.files import ASSETS
from dlm_core.lines import RUN_LINES, dumps
from dlm_core.trace import MAX_BELIEFS, MAX_BYTES, MAX_COLUMNS, MAX_LENGTH, MAX_PIECE, SCHEMA
from dlm_core.words import languages

PLAYER = ASSETS / "player"
_IMPORT = re.compile(r'^import \{\s*\w+(?:,\s*\w+)*,?\s*\} from "(\.[^"]+)";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.M)
_NAME = re.compile(r"^(?:export )?(?:async )?(?:function\*?|class|const|let|var) (\w+)", re.M)
_OTHER = re.compile(r"^(?:import|export|(?:const|let|var) [^\w]).*", re.M)
_SECTION = re.compile(r"[\"`](\w+)\.")  # of a sentence's key, in a script or in markup
_COMMENT = re.compile(r"^[ \t]*(?://.*|/\*\*(?s:.*?)\*/)\n", re.M)  # that stands on lines of its own
_THEMES: tuple[Theme, ...] = ("light", "dark")
_MEASURES: tuple[Measure, ...] = ("confidence", "entropy", "commit")


def settings() -> dict[str, Any]:
    """Return what the scripts know from Python: every sentence, the limits of a run file, the figures they fill in."""
    return {
        "words": languages(),
        "limits": {
            "bytes": MAX_BYTES, "length": MAX_LENGTH, "beliefs": MAX_BELIEFS, "piece": MAX_PIECE,
            "columns": MAX_COLUMNS, "messages": MAX_MESSAGES, "characters": MAX_CHARACTERS, "schema": SCHEMA,
        },
        "runLines": RUN_LINES,
        "figures": figures(),
        "maxEntropy": MAX_ENTROPY,
    }  # fmt: skip


@cache
def figures() -> dict[str, Any]:
    """Return the empty figures that the player fills in, by theme."""
    nothing = HeatmapData([], [], [])
    return {
        theme: {measure: json.loads(plot_heatmap(nothing, measure, theme).to_json()) for measure in _MEASURES}
        | {"progress": json.loads(plot_progress(ProgressData([], []), theme).to_json())}
        for theme in _THEMES
    }


def in_order(*entries: str, folder: Path = PLAYER) -> list[str]:
    """Return the modules that the entries need, and the entries themselves, each after those that it imports.

    Raises:
        ValueError: if modules import each other in a circle.
    """
    done: list[str] = []

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"modules import each other in a circle: {' -> '.join((*above, name))}")
        if name in done:
            return
        for target in _IMPORT.findall((folder / name).read_text(encoding="utf-8")):
            add(_resolved(name, target), (*above, name))
        done.append(name)

    for entry in entries:
        add(entry, ())
    return done


def _resolved(name: str, target: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / target).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def join(*entries: str, folder: Path = PLAYER, exports: bool = False) -> str:
    """Return the entries and all that they import as one script; with `exports`, the last entry keeps its exports.

    Raises:
        ValueError: if two modules declare the same name, or one imports or exports in a way that is not understood.
    """
    owner: dict[str, str] = {}
    parts: list[str] = []
    for name in in_order(*entries, folder=folder):
        text = _IMPORT.sub("", (folder / name).read_text(encoding="utf-8"))
        for declared in _NAME.findall(text):
            if declared in owner:
                raise ValueError(
                    f"{name} declares {declared}, which {owner[declared]} declares too: rename one of them"
                )
            owner[declared] = name
        bare = _EXPORT.sub("", text)
        if found := _OTHER.search(bare):
            raise ValueError(f"{name}: write `import {{ a, b }}` and `export` before one declaration, not {found[0]!r}")
        parts.append(_COMMENT.sub("", text if exports and name == entries[-1] else bare))
    return "\n".join(parts)


def replay_script(markup: str) -> str:
    """Return the module of a file that replays a run, as it may stand in a script element; `markup` is the file's.

    It has the sentences of the sections that the file names, and no others.
    """
    script = join("replay.js")
    used = {*_SECTION.findall(script + markup), "language"}
    words = {
        code: {key: sentence for key, sentence in sentences.items() if key.partition(".")[0] in used}
        for code, sentences in languages().items()
    }
    return f"{settings_line(settings() | {'words': words})}{script}".replace("</script", "<\\/script")


@cache
def page_script() -> str:
    """Return the module of the web page, which exports `mount`."""
    return f"{settings_line()}{join('page.js', exports=True)}"


def settings_line(known: Mapping[str, Any] | None = None) -> str:
    """Return the line of script that hands `settings()`, or less, to the modules."""
    return f"globalThis.UNMASK = {dumps(known or settings())};\n"
