"""Measurements put into a Markdown file, between two lines that name the program that printed them.

A number that people read stands where a program printed it, and is replaced as a whole when it is measured again.
"""

from pathlib import Path

END = "<!-- /measured -->\n"


def replace_between_markers(path: Path, program: str, text: str) -> None:
    """Replace what stands in `path` after the line of `program`, such as `make bench`, by `text`.

    Raises ValueError where the file has no place for it.
    """
    begin = f"<!-- measured: printed by {program} -->\n"
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    if not found or END not in rest:
        raise ValueError(f"{path} has no lines {begin.strip()!r} and {END.strip()!r}: put them where the tables belong")
    path.write_text(before + begin + f"\n{text.strip()}\n\n" + END + rest.partition(END)[2], encoding="utf-8")
