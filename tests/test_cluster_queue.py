"""The line in front of several machines: who is told what, and when."""

import json
from contextlib import ExitStack

import pytest

from dlm_core.engine.cluster.queue import ClusterQueue


@pytest.fixture
def line():
    return ClusterQueue()


@pytest.fixture
def join(line):
    with ExitStack() as stack:
        yield lambda: stack.enter_context(line.join())


def told(turn):
    notice = turn.notice()
    return None if notice is None else json.loads(notice)["waiting"]


def test_whoever_waits_is_told_who_is_ahead_and_only_the_first_of_those_at_work_counts(join):
    first, second, third, fourth = (join() for _ in range(4))
    first.begin()
    second.begin()
    assert (told(third), told(fourth)) == (1, 2)
    assert told(first) is None


def test_a_place_is_told_once_and_again_when_it_changes(join, line):
    with line.join() as first:
        first.begin()
        with line.join() as second:
            third = join()
            assert (told(second), told(third)) == (1, 2)
            assert (told(second), told(third)) == (None, None)
        assert told(third) == 1, "who leaves the line lets all behind move up"
    assert told(third) == 0, "nobody is ahead, and no machine is free yet"


def test_the_line_is_as_long_as_there_are_turns(join, line):
    join().begin()
    join()
    assert len(line) == 2
    with line.join():
        assert len(line) == 3
    assert len(line) == 2


def test_seconds_are_told_from_turns_that_were_had_and_fewer_the_more_machines_are_at_work(monkeypatch, join, line):
    now = [0.0]
    monkeypatch.setattr("dlm_core.engine.cluster.queue.time.monotonic", lambda: now[0])
    with line.join() as turn:
        turn.begin()
        now[0] = 6.0
        with line.join() as waiting:
            assert json.loads(waiting.notice()) == {"type": "waiting", "waiting": 1}, "nothing was measured yet"
    for machines, seconds in ((1, 6.0), (2, 3.0), (3, 2.0)):
        join().begin()
        with line.join() as waiting:
            assert json.loads(waiting.notice()) == {"type": "waiting", "waiting": 1, "seconds": seconds}, machines
