"""The page as a Hugging Face Space starts it, and its runs as programs ask for them; on ZeroGPU, by emulation."""

import importlib.util
import json
import resource
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from gradio_client import Client
from visitor import Server

from dlm_core.engine import zerogpu

SPACE = {
    "SYSTEM": "spaces", "SPACE_ID": "someone/unmask", "SPACE_HOST": "someone-unmask.hf.space",
    "SPACE_AUTHOR_NAME": "someone", "SPACE_REPO_NAME": "unmask", "SPACE_TITLE": "Unmask", "CPU_CORES": "2",
    "MEMORY": "16Gi", "OMP_NUM_THREADS": "2",
}  # fmt: skip
MEMORY = 16 * 2**30


def within_16_gigabytes() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@contextmanager
def serving(script="app.py", before=None, **environment):
    server = Server(script, before, **SPACE | environment)
    try:
        yield Client(server.url, verbose=False)
    finally:
        server.close()


def test_a_space_boots_offline_in_two_threads_and_16_gigabytes_and_denoises():
    with serving(before=within_16_gigabytes) as client:
        steps = list(client.submit("The cat", steps=4, length=16, api_name="/denoise"))
    assert [step["index"] for step in steps] == [0, 1, 2, 3]
    assert steps[-1]["masks_left"] == 0
    assert steps[-1]["text"].startswith("The cat")


class Scheduler:
    """Stands where the GPUs are lent: notes who asks for how long, and lends."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.changed = threading.Condition()
        scheduler = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                url = urlsplit(self.path)
                with scheduler.changed:
                    idle = any(path == "/schedule" for path, _ in scheduler.asked)
                    scheduler.asked.append((url.path, {name: v[0] for name, v in parse_qs(url.query).items()}))
                    scheduler.changed.notify_all()
                lent = {"idle": idle, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "lent"}
                body = json.dumps(lent if url.path == "/schedule" else {}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def calls(self, path):
        return [query for asked, query in self.asked if asked == path]

    def wait_for(self, path, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.calls(path)) >= count, timeout=60), (path, self.asked)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def scheduler():
    scheduler = Scheduler()
    yield scheduler
    scheduler.close()


@pytest.mark.skipif(importlib.util.find_spec("spaces") is None, reason="needs the package spaces")
def test_on_zerogpu_a_run_asks_for_seconds_by_its_size_and_gives_the_gpu_back(scheduler):
    lending = {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": scheduler.url, "OMP_NUM_THREADS": "1"}
    with serving("tests/zerogpu_emulation.py", **lending) as client:
        steps = list(client.submit("The cat", steps=4, length=16, api_name="/denoise"))
        assert [step["index"] for step in steps] == [0, 1, 2, 3]
        assert steps[-1]["text"].startswith("The cat")
        scheduler.wait_for("/release", 1)
        job = client.submit("The cat", steps=200, length=200, api_name="/denoise")
        next(iter(job))
        job.cancel()
        scheduler.wait_for("/release", 2)
        again = list(client.submit("The cat", steps=4, length=16, api_name="/denoise"))
    assert again == [step | {"seconds": new["seconds"]} for step, new in zip(steps, again)]
    (short, long, _) = (int(query["durationSeconds"]) for query in scheduler.calls("/schedule"))
    assert zerogpu.seconds(4, 16) <= short < long <= zerogpu.seconds(200, 256)
    assert [query["fail"] for query in scheduler.calls("/release")] == ["false"] * 3
    assert scheduler.calls("/startup-report"), "the page says at its start that it will ask"


def test_elsewhere_a_function_is_itself():
    assert zerogpu.on_gpu(print, lambda text: 1) is print


def test_the_seconds_grow_with_the_steps_and_with_the_length():
    assert zerogpu.seconds(32, 128) < zerogpu.seconds(64, 128) < zerogpu.seconds(64, 256)
