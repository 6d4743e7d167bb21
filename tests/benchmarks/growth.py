"""Runs of n positions by n steps: what a cell, one position in one step, costs as n grows; in Chromium as well."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from browser import chromium
from playwright.sync_api import Browser, sync_playwright
from torch import Tensor

from dlm_core.canvas import Canvas
from dlm_core.denoiser import Banned, TableDenoiser
from dlm_core.export import page
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from dlm_core.trace import Trace
from tests.benchmarks.measure import Row, Timed

LENGTHS, VOCAB = (128, 256, 512, 1024), 4096
# frames a second while the scrubber is dragged over the whole run, a new step in every frame
SCRUB = """
async () => {
  const scrubber = document.querySelector("#player [data-role=scrubber]"), frames = 120;
  const next = () => new Promise(requestAnimationFrame);
  await next();
  const began = performance.now();
  for (let frame = 1; frame <= frames; frame++) {
    scrubber.value = Math.round(scrubber.max * frame / frames);
    scrubber.dispatchEvent(new Event("input", { bubbles: true }));
    await next();
  }
  return 1000 * frames / (performance.now() - began);
}
"""


def recorded(length: int) -> tuple[Trace, float]:
    """A run in one window, every open position measured anew in every step, and its seconds outside the denoiser."""
    mask, generator = VOCAB - 1, torch.Generator().manual_seed(1)
    table, drift = (torch.randn(length, VOCAB, generator=generator) * scale for scale in (3, 0.5))

    def logits(ids: Tensor) -> Tensor:
        return (table + drift.roll(int((ids != mask).sum()), 0))[None]

    denoiser = Timed(Banned(TableDenoiser(logits, VOCAB, mask), [mask]))
    canvas = Canvas.from_prompt([], length, mask)
    began = time.perf_counter()
    trace = Trace.begin(
        model={"name": "ready logits", "revision": None, "vocab_size": VOCAB, "mask": mask, "stop": []}, prompt="",
        canvas=canvas.ids, fixed=canvas.fixed, policy={"name": "llada", "steps": length}, windows=[(0, length)],
        seed=0, top_k=5, versions={}, piece=lambda token: f" w{token}",
    )  # fmt: skip
    for step in sample(denoiser, canvas, make_policy("llada", steps=length)):
        trace.append(step)
    outside = time.perf_counter() - began - denoiser.seconds
    trace.finish("finished")
    return trace, outside


def opened(browser: Browser, file: Path) -> tuple[float, float, float]:
    """Seconds until the run stands on screen, MiB that the page's scripts hold then, frames a second scrubbing."""
    tab = browser.new_page(viewport={"width": 1280, "height": 1000})
    began = time.perf_counter()
    tab.goto(file.as_uri())
    tab.locator("#heatmap[data-steps]").wait_for()
    seconds = time.perf_counter() - began
    tab.evaluate(SCRUB)  # draws everything once
    frames = tab.evaluate(SCRUB)
    tools = tab.context.new_cdp_session(tab)
    tools.send("HeapProfiler.collectGarbage")
    tools.send("Performance.enable")
    told = {metric["name"]: metric["value"] for metric in tools.send("Performance.getMetrics")["metrics"]}
    tab.close()
    return seconds, told["JSHeapUsedSize"] / 2**20, frames


def rows() -> Iterator[Row]:
    torch.set_num_threads(1)
    small: dict[str, float] = {}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium.installed(), args=chromium.QUIET)
        for length in LENGTHS:
            trace, outside = recorded(length)
            run, html = Path(folder) / "run.jsonl.gz", Path(folder) / "run.html"
            trace.save(run)
            began = time.perf_counter()
            html.write_text(page(trace), encoding="utf-8")
            export = time.perf_counter() - began
            seconds, megabytes, frames = opened(browser, html)
            of_page = html.stat().st_size / 2**20
            cells, name = length * length, f"{length} positions by {length} steps"
            for what, cost, told in (
                ("seconds outside the denoiser", outside, f"{outside:.2f} s, {1e3 * outside / length:.1f} ms a step"),
                ("bytes on disk", run.stat().st_size, f"{run.stat().st_size / 2**20:.2f} MiB"),
            ):
                base = small.setdefault(what, cost / cells)
                yield Row(f"{name}: {what}, a cell, against {LENGTHS[0]} by {LENGTHS[0]}", cost / cells / base, told)
            yield Row(
                f"{name}: frames a second while scrubbing, as a share of 30", frames / 30,
                f"{frames:.0f} frames a second; {megabytes:.0f} MiB in the page; on screen after {seconds:.1f} s; "
                f"one HTML file of {of_page:.1f} MiB made in {export:.1f} s", length == LENGTHS[-1],
            )  # fmt: skip
        browser.close()
