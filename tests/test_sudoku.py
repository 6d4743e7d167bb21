import random

import pytest

from dlm_core import sudoku
from dlm_core.sudoku import LEVELS, PEERS, conflicts, isomorph, minimal, parse, puzzle, solutions, solve

KNOWN = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"  # Wikipedia's example
SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
CELLS = [int(cell) if cell != "." else 0 for cell in KNOWN]
ROWS = [KNOWN[start : start + 9] for start in range(0, 81, 9)]


def boxed(row, blank=".", gap=" "):
    cells = [cell if cell != "." else blank for cell in row]
    return " | ".join(gap.join(cells[start : start + 3]) for start in (0, 3, 6))


def grid(blank=".", rule="------+-------+------", rows=ROWS):
    lines = [boxed(row, blank) for row in rows]
    return "\n".join([*lines[:3], rule, *lines[3:6], rule, *lines[6:]])


PASTED = {
    "one line": KNOWN,
    **{f"blanks as {blank}": KNOWN.replace(".", blank) for blank in "0_*?-"},
    "spaces for blanks": KNOWN.replace(".", " "),
    "nine lines": "\n".join(ROWS),
    "nine lines of another system": "\r\n".join(ROWS) + "\r\n",
    "nine lines, spaces for blanks, none at the ends": "\n".join(row.replace(".", " ").rstrip() for row in ROWS),
    "spaces between": "\n".join(" ".join(row) for row in ROWS),
    "borders": grid(),
    "borders around": "+-------+\n" + "\n".join(f"| {boxed(row)} |" for row in ROWS) + "\n+-------+",
    "borders, dashes for blanks": grid("-"),
    "borders without corners, dashes for blanks": grid("-", "-" * 21),
    "drawn borders": grid(rule="──────┼───────┼──────").replace("|", "│"),
    "double borders": grid(rule="======+=======+======"),
    "commas": ",".join(CELLS and map(str, CELLS)),
    "a table, nothing for blanks": "\n".join(",".join(row.replace(".", "0")).replace("0", "") for row in ROWS),
    "a table with quotes": "\n".join(",".join(f'"{cell}"' for cell in row.replace(".", "0")) for row in ROWS),
    "a table, separators at the ends": "\n".join(";".join(row) + ";" for row in ROWS),
    "cells of a spreadsheet": "\n".join("\t".join(row.replace(".", " ")).replace(" ", "") for row in ROWS),
    "a label": f"sudoku: {KNOWN}",
    "a label with a number, and text behind": f"Puzzle 17, rated 4.5:\n{KNOWN}\nGood luck!",
    "a label on a line of its own": "Level 3 of 5\n" + "\n".join(ROWS) + "\n\n(from the paper of 26 November)",
    "a label in Chinese": f"数独：{KNOWN}",
    "full-width digits": KNOWN.translate({ord(str(d)): chr(0xFF10 + d) for d in range(10)}).replace(".", "．"),
    "an address": f"https://example.org/play?board={KNOWN}&level=2",
    "dots that are none": KNOWN.replace(".", "·"),
}


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED)
def test_what_people_paste_is_read(text):
    assert parse(text) == CELLS


def test_rows_without_a_digit_are_rows_too():
    empty = [*ROWS[:4], ".........", *ROWS[5:]]
    cells = [0 if cell == "." else int(cell) for cell in "".join(empty)]
    for text in ("\n".join(empty), "\n".join(empty).replace(".", " "), "\n".join(empty).replace(".", "-")):
        assert parse(text) == cells
    assert parse(grid("-", rows=empty)) == cells
    assert parse(grid("-", "-" * 21, rows=empty)) == cells


MALFORMED = {
    "": "the text holds no puzzle: give 81 characters",
    "solve this for me, please": "the text holds no puzzle",
    "------+------": "the text holds no puzzle",
    KNOWN[:-1]: "a puzzle has 81 cells, got 80",
    KNOWN + ".": "a puzzle has 81 cells, got 82",
    "\n".join([*ROWS[:2], ROWS[2][:-1], *ROWS[3:]]): r"a row has 9 cells, got 8 in row 3 \(80 in all, not 81\)",
    "\n".join([*ROWS[:8], ROWS[8] + "1"]): r"a row has 9 cells, got 10 in row 9 \(82 in all, not 81\)",
    "\n".join(ROWS[:8]): "a puzzle has 81 cells, got 72",
    "\n".join([ROWS[0].replace("7", "a"), *ROWS[1:]]): "row 1, column 5 holds 'a'",
    ",".join(["10", *map(str, CELLS[1:])]): "row 1, column 1 holds '10'",
    ",".join(["-5", *map(str, CELLS[1:])]): "row 1, column 1 holds '-5'",
    f"{KNOWN}\n{KNOWN}": "the text holds 2 puzzles",
    "5" * 20_000: "a puzzle has 81 cells, got 20000 characters",
    "<img src=x>" + KNOWN[:40]: "a puzzle has 81 cells, got|holds no puzzle",
}


