"""Every line has a type: those of run files, of each tab, and of an engine on another machine."""

import json
import re
import threading
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError
from run_files import NUMBERS, Opens, Refused, backwards, files, text_of, untyped
from stand_ins import EVERY, as_schema_1, record

from dlm_core.engine import LocalEngine, Request
from dlm_core.engine.limits import Limits
from dlm_core.engine.queue import RunQueue
from dlm_core.engine.remote import METHODS, handle, pack
from dlm_core.gallery import FOLDER
from dlm_core.lines import RUN_LINES, LineType, make_line, type_of
from dlm_core.models.progress import Progress
from dlm_core.schema import validated
from dlm_core.trace import RunFileError, Trace
from dlm_core.ui import models, words
from dlm_core.ui.player import envelope
from dlm_core.ui.streams import stream
from dlm_core.ui.tabs import compare, edit, noise, puzzle, race
from dlm_core.ui.tabs.denoise import opened
from tests import reference

TYPES = set(get_args(LineType))
SHORT = {"prompt": "The cat", "length": 6, "params": {"steps": 3}}
PLAYER = Path(__file__).parents[1] / "assets" / "player"


@pytest.fixture(scope="module")
def engine(bundled):
    return LocalEngine(bundled)


def described(text):
    """The lines of a text as objects, each of which is nothing but what `dlm_core/schema.py` describes."""
    lines = [line for line in text.split("\n") if line]
    objects = [json.loads(line) for line in lines]
    for line, found in zip(lines, objects):
        assert json.loads(json.dumps(validated(line))) == found, line[:80]
        assert next(iter(found)) == "type", line[:80]
    return objects


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
    yield "models", models.loading("m", Progress("fetch", 1, 2, 3, 4), mine=False)
    yield "asking", envelope("asking")
    yield "link", envelope("notice", message=[words.message("page.no_file"), "and more"])


def test_there_is_a_description_of_every_type_and_of_no_other():
    assert {kind for kinds in reference.lines() for kind in kinds} == TYPES


def test_the_document_names_every_field_of_the_lines_of_a_run_file():
    text = reference.RUN_FILE.read_text(encoding="utf-8")
    described = {kind: record for kinds, record in reference.lines().items() for kind in kinds}
    for kind, start in zip(RUN_LINES, ("**Line 1", "**Then one line", "**Last line")):
        named = re.findall(r"`(\w+)`", text[text.index(start) :].split("\n\n")[0])
        assert set(described[kind]["properties"]) <= set(named)


def test_every_line_of_every_tab_is_as_described_and_its_type_comes_first(engine, trace, tmp_path):
    met = {line["type"] for _, value in tabs(engine, trace, tmp_path) for line in described(value)}
    assert met == TYPES - {"waiting", "about", "probabilities"}


def test_every_line_of_a_run_is_as_described_whatever_the_policy_and_however_it_ends(network, grown, engine):
    for canvas, policy, params in EVERY:
        run = record(network(), canvas, policy, **params)
        run.finish("error", "no <b>more</b>")
        described(text_of(run).decode())
    described(text_of(grown).decode())
    stop = threading.Event()
    lines = engine.run(Request(**SHORT, cache="dual", seed=2**62), stop)
    first = next(lines)
    stop.set()
    assert described(first + "".join(lines))[-1]["end"] == "stopped"


def test_a_branch_an_answer_and_whoever_waits_are_as_described(engine, trace):
    parent = Trace.parse("".join(engine.run(Request(**SHORT))).encode())
    branch = {"step": 1, "policy": "llada", "seed": 2**62, "forced": 3}
    described("".join(engine.run(Request(**SHORT, branch=branch))))
    said = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "why?"}]
    described(make_line("run", **parent.header, conversation=said))
    queue = RunQueue()
    for durations in ([], [1.5]):
        for seconds in durations:
            queue.add_duration(seconds)
        with queue.join(), queue.join() as second:
            described(next(queue.wait(second, threading.Event())))


# faults of a line that only the run tells: its vocabulary, length, order, number of steps, what is packed in it
OF_THE_RUN = {
    "a line twice", "two runs in one file", "step 7 in line 3", "canvas [48] in line 1", "reasons null in line 1",
    "fixed [[0, 99]] in line 1", "fixed [[2, 1]] in line 1", "window [0, 99] in line 3", "window [2, 1] in line 3",
    'conversation [{"role": "user", "content": "x"}] in line 1', "write [[1, 48]] in line 3",
    "write [[99, 1]] in line 3", "blank [[99, 1]] in line 3", "splice [[99, 2]] in line 3",
    "splice [[5, 8192]] in line 3", "splice [[5, 8193]] in line 3", 'measured "" in line 3',
    'measured "AAAA" in line 3', 'beliefs "AAAA" in line 3',
    f"beliefs {json.dumps('/' * 72)[:40]} in line 3", 'ranked "AA==" in line 3',
    "ranked null in line 3", 'score ["confidence", 0, 1] in line 3', 'score ["margin", 1, 0] in line 3',
}  # fmt: skip


def test_of_the_faults_that_the_readers_refuse_the_schema_takes_only_those_that_need_more_than_the_line(trace):
    missed, no_number = set(), tuple(f"{number[:9]} in line" for number in NUMBERS)
    for name, (data, must) in files(trace).items():
        if isinstance(must, Refused) and must.line and not name.startswith(no_number):
            line = data.split(b"\n")[must.line - 1]
            try:
                validated(line)
            except ValidationError:
                continue
            missed.add(name)
    assert missed == OF_THE_RUN


def test_the_schema_takes_every_line_that_has_a_type_of_the_files_that_the_readers_open(trace):
    for name, (data, must) in files(trace).items():
        if isinstance(must, Opens) and must.whole and not data.startswith((b"\x1f", b"\xff", b"\xfe")):
            lines = [line for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if b'"type"' in line]
            assert {validated(line)["type"] for line in lines} <= set(RUN_LINES), name


def test_every_line_that_an_engine_answers_another_machine_with_has_a_type(engine):
    trace = Trace.parse("".join(engine.run(Request(**SHORT))).encode())
    request, lesson = pack(Request(**SHORT)), {"text": "A cat", "kind": "mask", "schedule": "linear", "seed": 1}
    bodies = {"about": b"", "header_line": request, "run": request, "lesson": lesson}
    types = {}
    for method in METHODS:
        body = bodies.get(method, text_of(trace))
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = described("".join(handle(engine, method, body, threading.Event())))
        types[method] = {next(iter(record.items())) for record in lines}
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
