"""Record the pictures of the README from the page: `make pictures`.

    python -m tests.pictures [FOLDER]

The page is served as a visitor gets it, and plays its recorded runs.  Each frame is a screenshot of the page after one
step of a run; nothing is drawn here.
"""

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, sync_playwright

from tests.browser import chromium
from tests.browser.visitor import ROOT, Server, Visitor

FOLDER = ROOT / "docs/images"
WIDTH, HEIGHT, SCALE = 1240, 900, 1  # of the window, in CSS pixels, and how many of the picture are one of them
CARD = {"width": 1200, "height": 630}
STEP, END = 140, 3000  # milliseconds that a step and the finished text stay
COLOURS = 96
MAX_BYTES = 3_000_000


def picture(element: Locator) -> Image.Image:
    return Image.open(io.BytesIO(element.screenshot())).convert("RGB")


def go(visitor: Visitor, step: int) -> None:
    """Have the player show the canvas after `step` steps, with no transition under way."""
    scrubber = visitor.page.locator("#player [data-role=scrubber]")
    scrubber.evaluate("(range, step) => { range.value = step; range.dispatchEvent(new Event('input')); }", step)
    visitor.wait(f"!playing && step === {step}")
    visitor.still()


def film(visitor: Visitor, stage: Locator) -> list[Image.Image]:
    frames = []
    for step in range(visitor.state()["steps"] + 1):
        go(visitor, step)
        frames.append(picture(stage))
    return frames


def save_film(frames: list[Image.Image], path: Path) -> None:
    """Write frames of one size as a GIF that begins again; all share one palette, so that still parts stay still."""
    samples = frames[:: max(1, len(frames) // 6)] + frames[-1:]
    strip = Image.new("RGB", (frames[0].width, frames[0].height * len(samples)))
    for number, sample in enumerate(samples):
        strip.paste(sample, (0, number * sample.height))
    palette = strip.quantize(COLOURS, dither=Image.Dither.NONE)
    first, *rest = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [STEP] * len(rest) + [END]
    first.save(path, save_all=True, append_images=rest, duration=durations, loop=0, optimize=True, disposal=1)
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path.name} has {size} bytes, at most {MAX_BYTES} are wanted: lower SCALE or COLOURS")


def record(visitor: Visitor, folder: Path) -> None:
    """Save the film of the run and a still of its text, its heatmap and its inspector, half way or at the end."""
    page = visitor.open()
    page.locator("#player [data-action=pause]").click()
    stage = page.locator("#player .stage")
    steps = visitor.state()["steps"]
    save_film(film(visitor, stage), folder / "run.gif")
    go(visitor, steps // 2)
    picture(stage).save(folder / "text.png", optimize=True)
    go(visitor, steps)
    page.wait_for_selector("#player #heatmap .plotly")
    picture(page.locator("#player .seen")).save(folder / "heatmap.png", optimize=True)
    go(visitor, steps // 2)
    page.locator(f"#player [data-pos][data-commit-step='{steps // 2 - 1}']").last.click()  # written in the step shown
    visitor.still()
    picture(page.locator("#player .inspector")).save(folder / "inspector.png", optimize=True)


def boards(visitor: Visitor, path: Path) -> None:
    """Save the two boards of one puzzle from Learn, as they end."""
    page = visitor.open("#learn")
    page.locator("#learn .beat[data-beat=order] button").click()
    page.wait_for_selector("#learn .learn[data-step='54']", timeout=60_000)
    visitor.still()
    picture(page.locator("#learn .boards")).quantize(COLOURS).save(path, optimize=True)


def card(visitor: Visitor, path: Path) -> None:
    """Save what a chat or a feed shows of a link to the page: the player as it stands in a frame, half way."""
    visitor.page.set_viewport_size(CARD)
    page = visitor.open("?embed=1")
    page.locator("#player [data-action=pause]").click()
    go(visitor, visitor.state()["steps"] // 2)
    page.wait_for_selector("#player #heatmap .plotly")
    page.mouse.move(0, 0)
    Image.open(io.BytesIO(page.screenshot(scale="css"))).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="pictures", description="record the pictures of the README from the page")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    server = Server()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium.installed(), args=chromium.QUIET)
            visitor = Visitor(
                browser, server.url, viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE
            )
            record(visitor, folder)
            boards(visitor, folder / "sudoku.png")
            card(visitor, ROOT / "assets/card.png")
            browser.close()
    finally:
        server.close()
    assert visitor.complaints == [], visitor.complaints
    for file in sorted(folder.iterdir()):
        print(f"{file.name}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
