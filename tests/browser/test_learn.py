"""Learn: beats beside one figure that plays recorded runs."""

import re

from playwright.sync_api import expect


def test_space_goes_from_beat_to_beat_and_the_figure_shows_the_run_of_each(visitor):
    page = visitor.page
    page.click("#tab-learn-button")
    lesson = page.locator("#learn .learn")
    expect(lesson).to_have_attribute("data-beat", "noise")
    expect(lesson).to_have_attribute("data-step", "0")
    page.locator("#learn .beat h2").first.click()
    for beat in ("guess", "at_once", "order", "puzzle", "back", "too_few", "yours"):
        page.keyboard.press("Space")
        expect(lesson).to_have_attribute("data-beat", beat)
        expect(page.locator(f"#learn .beat[data-beat={beat}]")).to_have_attribute("aria-current", "true")
    expect(page.locator("#learn [data-pos]").first).to_be_visible()


def test_a_beat_plays_its_part_of_a_run_and_stops_there(visitor):
    page = visitor.page
    page.click("#tab-learn-button")
    page.locator("#learn .beat[data-beat=too_few]").scroll_into_view_if_needed()
    page.locator("#learn .beat[data-beat=back] button").click()
    expect(page.locator("#learn .learn")).to_have_attribute("data-step", "6")
    expect(page.locator("#learn [data-slot=caption]")).to_contain_text("Step 6")


def test_one_puzzle_on_two_boards_is_solved_on_one_and_contradicts_itself_on_the_other(visitor):
    page = visitor.page
    page.click("#tab-learn-button")
    page.locator("#learn .beat[data-beat=order] button").click()
    boards = page.locator("#learn .board")
    expect(boards).to_have_count(2)
    expect(page.locator("#learn .learn")).to_have_attribute("data-step", "54", timeout=60_000)
    expect(boards.nth(0).locator(".wrong")).to_have_count(0)
    expect(boards.nth(0).locator("[data-state=masked]")).to_have_count(0)
    expect(boards.nth(1).locator(".wrong").first).to_be_visible()
    page.locator("#learn .beat[data-beat=puzzle] button").last.click()
    expect(page.locator("#learn [data-slot=boards]")).to_be_hidden()


def test_a_beat_has_an_address_that_opens_it(visit):
    visitor = visit(reduced_motion="reduce")
    page = visitor.open("#learn/back")
    expect(page.locator("#learn .learn")).to_have_attribute("data-beat", "back")
    page.locator("#learn .beat[data-beat=back] button").click()
    expect(page).to_have_url(re.compile("#learn/too_few$"))
    page.click("#tab-race-button")
    page.go_back()
    expect(page.locator("#tab-learn-button")).to_have_attribute("aria-selected", "true")
    assert visitor.complaints == []


def test_the_last_beat_writes_a_story_around_the_visitors_words(visitor):
    page = visitor.page
    page.click("#tab-learn-button")
    fields = page.locator("#learn form input")
    for field, word in zip(fields.all(), ("cat", "boat", "", "", "sang")):
        field.fill(word)
    page.locator("#learn form button").click()
    visitor.wait("mode === 'live' || mode === 'finished'")
    fixed = page.locator("#player [data-state=fixed]")
    expect(fixed.filter(has_text="boat")).to_have_count(1)
    expect(page.locator("#pins textarea")).to_have_value("10:cat 28:boat 82:sang")
    visitor.wait("mode === 'finished'", timeout=90_000)


def test_with_reduced_motion_a_beat_shows_its_end_at_once(visit):
    visitor = visit(reduced_motion="reduce")
    page = visitor.open("#learn")
    page.locator("#learn .beat[data-beat=back] button").click()
    expect(page.locator("#learn .learn")).to_have_attribute("data-step", "6")
    assert visitor.complaints == []
