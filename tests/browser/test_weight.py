"""What a visit costs: little until the run plays, the scripts once and compressed; the sketch holds Plotly's place."""

import gzip
import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from dlm_core.bundle import page_script
from dlm_core.figures import heatmap_data, palette
from dlm_core.gallery import OPENING, file_of
from dlm_core.trace import Trace

MOST_UNTIL_PLAY = 560_000  # bytes; about 400,000 of them are Gradio's own
PLAYS = "step >= 1"


@pytest.fixture
def held(visit):
    """A visitor whose request for Plotly is held back, and the function that lets it go."""
    visitor, requests = visit(), []
    visitor.page.route("**/plotly-*.js", lambda route: requests.append(route))

    def release():
        visitor.page.wait_for_function("document.querySelector('script[src*=plotly-]')")
        while not requests:
            visitor.page.wait_for_timeout(20)  # until the route is heard of
        requests[0].continue_()
        expect(visitor.page.locator("#heatmap .main-svg").first).to_be_visible()
        expect(visitor.page.locator("#progress .main-svg").first).to_be_visible()
        expect(visitor.page.locator("#player .sketch:visible")).to_have_count(0)

    yield visitor, release
    assert visitor.complaints == []


def standing(visitor):
    """Let the run stand at its end, with every figure drawn."""
    visitor.open()
    visitor.page.locator("#player [data-role=scrubber]").fill("9999")
    visitor.wait("!playing && step === steps")
    expect(visitor.page.locator("#heatmap")).to_have_attribute("data-steps", str(visitor.state()["steps"]))


def picture(locator):
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB")).astype(int)


def test_little_comes_until_the_run_plays_and_plotly_only_then(visit):
    visitor = visit()
    session = visitor.context.new_cdp_session(visitor.page)
    session.send("Network.enable")
    size, asked = {}, []
    session.on("Network.dataReceived", lambda event: size.update({
        event["requestId"]: size.get(event["requestId"], 0) + event["encodedDataLength"]}))  # fmt: skip
    session.on("Network.loadingFinished", lambda event: size.update({event["requestId"]: event["encodedDataLength"]}))
    # the page says which scripts it had when the run took its first step
    visitor.page.add_init_script("""
        new MutationObserver((_, watch) => {
          if (!(document.querySelector("#player [data-mode]")?.dataset.step > 0)) return;
          window.askedUntilPlay = [...document.scripts].map(({ src }) => src);
          watch.disconnect();
        }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-step"] });
    """)
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.go(visitor.url)
    visitor.wait(PLAYS)
    total = sum(size.values())
    assert not any("plotly" in url for url in visitor.page.evaluate("askedUntilPlay"))
    assert 100_000 < total < MOST_UNTIL_PLAY
    expect(visitor.page.locator("#heatmap .main-svg").first).to_be_visible()
    assert sum("/plotly-" in url for url in asked) == 1


def test_the_sketch_shows_the_colours_of_the_data_and_plotly_takes_its_place_without_a_jump(held):
    visitor, release = held
    standing(visitor)
    frame = visitor.page.locator("#player .plot-frame")
    visitor.page.mouse.move(0, 0)
    before = picture(frame.first)  # which scrolls to it
    boxes = [one.bounding_box() for one in frame.all()]
    assert visitor.page.locator("#heatmap .main-svg").count() == 0
    visitor.page.evaluate("""() => { window.shifts = 0; new PerformanceObserver((list) => {
        for (const { value } of list.getEntries()) window.shifts += value; }).observe({ type: "layout-shift" }); }""")
    release()
    assert visitor.page.evaluate("shifts") == 0
    assert [one.bounding_box() for one in frame.all()] == boxes
    after = picture(frame.first)
    same = (np.abs(before - after).max(axis=2) <= 24).mean()
    assert same > 0.99, "the sketch is Plotly's figure, but for the edges of letters and cells"

    trace = Trace.load(file_of(OPENING))
    data = heatmap_data(trace, "confidence")
    plot = visitor.page.evaluate("document.querySelector('#heatmap')._fullLayout._size")
    rows, columns = data.shape[0] - data.opening, data.shape[1]
    now = [int(palette("light")["now"][at : at + 2], 16) for at in (1, 3, 5)]
    written = 0
    for r in range(0, rows, 5):
        for c in range(0, columns, 3):
            y, x = plot["t"] + (r + 0.5) * plot["h"] / rows, plot["l"] + (c + 0.5) * plot["w"] / columns
            here = before[int(y), int(x)]
            is_written = data.written[data.opening + r][c] == 1
            written += is_written
            assert (np.abs(here - now).max() <= 3) == is_written, (r, c)
            assert np.abs(here - after[int(y), int(x)]).max() <= 3, (r, c)
    assert written > 5


