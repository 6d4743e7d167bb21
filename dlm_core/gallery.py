"""The recorded runs that the page shows, and the program that records them: `python -m dlm_core.gallery [NAME ...]`.

A recipe says how a run is made and never what its text says, so the runs can be recorded again with other weights.
`index.json` holds the numbers of each, computed from the run.  `thumbnails.json` holds a small picture of every policy
that suits the bundled model, each of one run with the same prompt and seed.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from dlm_core.canvas import Canvas
from dlm_core.engine import LocalEngine, Request
from dlm_core.engine.edit import parse_pins
from dlm_core.engine.puzzle import puzzle_canvas
from dlm_core.figures import HeatmapData, heatmap_data
from dlm_core.files import ASSETS
from dlm_core.lines import dumps
from dlm_core.metrics import summarise
from dlm_core.models import LoadedModel, load_model
from dlm_core.policies import parameters
from dlm_core.policies.parameter import find
from dlm_core.sudoku import puzzle
from dlm_core.trace import Trace

FOLDER = ASSETS / "runs"
OPENING = "opening"  # what plays when the page opens
MAX_BYTES = 150_000  # of a run file
THUMBNAILS = "thumbnails"
GRADES = 26  # of confidence in a thumbnail, even in its square root
_PROMPT = "Once upon a time there was a little dog"


@dataclass(frozen=True)
class Recipe:
    """How a run is made: settings, and for an infilling a text with a gap of `length` masks before `ending`."""

    policy: str
    params: Mapping[str, Any]
    length: int = 96
    block_length: int | None = None
    seed: int = 2
    prompt: str = _PROMPT
    ending: str = ""
    pins: str = ""  # words that stand from the start, as the page has them
    model: str = "bundled"
    puzzle: int | None = None  # the seed of a hard Sudoku, which is the canvas then

    def request(self, model: LoadedModel) -> Request:
        """Return the request to an engine over `model`."""
        if self.puzzle is not None:
            board = puzzle_canvas(model, puzzle(self.puzzle, "hard"))
            return Request(policy=self.policy, seed=self.seed, params=self.params, canvas=board)
        canvas = with_ending(model, self.prompt, self.length, self.ending) if self.ending else None
        return Request(
            self.prompt, self.policy, self.length, self.block_length, self.seed, self.params, canvas,
            pins=parse_pins(self.pins),
        )  # fmt: skip


RECIPES = {
    OPENING: Recipe(
        "p2", {"num_steps": 64, "tau": 0.7}, seed=1, prompt="Once upon a time",
        pins="10:robot 30:garden 50:storm 68:lost 86:smiled",
    ),
    "order": Recipe("llada", {"steps": 64, "temperature": 0.0}, length=64),
    "bursts": Recipe("threshold", {"threshold": 0.5, "temperature": 0.0}),
    "remasking": Recipe("p2", {"num_steps": 40, "tau": 0.6}, length=64, seed=8),
    "infilling": Recipe(
        "llada", {"steps": 32, "temperature": 0.4}, length=32,
        ending=" Then they all went home, and they were very happy.",
    ),
    "too-few": Recipe("llada", {"steps": 6, "temperature": 0.0}),
    "mended": Recipe("remedi", {}, seed=1),
    "random-order": Recipe("mdlm", {"steps": 64}, length=64, seed=1),
    "blocks": Recipe("llada", {"steps": 64, "temperature": 0.5}, length=64, block_length=16),
    "reading": Recipe("left_to_right", {"steps": 64, "temperature": 0.7}, length=64, seed=1),
    # one puzzle, the same weights, one cell a forward: only the order differs
    "sudoku": Recipe("llada", {"steps": 54}, model="sudoku", puzzle=19),
    "sudoku-cornered": Recipe("left_to_right", {"steps": 54}, model="sudoku", puzzle=19),
}  # fmt: skip


def with_ending(model: LoadedModel, prompt: str, length: int, ending: str) -> Canvas:
    """Return a prompt, `length` masks and an ending as a canvas; both ends are fixed."""
    head, tail = model.encode_prompt(prompt), model.encode_prompt(ending)[1:]
    ids = np.array([*head, *[model.mask_token_id] * length, *tail])
    fixed = np.ones(len(ids), dtype=bool)
    fixed[len(head) : len(head) + length] = False
    return Canvas(ids, fixed)


def numbers(trace: Trace, pseudo_likelihood: ndarray | None = None) -> dict[str, Any]:
    """Return what a gallery card shows of a run: its summary, and the tokens that each step wrote."""
    return summarise(trace, pseudo_likelihood)._asdict() | {"writes": [int(step.written.sum()) for step in trace.steps]}


def record(names: Sequence[str] = tuple(RECIPES), folder: Path = FOLDER, log: Callable[[str], None] = print) -> None:
    """Record recipes into `folder`, and their numbers into its index; a failed or too large run is a ValueError."""
    index = json.loads(path.read_text(encoding="utf-8")) if (path := folder / "index.json").exists() else {}
    engine_of = cache(lambda model: LocalEngine(load_model(model)))
    for name in names:
        engine = engine_of(RECIPES[name].model)
        trace = engine.run(RECIPES[name].request(engine.model)).complete()
        if trace.outcome != "finished":
            raise ValueError(f"the run {name!r} did not finish: {trace.totals}")
        trace.save(file := file_of(name, folder))
        if file.stat().st_size > MAX_BYTES:
            raise ValueError(f"the run {name!r} takes {file.stat().st_size} bytes, the limit is {MAX_BYTES}")
        index[name] = numbers(trace, engine.pseudo_likelihood(trace))
        log(f"{name}: {trace.summary()}, {file.stat().st_size} bytes")
    path.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def thumbnail_request(policy: str) -> Request:
    """Return the request for the run of which a thumbnail of `policy` is drawn."""
    steps = find(parameters(policy), "steps")
    given = steps is not None and not steps.optional  # else the policy itself says how many it takes
    return Request("Once upon a time", policy, 32, seed=1, params={"steps": 16} if given else {})


def thumbnail(data: HeatmapData) -> list[str]:
    """Return confidence by position and step, after a fixed beginning, as a string a position and a character a step.

    "*" is where a token was written, "a" to "z" what was measured, "A" to "Z" the confidence with which a token that
    stands was written: grades of the square root.  "." is where there is nothing.
    """

    def character(measured: float | None, held: float | None, written: int | None) -> str:
        if written:
            return "*"
        value, first = (held, "A") if measured is None else (measured, "a")
        return "." if value is None else chr(ord(first) + round(value**0.5 * (GRADES - 1)))

    rows = zip(data.measured, data.held, data.written)
    return ["".join(map(character, *row)) for row in rows][data.opening :]


def record_thumbnails(folder: Path = FOLDER, log: Callable[[str], None] = print) -> None:
    """Record a run of every policy that suits the bundled model, and write their thumbnails into `folder`."""
    engine = LocalEngine(load_model("bundled"))
    about, rows = engine.about(), {}
    for policy in about.policies:
        trace = engine.run(thumbnail_request(policy)).complete()
        if trace.outcome != "finished":
            raise ValueError(f"the run of {policy!r} did not finish: {trace.totals}")
        rows[policy] = thumbnail(heatmap_data(trace, "confidence"))
        log(f"{policy}: {trace.summary()}")
    known = {"model": about.name, "revision": about.revision, "rows": rows}
    (folder / f"{THUMBNAILS}.json").write_text(dumps(known) + "\n", encoding="utf-8")


def file_of(name: str, folder: Path = FOLDER) -> Path:
    """Return the file of a recorded run."""
    return folder / f"{name}.run.jsonl.gz"


def cards(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Return what a gallery shows: name and numbers of every recorded run."""
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return [{"name": name, "numbers": index[name]} for name in RECIPES]


if __name__ == "__main__":
    asked = sys.argv[1:] or [*RECIPES, THUMBNAILS]
    record([name for name in asked if name != THUMBNAILS])
    if THUMBNAILS in asked:
        record_thumbnails()
