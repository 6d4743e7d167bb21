"""The page's handlers as plain functions, without a browser."""

import json
import subprocess
import sys
import threading
from itertools import pairwise

import gradio as gr
import numpy as np
import pytest
from stand_ins import spoken

from dlm_core.conversation import with_system
from dlm_core.engine import About, LocalEngine, Request, policies_for
from dlm_core.lines import RUN_LINES
from dlm_core.models import load_model
from dlm_core.policies import make_policy, parameters
from dlm_core.policies.parameter import find
from dlm_core.trace import Trace
from dlm_core.ui import words
from dlm_core.ui.code import snippets
from dlm_core.ui.controls import is_advanced, parameter, request_of, show_parameters, starting_value
from dlm_core.ui.page import _denoise_api, _growing, _policies_api, _write_api, step_dict
from dlm_core.ui.streams import StopSignals, newest, stream
from dlm_core.ui.tabs import compare
from dlm_core.ui.tabs.denoise import next_conversation, opened
from dlm_core.words import english


@pytest.mark.parametrize("policy", sorted(policies_for(True, "llada")))
def test_every_policy_of_the_menu_runs_with_what_the_page_offers(policy, bundled):
    about = LocalEngine(bundled).about()
    controls = {name: starting_value(policy, name, about) for name in words.NAMES}
    steps = {name: 8 for name in controls if "steps" in words.control(policy, name).parameter.names}
    plain = {"length": 16, "block_length": 8, "seed": 1}
    request = request_of("The cat", policy, controls | plain | steps, about)
    trace = Trace.parse("".join(LocalEngine(bundled).run(request)).encode())
    assert trace.totals["end"] == "finished", trace.totals
    assert set(trace.header["policy"]) == {"name", *parameters(policy)}


def test_what_a_model_has_no_use_for_is_left_behind_and_the_rest_is_asked_for(bundled, saved):
    said = '[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]'
    settings = {"length": 8, "block_length": 0, "seed": 1, "cache": "dual", "system": "be kind", "conversation": said}
    asked = request_of("x", "llada", settings, LocalEngine(bundled).about())
    assert (asked.cache, asked.conversation) == ("dual", [])
    blocks = request_of("x", "llada", settings, LocalEngine(load_model(saved("SDAR"))).about())
    assert blocks.cache is None
    assert [message["role"] for message in blocks.conversation] == ["system", "user", "assistant"]
    for request in (asked, blocks):
        python, *_ = snippets("http://here", request)
        assert ("'cache': 'dual'" in python) == bool(request.cache)
        assert ("be kind" in python) == bool(request.conversation)


def test_only_a_finished_answer_joins_the_conversation(saved):
    engine = LocalEngine(load_model(saved("SDAR")))
    request = Request("x", length=8, params={"steps": 4}, conversation=with_system("be kind", []))
    *_, value = stream(engine, request, threading.Event())
    question, answer = json.loads(next_conversation(request, value))
    assert (question["content"], answer["role"]) == ("x", "assistant")
    assert answer["content"] == json.loads(value.splitlines()[-1])["text"].strip()
    stop = threading.Event()
    stop.set()
    *_, value = stream(engine, request, stop)
    assert next_conversation(request, value) is None
    (value,) = stream(engine, Request(length=0), threading.Event())
    assert next_conversation(request, value) is None


