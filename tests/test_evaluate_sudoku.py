"""The program that measures the Sudoku models: what counts as solved, and tables that repeat."""

import numpy as np
import pytest

from dlm_core.engine.puzzle import board_of, puzzle_canvas
from dlm_core.models import load_model
from dlm_core.policies import POLICIES
from dlm_core.sampler import sample
from dlm_core.sudoku import CELLS, minimal, parse, puzzle, solutions, solve
from dlm_core.training import evaluate_sudoku
from dlm_core.training.evaluate_sudoku import (
    PROGRAM,
    PUBLISHED,
    TABLES,
    WAYS,
    Case,
    blank_cases,
    forwards_to_solve,
    main,
    minimal_cases,
    rows,
)

BY_NAME = {way.name: way for way in WAYS}


@pytest.fixture(scope="module")
def model():
    return load_model("sudoku", device="cpu")


@pytest.mark.parametrize("text", PUBLISHED)
def test_the_published_puzzles_have_17_clues_and_one_solution(text):
    cells = parse(text)
    assert CELLS - cells.count(0) == 17
    assert len(solutions(cells)) == 1


def test_the_puzzles_measured_are_as_hard_as_they_are_called():
    plain, minimals = blank_cases(2), minimal_cases(2, searched=8)
    assert [(case.name, {cells.count(0) for cells in case.puzzles}) for case in plain] == [
        (f"{blanks} blanks", {blanks}) for blanks in (30, 40, 48, 54)
    ]
    for case in minimals:
        assert {CELLS - cells.count(0) for cells in case.puzzles} == {int(case.name.removesuffix(" clues"))}
        assert len(case.puzzles) <= 2
    assert minimals[-1].name == "17 clues"
    for case in [*plain, *minimals]:
        assert case.solutions == [solve(cells) for cells in case.puzzles]


@pytest.mark.parametrize("name", BY_NAME)
def test_a_way_solves_an_easy_puzzle_and_its_forwards_are_those_of_the_loop(model, name):
    cells, way = puzzle(1, 20), BY_NAME[name]
    assert way.policy in POLICIES
    took = forwards_to_solve(model, cells, solve(cells), way)
    canvas, policy = puzzle_canvas(model, cells), evaluate_sudoku.make_policy(way.policy, **way.params(20))
    *_, last = sample(model.denoiser, canvas, policy)
    assert board_of(model, last.after) == solve(cells)
    assert took == last.forwards


def test_one_cell_a_forward_is_what_the_orders_are_compared_at(model):
    cells = puzzle(2, 24)
    canvas = puzzle_canvas(model, cells)
    for name in ("random order", "reading order", "most confident first", "largest margin first"):
        policy = evaluate_sudoku.make_policy(BY_NAME[name].policy, **BY_NAME[name].params(24))
        written = [int(step.written.sum()) for step in sample(model.denoiser, canvas, policy)]
        assert sum(written) == 24
        assert max(written[:-1]) == 1, name


def test_a_run_that_cannot_be_right_any_more_is_not_solved_and_ends(model, monkeypatch):
    cells = puzzle(1, 30)
    wrong = solve(cells)
    first = cells.index(0)
    wrong[first] = wrong[first] % 9 + 1
    taken = []

    def counted(*args, **options):
        for step in sample(*args, **options):
            taken.append(step)
            yield step

    monkeypatch.setattr(evaluate_sudoku, "sample", counted)
    assert forwards_to_solve(model, cells, wrong, BY_NAME["reading order"]) is None
    assert len(taken) == 1
    assert forwards_to_solve(model, cells, wrong, BY_NAME["P2, 32 steps"]) is None
    assert len(taken) == 33  # what takes back may still come right, so it is watched to its end


def test_a_table_has_the_share_and_the_forwards_of_what_was_solved(model, monkeypatch):
    answers = iter([30, None, 20, None, None, None])
    monkeypatch.setattr(evaluate_sudoku, "forwards_to_solve", lambda *_: next(answers))
    three = Case("30 blanks", [puzzle(seed, 30) for seed in range(3)], [[0] * 81] * 3)
    assert rows(model, WAYS[:1], [three, three]) == [["random order", "0.667 (25.0)", "0"]]


def test_the_program_prints_its_tables_and_puts_them_where_they_belong(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluate_sudoku, "BLANKS", (4,))
    monkeypatch.setattr(evaluate_sudoku, "CLUES", (25,))
    monkeypatch.setattr(evaluate_sudoku, "PUBLISHED", ("".join(map(str, minimal(3)[1])),))
    monkeypatch.setattr(evaluate_sudoku, "WAYS", tuple(BY_NAME[name] for name in ("all above 0.99", "WINO", "WINO")))
    card = tmp_path / "card.md"
    places = [f"<!-- measured: printed by {PROGRAM.format(name)} -->\nold\n<!-- /measured -->\n" for name in TABLES]
    card.write_text(f"Before.\n{''.join(places)}After.\n", "utf-8")
    assert main(["--puzzles", "1", "--hard", "1", "--deep", "1", "--searched", "1", "--write", str(card)]) == 0
    told, written = capsys.readouterr().out, card.read_text(encoding="utf-8")
    assert "old" not in written
    assert written.startswith("Before.\n")
    assert written.endswith("After.\n")
    for part in ("--puzzles 1 --hard 1", "| order | 4 blanks, n = 1 |", "thinks 8 times", "ms of processor time"):
        assert part in told
        assert part in written


@pytest.mark.parametrize("wrong", ["0", "-1", "many"])
def test_a_count_below_one_is_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        main(["--puzzles", wrong])
    assert "argument --puzzles" in capsys.readouterr().err


def test_one_table_is_measured_alone_and_leaves_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate_sudoku, "BLANKS", (4,))
    card = tmp_path / "card.md"
    places = [f"<!-- measured: printed by {PROGRAM.format(name)} -->\nold\n<!-- /measured -->\n" for name in TABLES]
    card.write_text("".join(places), "utf-8")
    assert main(["--tables", "twin", "--puzzles", "1", "--write", str(card)]) == 0
    written = card.read_text(encoding="utf-8")
    assert written.count("old") == len(TABLES) - 1
    assert "--tables twin --puzzles 1" in written


def test_the_card_has_the_places_that_the_program_writes_to():
    card = evaluate_sudoku.CARD.read_text(encoding="utf-8")
    for name in TABLES:
        assert f"<!-- measured: printed by {PROGRAM.format(name)} -->" in card


def test_a_step_that_writes_only_right_cells_is_never_the_end(model):
    cells = puzzle(1, 30)
    assert np.isfinite(forwards_to_solve(model, cells, solve(cells), BY_NAME["all above 0.99"]))
