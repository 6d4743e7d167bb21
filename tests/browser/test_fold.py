"""The first screen: one fold, presses that count, controls that describe what is shown, and nothing that jumps."""

import re

import pytest
from playwright.sync_api import expect
from test_page import saved

from dlm_core.reasons import Reason

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


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_little_moves_while_the_page_opens(visit, width, height):
    visitor = visit(viewport={"width": width, "height": height})
    visitor.page.add_init_script(f"({SHIFT})()")
    visitor.open()
    visitor.wait("playing")
    assert visitor.page.evaluate("window.shifts.reduce((a, b) => a + b, 0)") < 0.1  # what browsers' makers call good


def test_nothing_jumps_while_a_run_is_written(visitor):
    page = visitor.page
    visitor.wait("!playing && step === steps", timeout=60_000)  # until then, parts may still be on their way
    page.evaluate(SHIFT)
    page.focus("#generate")
    page.evaluate("document.getElementById('generate').click()")  # no input, whose shifts would not be counted
    visitor.wait("mode === 'finished' && step === steps", timeout=90_000)
    page.wait_for_selector("#player .tokens.prose")
    visitor.still()
    assert page.evaluate("window.shifts.filter((value) => value > 0.001)") == []


def test_a_draft_is_pale_until_its_check_and_a_rejected_word_is_struck_out_where_another_replaces_it(visit):
    visitor = visit(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page = visitor.open("?policy=speculative&prompt=The+old+king&length=32&temperature=1&seed=3&run=1")
    visitor.wait("mode === 'finished' && !playing", timeout=90_000)
    page.locator("#player [data-role=scrubber]").fill("0")
    page.evaluate("""() => { window.moved = []; new PerformanceObserver((list) => {
        for (const { sources } of list.getEntries()) for (const { node } of sources)
            if ((node?.closest ? node : node?.parentElement)?.closest(".tokens")) window.moved.push(node.textContent);
    }).observe({ type: "layout-shift" }); }""")
    trace, slot = saved(visitor), lambda i: page.locator(f"#player [data-pos='{i}']")
    kinds = set()
    for step in trace.steps[:8]:
        page.evaluate("document.querySelector('#player [data-action=step-forward]').click()")
        visitor.wait(f"step === {step.index + 1}")
        for i in step.measured.nonzero()[0].tolist():
            name = Reason(step.reason[i]).name.lower()
            kinds.add(name)
            style, mark = "getComputedStyle(e).{}", "getComputedStyle(e, '::before').{}"
            look = lambda what, i=i: slot(i).evaluate(f"e => {what}")  # noqa: E731
            if name == "drafted":
                assert look(style.format("fontStyle")) == "italic"
            if name == "accepted":
                assert look(style.format("fontStyle")) == "normal"
            if name == "replaced":
                assert "line-through" in look(mark.format("textDecorationLine"))
                assert look("e.dataset.was") not in ("", look("e.textContent").strip())
                assert look(style.format("animationName")) == "none"
    assert {"drafted", "accepted", "replaced"} <= kinds
    visitor.still()
    assert page.evaluate("window.moved") == [], "no word moves"


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


def chips(page):
    return [" ".join(text.split()) for text in page.locator("#pin-line .handle").all_text_contents()]


def test_the_opening_shows_its_pinned_words_and_a_prompt_of_ones_own_takes_them_away(visitor):
    page = visitor.page
    assert chips(page) == ["robot 10", "garden 30", "storm 50", "lost 68", "smiled 86"]
    expect(page.locator("#pins textarea")).to_have_value("10:robot 30:garden 50:storm 68:lost 86:smiled")
    visitor.run(prompt="The moon", length=8, steps=2)
    assert chips(page) == []
    assert saved(visitor).header["fixed"] == [[0, 3]]


def test_a_length_of_ones_own_takes_the_words_of_the_shown_run_away(visitor):
    visitor.run(steps=4, length=16)
    assert chips(visitor.page) == []


def test_words_that_a_visitor_touched_stay_with_a_prompt_of_his_own(visitor):
    page = visitor.page
    page.locator("#pin-line .handle").first.press("ArrowRight")
    visitor.set(prompt="The moon")
    assert chips(page) == ["robot 11", "garden 30", "storm 50", "lost 68", "smiled 86"]
    page.locator("#composer [data-slot=prompts] button").first.click()
    visitor.wait("mode === 'live' || mode === 'finished'")
    expect(page.locator("#pins textarea")).to_have_value(re.compile("^11:robot 30:garden"))


def test_presets_and_examples_leave_the_words_of_the_shown_run_behind_and_bring_their_own(visitor):
    page = visitor.page
    page.locator("#composer [data-slot=presets] button").first.click()
    expect(page.locator("#pin-line .handle")).to_have_count(0)
    page.locator("#composer [data-slot=presets] button").last.click()
    expect(page.locator("#pin-line .handle")).to_have_count(5)
    visitor.set(prompt="The moon")
    assert len(chips(page)) == 5, "whoever asks for a text around words wants them around his own prompt too"


def test_pinned_words_are_typed_edited_moved_and_removed_by_keyboard_alone(visitor):
    page = visitor.page
    visitor.set(prompt="Once")
    page.locator("#pin-line .add").focus()
    for typed in ("dragon", "5:moon rain"):
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
    assert chips(page) == ["moon 5", "dragon 48", "rain 72"]
    dragon = page.get_by_role("slider", name="dragon")
    dragon.focus()
    for key in ("ArrowLeft", "ArrowLeft", "PageUp", "ArrowRight"):
        page.keyboard.press(key)
    expect(dragon).to_be_focused()
    expect(dragon).to_have_attribute("aria-valuenow", "57")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.keyboard.type("cat")
    page.keyboard.press("Enter")
    expect(page.get_by_role("slider", name="cat")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.get_by_role("slider", name="rain").press("Delete")
    assert chips(page) == ["cat 1", "moon 5"]
    expect(page.locator("#pins textarea")).to_have_value("1:cat 5:moon")
    page.locator("#pin-line .add").focus()
    page.keyboard.press("Backspace")
    expect(page.locator("#pins textarea")).to_have_value("1:cat")
    visitor.run(length=16, steps=4)
    assert page.locator("#player [data-state=fixed]").filter(has_text="cat").count() == 1


def test_a_pinned_word_is_dragged_along_the_text_clicked_to_be_edited_and_taken_away_by_its_button(visitor):
    page = visitor.page
    line = page.locator("#pin-line .line").bounding_box()
    storm = page.get_by_role("slider", name="storm")
    box = storm.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 20 + line["width"] / 4, box["y"] + 10, steps=8)
    page.mouse.up()
    expect(storm).to_have_attribute("aria-valuenow", "74")
    assert chips(page) == ["robot 10", "garden 30", "lost 68", "storm 74", "smiled 86"]
    storm.click()
    page.locator("#pin-line li input").fill("52:rain")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove robot").click()
    expect(page.locator("#pins textarea")).to_have_value("30:garden 52:rain 68:lost 86:smiled")


def test_a_word_goes_where_the_line_of_words_is_pressed(visitor):
    page = visitor.page
    visitor.set(prompt="Once")
    line = page.locator("#pin-line .line").bounding_box()
    page.mouse.click(line["x"] + line["width"] * 0.25, line["y"] + line["height"] / 2)
    page.keyboard.type("dragon")
    page.keyboard.press("Enter")
    assert chips(page) == ["dragon 24"]


def test_the_line_of_words_follows_the_field_that_a_program_fills(visitor):
    page = visitor.page
    page.locator("#pins textarea").fill("3:dragon 9:moon")
    expect(page.locator("#pin-line .handle")).to_have_count(2)
    visitor.set(prompt="Once")
    assert chips(page) == ["dragon 3", "moon 9"]
