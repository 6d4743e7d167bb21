"""Who may import whom, as a table; and what the repository may hold."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "dlm_core"

# module: (project modules, third-party packages); a module imports only what its row allows
TABLE = {
    "__init__": (set(), set()),
    "files": (set(), set()),
    "unicode": (set(), set()),
    "proxies": (set(), set()),
    "words": ({"files"}, set()),
    "conversation": ({"unicode"}, set()),
    "step": (set(), {"numpy"}),
    "canvas": (set(), {"numpy"}),
    "noise": (set(), {"torch"}),
    "beliefs": (set(), {"numpy", "torch"}),
    "denoiser": (set(), {"torch"}),
    "constraints": ({"canvas", "denoiser"}, {"numpy", "outlines_core", "torch"}),
    "reasons": ({"step", "words"}, {"numpy"}),
    "policies": ({"policies", "beliefs", "denoiser", "noise", "reasons", "step"}, {"torch"}),
    "sampler": ({"step", "canvas", "beliefs", "denoiser", "policies", "reasons"}, {"numpy", "torch"}),
    "autoregressive": ({"step", "canvas", "beliefs", "policies", "reasons"}, {"numpy", "torch", "transformers"}),
    "lines": ({"unicode"}, set()),
    "trace": ({"conversation", "lines", "reasons", "step", "unicode"}, {"numpy", "pandas", "plotly"}),
    "schema": ({"conversation", "sudoku", "trace"}, {"pydantic", "typing_extensions"}),
    "metrics": ({"trace"}, {"numpy"}),
    "figures": ({"files", "metrics", "step", "trace", "words"}, {"numpy", "plotly"}),
    "bundle": ({"conversation", "figures", "files", "lines", "trace", "words"}, set()),
    "export": ({"bundle", "figures", "lines", "trace", "words"}, {"plotly"}),
    "models": (
        {"models", "canvas", "conversation", "denoiser", "files", "proxies", "trace", "unicode"},
        {"torch", "transformers", "tokenizers", "huggingface_hub"},
    ),
    "sudoku": (set(), set()),
    "engine": (
        {
            "engine", "autoregressive", "beliefs", "canvas", "conversation", "denoiser", "models", "noise", "policies",
            "lines", "proxies", "sampler", "step", "sudoku", "trace", "unicode",
        },
        {"numpy", "torch"},
    ),
    "engine.remote": (
        {"canvas", "conversation", "engine", "lines", "policies", "proxies", "trace"},
        {"httpx", "numpy"},
    ),
    "engine.cluster": ({"engine", "lines", "models", "trace", "unicode"}, {"ray", "starlette"}),
    "engine.zerogpu": (set(), {"spaces"}),
    "serve": ({"engine"}, set()),
    "gallery": (
        {"figures", "files", "canvas", "lines", "metrics", "engine", "models", "policies", "sudoku", "trace"},
        {"numpy"},
    ),
    "training": (
        {
            "training", "autoregressive", "canvas", "denoiser", "engine", "files", "models", "noise", "policies",
            "sampler", "sudoku",
        },
        {"torch", "transformers", "tqdm"},
    ),
    "notebook": ({"canvas", "figures", "models", "step", "trace"}, {"numpy", "IPython"}),
    "record": ({"beliefs", "models", "step", "trace"}, {"numpy"}),
    "__main__": (
        {"conversation", "policies", "engine", "gallery", "models", "export", "launch", "trace", "unicode", "words"},
        {"transformers"},
    ),
    "ui": (
        {
            "ui", "bundle", "conversation", "engine", "export", "figures", "gallery", "lines", "metrics", "policies",
            "proxies", "reasons", "sudoku", "trace", "unicode", "words",
        },
        {"fastapi", "gradio", "numpy", "starlette"},
    ),
    "launch": ({"engine", "proxies", "ui", "unicode"}, set()),
    # older names of modules
    "library": ({"engine"}, set()),
    "replay": ({"bundle", "export"}, set()),
}  # fmt: skip


def name_of(file):
    """The row of a module: its own or its package's below `dlm_core`, else that of the package above."""
    parts = file.relative_to(CORE).with_suffix("").parts
    return ".".join(parts[:2]) if ".".join(parts[:2]) in TABLE else parts[0]


def imports(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write imports in full"
            yield node.module


FILES = sorted(CORE.rglob("*.py"))
# a run shows itself in a notebook: it imports its views once they are asked for, so there is no circle at any start
LATER = {("trace", "figures"), ("trace", "export")}


def test_every_module_has_a_row():
    assert {name_of(file) for file in FILES} == set(TABLE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CORE)))
