"""Every line has a type: those of run files, of each tab, and of an engine on another machine."""

import json
import re
import threading
from pathlib import Path
from typing import get_args

import pytest
from run_files import backwards, text_of, untyped
from stand_ins import as_schema_1

from dlm_core.engine import LocalEngine, Request
from dlm_core.engine.limits import Limits
from dlm_core.engine.remote import METHODS, handle, pack
from dlm_core.gallery import FOLDER
from dlm_core.lines import RUN_LINES, LineType, make_line, type_of
from dlm_core.trace import RunFileError, Trace
from dlm_core.ui import models
from dlm_core.ui.streams import stream
from dlm_core.ui.tabs import compare, edit, noise, puzzle, race
from dlm_core.ui.tabs.denoise import opened

TYPES = set(get_args(LineType))
SHORT = {"prompt": "The cat", "length": 6, "params": {"steps": 3}}
PLAYER = Path(__file__).parents[1] / "assets" / "player"


@pytest.fixture(scope="module")
def engine(bundled):
    return LocalEngine(bundled)


def documented():
    """The fields of every type of line in docs/run-file.md."""
    text = (Path(__file__).parents[1] / "docs" / "run-file.md").read_text(encoding="utf-8")
    found = {}
    for kind, start in zip(RUN_LINES, ("**Line 1", "**Then one line", "**Last line")):
        found[kind] = set(re.findall(r"`(\w+)`", text[text.index(start) :].split("\n\n")[0]))
    for kinds, fields in re.findall(r"^\| (`.*?) \| (.*?) ?\|", text.split("## The other lines")[1], re.M):
        found |= {kind: {"type", *re.findall(r"`(\w+)`", fields)} for kind in re.findall(r"`(\w+)`", kinds)}
    return found


def last(values):
    *_, value = values
    return value


def tabs(engine, trace, folder):
    """The last value of every component that is made of lines, by tab, and of each what is refused."""
    stop = threading.Event()
    trace.save(folder / "run")
    texts, solve = [text_of(trace)] * 2, (Limits(), puzzle.FIRST, ("threshold",), "sudoku", 1, stop)
    yield "denoise", last(stream(engine, Request(**SHORT), stop))
    yield "denoise", last(stream(engine, Request(length=0), stop))
    yield "opened", opened(folder / "run")
    yield "compare", last(compare.panes(engine, [Request(**SHORT)] * 2, stop))
    yield "compare", last(compare.panes(engine, [], stop))
    yield "files", last(compare.opened(engine, texts, stop, Trace.parse))
    yield "race", last(race.race(engine, "A", 6, 4, 0.7, 1, stop))
    yield "puzzle", last(puzzle.solved(*solve))
    yield "puzzle", puzzle.shown(puzzle.FIRST)
    yield "puzzle", puzzle.made("easy", 1)
    yield "puzzle", puzzle.made("none", 1)
    yield "noise", noise.shown(engine, "A cat sat", "mask", "linear", 1)
    yield "edit", edit.canvas_value(engine, "A cat", "", 4)
    yield "models", models._status("idle", [])


def test_every_line_of_every_tab_has_a_type_and_it_comes_first(engine, trace, tmp_path):
    fields, met = documented(), set()
    assert set(fields) == TYPES
    for tab, value in tabs(engine, trace, tmp_path):
        for line in value.split("\n")[:-1]:
            record = json.loads(line)
            assert next(iter(record)) == "type", (tab, line[:80])
            assert set(record) <= fields[record["type"]], (tab, line[:80])
            met.add(record["type"])
    assert met == TYPES - {"notice", "asking", "waiting", "about", "probabilities"}


def test_every_line_that_an_engine_answers_another_machine_with_has_a_type(engine):
    trace = Trace.parse("".join(engine.run(Request(**SHORT))).encode())
    request, lesson = pack(Request(**SHORT)), {"text": "A cat", "kind": "mask", "schedule": "linear", "seed": 1}
    bodies = {"about": b"", "header_line": request, "run": request, "lesson": lesson}
    types = {}
    for method in METHODS:
        body = bodies.get(method, text_of(trace))
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [json.loads(line) for line in handle(engine, method, body, threading.Event())]
        types[method] = {next(iter(record.items())) for record in lines}
        assert all(set(record) <= documented()[record["type"]] for record in lines), method
    readings = {method: {("type", "probabilities")} for method in set(METHODS) - set(bodies)}
    assert types == readings | {
        "about": {("type", "about")}, "header_line": {("type", "run")}, "lesson": {("type", "lesson")},
        "run": {("type", name) for name in RUN_LINES},
    }  # fmt: skip
    (line,) = handle(engine, "run", b"{}", threading.Event())
    assert next(iter(json.loads(line).items())) == ("type", "error")


@pytest.mark.parametrize("older", [untyped, backwards])
def test_a_run_whose_lines_have_no_type_or_another_order_is_the_same_run(older, trace):
    read = Trace.parse(older(trace))
    assert (read.header, read.totals) == (trace.header, trace.totals)
    assert [step.after.tolist() for step in read.steps] == [step.after.tolist() for step in trace.steps]


def test_runs_that_were_recorded_before_lines_had_types_open(trace):
    assert as_schema_1(trace).outcome == "finished"
    for file in FOLDER.glob("*.run.jsonl.gz"):
        assert Trace.load(file).outcome == "finished", file.name


def test_an_unknown_type_is_refused_by_a_sentence_that_names_the_line_and_the_known_types(trace):
    lines = [*trace.lines[:2], make_line("waiting", waiting=1).rstrip()]
    sentence = r"^line 3 .*its type is 'waiting', and a run file has lines of run, step, end$"
    with pytest.raises(RunFileError, match=sentence):
        Trace.parse("\n".join([*lines, *trace.lines[2:]]).encode())


def test_a_line_that_has_a_type_is_of_that_type_whatever_else_it_holds():
    assert type_of({"type": "step", "end": "finished", "unmask": 2}) == "step"
    assert make_line("done", note="<b>") == '{"type":"done","note":"\\u003cb>"}\n'


def test_the_page_acts_on_types_that_there_are():
    modules = "".join(file.read_text(encoding="utf-8") for file in PLAYER.rglob("*.js"))
    named = re.findall(r'(?:case |type === |typeOf\(record\) === )"(\w+)"', modules)
    assert set(named) - {"button", "radio", "checkbox"} <= TYPES | {"system"}
    assert not re.search(r"startsWith\(['\"`]\{", modules)
