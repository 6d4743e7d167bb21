"""What the Sudoku models are worth, measured: `python -m dlm_core.training.evaluate_sudoku` prints the card's tables.

A puzzle counts as solved if every cell of its board is right.  The puzzles are from seeds that training never uses,
each with exactly one solution; every one is decoded by `sample()`, one at a time, as the page does it.  Where a rule
changes nothing that it wrote, a run ends with its first wrong cell: it is not solved, whatever follows.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

from tqdm import tqdm

from dlm_core.engine.puzzle import board_of, puzzle_canvas
from dlm_core.files import ASSETS
from dlm_core.models import LoadedModel, load_model
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from dlm_core.sudoku import CELLS, isomorph, minimal, parse, puzzle, solve
from dlm_core.training.evaluate import at_least, table
from dlm_core.training.report import replace_between_markers

CARD = ASSETS / "sudoku" / "README.md"
PROGRAM = "make evaluate: {}"
BLANKS = (30, 40, 48, 54)
CLUES = (25, 24, 23, 22, 21, 20)  # of minimal puzzles: with any clue less they would have several solutions
SEARCHED = 4000  # minimal puzzles that are looked through for those
FIRST_SEED = 1_000_000  # of the puzzles of the table
# with 17 clues, the fewest that a puzzle with one solution can have (McGuire et al., arXiv 1201.0749); from the list
# that Gordon Royle collected at the University of Western Australia
PUBLISHED = (
    "000000010400000000020000000000050407008000300001090000300400200050100000000806000",
    "000000010400000000020000000000050604008000300001090000300400200050100000000807000",
    "000000012000035000000600070700000300000400800100000000000120000080000040050000600",
    "000000012003600000000007000410020000000500300700000600280000040000300500000000000",
    "000000012008030000000000040120500000000004700060000000507000300000620000000100000",
    "000000012040050000000009000070600400000100000000000050000087500601000300200000000",
    "000000012050400000000000030700600400001000000000080000920000800000510700000003000",
    "000000012300000060000040000900000500000001070020000000000350400001400800060000000",
    "000000012400090000000000050070200000600000400000108000018000000000030700502000000",
    "000000012500008000000700000600120000700000450000030000030000800000500700020000000",
    "000000012700060000000000050080200000600000400000109000019000000000030800502000000",
    "000000012800040000000000060090200000700000400000501000015000000000030900602000000",
    "000000012980000000000600000100700080402000000000300600070000300050040000000010000",
    "000000013000030080070000000000206000030000900000010000600500204000400700100000000",
    "000000013000200000000000080000760200008000400010000000200000750600340000000008000",
    "000000013000500070000802000000400900107000000000000200890000050040000600000010000",
)


class Case(NamedTuple):
    """Puzzles of one difficulty, and their solutions."""

    name: str
    puzzles: list[list[int]]
    solutions: list[list[int]]


class Way(NamedTuple):
    """A policy by its name, with the parameters for a number of blanks."""

    name: str
    policy: str
    params: Callable[[int], Mapping[str, Any]]


WAYS = (
    Way("random order", "llada", lambda blanks: {"steps": blanks, "remasking": "random"}),
    Way("reading order", "left_to_right", lambda blanks: {"steps": blanks}),
    Way("most confident first", "llada", lambda blanks: {"steps": blanks}),
    # one a forward, the last writes two: Dream's rule writes none before the end if it is given a step a mask
    Way("largest margin first", "dream", lambda blanks: {"steps": blanks - 1, "alg": "topk_margin"}),
    Way("entropy bound 0.1", "eb", lambda _: {"gamma": 0.1}),
    Way("all above 0.9", "threshold", lambda _: {"threshold": 0.9}),
    Way("all above 0.99", "threshold", lambda _: {"threshold": 0.99}),
    Way("P2, 32 steps", "p2", lambda _: {"num_steps": 32, "tau": 0.0}),
    Way("WINO", "wino", lambda _: {}),
)
LEFT_TO_RIGHT = (Way("the twin, left to right", "threshold", lambda _: {}),)


def blank_cases(n: int) -> list[Case]:
    """Return `n` puzzles for each number of blanks."""
    many = [
        [puzzle(FIRST_SEED + i, blanks) for i in tqdm(range(n), desc=f"{blanks} blanks", leave=False)]
        for blanks in BLANKS
    ]
    return [_solved(f"{blanks} blanks", cells) for blanks, cells in zip(BLANKS, many)]


def minimal_cases(hard: int, searched: int = SEARCHED) -> list[Case]:
    """Return at most `hard` minimal puzzles for each number of clues."""
    found: dict[int, list[list[int]]] = {clues: [] for clues in CLUES}
    for seed in tqdm(range(FIRST_SEED, FIRST_SEED + searched), desc="minimal puzzles", leave=False):
        cells = minimal(seed)[1]
        if len(few := found.get(CELLS - cells.count(0), [])) < hard:
            few.append(cells)
    hardest = [isomorph(parse(PUBLISHED[i % len(PUBLISHED)]), i) for i in range(hard)]
    return [_solved(f"{clues} clues", cells) for clues, cells in [*found.items(), (17, hardest)] if cells]


def _solved(name: str, puzzles: list[list[int]]) -> Case:
    return Case(name, puzzles, [solve(cells) for cells in puzzles])


def forwards_to_solve(model: LoadedModel, cells: Sequence[int], solution: Sequence[int], way: Way) -> int | None:
    """Return how many forwards it took to solve a puzzle, None if it was not solved."""
    canvas, policy = puzzle_canvas(model, cells), make_policy(way.policy, **way.params(list(cells).count(0)))
    wanted = puzzle_canvas(model, solution).ids
    windows = model.windows(len(canvas) - CELLS, len(canvas))
    for step in sample(model.denoiser, canvas, policy, windows=windows):
        if not policy.revises and (step.after != wanted)[step.written].any():
            return None
    return step.forwards if board_of(model, step.after) == list(solution) else None


def rows(model: LoadedModel, ways: Sequence[Way], measured: Sequence[Case]) -> list[list[str]]:
    """Return, for each way, the share of puzzles solved in each case, and the mean forwards of those that were."""
    rows_by_way = []
    for way in ways:
        line = [way.name]
        for case in measured:
            both = zip(case.puzzles, case.solutions)
            progress = tqdm(both, total=len(case.puzzles), desc=f"{model.name}, {way.name}, {case.name}", leave=False)
            took = [forwards_to_solve(model, cells, solution, way) for cells, solution in progress]
            solved = [forwards for forwards in took if forwards is not None]
            share = f"{len(solved) / len(took):.3f}".rstrip("0").removesuffix(".")
            line.append(f"{share} ({mean(solved):.1f})" if solved else "0")
        rows_by_way.append(line)
    return rows_by_way


def times(model: LoadedModel, case: Case) -> str:
    """Return a sentence on what a solver without a model takes, and what the model does."""
    way = next(way for way in WAYS if way.name == "all above 0.99")

    def seconds(run: Callable[[Sequence[int], Sequence[int]], Any]) -> float:
        durations = []
        for cells, solution in zip(case.puzzles, case.solutions):
            began = time.process_time()
            run(cells, solution)
            durations.append(time.process_time() - began)
        return median(durations)

    plain = seconds(lambda cells, _: solve(cells))
    with_model = seconds(lambda cells, solution: forwards_to_solve(model, cells, solution, way))
    return (
        f"A plain solver needs no network: `dlm_core.sudoku.solve` finds the solution of a puzzle with {case.name} and "
        f"proves that there is no other in {1000 * plain:.1f} ms of processor time (median), and never fails. "
        f'"{way.name}" takes this model {1000 * with_model:.0f} ms on the same processor.'
    )


@dataclass(frozen=True)
class Counts:
    """How many puzzles are measured: of each number of blanks, of each number of clues, of each for the deep network.

    `searched` minimal puzzles are looked through for those with few clues.
    """

    n: int
    hard: int
    deep: int
    searched: int = SEARCHED

    @cached_property
    def plain(self) -> list[Case]:
        """Puzzles by their blanks."""
        return blank_cases(self.n)

    @cached_property
    def minimals(self) -> list[Case]:
        """Puzzles by their clues."""
        return minimal_cases(self.hard, self.searched)


def _share_solved(caption: str, name: str, ways: Sequence[Way], measured: Sequence[Case]) -> list[str]:
    model = load_model(name)
    header = ["order", *(f"{case.name}, n = {len(case.puzzles)}" for case in measured)]
    how = "share of boards wholly right, and in brackets the mean forwards of those"
    return table(f"`{name}`, {caption}: {how}.", header, rows(model, ways, measured))


def _deep(counts: Counts) -> list[str]:
    few = [
        Case(case.name, case.puzzles[: counts.deep], case.solutions[: counts.deep])
        for case in [*counts.plain, *counts.minimals]
    ]
    loops = load_model("sudoku-deep").model.config.loops
    return _share_solved(f"the same weights, each forward thinks {loops} times", "sudoku-deep", WAYS[:-2], few)


TABLES: Mapping[str, Callable[[Counts], list[str]]] = {
    "twice": lambda counts: _share_solved("each forward thinks twice", "sudoku", WAYS, counts.plain),
    "once": lambda counts: _share_solved(
        "the same weights, each forward thinks once", "sudoku-shallow", WAYS, counts.plain
    ),
    "twin": lambda counts: _share_solved(
        "the twin that writes from left to right", "sudoku-autoregressive", LEFT_TO_RIGHT, counts.plain
    ),
    "solver": lambda counts: [times(load_model("sudoku"), counts.plain[-1])],
    "minimal": lambda counts: _share_solved(
        "minimal puzzles, which would have several solutions with any clue less, and puzzles with 17 clues, "
        f"{len(PUBLISHED)} of Gordon Royle's list in new guises", "sudoku", WAYS, counts.minimals,
    ),
    "deep": _deep,
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Print every table as soon as it is measured; return the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m dlm_core.training.evaluate_sudoku", description="Measure Sudoku.")
    add = parser.add_argument
    add("--tables", nargs="+", choices=TABLES, default=[*TABLES], metavar="NAME", help=f"of {', '.join(TABLES)}")
    add("--puzzles", type=at_least(1), default=200, help="puzzles for each number of blanks")
    add("--hard", type=at_least(1), default=50, help="puzzles for each number of clues, of those with few")
    add("--deep", type=at_least(1), default=20, help="of each of those for the network that thinks longest")
    add("--searched", type=at_least(1), default=SEARCHED, help="minimal puzzles looked through for few clues")
    add("--write", type=Path, nargs="?", const=CARD, help="put the tables into the card, or this file")
    args = parser.parse_args(argv)
    counts = Counts(args.puzzles, args.hard, args.deep, args.searched)
    options = f"--puzzles {args.puzzles} --hard {args.hard} --deep {args.deep} --searched {args.searched}"
    for name in args.tables:
        lines = "\n".join(TABLES[name](counts))
        program = f"python -m dlm_core.training.evaluate_sudoku --tables {name} {options}"
        text = f"{lines}\n\nMeasured by `{program}`, one puzzle at a time, on a CPU."
        print(text, end="\n\n", flush=True)
        if args.write:  # each table takes long: what stands so far is kept if the next one is never finished
            replace_between_markers(args.write, PROGRAM.format(name), text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
