"""Several visitors and one model: who waits is told, and who leaves frees it."""

import re

import pytest
from playwright.sync_api import expect
from visitor import Server, Visitor

ENDLESS = "/?policy=p2&length=200&num_steps=1000000"  # hours of work, unless it is ended


@pytest.fixture
def arrive(browser):
    server, visitors = Server(UNMASK_MAX_STEPS="1000000"), []

    def make(query: str = "") -> Visitor:
        visitors.append(visitor := Visitor(browser, server.url))
        visitor.open(query)
        if query:  # the link fills the controls behind the page's first run, and Generate must not be quicker
            expect(visitor.page.locator("#num-steps input")).to_have_value("1000000")
        return visitor

    yield make
    for visitor in visitors:
        visitor.context.close()
    server.close()


def test_who_waits_is_told_how_long_and_who_leaves_or_stops_frees_the_model(arrive):
    first, second = arrive(ENDLESS), arrive()
    message = second.page.locator("#player [data-slot=message]")
    first.page.click("#generate")
    first.wait("mode === 'live' && steps > 2")
    second.generate(prompt="A dog", length=16, steps=4)
    expect(message).to_have_text("Waiting for the model: 1 ahead of you.")
    first.context.close()
    second.wait("mode === 'finished' && steps === 4")

    third = arrive(ENDLESS)
    third.page.click("#generate")
    third.wait("mode === 'live' && steps > 2")
    second.generate(prompt="A dog", length=16, steps=4)
    expect(message).to_have_text(re.compile(r"^Waiting for the model: 1 ahead of you, about \d+ (seconds?|minutes)\.$"))
    third.page.click("#stop")
    second.wait("mode === 'finished' && steps === 4")
    assert second.complaints == []
