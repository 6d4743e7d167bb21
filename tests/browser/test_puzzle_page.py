"""The Puzzle tab: puzzles typed and pasted, boards solved on one clock, and a board in the player."""

import pytest
from playwright.sync_api import expect

from dlm_core.sudoku import puzzle

EASY = "".join(str(digit) for digit in puzzle(3, "easy"))


@pytest.fixture
def tab(shared):
    shared.page.click("#tab-puzzle-button")
    expect(shared.page.locator("#puzzle [data-slot=given] [data-cell]")).to_have_count(81)
    return shared


def paste(page, text):
    box = page.locator("#puzzle [data-role=pasted]")
    if not box.is_visible():
        page.click("#puzzle [data-action=paste]")
    box.fill("")
    box.fill(text)


def message(page):
    return page.locator("#puzzle [data-slot=message]")


def test_a_typed_contradiction_is_a_sentence_that_names_the_cells(tab):
    page = tab.page
    page.click("#puzzle [data-action=clear]")
    page.click("#puzzle [data-slot=given] [data-cell='0']")
    for key in ("5", "5"):
        page.keyboard.press(key)
    page.click("#puzzle [data-action=check]")
    expect(message(page)).to_contain_text("row 1, column 1")
    expect(message(page)).to_contain_text("row 1, column 2")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (EASY[:80], "80"),
        (EASY + "1", "82"),
        ("x" * 81, "81"),
        ("1" * 81, "both hold 1"),
        ("." * 81, "more than one solution"),
        ("12345678.........9" + "." * 63, "no solution"),
        ("<b>" * 27, "row 1, column 1 holds"),
        ("\U0001f600" * 81, "row 1, column 1"),
        ("0" * 500, "81"),
        ("{'puzzle': 1} is not one", "81"),
    ],
)
def test_what_is_no_puzzle_is_a_sentence_and_leaves_the_board(tab, text, part):
    page = tab.page
    paste(page, EASY)
    expect(message(page)).to_contain_text("exactly one solution")
    before = page.locator("#puzzle [data-slot=given]").inner_text()
    paste(page, text)
    expect(message(page)).to_contain_text(part)
    assert page.locator("#puzzle [data-slot=given]").inner_text() == before
    assert page.locator("#puzzle [data-slot=message] *").count() == 0


@pytest.mark.parametrize("between", ["", "\n", " ", "|"])
def test_a_puzzle_is_read_in_the_forms_that_clipboards_have(tab, between):
    page = tab.page
    page.click("#puzzle [data-action=clear]")
    rows = [EASY[at : at + 9].replace("0", ".") for at in range(0, 81, 9)]
    paste(page, (between or "").join(rows))
    expect(message(page)).to_contain_text("exactly one solution")
    expect(page.locator("#puzzle [data-slot=given] .clue")).to_have_count(81 - EASY.count("0"))


def test_two_rules_solve_one_puzzle_on_one_clock_and_a_board_opens_in_the_player_as_a_grid(tab):
    page = tab.page
    paste(page, EASY)
    expect(message(page)).to_contain_text("exactly one solution")
    for rule in ("random", "reading", "autoregressive"):
        page.uncheck(f"#puzzle input[value={rule}]")
    page.click("#puzzle [data-action=solve]")
    expect(page.locator("#puzzle .puzzle")).to_have_attribute("data-mode", "finished", timeout=90_000)
    expect(page.locator("#puzzle [data-slot=verdict]")).to_contain_text("2 of 2 boards solved")
    page.locator("#puzzle [data-role=clock]").fill("0")
    expect(page.locator("#puzzle .pane .cell[data-state=masked]")).to_have_count(2 * EASY.count("0"))
    page.locator("#puzzle .pane button").first.click()
    tab.wait("mode === 'recorded'")
    cells = page.locator("#player [data-pos]")
    expect(cells).to_have_count(81)
    lefts = page.evaluate(
        "[...new Set([...document.querySelectorAll('#player [data-pos]')].map(cell => cell.offsetLeft))].length"
    )
    assert lefts == 9
    tab.wait("step === steps && !playing", timeout=60_000)
    expect(page.locator("#player .tokens")).not_to_have_class("tokens prose")
