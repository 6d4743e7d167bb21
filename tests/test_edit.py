"""A text under edit as a canvas, and what the Edit tab makes of the page's requests."""

import json

import pytest

from dlm_core.engine import LocalEngine, Request
from dlm_core.engine.edit import Cell, edited, parse_pins, pins_of
from dlm_core.models import load_model
from dlm_core.trace import Trace
from dlm_core.ui.tabs.edit import canvas_value, growing_policy, request

MASK = 1


@pytest.fixture(scope="module")
def engine(bundled):
    return LocalEngine(bundled)


def words(model, ids):
    return [model.piece(int(token)) for token in ids]


def test_cells_become_a_canvas_in_their_order_and_typed_text_takes_the_tokens_it_needs(bundled):
    dog = bundled.text.encode_word("dog")
    canvas = edited(bundled, [Cell(2, True), Cell("dog, Tom's", True), Cell(MASK, False), Cell(dog[0], False)])
    assert words(bundled, canvas.ids) == ["", " dog", ",", " Tom", "'s", "", " dog"]
    assert canvas.fixed.tolist() == [True] * 5 + [False] * 2


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ([Cell(2, True), Cell(4096, False)], "token ids must be from 0 to 4095, got 4096"),
        ([Cell(MASK, False)] * 257, "must fit the model's 256 positions, got 257"),
        ([Cell(2, False), Cell(MASK, True)], "nothing to write"),
        ([], "nothing to write"),
        ([Cell("a" * 2001, False)], "at most 2000 characters"),
    ],
)
def test_a_canvas_that_cannot_be_denoised_is_refused_with_a_reason(bundled, cells, sentence):
    with pytest.raises(ValueError, match=sentence):
        edited(bundled, cells)


def test_pins_are_read_by_position():
    assert parse_pins(" 0:Once  5:upon 7:: ") == {0: "Once", 5: "upon", 7: ":"}
    assert parse_pins("") == {}


@pytest.mark.parametrize("pins", ["10:robot 30:garden 50:storm", "3:zebra 9:dog 10:sat", ""])
def test_the_pins_of_a_run_are_those_that_it_was_made_with(engine, pins):
    run = engine.run(Request("A dog", "llada", 60, pins=parse_pins(pins), params={"steps": 2})).complete()
    assert pins_of(run) == pins


def test_what_is_fixed_and_does_not_begin_a_word_is_no_pin(engine):
    run = engine.run(Request("A dog", "llada", 8, params={"steps": 2})).complete()
    inner = next(token for token, piece in run.pieces.items() if piece[:1] not in (" ", b" "))
    canvas = [*run.header["canvas"][:-1], inner]
    run.header |= {"canvas": canvas, "fixed": [*run.header["fixed"], [len(canvas) - 1, len(canvas)]]}
    assert pins_of(run) == ""


@pytest.mark.parametrize("text", ["Once", "0:", "x:Once", "-1:Once", "0: Once", "5:a 5:b"])
def test_what_is_no_pin_is_named(text):
    with pytest.raises(ValueError, match="pin"):
        parse_pins(text)


def test_pinned_words_stand_fixed_behind_the_prompt_with_masks_around(engine, bundled):
    value = canvas_value(engine, "A dog", "1:upon 3:Tom's", 6)
    header = json.loads(value.split("\n")[1])
    start = len(bundled.encode_prompt("A dog"))
    assert words(bundled, header["canvas"][start:]) == ["", " upon", "", " Tom", "'s", ""]
    assert header["fixed"] == [[0, start], [start + 1, start + 2], [start + 3, start + 5]]


@pytest.mark.parametrize("family", ["LLaDA", "Dream"])
def test_a_pinned_word_is_set_off_by_a_space_also_where_the_tokenizer_sets_none_before_words(saved, family):
    model = load_model(saved(family))
    header = json.loads(canvas_value(LocalEngine(model), "the", "2:the 3:cat", 8).split("\n")[1])
    start = len(model.encode_prompt("the"))
    assert model.tokenizer.decode(header["canvas"][start + 2 :]).startswith(" the cat<|")


