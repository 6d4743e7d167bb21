import json
import threading

import numpy as np
import pytest
import torch

from dlm_core.autoregressive import autoregressive
from dlm_core.canvas import Canvas
from dlm_core.engine import LocalEngine, Request, UnavailableEngine, plan
from dlm_core.engine.limits import Limits
from dlm_core.lines import is_waiting
from dlm_core.policies import POLICIES, make_policy, parameters
from dlm_core.trace import Trace


def run(engine, stop=None, **kwargs):
    return Trace.parse("".join(line for line in engine.run(Request(**kwargs), stop) if not is_waiting(line)).encode())


@pytest.fixture
def engine(bundled):
    return LocalEngine(bundled)


def test_a_run_fills_its_masks_and_says_how_it_ended(engine):
    trace = run(engine, prompt="The cat", length=16, params={"steps": 4})
    assert trace.masks_left()[-1] == 0
    assert trace.totals["end"] == "finished"
    assert trace.totals["forwards"] == 4


def test_the_header_is_enough_to_repeat_the_run(engine):
    first = run(engine, prompt="The cat", length=24, block_length=8, seed=9, params={"steps": 12, "temperature": 0.8})
    header = first.header
    params = {name: value for name, value in header["policy"].items() if name != "name"}
    block = header["windows"][0][1] - header["windows"][0][0]
    again = run(
        engine, prompt=header["prompt"], policy=header["policy"]["name"], block_length=block, seed=header["seed"],
        length=len(header["canvas"]) - header["fixed"][0][1], params=params,
    )  # fmt: skip
    assert [s.after.tolist() for s in again.steps] == [s.after.tolist() for s in first.steps]
    assert again.header == header


def test_an_empty_prompt_is_allowed(engine):
    assert run(engine, length=8, params={"steps": 8}).text()


def test_a_stop_ends_the_run_after_the_step_it_is_in(engine):
    stop, steps = threading.Event(), []
    for line in engine.run(Request("A", length=32, params={"steps": 32}), stop):
        record = json.loads(line)
        if "step" in record:
            steps.append(record)
            if len(steps) == 3:
                stop.set()
    assert len(steps) == 3
    assert record["end"] == "stopped"


def test_a_failing_model_keeps_the_run_so_far_and_says_why(bundled, monkeypatch):
    engine, calls = LocalEngine(bundled), []
    answer = type(bundled.denoiser).__call__

    def failing(self, ids, positions):
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("out of memory\nlong story")
        return answer(self, ids, positions)

    monkeypatch.setattr(type(bundled.denoiser), "__call__", failing)
    trace = run(engine, prompt="A", length=16, params={"steps": 16})
    assert len(trace.steps) == 3
    assert trace.totals["end"] == "error"
    assert trace.totals["message"] == "the model failed at step 3: out of memory"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_answers_that_are_no_numbers_end_a_run_and_what_was_written_before_is_kept(bundled, monkeypatch, wrong):
    engine, calls = LocalEngine(bundled), []
    answer = type(bundled.denoiser).__call__

    def overflowing(self, ids, positions):
        calls.append(1)
        logits = answer(self, ids, positions)
        if len(calls) == 4:
            logits[0, -1, 100] = wrong
        return logits

    monkeypatch.setattr(type(bundled.denoiser), "__call__", overflowing)
    trace = run(engine, prompt="A", length=16, params={"steps": 16})
    assert len(trace.steps) == 3
    assert trace.totals["end"] == "error"
    assert "step 3: the model's answers are not numbers" in trace.totals["message"]
    assert "load it in float32 or bfloat16" in trace.totals["message"]
    monkeypatch.setattr(type(bundled.denoiser), "__call__", lambda *_: answer(*_) * wrong)
    assert np.isnan(engine.pseudo_likelihood(trace)).all(), "what cannot be measured is not measured"


def test_two_runs_take_turns_and_the_second_is_told_it_waits(engine):
    first = engine.run(Request("A", length=8, params={"steps": 8}))
    next(first)
    second = engine.run(Request("B", length=8, params={"steps": 8}))
    assert json.loads(next(second)) == {"type": "waiting", "waiting": 1}
    rest = []
    thread = threading.Thread(target=lambda: rest.extend(second))
    thread.start()
    assert len(list(first)) == 9
    thread.join(30)
    assert json.loads(rest[0])["prompt"] == "B"
    assert json.loads(rest[-1])["end"] == "finished"


def test_whoever_leaves_the_queue_or_the_run_frees_it(engine):
    first, second = (engine.run(Request("A", length=8, params={"steps": 8})) for _ in range(2))
    next(first)
    next(second)
    second.close()
    first.close()
    assert run(engine, prompt="C", length=8, params={"steps": 2}).totals["end"] == "finished"


