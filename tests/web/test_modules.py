"""The unit tests of the player's modules, by node's own test runner, a file each."""

import subprocess

import pytest
from node import WEB, command

FILES = sorted(WEB.glob("*.test.js"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".test.js"))
def test_module(file, tmp_path):
    line, environment = command(tmp_path, "--test", "--test-reporter=spec", file)
    done = subprocess.run(line, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests 0" not in done.stdout, "the file has no test"
