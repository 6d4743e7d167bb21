"""The real page in a real browser: one server and one Chromium for all tests, a fresh visitor for each."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).parents[2]
expect.set_options(timeout=30_000)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`python app.py`, or another script that serves the page, in a process of its own; `before` runs in it first.

    It writes what it prints into `messages`, else where the tests do.
    """

    def __init__(
        self, script: str = "app.py", before: Callable[[], None] | None = None, port: int | None = None,
        folder: Path = ROOT, messages: IO[str] | None = None, **environment: str,
    ) -> None:  # fmt: skip
        self.port = port = port or free_port()
        self.url = f"http://127.0.0.1:{port}"
        offline = {"PORT": str(port), "HOST": "127.0.0.1", "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
        settings = os.environ | offline | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])} | environment
        self.process = subprocess.Popen(
            [sys.executable, script], cwd=folder, env=settings, preexec_fn=before, start_new_session=True,
            stdout=messages, stderr=messages,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, "app.py ended"
                assert time.monotonic() < deadline, "app.py did not answer within two minutes"

    def kill(self) -> None:
        """End it as a crash would: nobody is told."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)  # with the processes it forked
        self.process.wait(30)


class Visitor:
    """A page with what a test wants to know of it: the player's state, complaints, and requests that left home."""

    def __init__(self, browser: Browser, url: str, **context) -> None:
        self.context = (
            browser.new_context(viewport={"width": 1280, "height": 1000}, **context)
            if "viewport" not in context
            else browser.new_context(**context)
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.outside: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on(
            "request", lambda r: None if r.url.startswith((url, "data:", "blob:")) else self.outside.append(r.url)
        )
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.url = url

    def open(self, query: str = "") -> Page:
        self.go(f"{self.url}{query}")
        self.wait("steps > 0")
        return self.page

    def go(self, address: str) -> None:
        """Open an address, or again the one that is open. What the page before complains of as it is left is not kept:
        what it was still asking for is refused then."""
        before = len(self.complaints)
        if address == self.page.url:
            self.page.reload(wait_until="commit")
        else:
            self.page.goto(address, wait_until="commit")
        del self.complaints[before:]

    def state(self) -> dict:
        data = json.loads(
            self.page.evaluate("JSON.stringify({...document.querySelector('#player [data-mode]').dataset})")
        )
        return {
            "mode": data["mode"],
            "playing": data["playing"] == "true",
            "step": int(data["step"]),
            "steps": int(data["steps"]),
        }

    def wait(self, condition: str, timeout: int = 30_000) -> None:
        """Wait until a condition on mode, playing, step, steps holds."""
        self.page.wait_for_function(
            "() => { const root = document.querySelector('#player [data-mode]'); if (!root) return false;"
            "const mode = root.dataset.mode, playing = root.dataset.playing === 'true';"
            f"const step = +root.dataset.step, steps = +root.dataset.steps; return {condition}; }}",
            timeout=timeout,
        )

    def still(self) -> None:
        """Wait until nothing fades or moves: in the middle of it, colours are those of neither state."""
        self.page.wait_for_function(
            "() => document.getAnimations().every(a =>"
            " a.playState !== 'running' || a.effect.getTiming().iterations === Infinity)"
        )

    def set(self, **values) -> None:
        for name, value in values.items():
            self.page.locator(f"#{name.replace('_', '-')} :is(input, textarea)").first.fill(str(value))

    def choose(self, control: str, option: str) -> None:
        """Take from the menu of a control what has these words."""
        self.page.locator(f"#{control} input").click()
        self.page.get_by_role("option").filter(has_text=option).click()

    def generate(self, **values) -> None:
        self.set(**values)
        self.page.click("#generate")

    def run(self, **values) -> None:
        """Generate, and wait until that run, and not the one that was on screen before, has ended."""
        former = "import('unmask').then(({ shownRun }) => Object.assign(window, { shownRun, former: shownRun() }) && 0)"
        self.page.evaluate(former)
        self.generate(**values)
        self.wait("mode === 'finished' && shownRun() !== former")
