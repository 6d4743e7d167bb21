import pytest
from stand_ins import spoken

from dlm_core.engine import LocalEngine, UnavailableEngine
from dlm_core.models import load_model
from dlm_core.ui import words
from dlm_core.ui.controls import PLAIN
from dlm_core.ui.link import opening, read


@pytest.fixture(scope="module")
def engine(bundled):
    return LocalEngine(bundled)


def test_a_link_fills_what_it_names_and_leaves_the_rest(engine):
    link = read({"prompt": "The cat", "policy": "threshold", "threshold": "0.5", "length": "32", "seed": "7"}, engine)
    assert (link.policy, link.complaints, link.run) == ("threshold", [], False)
    assert link.values == {"prompt": "The cat", "threshold": 0.5, "length": 32, "seed": 7}, "steps may stay unset"
    assert read({"length": "32"}, engine).values == {"length": 32, "steps": 32}, "at most one step a token"


@pytest.mark.parametrize(
    ("query", "pins"),
    [
        ({"prompt": "The cat"}, {"value": ""}),
        ({"policy": "p2"}, {"value": ""}),
        ({"pins": "5:cat"}, {"value": "5:cat"}),
        ({"lang": "zh"}, {}),
    ],
)
def test_a_link_to_another_run_has_the_pinned_words_that_it_names_and_no_others(engine, query, pins):
    (shown,) = [update for name, update in zip(PLAIN, opening(query, None, engine)[6:]) if name == "pins"]
    assert {name: shown[name] for name in shown if name == "value"} == pins


@pytest.mark.parametrize("seed", [2**53 + 1, 2**63 - 1])
def test_a_seed_that_javascript_would_round_is_itself(engine, seed):
    link = read({"seed": str(seed)}, engine)
    assert (link.values["seed"], link.complaints) == (seed, [])
    (complaint,) = read({"seed": str(2**63)}, engine).complaints
    assert "seed must be between 0 and" in spoken(complaint)


def test_only_an_explicit_run_runs_and_only_without_complaints(engine):
    assert read({"run": "1"}, engine).run
    assert not read({"seed": "3"}, engine).run
    assert not read({"run": "1", "seed": "x"}, engine).run
    assert not read({"run": "1", "revision": "0123"}, engine).run


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"policy": "<b>best</b>"}, "policy cannot be <b>best</b>"),
        ({"length": "many"}, "length cannot be many"),
        ({"length": "-3"}, "length must be between"),
        ({"seed": "1.5"}, "seed must be a whole number"),
        ({"steps": "999"}, "steps must be between"),
        ({"temperature": "nan"}, "temperature must be a number"),
        ({"remasking": "worst"}, "remasking cannot be worst"),
        ({"block_length": "7"}, "block length must divide"),
        ({"threshold": "0.5"}, "The policy llada has no threshold"),
        ({"policy": "remdm", "exhaust": "true"}, "exhaust=true cannot be set on this page, so it stays False"),
        ({"revision": "0123"}, "made with the model 0123"),
        ({"model": "owner/other", "revision": "0123"}, "made with owner/other, which is not loaded here, so bundled"),
        ({"policy": "threshold", "threshhold": "0.5"}, "There is no setting threshhold: did you mean threshold?"),
        ({"temperature": "[1]"}, "temperature cannot be [1]"),
        ({"steps": ""}, "steps cannot be "),
        ({"steps": "2.5"}, "steps must be a whole number between 1 and 96, got 2.5"),
        ({"steps": "1" + "0" * 400}, "steps must be between 1 and 96, got 1000"),
        ({"policy": "diffusion_gemma"}, "policy cannot be diffusion_gemma"),
        ({"cache": "exact"}, "cache cannot be exact"),
        ({"system": "be kind"}, "bundled has no use for system"),
        ({"conversation": "[]"}, "bundled has no use for conversation"),
    ],
)
def test_a_wrong_value_is_one_sentence_and_changes_nothing(engine, query, sentence):
    link = read(query, engine)
    (complaint,) = link.complaints
    assert sentence in spoken(complaint)
    assert not set(link.values) - {"steps", "num_steps"}


def test_steps_and_temperature_mean_the_same_for_every_policy(engine):
    link = read({"policy": "p2", "steps": "16", "temperature": "0.4"}, engine)
    assert link.values == {"num_steps": 16, "tau": 0.4}
    assert read({"policy": "p2", "num_steps": "16", "tau": "0.4"}, engine) == link, "the published names too"


def test_a_setting_that_is_named_twice_counts_once_and_the_link_says_so(engine):
    link = read({"policy": "p2", "steps": "8", "num_steps": "9", "run": "1"}, engine)
    assert link.values == {"num_steps": 8}
    assert not link.run
    (complaint,) = link.complaints
    assert "num_steps and num_steps are the same setting" in spoken(complaint)


def test_names_of_others_are_left_alone(engine):
    assert read({"__theme": "dark", "utm_source": "x", "fbclid": "1"}, engine) == read({}, engine)


def test_a_broken_model_is_the_one_complaint():
    assert read({"length": "x"}, UnavailableEngine("no model")).complaints == ["no model."]


def test_a_policy_and_its_own_parameters_arrive_together(engine):
    query = {"policy": "threshold", "threshold": "0.5", "run": "1"}
    run, _, _, _, _, policy, *controls = opening(query, "bundled", engine)
    by_name = dict(zip((*PLAIN, *words.NAMES), controls))
    assert run
    assert policy["value"] == "threshold"
    assert by_name["threshold"]["value"] == 0.5
    assert by_name["threshold"]["visible"]
    assert not by_name["gamma"]["visible"]


def test_a_cache_is_chosen_by_a_link_where_the_model_can_have_one(engine, saved):
    assert read({"cache": "dual"}, engine).values == {"cache": "dual"}
    (complaint,) = read({"cache": "dual"}, LocalEngine(load_model(saved("SDAR")))).complaints
    assert "has no use for cache" in spoken(complaint)


def test_a_link_to_a_model_that_chats_may_carry_what_was_said(saved):
    chat = LocalEngine(load_model(saved("A2D Qwen3")))
    said = '[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "<b>"}]'
    link = read({"system": "be kind", "conversation": said, "length": "16"}, chat)
    assert link.complaints == []
    assert (link.values["system"], link.values["conversation"]) == ("be kind", said)
    for wrong in ("{", '[{"role": "user", "content": "hi"}]'):
        link = read({"conversation": wrong, "length": "16", "run": "1"}, chat)
        assert len(link.complaints) == 1
        assert "conversation" not in link.values
        assert not link.run
