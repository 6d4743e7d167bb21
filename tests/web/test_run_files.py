"""The page's reader of run files, held to the list that Python's reader is held to."""

import base64
import gzip
import json
import re

import pytest
from node import Node
from run_files import Opens, Refused, differing, files, member, text_of

from dlm_core.trace import Trace

READ = """async (packed) => {
  const file = bytesOf(packed);
  try {
    const run = readRun(file);
    return { steps: run.steps.length, whole: Boolean(run.totals), lines: run.lines, seed: String(run.header.seed) };
  } catch (error) { return { error: error.message }; }
}"""


@pytest.fixture(scope="module")
def read(js):
    return lambda data: js(READ, base64.b64encode(data).decode())


def test_the_page_opens_and_refuses_what_python_does(read, trace):
    def made(data):
        told = read(data)
        if "error" not in told:
            return Opens(told["steps"], told["whole"]), ""
        first = any(words in told["error"] for words in ("first line is not JSON", "its header", "schema"))
        line = re.search(r"line (\d+) (?:is damaged|has the type)", told["error"])
        return Refused(int(line[1]) if line else 1 if first else None), told["error"]

    assert differing(trace, made) == {}


def test_the_page_keeps_the_very_lines_that_python_keeps(read, trace):
    for name, (data, must) in files(trace).items():
        if isinstance(must, Opens):
            ours, theirs = Trace.parse(data), read(data)
            assert theirs["lines"] == ours.lines, name
            assert theirs["seed"] == json.dumps(ours.header["seed"]), name


def test_large_files_of_every_level_of_compression_are_read_as_they_were_written(read, bundled):
    from dlm_core.engine import LocalEngine, Request

    run = LocalEngine(bundled).run(Request("Once", length=96, params={"steps": 96, "temperature": 0.9}))
    text = "".join(run).encode()
    for level in range(10):
        assert read(gzip.compress(text, level))["lines"] == text.decode().splitlines()


def test_the_limit_of_the_text_is_pythons(trace, tmp_path):
    text = text_of(trace)
    half = len(text) // 2
    js = Node(tmp_path, limits={"bytes": len(text)})
    for form in (text, gzip.compress(text), member(text[:half]) + member(text[half:])):
        assert js(READ, base64.b64encode(form).decode())["whole"]
    longer = text + b"\n"
    for form in (longer, gzip.compress(longer), member(longer[:half]) + member(longer[half:])):
        assert "which is the limit" in js(READ, base64.b64encode(form).decode())["error"]
    js.close()
