"""The languages of the page: chosen for each visitor, before anything is shown, and for everything there is to read."""

import re

import pytest
from playwright.sync_api import expect
from visitor import Visitor

from dlm_core.export import page, site
from dlm_core.gallery import cards, file_of
from dlm_core.ui import words
from dlm_core.words import languages

ENGLISH, CHINESE = languages()["en"], languages()["zh-CN"]
# what has the same name in every language: the page, its files, models, papers, units and keys; words for the model
NAMES = re.compile(
    r"Unmask|bundled|oracle|docs/api\.md|Python|curl|JavaScript|English|API|KV|Esc|Home|End|Ctrl|Enter|Tab|Shift"
    r"|0:Once 5:upon|12:dragon"
    r"|arXiv|SDAR|LLaDA[\d.]*|Fast-dLLM|EB-Sampler|MDLM|Dream|KLASS|PC-Sampler|d3LLM|dInfer|dllm"
    r"|DUS|P2|WINO|RemeDi|ReMDM|BD3-LM"
    r"|alpha|tau|log|gamma|p2|mdlm|llada|left_to_right|threshold|run|jsonl|gz|html|webm|png|svg"
)
# text of the model, of the visitor, of programs, in other languages, and of Gradio itself
OTHERS = "#language, footer, [data-testid^=status]"
SAID = f"{OTHERS}, .tokens, .caption, .excerpt, .cells, .pairs, textarea, input, .cm-editor, .alternative, #model"
LATIN = """said => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, host = node.parentElement;
    if (!host.closest(said + ', script, style, #tabs .tab-container.visually-hidden') && host.checkVisibility())
      found.push(node.textContent);
  }
  for (const named of document.querySelectorAll('[aria-label], [title], [placeholder]'))
    if (named.checkVisibility() && !named.closest('.pairs, .cells, .cm-editor, #noise-example, #language, footer'))
      for (const name of ['aria-label', 'title', 'placeholder']) found.push(named.getAttribute(name) || '');
  return found.filter(text => /[A-Za-z]{2,}/.test(text));
}"""


def left_in_english(page):
    for_the_model = {f"{prompt} …" for prompt in words.PROMPTS.values()}
    texts = set(page.evaluate(LATIN, SAID)) - for_the_model
    return sorted({text for text in texts if re.search(r"[A-Za-z]{2,}", NAMES.sub("", text))})


def test_the_browsers_language_is_spoken_from_the_first_word_on_everywhere(visit):
    visitor = visit(locale="zh-CN")
    visitor.page.add_init_script(
        "addEventListener('DOMContentLoaded', () => new MutationObserver(() => {"
        f" if (document.body.textContent.includes({ENGLISH['page.tagline']!r})) window.flickered = true; "
        "}).observe(document.body, { childList: true, subtree: true, characterData: true }));"
    )
    page = visitor.open()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    expect(page.locator("#generate")).to_have_text(CHINESE["page.generate"])
    expect(page.locator("#policy input")).to_have_value(CHINESE["policies.llada.title"])
    expect(page.locator("#heatmap .ytitle")).to_have_text(CHINESE["figures.position"])
    for tab in words.TABS:
        page.click(f"#{tab}-button")
        expect(page.locator(f"#{tab}-button")).to_have_text(CHINESE[f"tabs.{tab}"])
        expect(page.locator(f"#{tab}-button")).to_have_attribute("aria-selected", "true")
        assert left_in_english(page) == [], tab
    assert not page.evaluate("window.flickered")
    assert visitor.complaints == []


def test_a_choice_at_the_top_is_kept_and_the_query_goes_before_it(visit):
    visitor = visit(locale="de-DE")
    page = visitor.open()
    assert page.evaluate("document.documentElement.lang") == "en"
    other = page.locator("#language button")
    expect(other).to_have_text(CHINESE["language.name"])
    expect(other).to_have_attribute("lang", "zh-CN")
    expect(other).to_have_accessible_name(CHINESE["language.read"])
    other.click()
    expect(page.locator("#generate")).to_have_text(CHINESE["page.generate"])
    expect(page.locator("#language button")).to_have_text(ENGLISH["language.name"])
    visitor.open("?seed=5")
    expect(page.locator("#generate")).to_have_text(CHINESE["page.generate"])
    expect(page.locator("#seed input")).to_have_value("5")
    visitor.open("?lang=en")
    visitor.complaints.clear()  # a page that is left complains of what it was still asking for
    expect(page.locator("#generate")).to_have_text(ENGLISH["page.generate"])
    assert visitor.complaints == []


def test_what_a_handler_says_is_said_in_the_visitors_language(visit):
    page = visit(locale="zh-TW").open("?policy=nonsense")
    expect(page.locator("#player [data-slot=message]")).to_have_text(
        CHINESE["link.wrong"].replace("{name}", "policy").replace("{value}", "nonsense")
    )
    page.locator("#policy input").click()
    page.get_by_role("option", name=CHINESE["policies.p2.title"]).click()
    expect(page.locator("#policy")).to_contain_text(CHINESE["policies.p2.about"])


@pytest.mark.parametrize(("locale", "spoken"), [("zh-CN", CHINESE), ("fr-FR", ENGLISH)])
def test_an_exported_run_and_a_site_speak_to_whoever_opens_them(browser, trace, tmp_path, locale, spoken):
    runs = [card | {"data": file_of(card["name"]).read_bytes()} for card in cards()]
    for name, text in (("run", page(trace)), ("site", site(runs))):
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
        visitor = Visitor(browser, (tmp_path / f"{name}.html").as_uri(), locale=locale)
        visitor.open()
        expect(visitor.page.locator("#player summary")).to_have_text(spoken["keep.title"])
        expect(visitor.page).to_have_title(spoken["replay.title" if name == "run" else "replay.site_title"])
        if spoken is CHINESE:
            assert left_in_english(visitor.page) == []
        assert visitor.complaints == []
        visitor.context.close()


