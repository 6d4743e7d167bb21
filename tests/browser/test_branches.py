"""The Edit tab, and the branches of a run, in a real browser."""

from playwright.sync_api import expect
from visitor import Server, Visitor

CELLS = "#edit [data-cell]:not([hidden])"


def text_of(page, states):
    return page.eval_on_selector_all(
        "#player .tokens [data-pos]",
        "(slots, states) => slots.filter((s) => states.includes(s.dataset.state)).map((s) => s.textContent)",
        states,
    )


def test_locked_words_never_change_and_the_rest_is_written_again(visitor):
    page = visitor.page
    visitor.wait("steps === 64")
    page.locator("#player [data-role=scrubber]").fill("64")
    visitor.wait("step === 64")
    page.click("#tab-edit-button")
    expect(page.locator("#edit [data-action=run]")).to_be_disabled()
    expect(page.locator("#edit [data-slot=counts]")).to_contain_text("no mask to denoise yet: have words rewritten")
    expect(page.locator(CELLS).nth(20)).to_be_visible()
    page.locator(CELLS).nth(10).click()
    page.locator(CELLS).nth(13).click(modifiers=["Shift"])
    page.click("#edit [data-action=lock]")
    expect(page.locator("#edit .edit")).to_have_attribute("data-selected", "4")
    locked = page.locator("#edit [data-state=locked]:not([hidden])").all_text_contents()
    page.click("#edit [data-action=all]")
    page.click("#edit [data-action=blank]")
    assert page.locator("#edit [data-state=locked]:not([hidden])").all_text_contents() == locked
    expect(page.locator("#edit [data-state=free]")).to_have_count(0)
    page.locator("#edit [data-state=locked]:not([hidden])").last.click()
    page.click("#edit [data-action=blank]")
    expect(page.locator("#edit .message")).to_contain_text("locked words stay until they are unlocked")
    page.locator("#edit-steps input").fill("8")
    page.click("#edit [data-action=run]")
    visitor.wait("mode === 'finished' && steps === 8 && step === 8")
    assert [word for word in text_of(page, ["fixed"]) if word] == locked
    expect(page.locator("#branches .tree li")).to_have_count(2)


def test_selected_words_are_written_anew_in_place_and_the_result_is_edited_again(visitor):
    page = visitor.page
    visitor.wait("steps === 64")
    page.locator("#player [data-role=scrubber]").fill("64")
    visitor.wait("step === 64")
    page.click("#tab-edit-button")
    page.locator("#edit-temperature input").fill("1")
    canvas = page.locator("#edit .edit")
    texts = [page.locator(CELLS).all_text_contents()]
    for first in (8, 20):
        page.locator(CELLS).nth(first).click()
        page.locator(CELLS).nth(first + 5).click(modifiers=["Shift"])
        page.locator("#edit-steps input").fill("3")
        page.click("#edit [data-action=run]")
        expect(canvas).to_have_attribute("data-mode", "writing")
        expect(canvas).to_have_attribute("data-mode", "canvas")
        expect(page.locator("#tab-edit-button")).to_have_attribute("aria-selected", "true")
        texts.append(page.locator(CELLS).all_text_contents())
        before, after = texts[-2:]
        assert "" not in after
        assert (before[:first], before[first + 6 :]) == (after[:first], after[first + 6 :])
        changed = [i for i, (one, other) in enumerate(zip(before, after)) if one != other]
        assert page.locator(f"{CELLS}.typed").count() >= len(changed)
    page.click("#edit [data-action=undo]")  # the run,
    expect(page.locator("#edit [data-state=masked]")).to_have_count(6)
    page.click("#edit [data-action=undo]")  # and that the words were blanked for it
    assert page.locator(CELLS).all_text_contents() == texts[1]
    page.click("#tab-denoise-button")
    expect(page.locator("#branches .tree li")).to_have_count(3)