def test_closing_a_run_lets_the_next_one_begin_after_no_further_step(engine, bundled, monkeypatch):
    asked, answer = [], type(bundled.denoiser).__call__
    monkeypatch.setattr(
        type(bundled.denoiser), "__call__", lambda *given: asked.append(len(asked)) or answer(*given)
    )  # fmt: skip
    first, second = (engine.run(Request("A", length=16, params={"steps": 16})) for _ in range(2))
    for _ in range(4):
        next(first)
    assert json.loads(next(second))["waiting"] == 1
    before = len(asked)
    first.close()
    assert len(asked) == before
    assert json.loads(next(second))["prompt"] == "A", "the turn has come: no word of waiting any more"
    assert len(list(second)) == 17


def test_a_wait_is_foretold_only_from_turns_that_were_measured(engine):
    def told():
        first, second = (engine.run(Request("A", length=8, params={"steps": 8})) for _ in range(2))
        next(first)
        line = json.loads(next(second))
        second.close()
        list(first)
        return line

    assert told() == {"type": "waiting", "waiting": 1}, "who only waited measured nothing"
    again = told()
    assert again["waiting"] == 1
    assert again["seconds"] >= 0


def test_who_comes_first_is_served_first(engine):
    runs = [engine.run(Request(f"{n}", length=4, params={"steps": 4})) for n in range(4)]
    for run in runs:
        next(run)
    done = []

    def finish(n):
        for line in runs[n]:
            if '"end"' in line:
                done.append(n)

    threads = [threading.Thread(target=finish, args=(n,)) for n in (3, 1, 2)]
    for thread in threads:
        thread.start()
    finish(0)
    for thread in threads:
        thread.join(30)
    assert done == [0, 1, 2, 3]


def test_a_full_line_takes_nobody_in_and_says_so(bundled):
    engine = LocalEngine(bundled, Limits(queue=2))
    first, second = (engine.run(Request("A", length=8, params={"steps": 8})) for _ in range(2))
    next(first)
    next(second)
    refused = run(engine, prompt="B", length=8)
    assert refused.totals["end"] == "error"
    assert refused.totals["message"] == "2 runs are in line: try again in a minute"
    second.close()
    first.close()
    assert run(engine, prompt="B", length=8, params={"steps": 2}).totals["end"] == "finished"


@pytest.mark.parametrize(
    ("limits", "kwargs", "sentence"),
    [
        (Limits(length=8), {"length": 9}, "length must be between 1 and 8, got 9"),
        (Limits(length=8), {"canvas": Canvas([1] * 9, [False] * 9)}, "length must be between 1 and 8, got 9"),
        (Limits(steps=4), {"params": {"steps": 5}}, "steps must be between 1 and 4, got 5"),
        (
            Limits(steps=4),
            {"policy": "p2", "params": {"num_steps": 5}},
            "num_steps must be between 1 and 4, got 5",
        ),
    ],
)
def test_a_request_beyond_the_limits_is_refused(bundled, limits, kwargs, sentence):
    with pytest.raises(ValueError, match=sentence):
        LocalEngine(bundled, limits).run(Request(**kwargs))


def test_steps_nobody_named_keep_to_the_limit(bundled):
    assert plan(bundled, Request("A", length=64), Limits(steps=7)).settings["steps"] == 7


@pytest.mark.parametrize(
    ("limits", "count", "word"), [(Limits(steps=3), 3, "3 steps"), (Limits(seconds=0), 0, "0 seconds")]
)
def test_a_run_that_reaches_a_limit_keeps_its_steps_and_says_so(bundled, limits, count, word):
    trace = run(LocalEngine(bundled, limits), prompt="A", policy="autoregressive", length=8)
    assert len(trace.steps) == count
    assert trace.totals["end"] == "stopped"
    assert f"it took {word}, the most that a run may take here" in trace.totals["message"]


def test_a_run_that_finishes_on_its_last_step_was_not_stopped(bundled):
    trace = run(LocalEngine(bundled, Limits(steps=4)), prompt="A", length=8, params={"steps": 4})
    assert trace.totals["end"] == "finished"


