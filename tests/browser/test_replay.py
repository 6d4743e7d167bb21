"""The exported page, opened from disk."""

import json

import pytest
from playwright.sync_api import expect
from visitor import Visitor

from dlm_core.export import page
from dlm_core.gallery import OPENING, file_of
from dlm_core.trace import Trace

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>${alert(3)}"


@pytest.fixture
def exported(browser, trace, tmp_path):
    lines = [json.loads(line) for line in trace.lines]
    lines[0]["prompt"] = EVIL
    for line in lines:
        line["pieces"] = {token: EVIL for token in line.get("pieces", {})}
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "run.html").write_text(page(Trace.parse(text.encode())), encoding="utf-8")
    visitor = Visitor(browser, (tmp_path / "run.html").as_uri())
    visitor.open()
    yield visitor
    assert visitor.complaints == []
    assert visitor.outside == []
    visitor.context.close()


def test_an_exported_run_plays_from_disk_without_a_network_and_markup_stays_text(exported):
    exported.wait("mode === 'recorded' && steps === 6 && step >= 1")
    expect(exported.page.locator("#heatmap[data-steps='6']")).to_be_visible()
    assert exported.page.locator(".sketch").first.evaluate("one => one.width") > 300
    exported.page.locator("#player [data-role=scrubber]").fill("6")
    exported.wait("step === 6 && !playing")
    expect(exported.page.locator("#player [data-pos='5']")).to_contain_text("</script>")
    assert exported.page.locator("#player img").count() == 0


def test_an_exported_run_is_small_and_plotly_draws_it_where_that_is_wanted(browser, tmp_path):
    trace = Trace.load(file_of(OPENING))
    assert len(page(trace).encode()) < 400_000, "today's opening run; 5.1 MB when Plotly was in it"
    (tmp_path / "run.html").write_text(page(trace, plotly=True), encoding="utf-8")
    visitor = Visitor(browser, (tmp_path / "run.html").as_uri())
    visitor.open()
    expect(visitor.page.locator("#heatmap .main-svg").first).to_be_visible()
    assert (visitor.complaints, visitor.outside) == ([], [])
    visitor.context.close()
