"""The documents agree with the code: links lead somewhere, programs run, and tables say what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from visitor import Server

from dlm_core.engine import AUTOREGRESSIVE
from tests import reference
from tests.pictures import END, STEP, save_film

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A document without its blocks of code, in which a number sign begins a comment and no heading."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def anchors(file: Path) -> set[str]:
    """What a link may have after its number sign: headings in small letters, without marks, spaces as dashes."""
    headings = re.findall(r"^#+ (.+)$", prose(read(file)), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(file: Path) -> list[str]:
    """The links of a document, and its pictures, that lead to no file of the repository or to no heading."""
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", prose(read(file))):
        path, _, anchor = "".join(target).partition("#")
        if path.startswith(("https://", "mailto:")):
            continue
        there = (file.parent / path).resolve() if path else file
        if not there.is_relative_to(ROOT) or not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append("".join(target))
    return dead


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_every_link_of_a_document_leads_to_a_file_and_to_a_heading(file):
    assert dead_links(file) == []


@pytest.mark.parametrize("link", ["[a](no.md)", "[a](#nowhere)", "![a](b.png)", '<img src="c.gif">', "[a](/etc)"])
def test_a_link_that_leads_nowhere_is_found(link, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(f"# A page\n\n[here](#a-page) {link}\n", encoding="utf-8")
    assert len(dead_links(tmp_path / "page.md")) == 1


def test_the_readme_leads_to_every_document():
    links = re.findall(r"\]\(docs/([\w-]+\.md)\)", read(ROOT / "README.md"))
    assert set(links) == {file.name for file in (ROOT / "docs").glob("*.md")}


def test_the_film_of_the_readme_is_a_run_in_less_than_three_megabytes():
    file = ROOT / "docs/images/run.gif"
    assert file.stat().st_size < 3_000_000
    with Image.open(file) as film:
        assert film.n_frames > 30
        assert film.info["loop"] == 0, "it begins again"


def test_a_film_keeps_every_step_and_stays_at_the_end(tmp_path):
    frames = [Image.new("RGB", (80, 40), "white") for _ in range(5)]
    for step, frame in enumerate(frames):
        frame.paste("teal", (0, 0, 16 * step, 40))
    save_film(frames, tmp_path / "run.gif")
    with Image.open(tmp_path / "run.gif") as film:
        shown = [film.info["duration"] for step in range(film.n_frames) if film.seek(step) is None]
    assert shown == [STEP] * 4 + [END]


def test_the_readme_can_be_read_in_a_few_minutes():
    assert 500 < len(read(ROOT / "README.md").split()) < 900


PYTHON = [(file, code) for file in DOCUMENTS for code in re.findall(r"^```python\n(.*?)^```$", read(file), re.M | re.S)]


def test_the_readme_denoises_in_eight_lines():
    (code,) = [code for file, code in PYTHON if file.name == "README.md"]
    assert len([line for line in code.splitlines() if line]) == 8


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, id=f"{file.name}-{number}")
        for number, (file, code) in enumerate(PYTHON)
        if "Client" not in code
    ],
)
def test_the_python_of_the_documents_runs_as_it_stands(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "Once upon a time" in done.stdout.splitlines()[-1]


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def test_the_programs_that_call_the_page_run_as_they_stand(server):
    blocks = re.findall(r"^```(?:python)?\n(.*?)^```$", read(ROOT / "docs/api.md"), re.M | re.S)
    python, curl = (next(block for block in blocks if word in block) for word in ("Client(", "curl -sN"))
    for command in ([sys.executable, "-c", python], ["bash", "-c", curl]):
        command[-1] = command[-1].replace("http://127.0.0.1:7860", server.url)
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Once upon a time") > 10, "a line a step"


def test_the_tables_of_policies_say_what_policies_and_words_say():
    text = read(ROOT / "docs/policies.md")
    assert reference.tables() in text, "print them again: make reference"
    assert f"`{AUTOREGRESSIVE}` is no policy" in text


def test_the_table_of_lines_their_schema_and_the_types_of_the_page_say_what_the_models_say():
    assert reference.line_table() in read(reference.RUN_FILE), "print it again: make reference"
    assert read(reference.SCHEMA) == reference.schema_text(), "print it again: make reference"
    assert read(reference.TYPES) == reference.types(), "print them again: make reference"
