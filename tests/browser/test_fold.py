"""The first screen: one fold, presses that count, controls that describe what is shown, and nothing that jumps."""

import re

import pytest
from playwright.sync_api import expect
from test_page import saved

SHIFT = """() => { window.shifts = []; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts.push(entry.value);
}).observe({ type: "layout-shift" }); }"""


def test_text_heatmap_and_transport_stand_in_one_fold(visit):
    visitor = visit(viewport={"width": 1280, "height": 800})
    page = visitor.open()
    box = lambda selector: page.locator(selector).first.bounding_box()  # noqa: E731
    assert box("#player [data-pos='1']")["y"] < 200
    for part in ("#player [data-slot=tokens]", "#heatmap", "#player .transport", "#player .status"):
        assert box(part)["y"] + box(part)["height"] <= 800, part
    text, heatmap = box("#player .writing"), box("#player .seen")
    assert heatmap["x"] >= text["x"] + text["width"]
    assert 0.58 < text["width"] / (text["width"] + heatmap["width"]) < 0.66


def test_on_a_phone_all_tabs_are_there_and_the_order_is_prompt_text_heatmap_transport(visit):
    visitor = visit(viewport={"width": 390, "height": 844}, has_touch=True)
    page = visitor.open()
    for tab in page.locator("#tabs [role=tab]").all():
        expect(tab).to_be_in_viewport()
    parts = ("#prompt", "#player [data-slot=tokens]", "#heatmap", "#policy")
    tops = [page.locator(part).bounding_box()["y"] for part in parts]
    assert tops == sorted(tops)
    transport = page.locator("#player .transport")
    page.locator("#player [data-slot=tokens]").scroll_into_view_if_needed()
    expect(transport).to_be_in_viewport()


def test_a_press_of_generate_during_a_run_begins_another_one(visitor):
    page = visitor.page
    visitor.generate(prompt="The cat", length=120, steps=120, seed=1)
    visitor.wait("mode === 'live' && step > 2")
    for seed in (2, 3, 4):
        visitor.set(seed=seed)
        page.click("#generate")
        expect(page.locator("#player [data-slot=source]")).to_contain_text(re.compile(f"seed {seed}$"))
        visitor.wait("mode === 'live' && step > 0")
    page.click("#stop")
    visitor.wait("mode === 'stopped'")
    assert saved(visitor).header["seed"] == 4


def test_generate_is_stop_while_a_run_lasts_and_nothing_was_changed(visitor):
    page = visitor.page
    expect(page.locator("#stop")).to_be_hidden()
    visitor.generate(prompt="The cat", length=120, steps=120)
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator("#generate")).to_be_hidden()
    visitor.set(prompt="The dog")
    expect(page.locator("#generate")).to_be_visible()
    page.click("#stop")
    visitor.wait("mode === 'stopped'")
    expect(page.locator("#stop")).to_be_hidden()


def test_each_press_has_a_new_seed_unless_one_was_typed(visitor):
    seeds = []
    for _ in range(2):
        visitor.generate(prompt="A", length=4, steps=2)
        visitor.wait("mode === 'finished' && steps === 2")
        seeds.append(saved(visitor).header["seed"])
        visitor.page.evaluate("document.querySelector('#player [data-mode]').dataset.mode = 'seen'")
    assert seeds[0] != seeds[1]
    visitor.set(seed=77)
    visitor.generate(prompt="A", length=4, steps=2)
    visitor.wait("mode === 'finished'")
    assert saved(visitor).header["seed"] == 77


@pytest.mark.parametrize(("preset", "policy"), [(0, "threshold"), (2, "p2")])
def test_a_preset_sets_the_controls_and_writes_at_once(visitor, preset, policy):
    page = visitor.page
    visitor.set(length=24)
    page.locator("#composer [data-slot=presets] button").nth(preset).click()
    visitor.wait("mode === 'finished'", timeout=60_000)
    header = saved(visitor).header
    assert header["policy"]["name"] == policy
    expect(page.locator("#temperature input, #tau input").filter(visible=True)).to_have_value("0.7")


