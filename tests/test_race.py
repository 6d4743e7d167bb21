"""The Race tab's stream and its verdict, without a browser."""

import json
import threading
from itertools import count, pairwise

import pytest
from stand_ins import spoken

from dlm_core.engine import LocalEngine
from dlm_core.lines import RUN_LINES
from dlm_core.metrics import RaceResult
from dlm_core.trace import Trace
from dlm_core.ui.tabs.race import race, verdict


@pytest.fixture(scope="module")
def value(bundled):
    values = list(race(LocalEngine(bundled), "The cat", 8, 8, 0.7, 3, threading.Event()))
    assert all(later.startswith(earlier) for earlier, later in pairwise(values))
    return values[-1]


def panes_of(value):
    runs, lines = [], [json.loads(line) for line in value.splitlines()[1:]]
    for line, record in zip(value.splitlines()[1:], lines):
        if record["type"] == "pane":
            runs.append((record, []))
        elif record["type"] in RUN_LINES:
            runs[-1][1].append(line)
    return [(record, Trace.parse("".join(line + "\n" for line in kept).encode())) for record, kept in runs]


def test_both_sides_begin_with_the_same_prompt_length_temperature_and_seed(value):
    (left, *right) = [trace.header for _, trace in panes_of(value)]
    assert left["policy"] == {"name": "autoregressive", "temperature": 0.7}
    for header in right:
        assert (header["policy"]["name"], header["policy"]["tau"]) == ("p2", 0.7)
        assert [header[name] for name in ("canvas", "fixed", "seed", "model")] == [
            left[name] for name in ("canvas", "fixed", "seed", "model")
        ]


def test_diffusion_is_run_in_the_chosen_forwards_first_and_then_in_the_others_that_fit(value):
    panes = panes_of(value)
    assert [record["place"] for record, _ in panes] == [0, 1, 1]
    assert [trace.totals["forwards"] for _, trace in panes[1:]] == [8, 4]


def test_every_run_is_judged_both_ways_and_the_figure_holds_what_the_table_says(value):
    records = [json.loads(line) for line in value.splitlines()[1:]]
    rows = [record["summary"] for record in records if record["type"] == "summary"]
    assert len(rows) == 3
    assert all(row["autoregressive_nll"] > 0 and row["pseudo_nll"] > 0 for row in rows)
    drawn = [record["figure"] for record in records if record["type"] == "figure"][-1]["light"]["data"]
    assert drawn[0]["y"] == [rows[2]["autoregressive_nll"], rows[1]["autoregressive_nll"]]
    assert drawn[1]["y"] == [rows[0]["autoregressive_nll"]]


def test_a_stopped_race_ends_with_what_it_has(bundled):
    stop = threading.Event()
    for value in race(LocalEngine(bundled), "A", 8, 8, 0.0, 0, stop):
        if '"step":0' in value:
            stop.set()
    assert value.endswith('{"type":"done"}\n')
    assert len(panes_of(value)) == 1


@pytest.mark.parametrize(
    ("length", "steps", "sentence"),
    [(0, 8, "length must be"), (None, 4, "length must be"), (8, 9, "steps must be"), (8, None, "steps must be")],
)
def test_a_wrong_setting_is_one_sentence_before_anything_runs(bundled, length, steps, sentence):
    (value,) = race(LocalEngine(bundled), "A", length, steps, 0.7, 0, threading.Event())
    assert '"type":"error"' in value
    assert sentence in value


def test_a_model_that_fails_ends_the_race_with_the_reason_and_no_verdict(bundled, monkeypatch):
    def failing(self, ids, positions):
        if next(forwards) == 4:  # one warms up and one judges, so this is the third of diffusion's run
            raise RuntimeError("out of memory")
        return answer(self, ids, positions)

    forwards = count()
    answer = type(bundled.denoiser).__call__
    monkeypatch.setattr(type(bundled.denoiser), "__call__", failing)
    *_, value = race(LocalEngine(bundled), "A", 8, 8, 0.0, 0, threading.Event())
    assert "the model failed at step 2: out of memory" in value
    assert value.endswith('{"type":"done"}\n')
    assert "race.verdict" not in value


def side(speed, autoregressive_nll, pseudo_nll):
    return RaceResult(9, 1.0, 9, speed, 0.1, autoregressive_nll, pseudo_nll)


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        (
            (200, 0.4, 0.2),
            (100, 0.5, 0.3),
            ("On time autoregression won, 2.0 times", "on quality autoregression won", "0.40 against 0.50"),
        ),
        (
            (100, 0.5, 0.3),
            (200, 0.4, 0.2),
            ("On time diffusion won, 2.0 times", "on quality diffusion won", "0.40 against 0.50"),
        ),
        ((100, 0.5, 0.2), (101, 0.4, 0.3), ("On time neither won", "on quality neither clearly won")),
        ((100, 0.5, None), (101, 0.4, 0.3), ("on quality nothing was measured",)),
    ],
)
def test_the_verdict_says_who_won_on_time_and_on_quality_whoever_it_is(left, right, said):
    sentence = spoken(verdict(side(*left), side(*right)))
    assert all(part in sentence for part in said), sentence
