import json
from functools import cache

import pytest

from dlm_core.engine import LocalEngine
from dlm_core.engine.puzzle import board_of
from dlm_core.figures import HeatmapData, heatmap_data
from dlm_core.gallery import (
    FOLDER,
    MAX_BYTES,
    RECIPES,
    THUMBNAILS,
    cards,
    file_of,
    numbers,
    record,
    thumbnail,
    thumbnail_request,
)
from dlm_core.models import load_model
from dlm_core.policies import POLICIES, family
from dlm_core.sudoku import puzzle, solve
from dlm_core.trace import Trace
from dlm_core.words import english

loaded = cache(load_model)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recorded_run_is_small_finished_and_has_its_own_numbers(name):
    trace, told = Trace.load(file_of(name)), json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))[name]
    assert file_of(name).stat().st_size <= MAX_BYTES
    assert trace.totals["end"] == "finished"
    assert trace.notice is None
    assert told | {"pseudo_likelihood": None} == numbers(trace)
    assert trace.header["policy"].items() >= RECIPES[name].params.items()
    assert trace.header["model"]["revision"] == loaded(RECIPES[name].model).revision, "it changed: run `make runs`"


def test_each_run_shows_what_it_is_there_to_teach():
    told = {card["name"]: card["numbers"] for card in cards()}
    assert all(english(f"runs.recorded.{name}.{part}") for name in told for part in ("title", "about"))
    assert set(told["order"]["writes"]) == {1}
    assert max(told["bursts"]["writes"]) > 3 > min(told["bursts"]["writes"])
    assert told["remasking"]["revisions"] > 0
    assert told["too-few"]["pseudo_likelihood"] < told["order"]["pseudo_likelihood"]


def test_the_gap_is_between_two_fixed_ends():
    fixed = Trace.load(file_of("infilling")).fixed
    assert fixed[0]
    assert fixed[-1]
    assert not fixed.all()


def test_of_one_puzzle_the_surest_first_solve_it_and_reading_order_does_not():
    model, solution = loaded("sudoku"), solve(puzzle(19, "hard"))
    solved, cornered = (Trace.load(file_of(name)) for name in ("sudoku", "sudoku-cornered"))
    assert (solved.canvas(0) == cornered.canvas(0)).all()
    assert board_of(model, solved.canvas(len(solved.steps))) == solution
    assert board_of(model, cornered.canvas(len(cornered.steps))) != solution


def test_a_recipe_gives_the_run_that_is_kept(tmp_path):
    record(["sudoku"], tmp_path, log=lambda _: None)
    again, kept = Trace.load(file_of("sudoku", tmp_path)), Trace.load(file_of("sudoku"))
    assert [step.after.tolist() for step in again.steps] == [step.after.tolist() for step in kept.steps]
    assert list(json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))) == ["sudoku"]


@pytest.fixture(scope="module")
def thumbnails():
    file = FOLDER / f"{THUMBNAILS}.json"
    assert file.stat().st_size < 100_000
    return json.loads(file.read_text(encoding="utf-8"))


def test_every_policy_that_suits_the_bundled_model_has_a_thumbnail_of_its_present_weights(thumbnails):
    engine = LocalEngine(loaded("bundled"))
    assert thumbnails["revision"] == engine.about().revision, "it changed: run `make runs`"
    assert set(thumbnails["rows"]) == set(engine.about().policies)
    for policy, rows in thumbnails["rows"].items():
        assert len(rows) == 32, policy
        assert len({len(row) for row in rows}) == 1, policy
        assert all("*" in row for row in rows), (policy, "every position was written")


@pytest.mark.parametrize("policy", ["speculative", "dus", "remdm"])
def test_a_thumbnail_is_that_of_the_run_that_its_request_makes(thumbnails, policy):
    trace = LocalEngine(loaded("bundled")).run(thumbnail_request(policy)).complete()
    assert thumbnail(heatmap_data(trace, "confidence")) == thumbnails["rows"][policy]


def test_a_thumbnail_has_a_character_for_what_was_measured_held_and_written_and_none_for_nothing():
    nothing = [None] * 5
    data = HeatmapData([nothing, [0.0, 1.0, 0.25, None, None]], [nothing, [None, None, None, 0.04, None]], [
        nothing, [None, None, 1, None, None]], (2, 5), opening=1)  # fmt: skip
    assert thumbnail(data) == ["az*F."]


def test_every_family_of_policies_has_words():
    families = {family(name) for name in POLICIES}
    assert {"planned", "posterior", "revising", "drafting", "renoising", "splicing"} == families
    assert all(english(f"ways.{name}.{part}") for name in families for part in ("title", "about"))