def test_words_that_are_pinned_stand_in_the_text_and_in_the_link(visitor):
    page = visitor.page
    page.locator("#pins textarea").fill("3:dragon 9:moon")
    visitor.generate(prompt="Once", length=16, steps=8, seed=3)
    visitor.wait("mode === 'finished'")
    fixed = page.locator("#player [data-state=fixed]").all_text_contents()
    assert {" dragon", " moon"} <= set(fixed)
    header = saved(visitor).header
    visitor.open(f"?policy={header['policy']['name']}&prompt=Once&length=16&steps=8&seed=3&pins=3:dragon+9:moon&run=1")
    visitor.wait("mode === 'finished' && steps === 8")
    assert saved(visitor).header["canvas"] == header["canvas"]
    visitor.complaints.clear()  # of the page that was left


def test_the_controls_follow_a_run_that_is_opened(visitor):
    page = visitor.page
    page.click("#tab-runs-button")
    page.locator("#runs .card").filter(has_text="Too few").locator("button.title").click()
    visitor.wait("mode === 'recorded' && steps === 6")
    expect(page.locator("#steps input")).to_have_value("6")
    expect(page.locator("#temperature input")).to_have_value("0")


def test_nothing_jumps_while_a_run_is_written(visitor):
    page = visitor.page
    visitor.wait("!playing", timeout=60_000)
    page.evaluate(SHIFT)
    page.focus("#generate")
    page.evaluate("document.getElementById('generate').click()")  # no input, whose shifts would not be counted
    visitor.wait("mode === 'finished' && step === steps", timeout=90_000)
    page.wait_for_selector("#player .tokens.prose")
    visitor.still()
    assert page.evaluate("window.shifts.filter((value) => value > 0.001)") == []


def test_at_the_end_the_canvas_is_prose_and_its_colours_come_back_on_request(visitor):
    page = visitor.page
    visitor.generate(prompt="A", length=8, steps=4)
    expect(page.locator("#player .tokens.prose")).to_be_visible()
    page.click("#player [data-action=colours]")
    expect(page.locator("#player .tokens.prose")).to_have_count(0)
    page.click("#player [data-action=colours]")
    expect(page.locator("#player .tokens.prose")).to_be_visible()
    page.click("#player [data-action=step-back]")
    expect(page.locator("#player .tokens.prose")).to_have_count(0)


def test_a_frame_of_another_page_shows_the_player_alone(visit):
    visitor = visit(viewport={"width": 600, "height": 320})
    page = visitor.open("?embed=1")
    expect(page.locator("#prompt")).to_be_hidden()
    for part in ("#player [data-pos='1']", "#player [data-role=scrubber]", "#heatmap", ".whole"):
        expect(page.locator(part)).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 600


def test_the_caption_tells_the_step_and_the_page_is_called_after_its_prompt(visitor):
    page = visitor.page
    visitor.generate(prompt="The moon", length=8, steps=4)
    visitor.wait("mode === 'finished'")
    page.locator("#player [data-role=scrubber]").fill("2")
    expect(page.locator("#player [data-slot=caption]")).to_contain_text("Step 2: 2 written, 4 left.")
    expect(page).to_have_title("The moon · Unmask")


def test_a_run_of_another_model_that_is_opened_does_not_run_the_last_preset_again(visitor):
    page = visitor.page
    visitor.set(length=16)
    page.locator("#composer [data-slot=presets] button").first.click()
    visitor.wait("mode === 'finished'", timeout=60_000)
    page.click("#tab-runs-button")
    page.locator("#runs .card").filter(has_text="A Sudoku, solved").locator("button.title").click()
    visitor.wait("mode === 'recorded' && steps === 54 && !playing", timeout=60_000)
    expect(page.locator("#player [data-slot=source]")).to_contain_text("sudoku")
