"""One server and one Chromium for all tests, a fresh visitor for each."""

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
