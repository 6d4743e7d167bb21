import json

import pytest

from dlm_core.gallery import FOLDER, MOST_BYTES, RECIPES, cards, file_of, numbers
from dlm_core.trace import Trace
from dlm_core.words import english


@pytest.mark.parametrize("name", RECIPES)
def test_a_recorded_run_is_small_finished_and_has_its_own_numbers(name, bundled):
    trace, told = Trace.load(file_of(name)), json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))[name]
    assert file_of(name).stat().st_size <= MOST_BYTES
    assert trace.totals["end"] == "finished"
    assert trace.notice is None
    assert told | {"hindsight": None} == numbers(trace)
    assert trace.header["policy"].items() >= RECIPES[name].params.items()
    assert trace.header["model"]["revision"] == bundled.revision, "the model changed: run `make runs`"


def test_each_run_shows_what_it_is_there_to_teach():
    told = {card["name"]: card["numbers"] for card in cards()}
    assert all(english(f"runs.recorded.{name}.{part}") for name in told for part in ("title", "about"))
    assert set(told["order"]["writes"]) == {1}
    assert max(told["bursts"]["writes"]) > 3 > min(told["bursts"]["writes"])
    assert told["remasking"]["revisions"] > 0
    assert told["too-few"]["hindsight"] < told["order"]["hindsight"]


def test_the_gap_is_between_two_fixed_ends():
    fixed = Trace.load(file_of("infilling")).fixed
    assert fixed[0]
    assert fixed[-1]
    assert not fixed.all()
