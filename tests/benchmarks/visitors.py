"""Whether it holds: many visitors at once, each served in turn; and the memory of run after run.

    PYTHONPATH=tests python -m tests.benchmarks.visitors [--visitors 20] [--runs 200]

Starts the page's own server.  The visitors press Generate all at once, each from a session of its own, and see what the
player would: places in line, expected waits, lines of their run.  Then one visitor runs again and again, and then a
new one comes for every run; after every tenth run the server collects its garbage and tells its resident memory and how
many objects live.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import numpy as np
from browser.visitor import free_port
from gradio_client import Client

SHORT = {"prompt": "Once upon a time", "length": 48, "steps": 12}
EVERY = 10  # runs from one look at the memory to the next
WARM = 5  # looks that come before memory has settled
# the page, which tells its memory when it is asked to
SERVER = """
import gc, json, signal
import app

def tell(*_):
    gc.collect()
    pages = int(open("/proc/self/statm").read().split()[1])
    print(json.dumps([pages * 4, len(gc.get_objects())]), flush=True)

signal.signal(signal.SIGUSR1, tell)
app.main()
"""


class Served(NamedTuple):
    """What a visitor met, in seconds from the press on Generate."""

    arrived: float
    place: int  # how many were ahead, as the page said first; 0 where nobody was
    foretold: float | None  # seconds it expected then
    first: float  # line of the run
    last: float
    steps: int


class Page:
    """A server of its own, and what can be asked of it."""

    def __init__(self, process: subprocess.Popen, url: str) -> None:
        self.process, self.url = process, url

    def memory(self) -> tuple[int, int]:
        """Resident KB and live objects, behind a garbage collection."""
        os.kill(self.process.pid, signal.SIGUSR1)
        while not (line := self.process.stdout.readline()).startswith("["):
            assert line, "the server ended"
        return tuple(json.loads(line))

    def client(self) -> "Visitor":
        return Visitor(self.url)


class Visitor:
    """A session that presses Generate as the page does."""

    def __init__(self, url: str) -> None:
        self.client = Client(url, verbose=False)
        config = self.client.config
        ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
        self.event = next(e for e in config["dependencies"] if [ids["generate"], "click"] in e["targets"])
        self.client.endpoints[self.event["id"]].is_valid = True  # it is the page's own, and not offered to programs
        by_id = {one["id"]: one for one in config["components"]}
        controls = [by_id[i] for i in self.event["inputs"] if by_id[i]["type"] != "state"]
        asked = {ids[name]: value for name, value in SHORT.items()}
        self.values = [asked.get(one["id"], one["props"].get("value")) for one in controls]

    def generate(self) -> Served:
        began, notices, first = time.monotonic(), [], 0.0
        lines: list[str] = []
        for value, *_ in self.client.submit(*self.values, fn_index=self.event["id"]):
            if not isinstance(value, str):  # the end of the stream
                continue
            lines = value.split("\n")[1:-1]
            records = [json.loads(line) for line in lines]
            notices = [record for record in records if record["type"] == "waiting"] or notices
            if not first and any(record["type"] == "run" for record in records):
                first = time.monotonic() - began
        told = notices[0] if notices else {"waiting": 0}
        steps = sum(json.loads(line)["type"] == "step" for line in lines)
        return Served(began, told["waiting"], told.get("seconds"), first, time.monotonic() - began, steps)


@contextmanager
def opened() -> Iterator[Page]:
    """The page in a process of its own, ready to be visited."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True,
        env=os.environ | {"PORT": str(port), "HOST": "127.0.0.1", "GRADIO_ANALYTICS_ENABLED": "False"},
    )  # fmt: skip
    try:
        for line in process.stdout:
            if "Running on" in line:
                break
        yield Page(process, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def crowd(page: Page, count: int) -> list[Served]:
    """What `count` visitors met who all press Generate at once."""
    visitors = [page.client() for _ in range(count)]
    visitors[0].generate()  # the first forward pays for memory, and tells how long a turn takes
    met: list[Served] = []
    gate = threading.Barrier(count)

    def press(visitor: Visitor) -> None:
        gate.wait()
        met.append(visitor.generate())

    threads = [threading.Thread(target=press, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for visitor in visitors:
        visitor.client.close()
    return sorted(met, key=lambda served: served.place)


def slope(values: list[float], every: int) -> tuple[float, float]:
    """The least-squares slope a run, and half of its 95 % interval, of values taken every so many runs."""
    runs = np.arange(len(values)) * every
    line, covariance = np.polyfit(runs, values, 1, cov=True)
    return float(line[0]), float(1.96 * np.sqrt(covariance[0, 0]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="visitors", description="many visitors at once, and run after run")
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    with opened() as page:
        met = crowd(page, options.visitors)
        print("| place in line | expected wait, s | first line, s | last line, s | steps |\n|---|---|---|---|---|")
        for served in met:
            told = "" if served.foretold is None else f"{served.foretold:.1f}"
            print(f"| {served.place} | {told} | {served.first:.2f} | {served.last:.2f} | {served.steps} |")
        turns = [served.first for served in met]
        waits = np.diff(turns)
        print(f"\n{options.visitors} visitors at once, {SHORT['length']} positions in {SHORT['steps']} steps each:")
        print(f"  all served: {all(served.steps == SHORT['steps'] for served in met)}")
        print(f"  in the order in which they stood in line: {turns == sorted(turns)}")
        print(f"  everyone behind the first was told a place: {all(served.place for served in met[1:])}")
        print(f"  first line: median {median(turns):.2f} s, slowest {max(turns):.2f} s")
        print(f"  from one visitor's first line to the next one's: {min(waits):.2f} to {max(waits):.2f} s")
        for name, visitors in (("one visitor, run after run", None), ("a new visitor for every run", page.client)):
            one, looks = page.client(), []
            for run in range(options.runs + WARM * EVERY + 1):
                if run % EVERY == 0:
                    looks.append(page.memory())
                if visitors is None:
                    one.generate()
                else:
                    one.client.close()
                    one = visitors()
                    one.generate()
            one.client.close()
            resident, objects = zip(*looks[WARM:])
            print(f"\n{name}: {options.runs} runs behind {WARM * EVERY} that warm up")
            print("  memory: {:+.1f} ± {:.1f} KB a run, {:.0f} MB at the end".format(
                *slope(resident, EVERY), resident[-1] / 1024))  # fmt: skip
            print("  live objects: {:+.1f} ± {:.1f} a run, {:,} at the end".format(*slope(objects, EVERY), objects[-1]))


if __name__ == "__main__":
    main()