@pytest.mark.parametrize(
    ("pins", "sentence"),
    [
        ("6:dog", "can begin at 5 at most"),
        ("3:Tom's 4:dog", "meets another pin"),
        ("0:a 1:b 2:c 3:a 4:b 5:c", "leave nothing to write"),
        ("dog", "a position, a colon and a word"),
    ],
)
def test_pins_that_do_not_fit_say_why(engine, pins, sentence):
    value = canvas_value(engine, "A dog", pins, 6)
    assert '"type":"error"' in value
    assert sentence in value


def test_an_elastic_gap_changes_its_length_and_nothing_around_it(saved):
    engine = LocalEngine(load_model(saved("DreamOn")))
    head, tail = ([token, False] for token in engine.model.encode_prompt("the")[:1] * 2)
    mask, lengths = engine.model.mask_token_id, set()
    for seed in range(8):  # a random model asks for room, or closes a gap, now and then
        name, params = growing_policy(engine.about(), 3.0)
        asked = request({"cells": [head, *[[mask, False]] * 12, tail]}, name, seed, params | {"top_p": 1.0})
        trace = Trace.parse("".join(engine.run(asked)).encode())
        assert trace.totals["end"] == "finished"
        assert trace.header["model"]["expand"] == engine.model.settings["expand_id"]
        now = trace.canvas(len(trace.steps))
        assert (now[0], now[-1]) == (head[0], tail[0])
        lengths.add(len(now))
    assert len(lengths) > 1, "no gap changed its length"


def test_a_model_that_cannot_ask_for_room_has_no_elastic_gaps(engine):
    assert "expand" not in engine.model.describe()
    with pytest.raises(ValueError, match="bundled has no token that asks for room"):
        growing_policy(engine.about(), 0.7)


def asked(engine, step, **more):
    """What the page asks for to continue a run from a step, and the run."""
    trace = Trace.parse("".join(engine.run(Request("A dog", "threshold", 16, seed=3))).encode())
    cells = [[int(token), bool(own)] for token, own in zip(trace.canvas(step), trace.fixed)]
    branch = {"step": step, "policy": "threshold", "seed": 3}
    return trace, {"cells": cells, "policy": trace.header["policy"], "seed": 3, "branch": branch} | more


def test_a_branch_goes_on_from_its_step_with_its_own_policy_and_says_where_it_came_from(engine):
    trace, page = asked(engine, 2)
    branch = Trace.parse("".join(engine.run(request(page, "mdlm", 9, {}))).encode())
    assert branch.header["branch"] == {"step": 2, "policy": "threshold", "seed": 3}
    assert branch.header["policy"]["name"] == "threshold"
    assert branch.totals["text"] == trace.totals["text"]  # greedy: the same steps again


def test_steps_that_are_left_are_left_and_what_is_fixed_stays(engine, bundled):
    policy = {"name": "llada", "steps": 12, "temperature": 1.0}
    _, page = asked(engine, 0, policy=policy)
    page["branch"]["step"], page["cells"][6] = 8, [bundled.text.encode_word("cat")[0], True]
    branch = Trace.parse("".join(engine.run(request(page, "mdlm", 9, {}))).encode())
    assert branch.header["policy"]["steps"] == 4 == len(branch.steps)
    assert bundled.piece(int(branch.canvas(4)[6])) == " cat"


@pytest.mark.parametrize(
    "page",
    [
        {}, {"cells": 3}, {"cells": [[1]]}, {"cells": [[None, True]]}, {"cells": [[1.5, True]]},
        {"cells": [[-1, True]]},
        {"cells": [[1, False]], "branch": {"step": "x"}}, {"cells": [[1, False]], "branch": {"step": 0, "seed": -1}},
        {"cells": [[1, False]], "windows": [[0]]}, {"cells": [[1, False]], "policy": {"name": "no such"}},
        {"cells": [[1, False]], "policy": "llada"}, {"cells": [[1, False]], "branch": 3},
        {"cells": [[1, False]], "windows": [[0, 9]]},
    ],
)  # fmt: skip
def test_whatever_a_page_sends_is_a_request_or_a_sentence(engine, page):
    with pytest.raises(ValueError, match=r"\w"):
        engine.header_line(request(page, "llada", 0, {}))
