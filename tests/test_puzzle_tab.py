"""The Puzzle tab's handlers: puzzles in, boards out, and one sentence for what is no puzzle."""

import json
import threading

import pytest

from dlm_core.engine.limits import Limits
from dlm_core.sudoku import parse, puzzle, solve
from dlm_core.ui.tabs.puzzle import FIRST, RULES, made, shown, solved


def records(value):
    return [json.loads(line) for line in value.splitlines()]


def last(text, rules=("threshold",), depth="sudoku", seed=3, stop=None):
    *_, value = solved(Limits(), text, rules, depth, seed, stop or threading.Event())
    return records(value)


def test_the_first_puzzle_has_one_solution_and_is_that_of_its_seed():
    assert len(solve(parse(FIRST))) == 81
    assert parse(FIRST) == puzzle(19, "hard")


def test_on_the_first_puzzle_the_order_decides():
    rows = last(FIRST, ("reading", "confidence", "threshold"))
    right = [row["summary"]["right"] for row in rows if row["type"] == "summary"]
    assert right == [False, True, True]
    forwards = [row["summary"]["forwards"] for row in rows if row["type"] == "summary"]
    assert forwards[1] == 54
    assert forwards[2] < 27


def test_every_rule_gives_a_board_of_its_own_and_an_end():
    text = "".join(map(str, puzzle(1, 4)))
    rows = last(text, RULES)
    assert [row["pane"] for row in rows if row["type"] == "pane"] == list(range(len(RULES)))
    assert all(row["summary"]["right"] for row in rows if row["type"] == "summary")
    assert rows[-1] == {"type": "done"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("12", "81"), ("5" * 81, "both hold 5"), ("." * 81, "more than one solution"), ("x" * 81, "81"),
        ("", "no puzzle"), ("0" * 80, "80"), (FIRST + "1", "82"), ("😀" * 81, "row 1, column 1"),
    ],
)  # fmt: skip
def test_what_is_no_puzzle_is_one_sentence_and_runs_nothing(text, said):
    for value in (shown(text), *[value for value in solved(Limits(), text, RULES, "sudoku", 0, threading.Event())]):
        (row,) = records(value)
        assert row["type"] == "error"
        assert said in row["message"]


@pytest.mark.parametrize(("rules", "depth"), [((), "sudoku"), (("guess",), "sudoku"), (("random",), "/etc/passwd")])
def test_rules_and_depths_that_are_not_offered_are_refused(rules, depth):
    (row,) = last(FIRST, rules, depth)
    assert row["type"] == "error"


@pytest.mark.parametrize(("level", "seed"), [("cruel", 1), ("easy", None), ("easy", "one")])
def test_a_new_puzzle_of_no_level_or_seed_is_one_sentence(level, seed):
    (row,) = records(made(level, seed))
    assert row["type"] == "error"


def test_the_same_seed_makes_the_same_puzzle():
    assert records(made("easy", 5))[0]["cells"] == records(made("easy", 5))[0]["cells"]


def test_a_stopped_run_shows_no_further_board():
    stop = threading.Event()
    stop.set()
    assert sum(row["type"] == "pane" for row in last(FIRST, RULES, stop=stop)) <= 1
