"""The Compare tab in a real browser."""

import re

import pytest
from playwright.sync_api import expect
from visitor import ROOT


@pytest.fixture(scope="module")
def four(staying):
    """A visitor who compared four runs."""
    visitor = staying("compared")
    page = visitor.page
    page.click("#tab-compare-button")
    for name, value in (("length", 16), ("steps", 8)):
        page.locator(f"#compare-{name} input").fill(str(value))
    page.click("#compare-run")
    page.wait_for_function("document.querySelector('#compare .compare').dataset.mode === 'finished'", timeout=90_000)
    return visitor


@pytest.fixture
def compared(four):
    four.page.click("#tab-compare-button")
    yield four
    assert four.complaints == []
    assert four.outside == []


def test_four_policies_run_side_by_side_with_their_numbers(compared):
    page = compared.page
    expect(page.locator("#compare .pane")).to_have_count(4)
    expect(page.locator("#compare tbody tr")).to_have_count(4)
    expect(page.locator("#compare tbody tr").last.locator("td").nth(3)).to_have_text("1.00")
    for pane in page.locator("#compare .pane").all():
        assert pane.locator("[data-pos]").count() > 16


def test_one_clock_moves_every_pane(compared):
    page = compared.page
    page.locator("#compare [data-role=clock]").fill("3")
    for pane in page.locator("#compare .pane").all():
        expect(pane.locator("small")).to_contain_text("step 3 of ")
    page.click("#compare [data-unit=seconds]")
    expect(page.locator("#compare .reading")).to_contain_text(" s")


def test_a_word_pointed_at_or_reached_by_key_is_lit_at_the_same_position_in_every_pane(compared):
    page = compared.page
    lit, places = page.locator("#compare .t.lit"), "all => all.map(one => one.dataset.pos)"
    last = page.locator("#compare .pane").first.locator("[data-pos]").last
    last.hover()
    expect(lit).to_have_count(4)
    assert lit.evaluate_all(places) == [last.get_attribute("data-pos")] * 4
    page.locator("#compare .pane h2").first.hover()
    expect(lit).to_have_count(0)
    words = page.locator("#compare .pane .tokens").nth(1)
    words.press("ArrowRight")
    words.press("ArrowRight")
    second = words.locator("[data-pos]").nth(1).get_attribute("data-pos")
    expect(page.locator(f"#compare .t.lit[data-pos='{second}']")).to_have_count(4)  # drawn a frame after the key
    assert lit.evaluate_all(places) == [second] * 4
    words.press("ArrowLeft")
    expect(words.locator("[data-pos]").first).to_contain_class("lit")
    words.blur()
    expect(lit).to_have_count(0)


def test_a_pane_can_be_opened_in_the_player(compared):
    page = compared.page
    page.locator("#compare .pane button").last.click()
    compared.wait("mode === 'recorded' && steps === 8")
    expect(page.locator("#player .source")).to_contain_text("left_to_right")


def test_a_wrong_setting_is_one_sentence_in_the_comparison(visitor):
    page = visitor.page
    page.click("#tab-compare-button")
    for number in (3, 4):
        page.locator(f"#compare-policy-{number} input").click()
        page.locator("[role=option]:visible", has_text="none").last.click()
    page.locator("#compare-length input").fill("0")
    page.click("#compare-run")
    expect(page.locator("#compare [role=alert]")).to_contain_text("length must be between")


def test_opened_files_play_at_once_and_their_own_model_measures_their_pseudo_likelihood(visitor, trace, tmp_path):
    page, runs = visitor.page, ROOT / "assets/runs"
    trace.save(tmp_path / "other.run.jsonl.gz")
    page.click("#tab-compare-button")
    files = [runs / "order.run.jsonl.gz", runs / "remasking.run.jsonl.gz", tmp_path / "other.run.jsonl.gz"]
    with page.expect_file_chooser() as chooser:
        page.click("#compare-open")
    chooser.value.set_files(files)
    expect(page.locator("#compare .pane")).to_have_count(3)
    cells = page.locator("#compare tbody tr td:last-child")
    for number in range(2):
        expect(cells.nth(number)).to_have_text(re.compile(r"^0\.\d\d\d$"))
    expect(cells.nth(2)).to_have_text("not measured")
    expect(cells.nth(2)).to_have_attribute("title", re.compile("that was oracle, which is not loaded here"))
    expect(page.locator("#compare tbody tr")).to_have_count(3)
