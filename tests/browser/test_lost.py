"""A run that is cut off: the server dies, the network goes away, the page is loaded again."""

import pytest
from playwright.sync_api import expect
from visitor import Server, Visitor
from wire import Wire

from dlm_core.words import languages

WORDS = languages()["en"]
LONG = {"prompt": "The cat", "length": 200, "steps": 200, "block_length": 0, "seed": 3}


@pytest.fixture
def visitor(visit):
    """One whose browser may complain: that is what these tests are about."""
    visitor = visit()
    visitor.open()
    return visitor


def message(visitor):
    return visitor.page.locator("#player [data-slot=message]")


def begin_long(visitor):
    """A long run, of which some steps are there."""
    visitor.generate(**LONG)
    visitor.wait("mode === 'live' && steps > 5")


def resumed(visitor, reached):
    """The run goes on from the step at which it was cut off, and stands in the tree as a branch of what was there."""
    visitor.wait(f"mode === 'stopped' && steps >= {reached} && step === steps && !playing")
    expect(message(visitor)).to_have_text(WORDS["player.cut"])
    reached = visitor.state()["steps"]
    visitor.page.click("#player [data-action=resume]")
    expect(visitor.page.locator("#branches .tree li")).to_have_count(2)
    expect(visitor.page.locator("#branches .tree li").nth(1)).to_contain_text(f"from step {reached}")
    visitor.wait(f"mode === 'live' && steps > 0 && steps < {LONG['steps'] - reached}")
    expect(message(visitor)).to_be_hidden()
    visitor.page.click("#stop")
    visitor.wait("mode === 'stopped'")


def test_a_server_that_dies_leaves_the_run_on_screen_and_one_that_comes_back_goes_on_with_it(browser):
    server = Server()
    visitor = Visitor(browser, server.url)
    try:
        visitor.open()
        begin_long(visitor)
        server.kill()
        expect(message(visitor)).to_have_text(WORDS["player.lost"])
        visitor.wait("mode === 'stopped' && steps > 5")
        reached = visitor.state()["steps"]
        visitor.page.locator("#player [data-role=scrubber]").fill("2")
        visitor.wait("step === 2 && !playing")
        server = Server(port=server.port)
        resumed(visitor, reached)
        visitor.page.click("#tab-runs-button")
        expect(visitor.page.locator("#runs .kept-list li:not(.empty)")).to_have_count(2)
    finally:
        visitor.context.close()
        server.close()


def test_a_reload_in_mid_run_keeps_the_run_as_far_as_it_came_and_frees_the_model(visitor):
    begin_long(visitor)
    visitor.go(visitor.page.url)
    resumed(visitor, 5)
    visitor.generate(prompt="B", length=8, steps=2, block_length=0)
    visitor.wait("mode === 'finished' && steps === 2")
    visitor.go(visitor.page.url)
    visitor.wait("mode === 'recorded' && steps > 2")
    expect(message(visitor)).to_be_hidden()


@pytest.fixture
def wired(browser, server):
    """A visitor behind a network of their own, and that network."""
    wire = Wire(server.port)
    visitor = Visitor(browser, wire.url)
    visitor.open()
    yield visitor, wire
    wire.cut()
    visitor.context.close()


def test_a_network_that_holds_still_is_told_and_the_run_catches_up_when_it_moves_again(wired):
    visitor, wire = wired
    begin_long(visitor)
    wire.hold()
    expect(message(visitor)).to_have_text(WORDS["player.lost"])
    visitor.wait("mode === 'stopped' && steps >= 3")
    reached = visitor.state()["steps"]
    wire.release()
    visitor.wait(f"steps > {reached} && (mode === 'live' || mode === 'finished')")
    expect(message(visitor)).to_be_hidden()
    visitor.page.click("#stop")
    visitor.wait("mode === 'stopped' || mode === 'finished'")


def test_a_network_that_breaks_frees_the_model_and_the_run_goes_on_when_it_is_mended(wired, visit):
    visitor, wire = wired
    begin_long(visitor)
    wire.cut()
    other = visit()
    other.open()
    other.generate(prompt="B", length=8, steps=2, block_length=0)
    other.wait("mode === 'finished' && steps === 2")
    expect(message(visitor)).to_have_text(WORDS["player.lost"])
    reached = visitor.state()["steps"]
    assert reached < LONG["steps"]
    wire.mend()
    resumed(visitor, reached)


@pytest.mark.parametrize("section", ["race", "compare"])
def test_runs_side_by_side_are_not_live_when_the_connection_is_lost_and_are_there_again_behind_it(wired, section):
    visitor, wire = wired
    page = visitor.page
    told, pane = page.locator(f"#{section} [data-slot=message]"), page.locator(f"#{section} .pane").first

    def begin():
        for name in ("length", "steps"):
            page.locator(f"#{section}-{name} input").fill("200")
        page.click(f"#{section}-run")

    def becomes(steps, *modes):
        page.wait_for_function(
            "([section, modes, least]) => {"
            "const root = document.querySelector(`#${section} .compare`), pane = root?.querySelector('.pane small');"
            "return pane && modes.includes(root.dataset.mode) && Number(pane.textContent.split(' ').pop()) >= least; }",
            arg=[section, modes, steps],
            timeout=60_000,
        )
        return int(pane.locator("small").text_content().split()[-1])

    page.click(f"#tab-{section}-button")
    begin()
    becomes(3, "live")
    wire.cut()
    expect(told).to_have_text(WORDS["compare.lost"])
    reached = becomes(3, "stopped")
    with page.expect_navigation(timeout=60_000):  # the page comes back by itself
        wire.mend()
    page.click(f"#tab-{section}-button")
    expect(told).to_have_text(WORDS["compare.cut"])
    assert becomes(1, "stopped") == reached
    pane.locator("button").click()
    visitor.wait(f"mode === 'recorded' && steps === {reached}")

    page.click(f"#tab-{section}-button")
    begin()
    becomes(3, "live")
    wire.hold()
    expect(told).to_have_text(WORDS["compare.lost"])
    reached = becomes(3, "stopped")
    wire.release()
    becomes(reached, "live", "finished")
    expect(told).to_be_hidden()
    page.click(f"#{section}-stop")
    becomes(reached, "stopped", "finished")
