"""A run of 1,024 positions by as many steps: it opens, scrubs, tells what it merges, and is exact where one points."""

import re

import pytest
import torch
from playwright.sync_api import expect
from stand_ins import MASK, VOCAB, record
from visitor import Visitor

from dlm_core.canvas import Canvas, blocks
from dlm_core.denoiser import Banned, TableDenoiser
from dlm_core.export import page

LENGTH = 1024


@pytest.fixture(scope="module")
def long():
    """Blocks of 32, with beliefs about every open position."""
    table = torch.randn(LENGTH, VOCAB, generator=torch.Generator().manual_seed(1)) * 3
    windows = blocks(0, LENGTH, 32)
    trace = record(
        Banned(TableDenoiser(table, VOCAB, MASK), [MASK]), Canvas.from_prompt([], LENGTH, MASK),
        windows=windows, steps=LENGTH,
    )  # fmt: skip
    trace.finish("finished")
    return trace


@pytest.fixture(scope="module")
def opened(browser, long, tmp_path_factory):
    file = tmp_path_factory.mktemp("growth") / "long.html"
    file.write_text(page(long, plotly=True), encoding="utf-8")
    visitor = Visitor(browser, file.as_uri())
    visitor.open()
    visitor.wait(f"steps === {LENGTH}")
    expect(visitor.page.locator(f"#heatmap[data-steps='{LENGTH}'] .main-svg").first).to_be_visible()
    yield visitor
    assert visitor.complaints == []
    visitor.context.close()


def test_a_long_run_scrubs_tells_what_it_merges_and_is_exact_under_the_pointer(opened, long):
    player = opened.page.locator("#player")
    player.locator("[data-role=scrubber]").fill("700")
    opened.wait("step === 700 && !playing")
    shown = player.locator("[data-pos]").evaluate_all("all => all.map(t => +t.dataset.tokenId)")
    assert shown == long.steps[699].after.tolist()

    expect(player.locator("#heatmap")).to_have_attribute("data-merged", "4 2")
    expect(player.locator("[data-slot=merged]")).to_contain_text("4 by 2 cells in one")
    expect(player.locator("#heatmap")).to_contain_text("position, 4 in one")
    expect(player.locator("#heatmap")).to_contain_text("step, 2 in one")

    player.locator("#heatmap").scroll_into_view_if_needed()
    area = player.locator("#heatmap .nsewdrag").bounding_box()
    exact = 0
    for block in range(4, 28):  # the block at work lies on the diagonal
        x, y = ((32 * block + some) / LENGTH for some in (4.5, 20.5))
        opened.page.mouse.move(area["x"] + area["width"] * x, area["y"] + area["height"] * y)
        told = player.locator(".tip").inner_text()
        position, step = map(int, re.search(r"position (\d+), step (\d+)", told).groups())
        assert abs(position - LENGTH * y) <= 4
        assert abs(step - LENGTH * x) <= 2
        believed = long.steps[step - 1]
        if believed.measured[position]:
            exact += 1
            confidence, entropy = believed.confidence[position], believed.entropy[position]
            assert f"confidence {confidence:.3f}, entropy {entropy:.2f} nats" in told
    assert exact > 4


@pytest.mark.parametrize(
    ("action", "start"),
    [("save-page", b"<!doctype html"), ("save-png", b"\x89PNG"), ("save-svg", b"<svg"), ("save", b"\x1f\x8b")],
)
def test_a_long_run_can_be_kept(opened, action, start):
    opened.page.click("#player [data-role=keep] summary")
    with opened.page.expect_download() as download:
        opened.page.click(f"#player [data-action={action}]")
    data = download.value.path().read_bytes()
    assert data.startswith(start)
    if action == "save-svg":
        assert b"position, 4 in one" in data
