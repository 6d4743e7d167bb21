"""A conversation on the page: with a model that chats, and only there."""

import json
import re

import layouts
import pytest
import shelf
from playwright.sync_api import expect
from visitor import Server, Visitor

from dlm_core.ui import words

MARKUP = "<img src=x onerror=alert(1)> **you** {{ value }}"


@pytest.fixture(scope="module")
def chatting(browser, tmp_path_factory):
    """A page with a model that chats, some of whose answers end, and one that does not chat."""
    folder = tmp_path_factory.mktemp("chat")
    chat, bert = layouts.modernbert_chat(folder, silence=2.0), shelf.bert(folder / "tiny-bert")
    server = Server(UNMASK_MODELS=f"{chat},{bert}", UNMASK_MODEL=str(chat), UNMASK_MAX_MODELS="2")
    yield server
    server.close()


@pytest.fixture
def visitor(chatting, browser):
    visitor = Visitor(browser, chatting.url, permissions=["clipboard-read", "clipboard-write"])
    visitor.open()
    yield visitor
    visitor.context.close()
    assert visitor.complaints == []
    assert visitor.outside == []


def turns(page):
    return page.locator("#conversation li")


def ask(visitor, question, **settings):
    """Ask, and wait until the answer is in the conversation; with another seed it may be empty, or not end."""
    page, count = visitor.page, turns(visitor.page).count()
    visitor.set(prompt=question, **{"length": 24, "steps": 24, "temperature": 1.0, "seed": 5} | settings)
    page.click("#generate")
    expect(turns(page)).to_have_count(count + 2)
    expect(page.locator("#prompt textarea")).to_have_value("")
    visitor.wait("mode === 'finished' && step === 24")


def header(page):
    """The first line of the run in the player, as its file would have it."""
    lines = page.evaluate("import('unmask').then(({ shownRun }) => shownRun().lines)")
    return json.loads(lines[0])


def test_an_answer_joins_the_conversation_and_the_next_question_follows_up(visitor):
    page = visitor.page
    expect(page.locator("#conversation .card")).to_be_hidden()
    expect(page.locator("#prompt textarea")).to_have_value(words.SAMPLES["chat"])
    ask(visitor, "why?", system="be kind")
    expect(turns(page).nth(0)).to_contain_text("why?")
    assert header(page)["conversation"] == [{"role": "system", "content": "be kind"}]
    answer = turns(page).nth(1).locator("p").inner_text()
    ask(visitor, "and then?")
    roles = [message["role"] for message in header(page)["conversation"]]
    assert roles == ["system", "user", "assistant"]
    assert header(page)["conversation"][2]["content"].split() == answer.split()
    fixed = page.locator("#player .t[data-state=fixed]").all_inner_texts()
    assert "[SYS]↵bekind↵[/SYS]" in re.sub(r"[ \xa0]", "", "".join(fixed))


def test_what_follows_the_end_of_an_answer_is_a_tail(visitor):
    ask(visitor, "why?")
    page = visitor.page
    tail = page.locator("#player .t[data-state=tail]")
    expect(tail.first).to_have_text("·")
    expect(page.locator("#player [data-slot=tail]")).to_contain_text("The text ends here")
    written = page.locator("#player .t[data-state=committed]").count()
    assert tail.count() + written == 24


def test_a_question_can_be_asked_again_and_a_conversation_begun_anew(visitor):
    page = visitor.page
    ask(visitor, "one")
    ask(visitor, "two")
    page.click("#conversation [data-action=again]")
    expect(page.locator("#prompt textarea")).to_have_value("two")
    expect(turns(page)).to_have_count(2)
    page.click("#conversation [data-action=new]")
    expect(page.locator("#conversation .card")).to_be_hidden()
    ask(visitor, "three")
    assert header(page)["conversation"] == []


def test_a_follow_up_without_a_question_is_told_and_nothing_is_lost(visitor):
    ask(visitor, "one")
    visitor.page.click("#generate")
    expect(visitor.page.locator("#player [data-slot=message]")).to_contain_text("Type a question")
    expect(turns(visitor.page)).to_have_count(2)


def test_a_run_that_is_refused_or_stopped_leaves_conversation_and_question_alone(visitor):
    page = visitor.page
    ask(visitor, "one")
    visitor.set(prompt="long " * 300, length=24)
    page.click("#generate")
    expect(page.locator("#player [data-slot=message]")).to_contain_text(
        "the prompt and the conversation before it take"
    )
    expect(page.locator("#prompt textarea")).to_have_value("long " * 300)
    expect(turns(page)).to_have_count(2)


def test_text_of_visitor_and_model_is_never_markup(visitor):
    page = visitor.page
    ask(visitor, MARKUP, system=MARKUP)
    expect(turns(page).nth(0).locator("p")).to_have_text(MARKUP)
    assert page.locator("#conversation img, #player img").count() == 0


def test_a_link_repeats_an_answer_in_its_conversation(visitor, chatting, browser):
    page = visitor.page
    ask(visitor, "one", system="be kind")
    ask(visitor, "two")
    canvas = header(page)["canvas"]
    page.click("#player summary")
    page.click("#player [data-action=copy-link]")
    expect(page.locator("#player [data-slot=kept]")).not_to_be_empty()
    link = page.evaluate("navigator.clipboard.readText()")
    other = Visitor(browser, chatting.url)
    other.go(link)
    other.wait("mode === 'finished' && step === 24", timeout=90_000)
    expect(turns(other.page)).to_have_count(4)
    expect(other.page.locator("#system textarea")).to_have_value("be kind")
    assert header(other.page)["canvas"] == canvas
    texts = [v.page.locator("#player .tokens.prose").inner_text() for v in (visitor, other)]
    assert texts[0] == texts[1]
    other.context.close()
    assert other.complaints == []


def test_only_a_model_that_chats_has_a_conversation(visitor):
    page = visitor.page
    ask(visitor, "one")
    page.locator("#model input").click()
    page.get_by_role("option").filter(has_text="tiny-bert").click()
    expect(page.locator("#model-status")).to_contain_text("tiny-bert answers here")
    expect(page.locator("#conversation-panel")).to_be_hidden()
    visitor.generate(prompt="the cat", length=8, steps=4)
    visitor.wait("mode === 'finished' && steps === 4")
    assert "conversation" not in header(page)
    expect(page.locator("#prompt textarea")).to_have_value("the cat")
    page.locator("#model input").click()
    page.get_by_role("option").filter(has_text="ModernBERT").click()
    expect(turns(page)).to_have_count(2)
