"""An engine on a cluster of two replicas on this machine: runs, stops, the line, and a replica that is killed."""

import json
import os
import signal
import sys
import threading
from importlib.util import find_spec

import checkpoints
import numpy as np
import pytest
import transformers
from cluster import Cluster
from visitor import free_port

from dlm_core.engine import LocalEngine, Request
from dlm_core.engine.cluster.deploy import parser
from dlm_core.lines import is_waiting, type_of
from dlm_core.models import load_model
from dlm_core.trace import Trace

ENDLESS = Request("the cat", "p2", 8, params={"num_steps": 10**6})
SHORT = Request("the cat", length=8, seed=5, params={"steps": 4, "temperature": 1.0})
QUEUE = 4
pytestmark = pytest.mark.timeout(600)  # the first test's time has the start of the cluster in it


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A masked language model of a few thousand random weights."""
    folder = tmp_path_factory.mktemp("tiny") / "tiny-bert"
    config = transformers.BertConfig(
        vocab_size=checkpoints.word_pieces(folder), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=40,
    )  # fmt: skip
    checkpoints.weights(transformers.BertForMaskedLM, config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def cluster(folder):
    if find_spec("ray") is None or not sys.platform.startswith("linux"):
        pytest.skip("Ray Serve is not installed, or not on Linux: pip install -r requirements-serve.txt")
    limits = {"UNMASK_MAX_QUEUE": str(QUEUE), "UNMASK_MAX_STEPS": str(10**6), "UNMASK_MAX_LENGTH": "30"}
    cluster = Cluster(free_port(), "--model", str(folder), "--replicas", "2", "--cpus", "0.5", **limits)
    yield cluster
    cluster.close()


@pytest.fixture
def begin(cluster):
    """Begin runs and read them up to their first step or word of waiting; they are left when the test is over."""
    runs = []

    def make(request=ENDLESS, stop=None):
        run = cluster.engine.run(request, stop)
        runs.append(run)
        first = next(run)
        return run, first if is_waiting(first) else next(run)

    yield make
    for run in runs:
        run.close()


def untimed(lines):
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def whole(lines):
    return Trace.parse("".join(line for line in lines if not is_waiting(line)).encode())


def waiting(line):
    return json.loads(line)["waiting"]


@pytest.mark.parametrize(
    "request_",
    [
        SHORT,
        Request("the mat", "p2", 12, seed=2, params={"num_steps": 12, "tau": 0.7}),
        Request("a cat", "mdlm", 12, 4, seed=9, params={"steps": 12}),
        Request("the", "threshold", 12, 4, pins={3: "mat"}),
    ],
    ids=lambda request: request.policy,
)  # fmt: skip
def test_the_cluster_gives_the_run_that_this_machine_gives(cluster, folder, request_):
    local = LocalEngine(load_model(folder))
    lines = list(local.run(request_))
    assert untimed(cluster.engine.run(request_)) == untimed(lines)
    trace = whole(lines)
    np.testing.assert_allclose(cluster.engine.pseudo_likelihood(trace), local.pseudo_likelihood(trace), rtol=1e-5)
    asked = ("the cat sat", "mask", "linear", 1)
    there, here = cluster.engine.lesson(*asked), local.lesson(*asked)
    assert [state.ids for state in there.states] == [state.ids for state in here.states]


def test_a_limit_of_the_operator_holds_on_the_cluster(cluster):
    with pytest.raises(ValueError, match="length must be between 1 and 30, got 31"):
        cluster.engine.run(Request(length=31))


def test_two_runs_work_at_once_and_who_waits_is_told_how_many_are_ahead(begin):
    (first, _), (second, _) = begin(), begin()
    third, told = begin(SHORT)
    fourth, behind = begin(SHORT)
    assert (waiting(told), waiting(behind)) == (1, 2)
    assert '"step"' in next(first), "whoever is at work goes on"
    second.close()  # the visitor left: the replica is free
    assert whole(third).totals["end"] == "finished"
    assert whole(fourth).totals["end"] == "finished"


def test_a_stop_ends_the_run_within_a_step_and_frees_the_replica(begin):
    stop = threading.Event()
    begin()
    stopped, _ = begin(stop=stop)
    waits, told = begin(SHORT)
    assert waiting(told) == 1
    stop.set()
    lines = list(stopped)
    assert json.loads(lines[-1])["end"] == "stopped"
    assert len(lines) <= 2, "at most the step that was at work when the stop came"
    assert whole(waits).totals["end"] == "finished"


def test_a_wrong_request_hears_so_at_once_though_all_are_at_work(begin, cluster):
    begin(), begin()
    with pytest.raises(ValueError, match="unknown policy 'best'"):
        cluster.engine.run(Request(policy="best"))


def test_a_full_line_takes_nobody_in_and_says_so(begin, cluster):
    for _ in range(QUEUE):
        begin()
    end = json.loads(list(cluster.engine.run(SHORT))[-1])
    assert (end["end"], end["message"]) == ("error", f"{QUEUE} runs are in line: try again in a minute")


def test_a_run_whose_replica_is_killed_is_kept_and_says_so_and_the_next_request_is_served(cluster):
    runs, lines = [cluster.engine.run(ENDLESS) for _ in range(2)], ([], [])

    def read():
        for run, kept in zip(runs, lines):
            kept.append(next(run))

    while not all('"step"' in kept[-1] for kept in lines if kept) or not lines[0]:
        read()
    doomed, _ = cluster.replicas()
    os.kill(doomed, signal.SIGKILL)
    while not any(type_of(json.loads(kept[-1])) == "end" for kept in lines):
        read()
    ended = [type_of(json.loads(kept[-1])) == "end" for kept in lines]
    assert sorted(ended) == [False, True], "the other replica is still at work"
    trace = whole(lines[ended.index(True)])
    assert trace.totals["end"] == "error"
    assert trace.totals["message"].startswith(f"the machine of this run was lost after {len(trace.steps)} steps (")
    assert len(trace.steps) > 0
    runs[ended.index(False)].close()
    assert whole(cluster.engine.run(SHORT)).totals["end"] == "finished"


def test_a_wrong_option_is_a_sentence(capsys):
    for options, sentence in (
        (["--replicas", "0"], "expected N or MIN:MAX with 1 <= MIN <= MAX <= 1000, got '0'"),
        (["--replicas", "3:2"], "got '3:2'"),
        (["--replicas", "many"], "got 'many'"),
        (["--cpus", "-1"], "expected a whole number, or a part of one such as 0.5, got '-1'"),
        (["--gpus", "1.5"], "got '1.5'"),
    ):
        with pytest.raises(SystemExit, match="2"):
            parser().parse_args(options)
        assert sentence in capsys.readouterr().err
