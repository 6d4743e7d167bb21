"""Every tab has an address of its own."""

import re

import pytest
from playwright.sync_api import expect


def test_an_address_opens_its_tab_and_back_leads_to_the_one_before(visitor):
    page = visitor.page
    page.goto(f"{visitor.url}#puzzle")
    selected = lambda name: expect(page.locator(f"#tab-{name}-button")).to_have_attribute("aria-selected", "true")  # noqa: E731
    selected("puzzle")
    page.click("#tab-race-button")
    selected("race")
    expect(page).to_have_url(re.compile("#race$"))
    page.click("#tab-denoise-button")
    expect(page).to_have_url(re.compile("[^#]*$"))
    page.go_back()
    selected("race")
    page.go_back()
    selected("puzzle")


@pytest.mark.parametrize("name", ["nothing", "tab-race", "<b>", "%F0"])
def test_an_address_that_names_no_tab_leaves_the_page_as_it_is(visit, name):
    visitor = visit()
    page = visitor.open(f"#{name}")
    expect(page.locator("#tab-denoise-button")).to_have_attribute("aria-selected", "true")
    assert visitor.complaints == []
