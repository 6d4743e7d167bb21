"""The Noise tab's handlers, without a browser."""

import json
import threading

import numpy as np
import pytest

from dlm_core.engine import LocalEngine, UnavailableEngine
from dlm_core.trace import Trace
from dlm_core.ui import words
from dlm_core.ui.tabs.noise import denoised, shown

TEXT = words.EXAMPLES[1]


@pytest.fixture(scope="module")
def engine(bundled):
    return LocalEngine(bundled)


def test_the_page_is_handed_every_state_with_the_text_of_its_tokens_and_a_figure_of_the_loss(engine):
    told = json.loads(shown(engine, TEXT, "mask", "cosine", 3))
    assert told["type"] == "lesson"
    states = told["lesson"]["states"]
    assert {str(i) for state in states for i in state["ids"]} <= set(told["lesson"]["pieces"])
    drawn = told["figure"]["light"]["data"][1]["y"]
    assert drawn == [
        None if states[n]["loss"] is None else pytest.approx(states[n]["loss"], abs=1e-4)
        for n in told["lesson"]["state"]
    ]


@pytest.mark.parametrize("text", words.EXAMPLES)
def test_every_example_of_the_page_can_be_shown(engine, text):
    assert '"type":"lesson"' in shown(engine, text, "replace", "linear", 0)


@pytest.mark.parametrize(
    ("values", "sentence"), [(("", "mask", "linear", 0), "1 to"), ((TEXT, "mask", "linear", None), "seed must be")]
)
def test_what_is_wrong_is_one_sentence(engine, values, sentence):
    assert sentence in shown(engine, *values)
    (value,) = denoised(engine, *values, None, 0.5, threading.Event())
    assert '"type":"error"' in value


def test_without_a_model_the_tab_says_why():
    assert "no model here" in shown(UnavailableEngine("no model here"), TEXT, "mask", "linear", 0)


@pytest.mark.parametrize("kind", ["mask", "replace"])
def test_the_run_begins_with_the_sentence_as_noise_left_it(engine, kind):
    example = engine.lesson(TEXT, kind, "linear", 4)
    state = example.states[example.state[40]]
    *_, value = denoised(engine, TEXT, kind, "linear", 4, None, 0.4, threading.Event())
    trace = Trace.parse(value.split("\n", 1)[1].encode())
    assert trace.totals["end"] == "finished"
    assert trace.canvas(0).tolist() == state.ids
    np.testing.assert_array_equal(trace.fixed, state.canvas.fixed)
    assert trace.masks_left()[-1] == 0
