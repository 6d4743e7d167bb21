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
