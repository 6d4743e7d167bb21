"""What people who do not use a mouse, or do not see well, need of every tab."""

from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import expect

from dlm_core.ui import words

AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_tab(visit, theme):
    visitor = visit(color_scheme=theme)
    visitor.open(f"?__theme={theme}")
    expect(visitor.page.locator("#generate")).to_be_enabled()
    visitor.page.add_script_tag(path=AXE)
    for tab in words.TABS:
        visitor.page.click(f"#{tab}-button")
        expect(visitor.page.locator(f"#{tab}-button")).to_have_attribute("aria-selected", "true")
        visitor.still()
        found = visitor.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        serious = [(v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] in ("serious", "critical")]
        assert serious == [], tab


def test_the_sheet_of_keys_opens_anywhere_but_in_a_field_and_gives_the_focus_back(shared):
    page = shared.page
    page.focus("#prompt textarea")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_have_count(0)
    expect(page.locator("#generate")).to_be_enabled()  # what is not takes no focus
    page.focus("#generate")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    assert page.locator("#help tr").count() == 10
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_have_count(0)
    expect(page.locator("#generate")).to_be_focused()


def test_a_position_is_chosen_and_a_token_forced_by_keyboard_alone(shared):
    page = shared.page
    page.focus("#player [data-action=restart]")
    page.keyboard.press("Space")  # presses the button
    page.focus("#player .player")
    shared.wait("step < steps")
    if not shared.state()["playing"]:
        page.keyboard.press("Space")
    shared.wait("playing")
    page.keyboard.press("Space")
    shared.wait("!playing")
    page.keyboard.press("End")
    page.focus("#player .tokens")
    page.keyboard.press("ArrowRight")
    first = page.locator("#player .tokens [data-pos].lit").get_attribute("data-pos")
    page.keyboard.press("ArrowRight")
    expect(page.locator(f"#player .tokens [data-pos='{int(first) + 1}']")).to_contain_class("lit")
    assert shared.state()["step"] == shared.state()["steps"], "the arrow keys on the text do not step"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.force !== undefined"):
            break
    page.keyboard.press("Enter")
    shared.wait("mode === 'finished'")
    expect(page.locator("#branches .tree li")).to_have_count(2)


def test_tab_goes_from_a_menu_to_the_next_control_and_loses_the_focus_nowhere(shared):
    page = shared.page
    page.focus("#help-open")
    places = []
    while not places or places[-1] != "seed":
        page.keyboard.press("Tab")
        places.append(page.evaluate("document.activeElement.closest('[id]')?.id"))
        assert places[-1], places
    assert places[places.index("policy") + 1] == "steps"
    expect(page.locator(".option-list")).to_have_count(0)
    page.focus("#remasking input")
    expect(page.locator(".option-list")).to_be_visible()
    page.keyboard.press("Shift+Tab")
    expect(page.locator(".option-list")).to_have_count(0)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus is seen"
