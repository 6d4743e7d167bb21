"""The page's handlers as plain functions, without a browser."""

import json
import threading
from itertools import pairwise

import pytest
from stand_ins import spoken

from dlm_core.engine import About, LocalEngine, Request, suited
from dlm_core.policies import parameters
from dlm_core.trace import Trace
from dlm_core.ui import compare, words
from dlm_core.ui.denoise import Stops, opened, parameter, request_of, show_parameters, starting_value, stream


@pytest.mark.parametrize("policy", sorted(set(words.POLICIES) & set(suited(True, "llada"))))
def test_every_policy_of_the_menu_runs_with_what_the_page_offers(policy, bundled):
    about = LocalEngine(bundled).about()
    controls = {name: starting_value(policy, name, about) for name in words.PARAMETERS}
    plain = {"length": 16, "block_length": 8, "seed": 1, "steps": 8, "num_steps": 8}
    request = request_of("The cat", policy, controls | plain, about)
    trace = Trace.parse("".join(LocalEngine(bundled).run(request)).encode())
    assert trace.totals["end"] == "finished", trace.totals
    assert set(trace.header["policy"]) == {"name", *parameters(policy)}


def test_a_policy_shows_its_parameters_and_hides_all_others():
    for policy in words.POLICIES:
        first, *updates = show_parameters(policy, About())
        assert first["info"] == words.POLICIES[policy][1]
        shown = {name for name, update in zip(words.PARAMETERS, updates) if update["visible"]}
        assert shown == set(parameters(policy)) & set(words.PARAMETERS)


def test_a_number_beyond_its_range_is_the_runs_to_refuse_in_a_sentence_that_names_it(bundled):
    about = LocalEngine(bundled).about()
    control = parameter("threshold", "threshold", about)
    assert (control.minimum, control.maximum, control.step) == (0, 1, 0.05)
    request = request_of("A", "threshold", {"length": 8, "steps": 4, "block_length": 0, "seed": 0} | {
        "threshold": control.preprocess(7.0)
    }, about)  # fmt: skip
    with pytest.raises(ValueError, match="threshold must be between 0 and 1, got 7"):
        LocalEngine(bundled).run(request)


def test_a_stream_only_ever_grows_and_carries_the_whole_run(bundled):
    values = list(stream(LocalEngine(bundled), Request("A", length=8, params={"steps": 4}), threading.Event()))
    assert all(later.startswith(earlier) for earlier, later in pairwise(values))
    envelope, *lines = values[-1].split("\n")[:-1]
    assert '"player": "live"' in envelope
    assert Trace.parse("".join(line + "\n" for line in lines).encode()).totals["end"] == "finished"


def test_a_wrong_request_becomes_a_sentence_for_the_player(bundled):
    (value,) = stream(LocalEngine(bundled), Request(length=0), threading.Event())
    assert '"player": "error"' in value
    assert "length must be between" in value


def test_a_stop_reaches_only_the_visitor_who_asked():
    stops = Stops()
    mine, other = stops.start("me"), stops.start("you")
    stops.stop("me")
    stops.stop("nobody")
    assert mine.is_set()
    assert not other.is_set()


def test_an_opened_run_is_the_file_and_a_damaged_one_a_sentence(trace, tmp_path):
    trace.save(tmp_path / "a")
    assert opened(tmp_path / "a").split("\n")[1:-1] == trace.lines
    (tmp_path / "b").write_bytes(b"no")
    assert '"player": "error"' in opened(tmp_path / "b")
    assert '"player": "error"' in opened(None)


def complaint(value):
    return spoken(json.loads(value.splitlines()[0])["message"])


def runs_of(value):
    """The traces in a comparison's value, and the summaries behind them."""
    traces, summaries, lines = [], [], []
    for line in value.split("\n")[1:-1]:
        record = json.loads(line)
        if "summary" in record:
            traces.append(Trace.parse("".join(kept + "\n" for kept in lines).encode()))
            summaries.append(record["summary"])
            lines = []
        elif "pane" not in record and "waiting" not in record and "done" not in record:
            lines.append(line)
    return traces, summaries


def test_a_comparison_holds_every_run_whole_with_its_numbers(bundled):
    requests = [Request("A cat", name, 12, params={"steps": 6}) for name in ("llada", "left_to_right")]
    *_, value = compare.panes(LocalEngine(bundled), requests, threading.Event())
    traces, summaries = runs_of(value)
    assert [trace.header["policy"]["name"] for trace in traces] == ["llada", "left_to_right"]
    assert all(trace.totals["end"] == "finished" for trace in traces)
    assert summaries[1]["kendall_tau"] == pytest.approx(1.0)
    assert all(0 <= summary["hindsight"] <= 1 for summary in summaries)


def test_a_comparison_checks_every_request_before_it_runs_one(bundled):
    requests = [Request("A", "llada", 8), Request("A", "llada", 0)]
    (value,) = compare.panes(LocalEngine(bundled), requests, threading.Event())
    assert "length must be between" in value


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_comparison_takes_two_to_four(bundled, count, trace, tmp_path):
    (value,) = compare.panes(LocalEngine(bundled), [Request(length=4)] * count, threading.Event())
    assert "takes 2 to 4 policies" in complaint(value)
    trace.save(tmp_path / "a")
    assert "takes 2 to 4 run files" in complaint(compare.opened([tmp_path / "a"] * count))


def test_run_files_can_be_compared_and_a_damaged_one_is_named(trace, tmp_path):
    trace.save(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"no")
    traces, summaries = runs_of(compare.opened([tmp_path / "a", tmp_path / "a"]))
    assert [t.lines for t in traces] == [trace.lines] * 2
    assert summaries[0]["hindsight"] is None
    damaged = complaint(compare.opened([tmp_path / "a", tmp_path / "b"]))
    assert damaged.startswith("file 2: this is not an Unmask run file")