def test_the_sketch_can_be_read_and_pressed_like_plotlys_figure(held):
    visitor, release = held
    standing(visitor)
    heatmap = visitor.page.locator("#heatmap")
    heatmap.hover(position={"x": 300, "y": 200})
    tip = visitor.page.locator("#player .tip")
    expect(tip).to_be_visible()
    said = tip.inner_text()
    visitor.page.mouse.move(0, 0)
    release()
    heatmap.hover(position={"x": 300, "y": 200})
    expect(tip).to_have_text(said, use_inner_text=True)


def test_plotly_stays_in_the_browser_for_the_next_visit(visit):
    visitor = visit()
    answers = []
    visitor.page.on("response", lambda answer: answers.append(answer) if "/plotly-" in answer.url else None)
    visitor.open()
    expect(visitor.page.locator("#heatmap .main-svg").first).to_be_visible()
    [answer] = answers
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]


def scripts(visitor):
    """The addresses of the page's own script that are asked for, and how many bytes came for each."""
    session = visitor.context.new_cdp_session(visitor.page)
    session.send("Network.enable")
    address, size = {}, {}
    session.on("Network.requestWillBeSent", lambda event: address.update({event["requestId"]: event["request"]["url"]}))
    session.on("Network.loadingFinished", lambda event: size.update({event["requestId"]: event["encodedDataLength"]}))
    visitor.open()
    expect(visitor.page.locator("#heatmap .main-svg").first).to_be_visible()
    return [(url, size.get(key, 0)) for key, url in address.items() if "/unmask-" in url]


def test_the_script_is_fetched_once_compressed_and_not_again_on_a_second_visit(visit):
    visitor = visit()
    [(address, size)] = scripts(visitor)
    packed = len(gzip.compress(page_script().encode()))
    assert packed <= size < packed + 1000, "no more than its packed form and headers"
    assert visitor.complaints == []
    visitor.go("about:blank")
    assert scripts(visitor) == [(address, 0)]
    assert visitor.complaints == []


def test_no_script_stands_in_the_page_itself(visit):
    page = visit().page
    front = page.request.get(visit().url).text()
    assert "mountPlayer" not in front
    assert front.count('import(\\"unmask\\")') > 5, "every part is brought to life by the one module"


def test_the_opening_run_is_a_file_of_its_own_fetched_early_compressed_and_kept(visit):
    visitor = visit()
    front = visitor.page.request.get(visitor.url).text()
    assert '"type":"step"' not in front.replace("\\", "")
    [path] = re.findall(r'<link rel="preload" as="fetch" [^>]*href="\.(/opening-\w+\.jsonl)"', front)
    answers = []
    visitor.page.on("response", lambda answer: answers.append(answer) if "/opening-" in answer.url else None)
    visitor.open()
    [answer] = answers
    assert answer.url == visitor.url + path
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    lines = answer.text().splitlines()
    assert lines == Trace.load(file_of(OPENING)).lines
    assert visitor.complaints == []


@pytest.mark.parametrize("width", [390, 1280, 1600])
def test_the_page_is_painted_with_its_name_in_its_place_before_any_script_has_come(visit, width):
    visitor = visit(viewport={"width": width, "height": 800})
    page = visitor.page
    page.route("**/*.js", lambda _: None)
    visitor.go(visitor.url)
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    name = page.locator("#first b")
    expect(name).to_have_text("Unmask")
    before = name.bounding_box()
    page.unroute("**/*.js")  # which lets go of those that were held
    visitor.wait("steps > 0")
    expect(name).to_have_count(0)
    after = page.locator("#masthead h1").bounding_box()
    assert {side: round(before[side] - after[side]) for side in ("x", "y", "width")} == {"x": 0, "y": 0, "width": 0}
    assert visitor.complaints == []
