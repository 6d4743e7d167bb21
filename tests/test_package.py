"""Unmask as a package: the wheel carries all that a run needs, and works far from the checkout."""

import os
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from visitor import Server

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(name: str) -> dict[str, str]:
    """Package to pinned version, from a requirements file."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {pin.name: next(iter(pin.specifier)).version for pin in found}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder that holds the wheel's content and nothing else of this project."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*command, "--wheel-dir", folder], cwd=ROOT, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_what_a_space_installs_satisfies_what_the_package_asks_for():
    wanted = {r.name: r for r in map(Requirement, PROJECT["dependencies"])}
    assert wanted.keys() == (space := pins("requirements.txt")).keys()
    assert all(wanted[name].specifier.contains(version) for name, version in space.items())


@pytest.mark.parametrize(
    ("extra", "file"),
    [
        ("serve", "requirements-serve.txt"),
        ("evaluate", "requirements-evaluate.txt"),
        ("test", "tests/requirements.txt"),
    ],
)
def test_every_extra_is_satisfied_by_the_pins_of_its_requirements_file(extra, file):
    pinned = pins(file)
    for wanted in map(Requirement, PROJECT["optional-dependencies"][extra]):
        assert wanted.specifier.contains(pinned[wanted.name]), wanted


def test_the_wheel_holds_model_player_runs_words_and_the_licence(installed):
    inside = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    player = ("player/player.css", "player/page.js", "player/run/state.js", "player/view/tokens.js")
    for name in ("model/config.json", "model/tokenizer.json", *player, "runs/index.json", "words/en.json"):
        assert f"dlm_core/assets/{name}" in inside
    assert any(name.endswith("licenses/LICENSE") for name in inside)
    assert not any(name.startswith("tests/") for name in inside)


def test_the_wheel_denoises_from_another_folder(installed, tmp_path):
    out = tmp_path / "cat.run.jsonl.gz"
    command = [sys.executable, "-m", "dlm_core", "The cat", "--steps", "4", "--length", "16", "--out", str(out)]
    alone = os.environ | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The cat")
    assert out.stat().st_size > 0


def test_the_wheel_alone_serves_the_page(installed, tmp_path):
    server = Server("-mdlm_core", folder=tmp_path, PYTHONPATH=str(installed), PYTHONSAFEPATH="1")
    try:
        with urllib.request.urlopen(f"{server.url}/") as page:
            assert b"Unmask" in page.read()
    finally:
        server.close()


def test_the_command_unmask_is_the_command_line(installed):
    entry = next(installed.glob("*.dist-info/entry_points.txt")).read_text(encoding="utf-8")
    assert "unmask = dlm_core.__main__:main" in entry