@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: repr(text[:12]))
def test_a_malformed_puzzle_gets_a_sentence_that_counts_or_names_the_cell(text):
    with pytest.raises(ValueError, match=MALFORMED[text]) as error:
        parse(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 160


def changed(**cells):
    board = list(CELLS)
    for name, digit in cells.items():
        row, column = map(int, name.removeprefix("r").split("c"))
        board[(row - 1) * 9 + column - 1] = digit
    return board


WRONG = {
    "twice in a row": (changed(r1c9=5), "row 1, column 1 and row 1, column 9 both hold 5"),
    "twice in a column": (changed(r9c1=5), "row 1, column 1 and row 9, column 1 both hold 5"),
    "twice in a box": (changed(r2c2=5), "row 1, column 1 and row 2, column 2 both hold 5"),
    "several": (changed(r1c3=5, r1c4=5), "both hold 5, and [0-9]+ more such pairs: change one"),
    "nothing fits": (
        [0, 1, 2, 3, 4, 0, 0, 0, 0, 5, *[0] * 17, 6, *[0] * 8, 7, *[0] * 8, 8, *[0] * 8, 9, *[0] * 26],
        "no digit fits into row 1, column 1, so the puzzle has no solution",
    ),
    "nothing in the end": (changed(r1c3=1), "no solution"),
    "few clues": ([1, *[0] * 80], r"the puzzle with 1 clues has more than one solution \(row [0-9], column [0-9]"),
    "no clue": ([0] * 81, "the puzzle with 0 clues has more than one solution"),
    "one clue too few": (
        [int(cell) for cell in SOLVED.replace("1", "0").replace("2", "0")],
        "more than one solution .* can hold [12] or [12]",
    ),
    "no blank": ([int(cell) for cell in SOLVED], "all 81 cells are filled"),
}


@pytest.mark.parametrize(("cells", "message"), WRONG.values(), ids=WRONG)
def test_a_puzzle_without_exactly_one_solution_gets_a_sentence_that_names_the_cells(cells, message):
    with pytest.raises(ValueError, match=message) as error:
        solve(cells)
    assert "\n" not in str(error.value)


def test_the_solver_finds_the_solution_of_a_known_puzzle():
    assert "".join(map(str, solve(CELLS))) == SOLVED


def test_solutions_are_all_different_all_right_and_at_most_as_many_as_asked():
    cells = [int(cell) for cell in SOLVED.replace("1", "0").replace("2", "0")]
    found = solutions(cells, limit=10)
    assert len(found) == len({tuple(one) for one in found}) == 2
    assert all(not conflicts(one) and all(one) for one in found)
    assert solutions([0] * 81, limit=3) != solutions([0] * 81, limit=2)
    assert len(solutions([0] * 81, limit=3)) == 3


def test_a_finished_board_has_itself_as_its_solution_and_a_wrong_one_has_none():
    board = [int(cell) for cell in SOLVED]
    assert solutions(board) == [board]
    assert solutions([*board[:80], 1]) == []


def test_conflicts_are_the_pairs_of_equal_digits_that_see_each_other():
    assert conflicts(CELLS) == []
    board = [0] * 81
    board[0] = board[8] = board[80] = board[10] = 4
    assert conflicts(board) == [(0, 8), (0, 10), (8, 80)]


def test_every_cell_sees_twenty_others_and_is_seen_by_them():
    assert all(len(peers) == 20 for peers in PEERS)
    assert all(cell in PEERS[peer] for cell in range(81) for peer in PEERS[cell])


@pytest.mark.parametrize("seed", range(5))
def test_a_minimal_puzzle_has_one_solution_and_loses_it_with_any_clue(seed):
    board, cells = minimal(seed)
    assert not conflicts(board)
    assert all(board)
    assert solutions(cells) == [board]
    for cell in range(81):
        if cells[cell]:
            assert len(solutions([*cells[:cell], 0, *cells[cell + 1 :]])) == 2


@pytest.mark.parametrize("blanks", [1, 30, *LEVELS, 56])
def test_a_new_puzzle_has_the_blanks_asked_for_and_one_solution(blanks):
    cells = puzzle(3, blanks)
    assert cells.count(0) == LEVELS.get(blanks, blanks)
    assert len(solutions(cells)) == 1


def test_the_same_seed_gives_the_same_puzzle_and_another_another():
    random.seed(1)
    first = puzzle(7)
    random.seed(2)
    assert puzzle(7) == first != puzzle(8)


@pytest.mark.parametrize(("blanks", "message"), [
    (0, "from 1 to 59, got 0"), (70, "from 1 to 59, got 70"), ("devilish", "easy, medium, hard, got 'devilish'"),
])  # fmt: skip
def test_blanks_that_no_puzzle_can_have_are_refused(blanks, message):
    with pytest.raises(ValueError, match=message):
        puzzle(1, blanks)


def test_an_isomorph_is_another_puzzle_with_as_many_clues_and_one_solution():
    other = isomorph(CELLS, 5)
    assert other != CELLS
    assert other.count(0) == CELLS.count(0)
    assert len(solutions(other)) == 1
    assert isomorph(CELLS, 5) == other != isomorph(CELLS, 6)


def test_a_place_is_named_as_people_do():
    assert [sudoku.place(cell) for cell in (0, 8, 72)] == ["row 1, column 1", "row 1, column 9", "row 9, column 1"]
