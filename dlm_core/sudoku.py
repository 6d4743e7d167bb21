"""Sudoku without a model: boards that people paste, contradictions, solutions, and puzzles with exactly one.

A board is 81 cells in reading order, each 0 (blank) or a digit.  Pure Python: a page can check what is typed at once.
"""

import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import combinations

CELLS = 81
LEVELS = {"easy": 36, "medium": 48, "hard": 54}  # blanks of a puzzle
MAX_BLANKS = 59  # puzzles with more are so rare that looking for one takes minutes
UNITS = [
    *([row * 9 + column for column in range(9)] for row in range(9)),
    *([row * 9 + column for row in range(9)] for column in range(9)),
    *([(box // 3 * 3 + i // 3) * 9 + box % 3 * 3 + i % 3 for i in range(9)] for box in range(9)),
]
PEERS = [sorted({j for unit in UNITS if i in unit for j in unit} - {i}) for i in range(CELLS)]
_ANY = 0b111111111  # every digit is possible; digit d is bit d - 1

Board = Sequence[int]


def place(cell: int) -> str:
    """Name a cell as people do: "row 1, column 9"."""
    return f"row {cell // 9 + 1}, column {cell % 9 + 1}"


def conflicts(cells: Board) -> list[tuple[int, int]]:
    """Return the pairs of cells that hold the same digit in one row, column or box, in reading order."""
    return [(i, j) for i, j in combinations(range(CELLS), 2) if cells[i] and cells[i] == cells[j] and j in PEERS[i]]


# --- solving: bit masks of candidates, fewest candidates first --------------------------------------------------------


def _write(candidates: list[int], cell: int, bit: int) -> bool:
    """Write a digit and every single that follows from it, in place; False on a contradiction."""
    todo = [(cell, bit)]
    while todo:
        cell, bit = todo.pop()
        if not candidates[cell] & bit:
            return False
        candidates[cell] = bit
        for peer in PEERS[cell]:
            if candidates[peer] & bit:
                left = candidates[peer] = candidates[peer] & ~bit
                if not left:
                    return False
                if not left & (left - 1):
                    todo.append((peer, left))
    return True


def _candidates(cells: Board) -> list[int] | None:
    """Return what each cell may still hold once every clue and its singles are written; None on a contradiction."""
    candidates = [_ANY] * CELLS
    for cell, digit in enumerate(cells):
        if digit and not _write(candidates, cell, 1 << digit - 1):
            return None
    return candidates


def _completions(candidates: list[int], rng: random.Random | None = None) -> Iterator[list[int]]:
    """Yield every completion, as bits; in random order with `rng`."""
    open_cells = [cell for cell in range(CELLS) if candidates[cell] & (candidates[cell] - 1)]
    if not open_cells:
        yield candidates
        return
    cell = min(open_cells, key=lambda cell: candidates[cell].bit_count())
    bits = _hidden(candidates) or [(cell, 1 << digit) for digit in range(9) if candidates[cell] >> digit & 1]
    if rng:
        rng.shuffle(bits)
    for cell, bit in bits:
        tried = list(candidates)
        if _write(tried, cell, bit):
            yield from _completions(tried, rng)


def _hidden(candidates: list[int]) -> list[tuple[int, int]]:
    """Return a digit that only one open cell of some unit can take, and that cell: nothing else need be tried."""
    for unit in UNITS:
        once = twice = 0
        for cell in unit:
            twice |= once & candidates[cell]
            once |= candidates[cell]
        for cell in unit:
            bit = candidates[cell] & ~twice
            if bit and candidates[cell] != bit:
                return [(cell, bit & -bit)]
    return []


def _digits(bits: Sequence[int]) -> list[int]:
    return [bit.bit_length() for bit in bits]


def solutions(cells: Board, limit: int = 2) -> list[list[int]]:
    """Return complete boards that agree with `cells`, at most `limit`; none if it contradicts itself."""
    candidates = _candidates(cells)
    found: list[list[int]] = []
    if candidates is not None and not conflicts(cells):
        for bits in _completions(candidates):
            found.append(_digits(bits))
            if len(found) >= limit:
                break
    return found


def solve(cells: Board) -> list[int]:
    """Return the only solution of a puzzle; a ValueError names the cells where there is not exactly one.

    A board without a blank cell is no puzzle either.
    """
    if pairs := conflicts(cells):
        first, second = pairs[0]
        more = f", and {len(pairs) - 1} more such pairs" if len(pairs) > 1 else ""
        raise ValueError(f"{place(first)} and {place(second)} both hold {cells[first]}{more}: change one of them")
    if all(cells):
        raise ValueError(f"all {CELLS} cells are filled, so there is nothing to solve: leave some blank")
    candidates = _candidates(cells)
    if candidates is None:
        raise ValueError(f"{_stuck(cells)}: change one of the clues")
    found = solutions(cells)
    if not found:
        raise ValueError("no digits fit into all blank cells, so the puzzle has no solution: change one of the clues")
    if len(found) > 1:
        cell = next(cell for cell in range(CELLS) if found[0][cell] != found[1][cell])
        raise ValueError(
            f"the puzzle with {sum(map(bool, cells))} clues has more than one solution ({place(cell)} can hold "
            f"{found[0][cell]} or {found[1][cell]}): add clues"
        )
    return found[0]


def _stuck(cells: Board) -> str:
    """Return the half of a sentence on a cell that nothing fits into, by the clues alone or after a few singles."""
    for cell in range(CELLS):
        if not cells[cell] and len({cells[peer] for peer in PEERS[cell]} - {0}) == 9:
            return f"no digit fits into {place(cell)}, so the puzzle has no solution"
    return "what follows from the clues contradicts itself, so the puzzle has no solution"


# --- making puzzles ---------------------------------------------------------------------------------------------------


def full(rng: random.Random) -> list[int]:
    """Return a random complete board."""
    return _digits(next(_completions([_ANY] * CELLS, rng)))


def minimal(seed: int) -> tuple[list[int], list[int]]:
    """Return a complete board, and a puzzle of it that has only this solution and would lose that with any clue."""
    rng = random.Random(seed)
    board = full(rng)
    puzzle = list(board)
    for cell in rng.sample(range(CELLS), CELLS):
        puzzle[cell] = 0
        if (candidates := _candidates(puzzle)) is None:
            raise ValueError(_stuck(puzzle))
        for digit in range(9):  # another digit here would be a second solution
            other = list(candidates)
            if (
                digit + 1 != board[cell]
                and candidates[cell] >> digit & 1
                and _write(other, cell, 1 << digit)
                and next(_completions(other), None)
            ):
                puzzle[cell] = board[cell]
                break
    return board, puzzle


def puzzle(seed: int, blanks: int | str = "medium") -> list[int]:
    """Return a puzzle with so many blanks, or of a level, and one solution; the same seed gives the same puzzle.

    Clues are added at random to a minimal puzzle, the first that has few enough.  ValueError for a level that is none,
    or for more blanks than can be found in seconds.
    """
    if isinstance(blanks, str) and blanks not in LEVELS:
        raise ValueError(f"the level must be one of {', '.join(LEVELS)}, got {blanks!r}")
    blanks = LEVELS[blanks] if isinstance(blanks, str) else blanks
    if not 1 <= blanks <= MAX_BLANKS:
        raise ValueError(f"blanks must be from 1 to {MAX_BLANKS}, got {blanks}")
    rng = random.Random(seed)
    while True:
        board, cells = minimal(rng.getrandbits(48))
        empty = [cell for cell in range(CELLS) if not cells[cell]]
        if len(empty) >= blanks:
            for cell in rng.sample(empty, len(empty) - blanks):
                cells[cell] = board[cell]
            return cells


def isomorph(cells: Board, seed: int) -> list[int]:
    """Return an equivalent puzzle: digits renamed, rows, columns, bands and stacks exchanged, or transposed."""
    rng = random.Random(seed)
    digits = [0, *rng.sample(range(1, 10), 9)]

    def lines() -> list[int]:
        return [band * 3 + line for band in rng.sample(range(3), 3) for line in rng.sample(range(3), 3)]

    rows, columns, turned = lines(), lines(), rng.random() < 0.5
    return [digits[cells[column * 9 + row if turned else row * 9 + column]] for row in rows for column in columns]


# --- reading what people paste ----------------------------------------------------------------------------------------

MAX_CHARACTERS = 10_000  # characters
_BLANKS = ".0_*?"
_DRAWN = {code: "|" if chr(code) in "│┃║╎╏┆┇┊┋" else "-" for code in range(0x2500, 0x2580)}  # box-drawing characters
_DOTS = dict.fromkeys(map(ord, "·•‧∙○□◯"), ".")
_CELL = re.escape(f"123456789{_BLANKS}-")
_WHOLE = re.compile(rf"(?<![{_CELL}])[{_CELL}]{{{CELLS}}}(?![{_CELL}])")
_WORD = re.compile(r"[^\W\d_]{2}")
_SEPARATOR = re.compile(r"[,;\t]")


def parse(text: str) -> list[int]:
    """Parse the board in a text: 81 characters or nine lines, with any usual sign for blanks, with borders and labels.

    Blanks are . 0 _ * ? or spaces, or nothing between commas, semicolons or tabs, or dashes where no other reading has
    81 cells.  Borders of | - + =, lines that hold words, and labels before a colon are left out; full-width forms count
    as plain ones.  ValueError in one sentence that counts the cells, or names the one that holds something else.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"a puzzle has {CELLS} cells, got {len(text)} characters: give the puzzle alone")
    text = unicodedata.normalize("NFKC", text.translate(_DRAWN | _DOTS)).replace("\r\n", "\n").replace("\r", "\n")
    whole = _WHOLE.findall(text)
    if len(whole) > 1:
        raise ValueError(f"the text holds {len(whole)} puzzles: give one of them")
    if whole:
        return _read(whole[0])
    lines = [re.sub(rf"^.*{_WORD.pattern}[^:]*:", "", line) for line in text.split("\n")]
    lines = [line for line in lines if not _WORD.search(line)]
    readings = [*_readings(lines)]
    for rows in readings:
        if sum(map(len, rows)) == CELLS:
            return _read([cell for row in rows for cell in row])
    rows = readings[0]
    count = sum(map(len, rows))
    if not count:
        raise ValueError(f"the text holds no puzzle: give {CELLS} characters, digits from 1 to 9 and dots for blanks")
    for number, row in enumerate(rows, start=1):
        if len(rows) == 9 and len(row) != 9:
            raise ValueError(f"a row has 9 cells, got {len(row)} in row {number} ({count} in all, not {CELLS})")
    raise ValueError(f"a puzzle has {CELLS} cells, got {count}: give digits from 1 to 9 and dots for blanks")


def _readings(lines: Sequence[str]) -> Iterator[list[list[str]]]:
    """Yield what the lines may mean, as rows of cells, the likeliest first."""
    if any(map(_SEPARATOR.search, lines)):
        rows = [_SEPARATOR.split(line.strip(" ")) for line in lines if line.strip()]
        ends = all(len(row) % 9 == 1 and not row[-1] for row in rows)  # a separator after every cell
        yield [[cell.strip(" '\"") for cell in (row[:-1] if ends else row)] for row in rows]
        return
    rules = {  # lines between the boxes, and what else is no cell
        "[-+=|\\s]*": "[-+=|\\s]", ".*[+=].*|[|\\s]*": "[|\\s]", ".*([+=]|-{10}).*|[|\\s]*": "[|\\s]",
        ".*-{9}.*|[|\\s]*": "[|\\s]",
    }  # fmt: skip
    for rule, border in rules.items():
        yield [list(re.sub(border, "", line)) for line in lines if not re.fullmatch(rule, line)]
    spaced = [line.replace("|", "").rstrip() for line in lines if not re.search("[-+=]", line)]
    if any(set(line) & {*_BLANKS} for line in spaced):
        return  # so a space is none
    while len(spaced) > 9 and "" in (spaced[0], spaced[-1]):
        spaced.pop(0 if not spaced[0] else -1)
    if len(spaced) == 9 and max(map(len, spaced)) <= 9:
        yield [list(line.ljust(9)) for line in spaced]
    yield [list(line) for line in lines if line]  # 81 characters in one line


def _read(cells: Sequence[str]) -> list[int]:
    """81 cells as digits; ValueError for one that is neither a digit nor a sign for a blank."""
    for number, cell in enumerate(cells):
        if cell not in {*"123456789- ", *_BLANKS, ""}:
            raise ValueError(
                f"{place(number)} holds {cell[:9]!r}: a cell is a digit from 1 to 9, or a dot where it is blank"
            )
    return [int(cell) if cell in {*"123456789"} else 0 for cell in cells]