def test_stopping_while_waiting_ends_at_once_without_a_step(engine):
    first = engine.run(Request("A", length=8, params={"steps": 8}))
    next(first)
    stop = threading.Event()
    second = engine.run(Request("B", length=8, params={"steps": 8}), stop)
    next(second)
    stop.set()
    lines = [json.loads(line) for line in second]
    assert lines[-1]["end"] == "stopped"
    first.close()


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"policy": "best"}, "unknown policy 'best': choose one of"),
        ({"length": 0}, "length must be between 1 and 255, got 0"),
        ({"length": 10_000}, "length must be between 1 and 255, got 10000"),
        ({"length": None}, "length must be a whole number between 1 and 255, got nothing"),
        ({"length": 2.5}, "length must be a whole number between 1 and 255, got 2.5"),
        ({"length": float("nan")}, "length must be a whole number"),
        ({"length": float("inf")}, "length must be a whole number"),
        ({"params": {"steps": 0}}, "steps must be between 1 and 96, got 0"),
        ({"params": {"steps": 97}}, "steps must be between 1 and 96, got 97"),
        ({"params": {"temperature": -1}}, "temperature must be 0 or more, got -1"),
        ({"params": {"temperature": None}}, "temperature must be a number of 0 or more, got nothing"),
        ({"block_length": 7}, "block length must divide the length 96"),
        ({"block_length": 8, "params": {"steps": 2}}, "steps must be at least the number of blocks"),
        ({"prompt": "dog " * 300}, "must fit the model's 256 positions: the prompt takes"),
        ({"seed": -1}, "seed must be between"),
        ({"seed": None}, "seed must be a whole number"),
        ({"params": {"hurry": 1}}, "policy llada has no parameter 'hurry'"),
    ],
)
def test_a_wrong_request_is_one_sentence_before_anything_runs(engine, kwargs, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        engine.run(Request(**kwargs))
    assert "\n" not in str(error.value)


def test_an_engine_without_a_model_says_why():
    with pytest.raises(ValueError, match="no model"):
        UnavailableEngine("no model here").run(Request())


def test_a_run_leaves_the_global_random_state_alone(engine):
    before = torch.get_rng_state()
    run(engine, prompt="A", length=8, params={"steps": 2, "temperature": 1.0})
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("policy", sorted(name for name in POLICIES if make_policy(name).for_masks))
def test_every_policy_for_models_that_fill_masks_runs_with_its_defaults_and_is_recorded_whole(engine, policy):
    trace = run(engine, prompt="The cat", policy=policy, length=8, block_length=8)
    assert trace.totals["end"] == "finished", trace.totals
    assert set(trace.header["policy"]) == {"name", *parameters(policy)}


def test_left_to_right_is_one_more_kind_of_request(engine, bundled):
    trace = run(
        engine, prompt="The cat", policy="autoregressive", length=12, seed=4, params={"temperature": 0.8}
    )  # fmt: skip
    canvas = Canvas.from_prompt(bundled.encode_prompt("The cat"), 12, bundled.mask_token_id)
    banned = [i for i in bundled.tokenizer.all_special_ids if i not in bundled.stop_ids]
    steps = list(
        autoregressive(bundled.model, canvas, banned=banned, stop_ids=bundled.stop_ids, temperature=0.8, seed=4)
    )
    assert [s.after.tolist() for s in trace.steps] == [s.after.tolist() for s in steps]
    assert trace.header["policy"] == {"name": "autoregressive", "temperature": 0.8}
    assert trace.totals["end"] == "finished"


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"steps": 4}, "policy autoregressive has no parameter 'steps'"),
        ({"temperature": -1}, "temperature must be 0 or"),
    ],
)
def test_left_to_right_checks_its_parameters_like_any_policy(engine, params, sentence):
    with pytest.raises(ValueError, match=sentence):
        engine.run(Request(policy="autoregressive", length=4, params=params))


def test_a_canvas_of_ones_own_is_filled_in_and_its_fixed_positions_stay(engine, bundled):
    ids = np.array(bundled.encode_prompt("The cat sat on the mat."))
    fixed = np.arange(len(ids)) % 3 > 0
    canvas = Canvas(np.where(fixed, ids, bundled.mask_token_id), fixed)
    trace = run(engine, canvas=canvas)
    np.testing.assert_array_equal(trace.fixed, fixed)
    final = trace.canvas(len(trace.steps))
    np.testing.assert_array_equal(final[fixed], ids[fixed])
    assert trace.masks_left()[-1] == 0


@pytest.mark.parametrize("canvas", [Canvas([2, 5], [True, True]), Canvas([2] * 300, [False] * 300)])
def test_a_canvas_without_room_or_too_long_is_refused(engine, canvas):
    with pytest.raises(ValueError, match="a canvas must fit"):
        engine.run(Request(canvas=canvas))


def test_autoregressive_likelihood_is_what_left_to_right_gave_its_tokens_when_it_wrote_them(engine):
    trace = run(engine, prompt="The cat", policy="autoregressive", length=10, params={"temperature": 1.0})
    seen = engine.autoregressive_likelihood(trace)
    assert np.isnan(seen[trace.fixed]).all()
    for step in trace.steps:
        where = int(np.flatnonzero(step.written)[0])
        assert seen[where] == pytest.approx(float(step.confidence[where]), rel=0.02, abs=1e-4)


def test_readings_wait_for_their_turn(engine):
    first = engine.run(Request("A", length=8, params={"steps": 8}))
    trace = run(engine, prompt="B", length=4, params={"steps": 4})
    next(first)
    order = []
    thread = threading.Thread(target=lambda: order.append(("read", engine.autoregressive_likelihood(trace))))
    thread.start()
    for _ in first:
        assert not order, "a reading must not run beside a run that is being timed"
    thread.join(30)
    assert order
