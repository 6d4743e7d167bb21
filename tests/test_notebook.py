"""A run in a notebook: on screen while it is made, and the example that ships, run by a kernel of its own."""

import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

from dlm_core import notebook
from dlm_core.canvas import Canvas
from dlm_core.notebook import html, watch
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from dlm_core.schema import validated
from dlm_core.trace import Trace

ROOT = Path(__file__).parents[1]


@pytest.fixture
def steps(bundled):
    canvas = bundled.canvas(bundled.encode_prompt("Once"), 8)
    return canvas, list(sample(bundled.denoiser, canvas, make_policy("llada", steps=4), seed=1))


@pytest.fixture
def shown(monkeypatch):
    pictures = []
    monkeypatch.setattr(notebook, "_screen", lambda: lambda trace: pictures.append(html(trace)))
    return pictures


def test_what_is_watched_is_returned_as_a_run_of_the_very_steps(bundled, steps, shown):
    canvas, made = steps
    trace = watch(iter(made), bundled, canvas, seed=1, prompt="Once", policy={"name": "llada", "steps": 4})
    again = Trace.parse(trace.packed())
    assert (trace.outcome, again.header["seed"], again.header["policy"]["steps"]) == ("finished", 1, 4)
    assert [step.after.tolist() for step in again.steps] == [step.after.tolist() for step in made]
    assert [step.forwards for step in again.steps] == [1, 2, 3, 4]
    assert again.fixed.tolist() == canvas.fixed.tolist()
    for line in trace.lines:
        validated(line)


def test_every_step_is_shown_as_it_comes_and_the_last_one_always(bundled, steps, shown):
    canvas, made = steps
    seen = []

    def stream():
        for step in made:
            yield step
            seen.append(len(shown))

    watch(stream(), bundled, canvas, every=0)
    assert seen == [1, 2, 3, 4]
    assert [f"step {n}, {left} masks left" in shown[n - 1] for n, left in ((1, 6), (2, 4), (3, 2), (4, 0))] == [
        True
    ] * 4
    shown.clear()
    watch(iter(made), bundled, canvas, every=3600)
    assert len(shown) == 2, "the first, and the last once it is there"
    assert "step 4, 0 masks left" in shown[-1]


def test_without_its_canvas_what_the_first_step_finds_written_is_fixed(bundled, steps, shown):
    canvas, made = steps
    assert watch(iter(made), bundled).fixed.tolist() == canvas.fixed.tolist()


def test_a_cell_that_is_interrupted_keeps_its_run_so_far(bundled, steps, shown):
    canvas, made = steps

    def interrupted():
        yield from made[:2]
        raise KeyboardInterrupt

    trace = watch(interrupted(), bundled, canvas)
    assert (trace.outcome, len(trace.steps)) == ("stopped", 2)


def test_no_step_at_all_is_a_sentence(bundled, shown):
    with pytest.raises(ValueError, match="there was no step to show"):
        watch(iter([]), bundled)


def test_text_of_a_model_is_never_markup(bundled, shown):
    mask = bundled.mask_token_id
    hostile = SimpleNamespace(
        mask_token_id=mask, cache=None, piece=lambda token: "<img src=x onerror=alert(1)>", describe=bundled.describe
    )
    canvas = Canvas([1, 2, mask], [True, True, False])
    made = list(sample(bundled.denoiser, canvas, make_policy("llada", steps=1)))
    watch(iter(made), hostile, canvas, every=0)
    assert "<img" not in shown[0]
    assert "&lt;img src=x" in shown[0]


def test_a_character_of_several_tokens_is_whole():
    pieces = {0: b"\xf0\x9f", 1: b"\x91\x8d", 2: " up"}
    trace = Trace.begin(
        model={"name": "x", "vocab_size": 9, "mask": 8, "stop": []}, prompt="", canvas=[0, 1, 2], fixed=[True] * 3,
        policy={"name": "x"}, windows=[], seed=None, top_k=1, versions={}, piece=pieces.__getitem__,
    )  # fmt: skip
    trace.steps.append(SimpleNamespace(index=0, seconds=0.0, after=trace.canvas(0), written=trace.fixed, copies=1))
    assert "\U0001f44d up" in html(trace)


def test_outside_of_a_notebook_a_line_on_standard_error_counts(bundled, steps, capsys):
    canvas, made = steps
    watch(iter(made), bundled, canvas, every=0)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "\rstep 1, 6 masks left" in printed.err
    assert printed.err.endswith("\n")


def test_ipython_is_not_required(bundled, steps, monkeypatch, capsys):
    canvas, made = steps
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert watch(iter(made), bundled, canvas).outcome == "finished"
    assert "step 4" in capsys.readouterr().err


# --- the example ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example():
    return nbformat.read(ROOT / "docs/notebook.ipynb", as_version=4)


def test_the_example_ships_without_what_it_prints_and_is_a_valid_notebook(example):
    nbformat.validate(example)
    assert all(not cell.outputs and cell.execution_count is None for cell in example.cells if cell.cell_type == "code")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of the kernel's own sockets
def test_the_example_runs_from_top_to_bottom_and_shows_player_figures_and_table(example):
    done = NotebookClient(example, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    data = [output.data for output in outputs if "data" in output]
    pages = ["".join(one.get("text/html", "")) for one in data]
    assert sum("<iframe sandbox=" in page for page in pages) == 2, "the run, and the one of another sampler"
    assert sum("application/vnd.plotly.v1+json" in one for one in data) == 2
    assert any("<table" in page for page in pages)
    live = next(page for page in pages if "masks left" in page)
    assert "step 24, 0 masks left" in live, "the live text ends at the last step"
