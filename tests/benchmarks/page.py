"""The page as its visitors meet it: import, first answer, first and last line with many clients, bytes a step."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

from browser import chromium
from browser.visitor import free_port
from playwright.sync_api import Browser, sync_playwright

from dlm_core.engine import LocalEngine, Request
from dlm_core.models import load_model
from tests.benchmarks.measure import OPEN, Row, side_by_side

STEPS = 16
PLAIN = """
import os
import gradio

with gradio.Blocks() as page:
    gradio.Markdown("hello")
page.launch(server_port=int(os.environ["PORT"]))
"""


@contextmanager
def served(*command: str, **environment: str) -> Iterator[tuple[str, float, int]]:
    """The address of a server, the seconds until its page first came, and its process."""
    port = free_port()
    url, began = f"http://127.0.0.1:{port}", time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"} | environment,
    )  # fmt: skip
    try:
        while True:
            try:
                urllib.request.urlopen(url, timeout=60).read()
                break
            except (urllib.error.URLError, ConnectionError) as error:
                if server.poll() is not None:
                    raise RuntimeError(f"the server ended with {server.returncode}") from error
                time.sleep(0.02)
        yield url, time.perf_counter() - began, server.pid
    finally:
        server.terminate()
        server.wait()


def visit(url: str) -> tuple[float, float]:
    """Seconds from a request to the first object of /denoise and to the end of the stream."""
    body = json.dumps({"prompt": "Once upon a time", "length": 64, "steps": STEPS}).encode()
    began, first = time.perf_counter(), None
    ask = urllib.request.Request(
        f"{url}/gradio_api/call/v2/denoise", data=body, headers={"Content-Type": "application/json"}
    )
    event = json.load(urllib.request.urlopen(ask))["event_id"]
    for line in urllib.request.urlopen(f"{url}/gradio_api/call/denoise/{event}"):
        if line.startswith(b"data: [") and first is None:
            first = time.perf_counter() - began
        if line.startswith(b"event: error"):
            raise RuntimeError("the page refused a run")
    return first, time.perf_counter() - began


# megabits a second and milliseconds of latency; slow 4G as in Lighthouse.  Then what the page took at first: seconds to
# the first paint and until the heatmap was there, in a review of the page that sent all of it at once.
NETWORKS = {"10 Mbit/s": (10, 40, 1.6, 5.4), "slow 4G": (1.6, 150, 7.0, 18.8)}
FORMER_BYTES = 2_960_000
PLAYS = "document.querySelector('#player [data-mode]')?.dataset.step > 0"
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1e3"


class FirstVisit(NamedTuple):
    paint: float  # seconds
    plays: float
    heatmap: float  # by Plotly
    until_play: int  # bytes
    total: int


def first_visit(browser: Browser, url: str, megabits: float, latency: int) -> FirstVisit:
    """Open the page with an empty cache over an emulated network."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", {
        "offline": False, "latency": latency, "downloadThroughput": megabits * 1e6 / 8,
        "uploadThroughput": megabits * 1e6 / 8,
    })  # fmt: skip
    size: dict[str, int] = {}
    network.on("Network.loadingFinished", lambda event: size.update({event["requestId"]: event["encodedDataLength"]}))
    page.goto(url, wait_until="commit")
    page.wait_for_function(PLAYS, timeout=120_000)
    plays, until_play = page.evaluate("performance.now() / 1e3"), sum(size.values())
    page.locator("#heatmap .main-svg").first.wait_for(timeout=120_000)
    heatmap, paint = page.evaluate("performance.now() / 1e3"), page.evaluate(PAINTED)
    total = sum(size.values())
    context.close()
    return FirstVisit(paint, plays, heatmap, until_play, total)


def visits(url: str) -> Iterator[Row]:
    """Yield what a first visit takes over two networks."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.installed(), args=chromium.QUIET)
        for name, (megabits, latency, *former) in NETWORKS.items():
            seen = [first_visit(browser, url, megabits, latency) for _ in range(3)]
            one = FirstVisit(*(median(values) for values in zip(*seen)))
            yield Row(
                f"first visit over {name}: first paint, against {former[0]:.1f} s at first", one.paint / former[0],
                f"paint {one.paint:.1f} s, plays {one.plays:.1f} s, heatmap by Plotly {one.heatmap:.1f} s "
                f"({former[1]} s at first)", True,
            )  # fmt: skip
        yield Row(
            "bytes until the opening run plays, as a share of 600 KB", one.until_play / 600e3,
            f"{one.until_play:,.0f} bytes; with Plotly {one.total:,.0f}; {FORMER_BYTES:,} at first", True,
        )  # fmt: skip
        browser.close()


def rows() -> Iterator[Row]:
    def python(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)

    ours, plain = side_by_side(
        lambda: python("import app"), lambda: python("import gradio, torch, transformers, plotly"), repeats=3
    )
    yield Row(
        "import of the page against import of the libraries it needs",
        ours / plain,
        f"{ours / 1e3:.2f} and {plain / 1e3:.2f} s",
    )
    firsts: list[tuple[float, float]] = []
    for _ in range(3):
        with served("app.py") as (_, mine, _), served("-c", PLAIN) as (_, bare, _):
            firsts.append((mine, bare))
    mine, bare = (median(side) for side in zip(*firsts))
    yield Row(
        "first answer of the page, model loaded, against a Gradio page with one line",
        mine / bare,
        f"{mine:.1f} and {bare:.1f} s",
        True,
    )
    with served("app.py") as (url, _, _):
        yield from visits(url)
        visit(url)
        alone = visit(url)
        for clients in (1, 8, 20):
            with ThreadPoolExecutor(clients) as pool:
                times = list(pool.map(visit, [url] * clients))
            first, last = (median(side) for side in zip(*times))
            yield Row(
                f"request to last line, clients at once: {clients}, against one alone", last / alone[1],
                f"median first line {first:.2f} s, last {last:.2f} s, slowest {max(t for _, t in times):.2f} s; "
                f"64 positions in {STEPS} steps", clients == 20,
            )  # fmt: skip
    lines = list(
        LocalEngine(load_model("bundled")).run(Request("Once upon a time", length=OPEN, params={"steps": OPEN}))
    )
    size = sum(len(line.encode()) for line in lines)
    yield Row(
        f"bytes streamed for {OPEN} positions by {OPEN} steps, as a share of 300 KiB",
        size / 300 / 1024, f"{size:,} bytes, {size // OPEN:,} a step", True,
    )  # fmt: skip
