"""One server and one Chromium for all tests; a fresh visitor for each, or one that the tests of a module share.

Opening the page costs more than most of what is done there.
"""

import chromium
import pytest
from playwright.sync_api import sync_playwright
from visitor import Server, Visitor


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.installed(), args=chromium.QUIET)
        yield browser
        browser.close()


@pytest.fixture
def visit(server, browser):
    visitors = []

    def make(**context) -> Visitor:
        visitors.append(Visitor(browser, server.url, **context))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.context.close()


@pytest.fixture
def visitor(visit):
    """One visitor on the open page, who must have met no error and sent nothing away."""
    visitor = visit()
    visitor.open()
    yield visitor
    assert visitor.complaints == []
    assert visitor.outside == []


@pytest.fixture(scope="module")
def staying(server, browser):
    """Visitors by name, each on the open page until the module's last test."""
    visitors = {}

    def of(name: str) -> Visitor:
        if name not in visitors:
            visitors[name] = Visitor(browser, server.url)
            visitors[name].open()
        return visitors[name]

    yield of
    for visitor in visitors.values():
        visitor.context.close()


@pytest.fixture
def shared(staying):
    """The visitor of the module, for tests that do not mind what others did on the page before."""
    visitor = staying("shared")
    yield visitor
    assert visitor.complaints == []
    assert visitor.outside == []


@pytest.fixture
def watcher(staying):
    """Another one, for whom the recorded run of the opening plays from its start, and was never another."""
    visitor = staying("watcher")
    page = visitor.page
    page.mouse.move(0, 0)
    page.locator("#player [data-role=speed]").select_option("1")
    page.locator("#player [data-action=pause]").dispatch_event("click")  # which is there while it plays
    page.click("#player [data-action=restart]")
    visitor.wait("mode === 'recorded' && step === 0 && !playing")
    page.click("#player [data-action=play]")
    visitor.wait("playing")
    yield visitor
    assert visitor.complaints == []
    assert visitor.outside == []