def test_programs_ask_in_a_conversation_and_with_a_cache_or_hear_why_not(bundled, saved):
    chat = LocalEngine(load_model(saved("A2D Qwen3")))
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    run = _denoise_api(chat)
    (*_, last) = run("why?", "llada", 4, 8, system="be kind", conversation=said, cache="prefix")
    assert "why?" not in last["text"]
    for wrong in ({"conversation": "hi"}, {"conversation": said[:1]}, {"cache": "exact"}):
        with pytest.raises(gr.Error):
            list(run("why?", "llada", 4, 8, **wrong))
    with pytest.raises(gr.Error, match="does not chat"):
        list(_denoise_api(LocalEngine(bundled))("x", "llada", 4, 8, system="be kind"))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"params": {"threshhold": 0.1}}, r"no parameter 'threshhold' \(the nearest is 'threshold'\)"),
        ({"params": {"gamma": 0.1}}, "policy threshold has no parameter 'gamma': it has threshold"),
        ({"params": [1]}, r"the parameters of a policy must be a table of values by name, got \[1\]"),
        ({"params": {"threshold": [1]}}, r"threshold must be a number between 0 and 1, got \[1\]"),
        ({"steps": 8, "params": {"steps": 4}}, "steps is given twice"),
        ({"steps": "many"}, "steps must be a whole number between 1 and 8, got 'many'"),
        ({"temperature": "hot"}, "temperature must be a number of 0 or more, got 'hot'"),
        ({"policy": [1]}, r"unknown policy \[1\]: choose one of"),
        ({"policy": "thresholt"}, r"unknown policy 'thresholt' \(the nearest is 'threshold'\)"),
        ({"policy": "p2", "steps": 4, "params": {"num_steps": 4}}, "num_steps and steps are the same parameter"),
    ],
)
def test_what_a_program_gets_wrong_in_the_parameters_is_a_sentence(bundled, asked, sentence):
    run = _denoise_api(LocalEngine(bundled))
    with pytest.raises(gr.Error, match=sentence):
        list(run("x", **{"policy": "threshold", "length": 8} | asked))


def test_steps_and_temperature_that_a_program_leaves_out_are_the_policys_own_and_fit_the_length(bundled):
    for policy, steps in (("llada", 8), ("p2", 8), ("threshold", None)):
        took = next(iter(_growing(LocalEngine(bundled), "x", policy, 8, None, 0, {}))).header["policy"]
        known = parameters(policy)
        assert took[find(known, "steps").name] == steps
        assert took[find(known, "temperature").name] == find(known, "temperature").default


def test_programs_can_list_the_policies_and_what_each_can_be_set_to(bundled):
    listed = _policies_api(LocalEngine(bundled))()
    assert set(listed) == set(policies_for(True, "llada"))
    for policy, told in listed.items():
        assert list(told["parameters"]) == list(parameters(policy))
        assert all(one["description"] for one in told["parameters"].values())
    assert listed["d3llm"]["parameters"]["threshold"]["unit"] == "nats"
    json.dumps(listed)


def test_a_policy_shows_its_parameters_as_it_describes_them_and_hides_all_others():
    for policy in words.POLICIES:
        first, more, *updates = show_parameters(policy, About())
        assert first["info"] == words.POLICIES[policy][1]
        shown = {name: update for name, update in zip(words.NAMES, updates) if update["visible"]}
        on_page = [one for one in parameters(policy).values() if one.on_page]
        assert set(shown) == {one.name for one in on_page}
        assert find(parameters(policy), "steps").name in shown
        assert more["visible"] == any(is_advanced(name) for name in shown), "a fold that is empty is not there"
        for name, update in shown.items():
            one = find(parameters(policy), name)
            assert update["label"].key == f"{one.key}.label"
            if one.kind in ("integer", "number"):
                assert (update["minimum"], update["maximum"]) == one.increments_within
            if one.kind == "choice":
                assert [value for _, value in update["choices"]] == list(one.choices)


def test_one_control_serves_every_policy_that_has_a_parameter_of_its_name():
    for name in words.NAMES:
        kinds = {controls[name].parameter.kind for controls in words.CONTROLS.values() if name in controls}
        assert kinds in ({"choice"}, {"boolean"}) or kinds <= {"integer", "number"}, name


def test_a_label_tells_the_unit_that_the_policy_means():
    info = lambda policy, name: english(words.control(policy, name).info.key)  # noqa: E731
    assert "nats" in info("d3llm", "threshold")
    assert "nats" not in info("threshold", "threshold")
    assert "entropy" in info("diffusion_gemma", "confidence_threshold")
    assert words.control("remdm", "eta").parameter.increments_within == (0, 1)
    assert words.control("p2", "eta").parameter.increments_within[1] > 1


