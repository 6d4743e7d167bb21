"""The Race tab in a real browser."""

import pytest
from playwright.sync_api import expect


@pytest.fixture(scope="module")
def both(staying):
    """A visitor who raced both sides."""
    visitor = staying("raced")
    page = visitor.page
    page.click("#tab-race-button")
    for name, value in (("length", 8), ("steps", 8)):
        page.locator(f"#race-{name} input").fill(str(value))
    page.click("#race-run")
    page.wait_for_function("document.querySelector('#race .compare').dataset.mode === 'finished'", timeout=90_000)
    return visitor


@pytest.fixture
def raced(both):
    both.page.click("#tab-race-button")
    yield both
    assert both.complaints == []
    assert both.outside == []


def test_two_sides_race_on_one_clock_of_seconds_and_a_sentence_says_who_won(raced):
    page = raced.page
    expect(page.locator("#race .pane:visible")).to_have_count(2)
    expect(page.locator("#race tbody tr")).to_have_count(3)
    expect(page.locator("#race [data-slot=verdict]")).to_contain_text("On time")
    expect(page.locator("#race [data-slot=verdict]")).to_contain_text("on quality")
    expect(page.locator("#race .reading")).to_contain_text(" s")
    clock = page.locator("#race [data-role=clock]")
    clock.fill("0")
    for pane in page.locator("#race .pane:visible").all():
        expect(pane.locator("small")).to_contain_text("step 0 of")
    clock.fill(clock.get_attribute("max"))
    expect(page.locator("#race .pane:visible small").first).to_have_text("step 8 of 8")


def test_the_slider_changes_which_diffusion_run_is_shown_and_the_figure_is_drawn(raced):
    page = raced.page
    expect(page.locator("#race .figure .scatterlayer .trace")).to_have_count(4)
    page.locator("#race [data-role=choice]").fill("0")
    expect(page.locator("#race .pane:visible h2").last).to_have_text("Diffusion (P2), 4 forwards")
    page.locator("#race .pane:visible button").last.click()
    raced.wait("mode === 'recorded' && steps === 4")


def test_one_press_races_the_run_in_the_player_against_left_to_right(shared):
    page = shared.page
    shared.run(prompt="A bird", length=8, steps=4, seed=11)
    assert page.locator("#race").count() == 0, "the tab comes when it is first opened"
    page.click("#player [data-action=race]")
    expect(page.locator("#tab-race-button")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#race-prompt textarea")).to_have_value("A bird")
    page.wait_for_function("document.querySelector('#race .compare')?.dataset.mode === 'finished'", timeout=90_000)
    expect(page.locator("#race .pane [data-state=fixed]").filter(has_text="bird").first).to_be_visible()
    for name, value in (("length", "8"), ("steps", "8"), ("seed", "11"), ("temperature", "0.7")):
        expect(page.locator(f"#race-{name} :is(input, textarea)").first).to_have_value(value)
