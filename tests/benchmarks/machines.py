"""A Ray cluster on this machine: two replicas against one, a replica against this process, and what a page costs."""

import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from browser.visitor import free_port
from cluster import Cluster

from dlm_core.engine import LocalEngine, Request
from dlm_core.engine.remote import RemoteEngine
from dlm_core.models import load_model
from tests.benchmarks.measure import Row, side_by_side
from tests.benchmarks.page import STEPS, served, visit

VISITORS = 8  # at once
VISITING, BUSY = 1000, 0.7  # of the arithmetic: people, and the share of its time that a machine may work
RUN = Request("Once upon a time", length=64, params={"steps": STEPS})
SIZE = f"64 positions in {STEPS} steps, 1 thread a replica"


def crowd(engine: RemoteEngine) -> None:
    """Eight visitors who ask at once, and all read to the end."""
    with ThreadPoolExecutor(VISITORS) as pool:
        for end in pool.map(lambda _: list(engine.run(RUN))[-1], range(VISITORS)):
            if '"end":"finished"' not in end:
                raise RuntimeError(f"a run was not served: {end[:200]}")


def resident(process: int) -> float:
    """MiB of memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def busy(process: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rows() -> Iterator[Row]:
    torch.set_num_threads(1)
    here = LocalEngine(load_model("bundled"))
    clusters = [Cluster(free_port(), "--replicas", str(number), "--cpus", "0.5") for number in (1, 2)]
    try:
        one, two = (cluster.engine for cluster in clusters)
        alone, local = side_by_side(lambda: list(one.run(RUN)), lambda: list(here.run(RUN)))
        told = f"{alone:.0f} and {local:.0f} ms; {SIZE}"
        yield Row("a run by a replica against one in this process", alone / local, told)
        both, single = side_by_side(lambda: crowd(two), lambda: crowd(one), repeats=5)
        rate = [VISITORS / each * 1e3 for each in (both, single)]
        yield Row(
            f"two replicas against one: time until {VISITORS} visitors at once are served", both / single,
            f"{rate[0]:.1f} and {rate[1]:.1f} runs a second; {SIZE}; {os.cpu_count()} cores", True,
        )  # fmt: skip
        held = resident(clusters[0].replicas()[0])
        yield Row("memory of a replica of the bundled model, in GiB", held / 2**10, f"{held:.0f} MiB resident")
        with served("app.py", UNMASK_ENGINE=one.address) as (url, _, page):
            for _ in range(2):
                visit(url)
            before, began = busy(page), time.perf_counter()
            for _ in range(VISITORS):
                visit(url)
            cost, wall = (busy(page) - before) / VISITORS, (time.perf_counter() - began) / VISITORS
            told = f"{cost * 1e3:.0f} ms of a core a run, {cost / STEPS * 1e3:.1f} a step; {resident(page):.0f} MiB"
            yield Row(
                "processor time of a page that asks a cluster, as a share of the time of a run", cost / wall, told
            )
        rate = VISITING / 60
        replicas, pages = (math.ceil(rate * seconds / BUSY) for seconds in (alone / 1e3, cost))
        yield Row(
            f"replicas for {VISITING:,} visitors with a run a minute each, busy for {BUSY:.0%} of the time", replicas,
            f"{rate:.0f} runs a second of {alone:.0f} ms; {replicas * held / 2**10:.1f} GiB; pages, likewise: {pages}",
            True,
        )  # fmt: skip
    finally:
        for cluster in clusters:
            cluster.close()
