"""The player's token canvas, by itself in a real browser."""

import pytest

from dlm_core.bundle import join, settings_line


@pytest.fixture
def js(browser):
    context = browser.new_context()
    page = context.new_page()
    page.add_script_tag(content=settings_line() + join("view/tokens.js"))
    yield page.evaluate
    context.close()


def test_only_positions_in_the_text_are_drawn(js, grown):
    js("lines => { window.run = emptyRun(); for (const line of lines) addLine(run, line); }", grown.lines)
    tracks = grown.tracks()
    js("() => { const box = document.createElement('div'); document.body.append(box); window.box = box;"
       " window.shown = new TokenCanvas(box); shown.layOut(run); }")  # fmt: skip
    for at in range(len(grown.steps), -1, -1):
        js("at => { shown.draw(at, () => false); }", at)
        drawn = js("[...box.children].filter(e => !e.hidden).map(e => run.rank[e.dataset.pos])")
        assert drawn == tracks[at].tolist()
