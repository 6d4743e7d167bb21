"""The gallery of policies, which opens where one is chosen."""

import re

from playwright.sync_api import expect
from test_page import saved
from test_people import AXE

DRAWN = """() => [...document.querySelectorAll('.ways canvas')].filter((picture) => !picture.hidden && picture.width > 1
  && new Set(picture.getContext('2d').getImageData(0, 0, picture.width, picture.height).data).size > 8).length"""


def test_all_policies_open_where_one_is_chosen_with_a_picture_each_that_is_fetched_only_then(visitor):
    page, fetched = visitor.page, []
    page.on("request", lambda request: fetched.append(request.url))
    expect(page.locator("#generate")).to_be_enabled()
    assert not [url for url in fetched if "thumbnails" in url]
    page.locator("#policy input").click()
    expect(page.locator(".ways")).to_be_visible()
    expect(page.locator(".ways [aria-selected=true]")).to_have_text("Most confident first (LLaDA)")
    page.wait_for_function(f"({DRAWN})() === 25")
    assert len([url for url in fetched if "thumbnails" in url]) == 1
    assert page.locator("#policy [role=listbox]").count() == 0, "the menu's own list stays closed"
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run('.ways', { resultTypes: ['violations'] })")["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"][:120]) for one in found if one["impact"] in ("serious", "critical")
    ] == []


def test_a_policy_that_is_chosen_in_the_gallery_is_the_one_that_runs(visitor):
    page = visitor.page
    visitor.set(prompt="The moon", length=8, steps=3)
    page.click("#composer [data-slot=all]")
    page.get_by_role("option", name="By the clock (Dream)").click()
    expect(page.locator(".ways")).to_be_hidden()
    expect(page.locator("#policy input")).to_have_value("By the clock (Dream)")
    expect(page.locator("#steps input")).to_have_value("3")
    visitor.run()
    assert saved(visitor).header["policy"]["name"] == "dream"


def test_the_gallery_is_used_by_keyboard_alone(visitor):
    page = visitor.page
    page.locator("#policy input").focus()
    expect(page.locator(".ways")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", name="Most confident first (LLaDA)")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".ways")).to_be_hidden()
    expect(page.locator("#policy input")).to_be_focused()
    page.keyboard.press("Enter")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#policy input")).to_have_value("Everything sure enough (Fast-dLLM)")
    page.keyboard.press("Tab")
    expect(page.locator(".ways")).to_be_hidden()


def test_what_the_model_cannot_run_says_why_and_is_not_chosen(visitor):
    page = visitor.page
    page.click("#composer [data-slot=all]")
    for title, why in (("Discrete DDIM", "trained on random tokens"), ("A gap that grows", "more or less room")):
        option = page.get_by_role("option", name=title)
        expect(option).to_have_attribute("aria-disabled", "true")
        expect(option.locator("canvas")).to_be_hidden()
        expect(option).to_have_accessible_description(re.compile(why))
        option.click(force=True)
        expect(page.locator(".ways")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#policy input")).to_have_value("Most confident first (LLaDA)")