def test_the_keyboard_selects_and_replaces(shared):
    page = shared.page
    page.click("#tab-edit-button")
    page.locator("#edit-text textarea").fill("A red dog")
    page.locator("#edit-length input").fill("4")
    page.click("#edit-make")
    expect(page.locator("#edit .edit")).to_have_attribute("data-masks", "4")
    page.locator(CELLS).first.click()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Space", "Shift+ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator("#edit .edit")).to_have_attribute("data-selected", "2")
    page.locator("#edit [data-role=words]").fill("<b>big</b> ball")
    page.keyboard.press("Enter")
    assert page.locator(f"{CELLS}.typed").all_text_contents() == [" <b>big</b>", " ball"]
    page.click("#edit [data-action=undo]")
    expect(page.locator("#edit .edit")).to_have_attribute("data-masks", "4")


def test_bad_pins_say_why_and_leave_the_canvas_alone(visitor):
    page = visitor.page
    page.click("#tab-edit-button")
    expect(page.locator(CELLS).first).to_be_visible()
    before = page.locator(CELLS).count()
    page.locator("#edit-pins :is(input, textarea)").fill("0:Once upon")
    page.click("#edit-make")
    expect(page.locator("#edit .message")).to_contain_text("a position, a colon and a word")
    assert page.locator(CELLS).count() == before
    page.locator("#edit-pins :is(input, textarea)").fill("0:Once 5:upon")
    page.click("#edit-make")
    expect(page.locator("#edit .message")).to_be_hidden()
    assert {" Once", " upon"} <= set(page.locator("#edit [data-state=locked]").all_text_contents())


def test_a_forced_word_stands_in_a_branch_of_a_run_that_was_live(visitor):
    page = visitor.page
    visitor.generate(length=200, steps=200)
    visitor.wait("mode === 'live' && steps > 3")
    page.click("#player [data-action=pause]")
    page.locator("#player .tokens [data-state=draft]").nth(2).click()
    word = page.locator("#player .force").nth(2)
    chosen, track, step = (word.get_attribute(name) for name in ("data-force", "data-track", "data-step"))
    word.click()
    slot = page.locator(f"#player .tokens [data-pos='{track}']")
    expect(slot).to_have_attribute("data-state", "fixed")
    expect(slot).to_have_attribute("data-token-id", chosen)
    expect(page.locator("#branches .tree li")).to_have_count(2)
    expect(page.locator("#branches .tree li").nth(1)).to_contain_text(f"from step {step}")
    page.click("#stop")
    visitor.wait("mode === 'stopped'")
    # the parent was stopped, and is there to be shown and told apart
    page.locator("#branches .tree .title").first.click()
    expect(slot).not_to_have_attribute("data-state", "fixed")
    page.locator("#branches .tree input").nth(0).check()
    page.locator("#branches .tree input").nth(1).check()
    page.click("#branches [data-slot=diff]")
    expect(page.locator("#branches .panes mark").first).to_be_visible()


def test_gaps_are_elastic_only_where_the_model_can_ask_for_room(shared, browser, saved):
    shared.page.click("#tab-edit-button")
    expect(shared.page.locator(CELLS).first).to_be_visible()
    expect(shared.page.locator("#edit [data-role=elastic]")).to_be_disabled()
    expect(shared.page.locator("#edit [data-slot=elastic]")).to_contain_text("this model cannot")
    server = Server(UNMASK_MODEL=str(saved("DreamOn")))
    other = Visitor(browser, server.url)
    try:
        page = other.open()
        page.click("#tab-edit-button")
        other.set(edit_text="the the", edit_length=12)
        page.click("#edit-make")
        page.locator("#edit [data-role=elastic]").check()
        page.click("#edit [data-action=run]")
        other.wait("mode === 'finished'")
        expect(page.locator("#player [data-slot=source]")).to_contain_text("dreamon")
        assert other.complaints == []
    finally:
        other.context.close()
        server.close()
