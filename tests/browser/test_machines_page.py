"""The page with its model on another machine: live steps, a stop that frees it, and a machine that is lost."""

import pytest
from engine_server import EngineServer
from playwright.sync_api import expect
from visitor import Server, Visitor

from dlm_core.engine import LocalEngine
from dlm_core.engine.limits import Limits

ENDLESS = "/?policy=p2&length=200&num_steps=1000000"  # hours of work, unless it is ended
LIMITS = {"UNMASK_MAX_STEPS": "1000000"}


@pytest.fixture
def machine(bundled):
    machine = EngineServer(LocalEngine(bundled, Limits.of(LIMITS)))
    yield machine
    machine.close()


@pytest.fixture
def arrive(browser, machine):
    server, visitors = Server(UNMASK_ENGINE=machine.url, **LIMITS), []

    def make(query: str = "") -> Visitor:
        visitors.append(visitor := Visitor(browser, server.url))
        visitor.go(server.url + query)
        visitor.wait("steps > 0")
        return visitor

    yield make
    for visitor in visitors:
        visitor.context.close()
    server.close()


def test_a_page_whose_model_is_elsewhere_shows_live_steps_stops_and_says_when_the_machine_is_lost(arrive, machine):
    first, second = arrive(ENDLESS), arrive()
    first.page.click("#generate")
    first.wait("mode === 'live' && steps > 2")
    expect(first.page.locator("#player .source")).to_contain_text("bundled")
    second.generate(prompt="A dog", length=16, steps=4)
    expect(second.page.locator("#player [data-slot=message]")).to_contain_text("1 ahead of you")
    first.page.click("#stop")
    first.wait("mode === 'stopped'")
    second.wait("mode === 'finished' && steps === 4")

    first.page.click("#generate")
    first.wait("mode === 'live' && steps > 2")
    machine.lost.set()
    first.wait("mode === 'error' && steps > 2")
    expect(first.page.locator("#player [data-slot=message]")).to_contain_text("the machine of this run was lost after")
    machine.lost.clear()
    second.generate(prompt="A cat", length=16, steps=4)
    second.wait("mode === 'finished' && steps === 4")
    assert first.complaints == second.complaints == []
