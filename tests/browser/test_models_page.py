"""The model menu: choosing, following, refusing, cancelling, and what other visitors are told."""

import re

import checkpoints
import pytest
import shelf
from hub_server import Hub
from playwright.sync_api import expect
from visitor import Server, Visitor


@pytest.fixture
def arrive(browser, tmp_path):
    """A visitor on a page with three models here, and one in a hub that waits to be let."""
    bert, dream = shelf.bert(tmp_path / "tiny-bert"), checkpoints.dream(tmp_path / "Dream-tiny")
    hub = Hub("owner/far", bert, piece=512)
    server = Server(
        UNMASK_MODELS=f"bundled,{bert},{dream},owner/far", HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0",
        HF_HOME=str(tmp_path / "home"),
    )  # fmt: skip
    visitors = []

    def make(query: str = "", **context) -> Visitor:
        visitors.append(visitor := Visitor(browser, server.url, **context))
        visitor.go(server.url + query)
        visitor.wait("steps > 0")
        return visitor

    make.hub = hub
    yield make
    for visitor in visitors:
        visitor.context.close()
    server.close()
    hub.close()


def told(visitor):
    return visitor.page.locator("#model-status [data-slot=text]")


def test_the_page_follows_the_model_that_is_chosen_and_others_are_told(arrive):
    first = arrive()
    page = first.page
    expect(told(first)).to_contain_text("bundled answers here: revision")
    first.choose("model", "tiny-bert")
    expect(told(first)).to_contain_text("tiny-bert answers here")
    expect(page.locator("#model input")).to_have_value(re.compile("^tiny-bert · .* · CPU · ●$"))
    expect(page.locator("#prompt textarea")).to_have_value("The capital of France is")
    first.generate(steps=4, length=8)
    first.wait("mode === 'finished' && steps === 4")
    expect(page.locator("#player .source")).to_contain_text("tiny-bert")
    page.click("#tab-race-button")
    expect(page.locator("#race-none")).to_be_visible()
    expect(page.locator("#race-run")).to_be_disabled()

    second = arrive("/?model=Dream-tiny&seed=5")
    expect(told(second)).to_contain_text("Dream-tiny answers here")
    expect(second.page.locator("#policy input")).to_have_value(re.compile("Dream"))
    expect(second.page.locator("#seed input")).to_have_value("5")
    expect(told(first)).to_contain_text("Another visitor chose Dream-tiny, which took the place of tiny-bert")
    assert first.complaints == second.complaints == []


def test_a_loading_can_be_cancelled_and_the_page_keeps_the_model_it_had(arrive):
    visitor, other = arrive(), arrive()
    arrive.hub.more.clear()
    visitor.choose("model", "owner/far")
    expect(told(visitor)).to_contain_text("owner/far is being fetched")
    expect(told(other)).to_contain_text("Another visitor chose a model. owner/far is being fetched")
    other.generate(steps=4, length=8)
    other.wait("mode === 'finished' && steps === 4")
    with visitor.page.expect_response(lambda answer: '"data":[]' in (answer.request.post_data or "")):
        visitor.page.click("#model-status [data-action=cancel]")
    arrive.hub.more.set()
    expect(told(visitor)).to_contain_text("the loading of owner/far was cancelled")
    expect(visitor.page.locator("#model input")).to_have_value(re.compile("^bundled"))
    visitor.generate(steps=4, length=8)
    visitor.wait("mode === 'finished' && steps === 4")
    expect(told(other)).to_contain_text("bundled answers here")
    other.page.locator("#model input").click()
    expect(other.page.get_by_role("option").filter(has_text="owner/far")).not_to_contain_text("●")
    assert visitor.complaints == other.complaints == []
