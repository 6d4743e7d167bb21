"""The page's handlers as plain functions, without a browser."""

import threading
from itertools import pairwise

import pytest

from dlm_core.engine import LocalEngine, Request
from dlm_core.policies import parameters
from dlm_core.trace import Trace
from dlm_core.ui import words
from dlm_core.ui.denoise import Stops, opened, request_of, show_parameters, starting_value, stream


@pytest.mark.parametrize("policy", sorted(words.POLICIES))
def test_every_policy_of_the_menu_runs_with_what_the_page_offers(policy, bundled):
    controls = {name: starting_value(policy, name) for name in words.PARAMETERS}
    request = request_of("The cat", policy, 16, 8, 1, controls | {"steps": 8, "num_steps": 8})
    trace = Trace.parse("".join(LocalEngine(bundled).run(request)).encode())
    assert trace.totals["end"] == "finished", trace.totals
    assert set(trace.header["policy"]) == {"name", *parameters(policy)}


def test_a_policy_shows_its_parameters_and_hides_all_others():
    for policy in words.POLICIES:
        first, *updates = show_parameters(policy)
        assert first["info"] == words.POLICIES[policy][1]
        shown = {name for name, update in zip(words.PARAMETERS, updates) if update["visible"]}
        assert shown == set(parameters(policy)) & set(words.PARAMETERS)


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
