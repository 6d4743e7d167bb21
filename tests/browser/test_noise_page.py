"""The Noise tab in a real browser."""

import pytest
from playwright.sync_api import expect

from dlm_core.words import languages

ENGLISH = languages()["en"]


@pytest.fixture
def lesson(shared):
    page = shared.page
    page.click("#tab-noise-button")
    page.wait_for_selector("#noise [data-mode=lesson]")
    return shared


def level(page, value):
    page.locator("#noise [data-role=level]").fill(str(value))
    page.wait_for_function(f"Number(document.querySelector('#noise .noise').dataset.t) === {value / 100}")
    return int(page.locator("#noise .noise").get_attribute("data-hits"))


def test_the_slider_masks_more_and_more_and_every_mask_has_its_measured_belief(lesson):
    page = lesson.page
    hits = [level(page, value) for value in (0, 40, 100)]
    assert hits[0] == 0 < hits[1] < hits[2] == page.locator("#noise [data-state=masked]").count()
    assert all(
        float(pair.get_attribute("data-probability")) >= 0 for pair in page.locator("#noise [data-state=masked]").all()
    )
    level(page, 0)
    expect(page.locator("#noise [data-action=denoise]")).to_be_disabled()
    page.click("#noise [data-action=more]")
    expect(page.locator("#noise [data-state=masked]")).to_have_count(1)
    page.locator("#noise [data-state=masked]").focus()
    expect(page.locator("#noise .inspector .alternative").first).to_be_visible()
    expect(page.locator("#noise .figure .scatterlayer .trace")).to_have_count(2)


def test_a_sentence_of_ones_own_stays_data_whatever_it_says(lesson):
    page = lesson.page
    level(page, 0)
    page.locator("#noise-text textarea").fill("<img src=x onerror=alert(1)> [MASK]")
    page.wait_for_function("document.querySelector('#noise .pairs').textContent.includes('<')")
    assert page.locator("#noise img").count() == 0


def test_the_noisy_sentence_is_denoised_in_the_player(lesson):
    page = lesson.page
    hits = level(page, 50)
    page.click("#noise [data-action=denoise]")
    lesson.wait(f"mode === 'finished' && steps === {hits}")
    expect(page.locator("#player")).to_be_visible()
    expect(page.locator("#player .source")).to_contain_text("llada")


def test_after_denoising_the_original_stands_below_what_the_model_wrote_and_the_share_is_measured(visitor):
    page = visitor.page
    page.click("#tab-noise-button")
    page.wait_for_selector("#noise [data-mode=lesson]")
    hits = level(page, 60)
    expect(page.locator("#noise .truth").nth(2)).to_be_hidden()
    page.click("#noise [data-action=denoise]")
    visitor.wait(f"mode === 'finished' && steps === {hits} && step === {hits}")
    page.click("#tab-noise-button")
    pairs = page.locator("#noise .pair:not([hidden])")
    expect(pairs.first.locator(".truth")).to_be_visible()
    written, original = (pairs.locator(part).all_text_contents() for part in (".back", ".truth"))
    fates = [pair.get_attribute("data-fate") for pair in pairs.all()]
    assert len(fates) - fates.count("") == hits
    assert [a == b for a, b in zip(written, original)] == [fate != "differs" for fate in fates]
    assert 0 < fates.count("equal") < hits, "this prompt, this seed"
    share = round(100 * fates.count("equal") / hits)
    told = f"{fates.count('equal')} of the {hits} tokens under noise are the original ones again ({share} %)."
    expect(page.locator("#noise .restored")).to_have_text(told)
    page.click("#tab-denoise-button")
    expect(page.locator("#player [data-slot=verdict]")).to_contain_text(told)
    page.click("#tab-noise-button")
    level(page, 20)
    expect(page.locator("#noise .restored")).to_be_hidden()
    level(page, 60)
    expect(page.locator("#noise .restored")).to_have_text(told)


def test_who_comes_behind_another_run_is_told_and_sees_the_sentence_when_it_has_ended(visit):
    first, second = visit(), visit()
    for visitor in (first, second):
        visitor.open()
    first.generate(length=200, steps=200)
    first.wait("mode === 'live' && steps >= 1")
    page = second.page
    page.click("#tab-noise-button")
    message = page.locator("#noise [data-slot=message]")
    expect(message).to_have_text(ENGLISH["noise.asking"])
    first.page.click("#stop")
    page.wait_for_selector("#noise [data-mode=lesson]")
    expect(message).to_be_hidden()