def left(visitor):
    """Choose the other language, and wait until the page is there again."""
    with visitor.page.expect_navigation():
        visitor.page.locator("#language button").dispatch_event("click")  # without scrolling to it
    visitor.wait("steps > 0")
    visitor.complaints.clear()  # of the page that was left


def test_a_change_of_language_keeps_the_run_its_step_the_settings_the_tab_and_what_was_typed(visit):
    visitor = visit(viewport={"width": 1280, "height": 480})
    page = visitor.open()
    visitor.choose("policy", ENGLISH["policies.p2.title"])
    visitor.run(prompt="The cat", length=16, num_steps=8, seed=5)
    tokens = page.locator("#player [data-slot=tokens]")
    page.locator("#player [data-role=scrubber]").fill("3")
    page.click("#player [data-measure=entropy]")
    page.locator("#player [data-role=speed]").select_option("2")
    visitor.wait("step === 3 && !playing")
    shown = tokens.inner_text()
    visitor.set(prompt="A dog that\nwas not run", num_steps=7, tau=0.5, seed=123, pins="3:moon")
    page.click("#tab-compare-button")
    page.locator("#compare-prompt textarea").fill("Two of a kind")
    page.locator("#compare-length input").fill("33")
    page.click("#tab-puzzle-button")
    page.wait_for_function("scrollTo(0, 60) || scrollY === 60")  # once the tab is that long
    left(visitor)
    expect(page.locator("#tab-puzzle-button")).to_have_text(CHINESE["tabs.tab-puzzle"])
    expect(page.locator("#tab-puzzle-button")).to_have_attribute("aria-selected", "true")
    page.wait_for_function("scrollY === 60")
    page.click("#tab-compare-button")
    expect(page.locator("#compare-prompt textarea")).to_have_value("Two of a kind")
    expect(page.locator("#compare-length input")).to_have_value("33")
    page.click("#tab-denoise-button")
    visitor.wait("mode === 'finished' && step === 3 && steps === 8 && !playing")
    assert tokens.inner_text() == shown
    expect(page.locator("#player [data-measure=entropy]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#player [data-role=speed]")).to_have_value("2")
    expect(page.locator("#policy input")).to_have_value(CHINESE["policies.p2.title"])
    expect(page.locator("#num-steps")).to_contain_text(CHINESE[words.control("p2", "num_steps").label.key])
    for name, value in {"prompt textarea": "A dog that\nwas not run", "num-steps input": "7", "tau input": "0.5",
                        "seed input": "123", "pins textarea": "3:moon"}.items():  # fmt: skip
        expect(page.locator(f"#{name}")).to_have_value(value)
    expect(page.locator("#new-seed input")).not_to_be_checked()
    expect(page.locator("#steps")).to_be_hidden()
    assert visitor.complaints == []
    visitor.open()
    visitor.wait("mode === 'recorded'")
    expect(page.locator("#prompt textarea")).to_have_value(words.SAMPLES["story"])
    visitor.complaints.clear()


def test_a_change_of_language_keeps_runs_side_by_side_the_board_the_tree_and_a_run_that_is_being_written(visit):
    visitor = visit()
    page = visitor.open()
    page.click("#tab-compare-button")
    for name, value in (("length", 8), ("steps", 4)):
        page.locator(f"#compare-{name} input").fill(str(value))
    page.click("#compare-run")
    expect(page.locator("#compare .compare[data-mode=finished][data-playing=false]")).to_be_visible(timeout=90_000)
    panes = page.locator("#compare .pane .tokens").all_inner_texts()
    page.click("#tab-puzzle-button")
    page.click("#puzzle [data-action=clear]")
    page.click("#puzzle [data-slot=given] [data-cell='40']")
    page.keyboard.press("7")
    page.locator("#puzzle [data-role=level]").select_option("easy")
    page.click("#tab-denoise-button")
    page.locator("#player [data-role=scrubber]").fill("60")
    page.click("#player [data-action=resume]")
    tree = page.locator("#branches .tree li")
    expect(tree).to_have_count(2)
    visitor.wait("mode === 'finished'")
    visitor.generate(prompt="The cat", length=200, steps=200, block_length=0, seed=3)
    visitor.wait("mode === 'live' && steps > 5")
    page.locator("#player [data-role=scrubber]").fill("2")
    visitor.set(prompt="The next one")
    left(visitor)
    visitor.wait("mode === 'stopped' && step === 2 && steps > 5")
    expect(page.locator("#player [data-slot=message]")).to_have_text(CHINESE["player.cut"])
    expect(page.locator("#prompt textarea")).to_have_value("The next one")
    expect(tree).to_have_count(2)
    page.click("#player [data-action=resume]")
    visitor.wait("mode === 'live' && steps > 0")
    page.click("#tab-puzzle-button")
    expect(page.locator("#puzzle [data-slot=given] [data-cell='40']")).to_have_text("7")
    expect(page.locator("#puzzle [data-role=level]")).to_have_value("easy")
    page.click("#tab-compare-button")
    expect(page.locator("#compare .pane")).to_have_count(len(panes))
    assert page.locator("#compare .pane .tokens").all_inner_texts() == panes
    expect(page.locator("#compare .pane h2").first).to_have_text(CHINESE["policies.llada.title"])
    expect(page.locator("#compare [data-slot=message]")).to_be_hidden()
    assert visitor.complaints == []