def test_steps_and_temperature_stay_as_a_visitor_left_them_when_another_policy_is_chosen():
    left = dict.fromkeys(words.NAMES) | {"steps": 7, "temperature": 0.3, "num_steps": None}
    updates = dict(zip(words.NAMES, show_parameters("mdlm", About(), left)[2:]))
    assert "value" not in updates["steps"]
    assert "value" not in updates["temperature"]
    updates = dict(zip(words.NAMES, show_parameters("p2", About(), left)[2:]))
    assert updates["num_steps"]["value"], "a control that is empty shows what the policy starts with"


@pytest.mark.parametrize("policy", ["dream", "llada2"])
def test_a_filter_that_is_not_set_shows_as_the_number_that_changes_nothing(policy, bundled):
    engine, own = LocalEngine(bundled), {"steps": 6, "temperature": 0.9}
    unset = {name: one.none_value for name, one in parameters(policy).items() if one.none_value is not None}
    assert {"top_p", "top_k"} <= set(unset)
    assert {name: starting_value(policy, name, engine.about()) for name in unset} == unset
    texts = [
        Trace.parse("".join(engine.run(Request("A", policy, 12, params=own | params))).encode()).text()
        for params in (unset, dict.fromkeys(unset))
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("policy", "name", "value"),
    [
        ("dream", "top_k", 2.5), ("dream", "top_p", 0), ("dream", "alg_temp", -1), ("dream", "eps", 1),
        ("llada21", "max_post_steps", -1), ("llada21", "num_to_transfer", 0), ("klass", "kl_history_length", 0),
        ("d3llm", "block_size", 0), ("d3llm", "block_add_threshold", 2), ("d3llm", "decoded_token_threshold", -1),
        ("dinfer", "low_threshold", 2), ("dinfer", "credit_alpha", -1), ("dinfer", "boost_gamma", -1),
        ("dinfer", "decay_beta", 2), ("remdm", "t_on", 2), ("remdm", "t_off", -1), ("remdm", "alpha_on", 2),
        ("dreamon", "max_gen_len", 3), ("dreamon", "expand_budget", 0.5),
        ("diffusion_gemma", "stability_threshold", -1), ("diffusion_gemma", "t_min", 3),
    ],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_refused_by_its_name(policy, name, value):
    credit = {key: {"decoder": "credit"} for key in ("credit_alpha", "boost_gamma", "decay_beta")}
    where = credit | {"low_threshold": {"decoder": "hierarchy"}, "alg_temp": {"alg": "entropy"}}
    with pytest.raises(ValueError, match=name):
        make_policy(policy, **where.get(name, {}) | {name: value})


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
    assert '"type":"live"' in envelope
    assert Trace.parse("".join(line + "\n" for line in lines).encode()).totals["end"] == "finished"


def test_a_wrong_request_becomes_a_sentence_for_the_player(bundled):
    (value,) = stream(LocalEngine(bundled), Request(length=0), threading.Event())
    assert '"type":"error"' in value
    assert "length must be between" in value


def test_a_stop_reaches_only_the_visitor_who_asked():
    stops = StopSignals()
    mine, other = stops.start("me"), stops.start("you")
    stops.stop("me")
    stops.stop("nobody")
    assert mine.is_set()
    assert not other.is_set()


def test_an_opened_run_is_the_file_and_a_damaged_one_a_sentence(trace, tmp_path):
    trace.save(tmp_path / "a")
    assert opened(tmp_path / "a").split("\n")[1:-1] == trace.lines
    (tmp_path / "b").write_bytes(b"no")
    assert '"type":"error"' in opened(tmp_path / "b")
    assert '"type":"error"' in opened(None)


def complaint(value):
    return spoken(json.loads(value.splitlines()[0])["message"])


def runs_of(value):
    """The traces in a comparison's value, and the last summary of each."""
    traces, summaries, lines = [], {}, []
    for line in value.split("\n")[1:-1]:
        record = json.loads(line)
        if record["type"] == "summary":
            summaries[record["of"]] = record["summary"]
        elif record["type"] == "pane":
            traces.append(lines := [])
        elif record["type"] in RUN_LINES:
            lines.append(line)
    whole = [Trace.parse("".join(kept + "\n" for kept in lines).encode()) for lines in traces]
    return whole, [summaries[number] for number in range(len(whole))]


def told_of(value):
    """The last pseudo-likelihood of every run in a comparison's value, and why there is none."""
    records = [json.loads(line) for line in value.split("\n")[:-1]]
    rows = [record for record in records if record["type"] == "summary"]
    return {row["of"]: (row["summary"]["pseudo_likelihood"], spoken(row.get("why", ""))) for row in rows}


def test_a_comparison_holds_every_run_whole_with_its_numbers(bundled):
    requests = [Request("A cat", name, 12, params={"steps": 6}) for name in ("llada", "left_to_right")]
    *_, value = compare.panes(LocalEngine(bundled), requests, threading.Event())
    traces, summaries = runs_of(value)
    assert [trace.header["policy"]["name"] for trace in traces] == ["llada", "left_to_right"]
    assert all(trace.totals["end"] == "finished" for trace in traces)
    assert summaries[1]["kendall_tau"] == pytest.approx(1.0)
    assert all(0 <= summary["pseudo_likelihood"] <= 1 for summary in summaries)


def test_a_comparison_checks_every_request_before_it_runs_one(bundled):
    requests = [Request("A", "llada", 8), Request("A", "llada", 0)]
    (value,) = compare.panes(LocalEngine(bundled), requests, threading.Event())
    assert "length must be between" in value


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_comparison_takes_two_to_four(bundled, count, trace, tmp_path):
    engine, stop = LocalEngine(bundled), threading.Event()
    (value,) = compare.panes(engine, [Request(length=4)] * count, stop)
    assert "takes 2 to 4 policies" in complaint(value)
    trace.save(tmp_path / "a")
    (value,) = compare.opened(engine, [tmp_path / "a"] * count, stop)
    assert "takes 2 to 4 run files" in complaint(value)


def test_run_files_can_be_compared_and_a_damaged_one_is_named(bundled, trace, tmp_path):
    engine, stop = LocalEngine(bundled), threading.Event()
    trace.save(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"no")
    (value,) = compare.opened(engine, [tmp_path / "a", tmp_path / "a"], stop)
    assert [t.lines for t in runs_of(value)[0]] == [trace.lines] * 2
    assert told_of(value)[1] == (
        None, "Only the model that wrote a run can say: that was oracle, which is not loaded here."
    )  # fmt: skip
    (value,) = compare.opened(engine, [tmp_path / "a", tmp_path / "b"], stop)
    assert complaint(value).startswith("file 2: this is not an Unmask run file")


def test_files_play_at_once_and_pseudo_likelihood_comes_from_the_model_that_wrote_them(bundled, trace):
    engine, stop = LocalEngine(bundled), threading.Event()
    own = Trace.parse("".join(engine.run(Request("A cat", length=10, params={"steps": 5}))).encode())
    engine.pseudo_likelihood = lambda trace, ask=engine.pseudo_likelihood: asked.append(trace) or ask(trace)
    asked = []
    values = compare.opened(engine, [own, trace, own], stop, read=lambda run: run)
    first = next(values)
    assert '"done"' in first
    assert [t.lines for t in runs_of(first)[0]] == [own.lines, trace.lines, own.lines]
    assert spoken(told_of(first)[0][0]) == "being measured"
    assert asked == [], "the runs are on screen before the model is asked"
    last = told_of(list(values)[-1])
    live = compare.summarise(own, engine.pseudo_likelihood(own)).pseudo_likelihood
    assert last[0] == last[2] == (live, "")
    assert last[1][0] is None
    assert [run is own for run in asked] == [True] * 3, "another model's run is not asked about"


def test_stop_ends_the_measuring_of_opened_files(bundled):
    engine, stop = LocalEngine(bundled), threading.Event()
    own = Trace.parse("".join(engine.run(Request("A cat", length=4, params={"steps": 4}))).encode())
    values = compare.opened(engine, [own, own], stop, read=lambda run: run)
    next(values)
    next(values)
    stop.set()
    *_, value = values
    assert told_of(value)[0][1] == ""
    assert told_of(value)[1] == (None, "Stopped before it was measured.")


def test_what_a_visitor_opened_gives_way_to_what_is_asked_for_later():
    stops = StopSignals()

    def values(first):
        yield first
        yield first + " and more"

    earlier = newest(stops, "me", lambda signal: values("earlier"))
    assert next(earlier) == "earlier"
    other = newest(stops, "you", lambda signal: values("other"))
    later = newest(stops, "me", lambda signal: values("later"))
    assert next(later) == "later"
    assert list(earlier) == [gr.skip()], "it would take the later one off the screen"
    assert list(later)[:-1] == ["later and more"]
    assert list(other)[:-1] == ["other", "other and more"]


@pytest.mark.parametrize(
    ("field", "value"), [("vocab_size", 9000), ("mask", 5), ("stop", []), ("name", "other"), ("revision", "0")]
)
def test_a_run_that_a_model_cannot_have_written_is_not_read_by_it(bundled, field, value):
    engine = LocalEngine(bundled)
    lines = list(engine.run(Request("A cat", length=4, params={"steps": 4})))
    assert np.isfinite(engine.pseudo_likelihood(Trace.parse("".join(lines).encode()))).any()
    header = json.loads(lines[0])
    header["model"][field] = value
    forged = Trace.parse((json.dumps(header) + "\n" + "".join(lines[1:])).encode())
    assert np.isnan(engine.pseudo_likelihood(forged)).all()
    assert np.isnan(engine.autoregressive_likelihood(forged)).all()


# a page whose run yields a value and then an update, as ours do
SESSION = """
import asyncio, gradio as gr
from gradio.state_holder import StateHolder
from dlm_core.engine.limits import Limits
from dlm_core.ui.page import launch_options
from dlm_core.ui.compat.session import keep_component_ids
keep_component_ids()
with gr.Blocks() as blocks:
    screen, press = gr.HTML(""), gr.Button()
    def run():
        yield "a run"
        yield gr.skip()
    press.click(run, None, screen)
blocks.state_session_capacity = launch_options(Limits(sessions=2))["state_session_capacity"]
holder = StateHolder()
holder.set_blocks(blocks)
async def runs(count, visitor):
    for _ in range(count):
        iterator, going = None, True
        while going:
            told = await blocks.process_api(0, [], state=holder[visitor], iterator=iterator)
            iterator, going = told["iterator"], told["is_generating"]
    return len(holder[visitor].blocks_config.blocks)
"""


@pytest.fixture(scope="module")
def said() -> list[list[str]]:
    """The words of each line that two scripts print, at work on that page, each with a state of its own."""
    counts = "print(len(blocks.default_config.blocks), asyncio.run(runs(2, 'me')), asyncio.run(runs(4, 'me')))"
    others = "for v in 'abcab': asyncio.run(runs(1, v))\nprint(*holder.session_data)"
    script = "\n".join([SESSION, counts, "holder.session_data.clear()", others])
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    return [line.split() for line in run.stdout.split("\n")[-3:-1]]


def test_a_session_keeps_as_many_components_however_many_runs_it_has(said):
    before, after, later = said[0]
    assert before == after == later


def test_of_all_visitors_the_latest_are_remembered_and_one_who_was_forgotten_runs_again(said):
    assert said[1] == ["a", "b"]


def test_a_tool_bears_the_name_of_its_endpoint(bundled):
    # MCP calls a tool after its function
    engine = LocalEngine(bundled)
    assert [make(engine).__name__ for make in (_denoise_api, _write_api)] == ["denoise", "write"]


def test_a_step_for_programs_says_for_every_position_which_step_wrote_it(trace):
    assert step_dict(trace)["step_map"] == trace.step_map()