def test_a_module_imports_only_what_its_row_allows(file):
    project, third = TABLE[name_of(file)]
    for module in imports(file):
        head, *rest = module.split(".")
        if head == "dlm_core":
            assert rest, f"{file}: import the module, not the package"
            assert rest[0] in project or (name_of(file), rest[0]) in LATER, (
                f"{file.relative_to(ROOT)} may not import {module}"
            )
        elif head not in sys.stdlib_module_names:
            assert head in third, f"{file.relative_to(ROOT)} may not import {head}"


def module_of(file):
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_modules_import_each_other_in_a_circle():
    modules = {module_of(file) for file in FILES}
    later = {(f"dlm_core.{importer}", f"dlm_core.{imported}") for importer, imported in LATER}
    needs = {
        (module := module_of(file)): {each for each in imports(file) if each in modules and (module, each) not in later}
        for file in FILES
    }
    while needs:
        free = [module for module, others in needs.items() if not others & set(needs)]
        assert free, f"a circle among {sorted(needs)}"
        for module in free:
            del needs[module]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("trace", "torch"),
        ("figures", "torch"),
        ("export", "torch"),
        ("export", "gradio"),
        ("sampler", "transformers"),
        ("engine", "gradio"),
    ],
)
def test_light_modules_stay_light(module, heavy):
    code = f"import sys, dlm_core.{module}; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


TEXT_MODE = re.compile(r"[rwax+t]+")  # how a file is opened as text, where no encoding is the locale's


def texts_without_encoding(code):
    """Lines that read or write text in whatever encoding the machine's locale has."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        named = {word.arg: word.value for word in node.keywords}
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [getattr(value, "value", None) for value in [*node.args, named.get("mode")]]
        asks = {
            "read_text": not node.args,
            "write_text": len(node.args) < 2,
            "open": (isinstance(node.func, ast.Name) and len(node.args) == 1 and "mode" not in named)
            or any(isinstance(mode, str) and TEXT_MODE.fullmatch(mode) for mode in given),
            "TextIOWrapper": True,
        }
        process = any(getattr(named.get(word), "value", False) for word in ("text", "universal_newlines"))
        if "encoding" not in named and (asks.get(name) or process):
            yield node.lineno


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("p.read_text()", True), ("p.write_text(x)", True), ("open(p)", True), ('open(p, "w")', True),
        ('p.open("a")', True), ('gzip.open(p, mode="rt")', True), ("run(x, text=True)", True),
        ("TextIOWrapper(b)", True), ('p.read_text(encoding="utf-8")', False), ('open(p, "rb")', False),
        ('p.open("wb")', False), ('open(p, encoding="utf-8")', False), ('run(x, encoding="utf-8")', False),
        ("visitor.open()", False),
    ],
)  # fmt: skip
def test_the_rule_on_encodings_finds_what_depends_on_a_locale(code, found):
    assert bool([*texts_without_encoding(code)]) == found


def test_every_text_is_read_and_written_in_utf_8_whatever_the_locale():
    files = [name for name in tracked() if name.endswith(".py")]
    found = {name: [*texts_without_encoding((ROOT / name).read_text(encoding="utf-8"))] for name in files}
    assert {name: lines for name, lines in found.items() if lines} == {}


def tracked():
    return subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout.split()


def test_no_tracked_file_is_larger_than_a_space_accepts():
    assert [name for name in tracked() if (ROOT / name).exists() and (ROOT / name).stat().st_size > 10e6] == []


def test_the_space_header_is_whole_and_agrees_with_the_requirements():
    head = re.match(r"---\n(.*?)\n---\n", (ROOT / "README.md").read_text(encoding="utf-8"), re.S).group(1)
    fields = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    assert {
        "title",
        "emoji",
        "colorFrom",
        "colorTo",
        "sdk",
        "sdk_version",
        "python_version",
        "app_file",
        "short_description",
    } <= set(fields)
    assert f"gradio=={fields['sdk_version']}" in (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert fields["python_version"].strip('"') == "3.12"
    assert (ROOT / fields["app_file"]).exists()
    assert len(fields["short_description"]) <= 60


def test_the_map_of_the_modules_names_every_module_once_and_no_other():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    assert sorted(re.findall(r"`dlm_core/(\w+)`", rows)) == sorted(name for name in TABLE if "." not in name)
    inside = {path.stem for path in (CORE / "engine").iterdir() if path.suffix == ".py" or path.name == "cluster"}
    assert set(re.findall(r"`engine/(\w+)`", rows)) == inside - {"__init__"}


def test_the_palette_has_the_same_roles_in_both_themes():
    palette = json.loads((ROOT / "assets/player/palette.json").read_text(encoding="utf-8"))
    assert set(palette["light"]) == set(palette["dark"])
