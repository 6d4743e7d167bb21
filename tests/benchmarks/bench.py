"""What things cost, as ratios measured side by side: `make bench` prints the table, and puts it into docs/measured.md.

    python -m tests.benchmarks.bench [GROUP ...] [--write]

A group is a module here with a function `rows()`; each runs in a process of its own, whose peak memory is its last row.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from dlm_core.training.report import replace_between_markers
from tests.benchmarks.measure import Row

GROUPS = ("steps", "shares", "orders", "drafts", "batches", "published", "growth", "page", "prompts", "machines")
ROOT = Path(__file__).parents[2]


def measure(group: str) -> None:
    """Print a group's rows, a line of JSON each."""
    for row in importlib.import_module(f"tests.benchmarks.{group}").rows():
        print(json.dumps(row), flush=True)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps(Row(f"peak memory of all rows of `{group}`, in GiB", peak / 2**20, "one process")), flush=True)


def measured(group: str) -> list[Row]:
    """The rows of a group, measured in a process of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, "-m", "tests.benchmarks.bench", "--measure", group]
    print(f"measuring {group}", file=sys.stderr, flush=True)
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    return [Row(*json.loads(line)) for line in done.stdout.splitlines() if line.startswith(b"[")]


def table(rows: list[Row]) -> str:
    lines = [f"| {row.what} | {row.ratio:.3g} | {row.measured} |\n" for row in rows]
    return "| what | ratio | measured |\n|---|---|---|\n" + "".join(lines)


def markdown(rows: list[Row]) -> str:
    """The rows that say most, and all of them in a fold."""
    short = [row for row in rows if row.short]
    fold = f"<details><summary>Every row ({len(rows)})</summary>\n\n{table(rows)}\n</details>\n"
    return f"{table(short)}\n{fold}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="print what things cost")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"any of {', '.join(GROUPS)}; all if none is named")
    parser.add_argument("--write", action="store_true", help="put the table into docs/measured.md as well")
    parser.add_argument("--measure", choices=GROUPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return measure(options.measure)
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no group is called {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    if options.write and options.groups:
        parser.error("docs/measured.md shows every group: leave the names out")
    text = markdown([row for group in options.groups or GROUPS for row in measured(group)])
    print(text)
    if options.write:
        replace_between_markers(ROOT / "docs/measured.md", "make bench", text)
    return None


if __name__ == "__main__":
    main()
