"""What a visit costs: the scripts come once, compressed, and stay in the browser."""

import gzip

from playwright.sync_api import expect

from dlm_core.bundle import page_script


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
    visitor.page.goto("about:blank")
    assert scripts(visitor) == [(address, 0)]
    # no look at the complaints after it: a page that is left complains of what it was still asking for


def test_no_script_stands_in_the_page_itself(visit):
    page = visit().page
    front = page.request.get(visit().url).text()
    assert "mountPlayer" not in front
    assert front.count('import(\\"unmask\\")') > 5, "every part is brought to life by the one module"
