"""The forms a run file may have, and the faults: Python's reader. The page's is held to the same list in browser/."""

import gzip
import re

import numpy as np
import pytest
from run_files import Opens, Refused, differing, files, member, text_of

from dlm_core.trace import RunFileError, Trace


def read(data):
    try:
        trace = Trace.parse(data)
    except RunFileError as error:
        line = re.match(r"line (\d+) |this is not an Unmask run file: its first line", str(error))
        return Refused(line and int(line[1] or 1)), str(error)
    return Opens(len(trace.steps), trace.totals is not None), trace.notice or ""


def test_every_form_opens_and_every_fault_is_refused_at_its_line_in_one_short_sentence(trace):
    assert differing(trace, read) == {}
    for name, (data, must) in files(trace).items():
        _, told = read(data)
        assert len(told) < 300, name
        assert "\n" not in told, name
        if isinstance(must, Opens):
            assert ("cut off" in told) != must.whole, name


def test_a_form_changes_nothing_in_the_run(trace):
    for name, (data, must) in files(trace).items():
        if isinstance(must, Opens) and "nobody knows" not in name:
            opened = Trace.parse(data)
            if not any(word in name for word in ("seed", "escapes", "text", "written", "type", "order")):
                assert opened.lines == trace.lines[: len(opened.lines)], name
            for ours, theirs in zip(opened.steps, trace.steps):
                np.testing.assert_array_equal(ours.confidence, theirs.confidence)


def test_a_file_is_limited_by_its_text_packed_or_not_and_by_all_members_together(trace, monkeypatch, tmp_path):
    text = text_of(trace)
    half = len(text) // 2
    forms = (text, gzip.compress(text), member(text[:half]) + member(text[half:]))
    for most, opens in ((len(text), True), (len(text) - 1, False)):
        monkeypatch.setattr("dlm_core.trace.MAX_BYTES", most)
        for data in forms:
            (tmp_path / "a").write_bytes(data)
            if opens:
                assert Trace.load(tmp_path / "a").notice is None
            else:
                with pytest.raises(RunFileError, match="which is the limit"):
                    Trace.load(tmp_path / "a")


def test_a_file_of_a_million_empty_members_takes_no_longer_than_its_bytes(trace):
    empty = member(b"")
    assert Trace.parse(empty * 20_000 + trace.packed()).notice is None
