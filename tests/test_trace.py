import base64
import gzip
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_ins import MASK, STOP, VOCAB, as_schema_1, record

from dlm_core.canvas import Canvas
from dlm_core.policies import make_policy
from dlm_core.reasons import Reason, why
from dlm_core.sampler import sample
from dlm_core.trace import MAX_LENGTH, RunFileError, Trace

ARRAYS = (
    "before", "after", "predicted", "confidence", "entropy", "top_ids", "top_probs", "written", "blanked", "copies",
    "score", "reason",
)  # fmt: skip


def text_of(trace):
    return "".join(line + "\n" for line in trace.lines).encode()


@pytest.mark.parametrize("kind", ["trace", "grown"])
def test_a_saved_run_loads_as_the_very_same_run(request, kind, tmp_path):
    trace = request.getfixturevalue(kind)
    trace.save(tmp_path / "a.run.jsonl.gz")
    loaded = Trace.load(tmp_path / "a.run.jsonl.gz")
    assert loaded.header == trace.header
    assert loaded.lines == trace.lines
    assert loaded.pieces == trace.pieces
    assert loaded.totals == trace.totals
    assert loaded.notice is None
    for a, b in zip(loaded.steps, trace.steps):
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
        assert (a.index, a.window, a.forwards, a.seconds, a.info) == (b.index, b.window, b.forwards, b.seconds, b.info)
        assert a.ranking == b.ranking


def test_the_same_run_gives_the_same_bytes(trace, tmp_path):
    trace.save(tmp_path / "a")
    trace.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_is_kept_differs_from_what_was_measured_by_less_than_a_quantum(network):
    canvas = Canvas.from_prompt([1, 2, 3, 4], 12, MASK)
    raw = list(sample(network(), canvas, make_policy("llada", steps=6), seed=3))
    for kept, measured in zip(record(network(), canvas, steps=6).steps, raw):
        np.testing.assert_array_equal(kept.after, measured.after)
        np.testing.assert_array_equal(kept.predicted, measured.predicted)
        np.testing.assert_array_equal(kept.top_ids, measured.top_ids)
        np.testing.assert_array_equal(np.isnan(kept.confidence), np.isnan(measured.confidence))
        np.testing.assert_allclose(kept.confidence, measured.confidence, atol=1e-5)
        np.testing.assert_allclose(kept.entropy, measured.entropy, atol=6e-4)
        np.testing.assert_allclose(kept.top_probs, measured.top_probs, atol=5e-3)
        np.testing.assert_array_equal(kept.score, kept.confidence)
        np.testing.assert_array_equal(kept.reason, measured.reason)
        assert kept.ranking == measured.ranking == "confidence"


@pytest.mark.parametrize(
    ("policy", "params"),
    [
        ("dream", {"steps": 4, "alg": "topk_margin"}),
        ("pc_sampler", {"steps": 4}),
        ("eb", {}),
        ("wino", {"threshold": 0}),
    ],
)
def test_scores_are_kept_within_a_quantum_of_their_range(network, policy, params):
    canvas = Canvas.from_prompt([1, 2], 14, MASK)
    for kept, measured in zip(
        record(network(), canvas, policy, [(2, 9), (9, 16)], **params).steps,
        sample(network(), canvas, make_policy(policy, **params), windows=[(2, 9), (9, 16)], seed=3),
    ):
        own = np.ptp(measured.score[~np.isnan(measured.score)]) / 65534
        quantum = max(own, {"confidence": 1 / 65534, "-entropy": 1e-3}.get(kept.ranking, 0))
        np.testing.assert_allclose(kept.score, measured.score, rtol=0, atol=quantum)
        np.testing.assert_array_equal(kept.reason, measured.reason)


def test_a_file_of_schema_1_opens_as_the_same_run_and_says_that_it_has_no_reasons(trace):
    old = as_schema_1(trace)
    assert old.notice == "the file is of schema 1, in which reasons were not recorded"
    for a, b in zip(old.steps, trace.steps):
        for name in ARRAYS[:-2]:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
        assert (a.reason == -1).all()
        assert np.isnan(a.score).all()
        assert why(a, 7) == "The reason was not recorded."


def test_other_tools_read_reasons_by_their_names(trace):
    header, line = json.loads(trace.lines[0]), json.loads(trace.lines[1])
    step, columns = trace.steps[0], base64.b64decode(line["beliefs"])
    rows = int(step.measured.sum())
    codes = columns[rows * (6 + 3 * header["top_k"]) :][:rows]
    names = [header["reasons"][code] for code in codes]
    assert names == ["quota" if wrote else "beyond_quota" for wrote in step.written[step.measured]]
    assert line["score"] == ["confidence"]
    assert line["ranked"] == line["measured"]


def test_reasons_and_scores_of_later_versions_are_read_as_unknown(network):
    header, *steps = [
        json.loads(line)
        for line in record(network(), Canvas.from_prompt([1, 2], 14, MASK), "pc_sampler", steps=4).lines
    ]
    header["reasons"] = [name.replace("quota", "luck") for name in header["reasons"]]
    steps[0]["score"][0] = "horoscope"
    read = Trace.parse("".join(json.dumps(line) + "\n" for line in [header, *steps]).encode())
    step = read.steps[0]
    assert step.ranking == "horoscope"
    assert (step.reason[step.written] == -1).all()
    read.steps[0] = replace(step, reason=np.where(step.measured, Reason.QUOTA, -1), info={"quota": 3})
    assert re.fullmatch(r"Its score of [\d.]+ ranks \d+ of 14; this step's quota is 3\.", why(read.steps[0], 7))


def test_a_score_that_is_the_same_everywhere_or_nowhere_is_kept(network, trace):
    for score in (np.where(trace.steps[0].measured, 0.25, np.nan), np.full(16, np.nan), np.full(16, -np.inf)):
        copy = record(network(), Canvas.from_prompt([1, 2, 3, 4], 12, MASK), steps=6)
        copy.append(replace(trace.steps[0], index=6, before=trace.steps[-1].after, score=score))
        kept = Trace.parse(text_of(copy)).steps[6].score
        np.testing.assert_array_equal(kept, np.where(np.isfinite(score), score, np.nan))


def test_not_measured_is_never_zero(trace):
    for step in trace.steps:
        assert np.isnan(step.confidence[:4]).all()
        assert (step.top_ids[:4] == -1).all()


def test_a_large_vocabulary_takes_wide_ids(network):
    canvas = Canvas.from_prompt([1], 3, MASK)
    step = next(sample(network(), canvas, make_policy("llada", steps=1), seed=3))
    trace = Trace.begin(
        model={"name": "big", "vocab_size": 200_000, "mask": MASK, "stop": []}, prompt="", canvas=canvas.ids,
        fixed=canvas.fixed, policy={"name": "llada"}, windows=[(0, 4)], seed=0, top_k=5, versions={}, piece=str,
    )  # fmt: skip
    trace.append(step)
    np.testing.assert_array_equal(Trace.parse(text_of(trace)).steps[0].top_ids, step.top_ids)


def test_a_128_by_128_run_streams_under_300_kib_with_all_beliefs(bundled):
    from dlm_core.engine import LocalEngine, Request

    request = Request("Once upon a time", length=128, params={"steps": 128, "temperature": 0.7})
    lines = list(LocalEngine(bundled).run(request))
    assert len(lines) == 130
    assert sum(len(line.encode()) for line in lines) < 300 * 1024


def test_text_of_a_token_is_given_once_on_the_line_where_it_first_occurs(trace):
    told = [token for line in trace.lines for token in json.loads(line).get("pieces", {})]
    assert len(told) == len(set(told))
    seen = set(trace.header["canvas"])
    for step in trace.steps:
        seen |= set(step.after) | set(step.top_ids[step.top_ids >= 0]) | set(step.predicted[step.predicted >= 0])
    assert set(map(int, told)) == seen


def test_the_text_ends_at_the_first_stop_token_and_leaves_masks_out(network):
    trace = record(
        network(), Canvas(np.array([1, MASK, 2, STOP, 3]), np.array([True, False, True, False, False])), steps=1
    )
    trace.steps.clear()
    assert trace.text() == "bc"


def test_parts_of_a_character_make_the_character():
    canvas = Canvas(np.array([7, 8]), np.array([True, True]))
    pieces = {7: b"\xc3", 8: b"\xa9"}
    trace = Trace.begin(
        model={"name": "x", "vocab_size": 9, "mask": 0, "stop": []}, prompt="é", canvas=canvas.ids, fixed=canvas.fixed,
        policy={"name": "llada"}, windows=[(0, 2)], seed=0, top_k=1, versions={}, piece=pieces.__getitem__,
    )  # fmt: skip
    assert Trace.parse(text_of(trace)).text() == "é"


def test_commit_steps_and_masks_left_follow_the_steps(trace):
    commit = trace.commit_step()
    assert (commit[:4] == -1).all()
    assert sorted(commit[4:].tolist()) == sorted([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    assert trace.masks_left() == [12, 10, 8, 6, 4, 2, 0]


def test_masks_are_counted_as_a_run_grows_and_a_part_of_it_counts_the_same(grown):
    read = Trace.parse(grown.lines[0].encode())
    mask, free, counts = read.header["model"]["mask"], ~read.fixed, [6]
    for line in grown.lines[1:-1]:
        read.feed(line.encode())
        free = free.repeat(read.steps[-1].copies)
        counts.append(int(((read.steps[-1].after == mask) & free).sum()))
        assert read.masks_left() == counts == Trace(read.header, read.steps).masks_left()
        assert (read.fixed_now() == ~free).all()


def test_positions_keep_their_tracks_while_others_come_and_go(grown):
    tracks, fixed = grown.tracks(), set()
    for step, before, after in zip(grown.steps, tracks, tracks[1:]):
        assert (np.diff(after) > 0).all(), "tracks stand in the order of the text"
        kept = step.copies > 0
        np.testing.assert_array_equal(after[(step.copies.cumsum() - step.copies)[kept]], before[kept])
    assert sorted({int(t) for now in tracks for t in now}) == list(range(11)), "ten to begin with, and one that came"
    for now, canvas in zip(tracks, map(grown.canvas, range(len(tracks)))):
        fixed |= {tuple((int(t), int(canvas[np.flatnonzero(now == t)[0]])) for t in now[[0, 1, -2, -1]])}
    assert len(fixed) == 1, "the words around the gap stay who they are"
    np.testing.assert_array_equal(grown.fixed_now(), np.isin(tracks[-1], tracks[0][grown.fixed]))


def test_a_spliced_run_names_the_steps_that_wrote_what_stands(grown):
    commit, end = grown.commit_step(), grown.canvas(len(grown.steps))
    assert len(commit) == len(end)
    for track, at, token in zip(grown.tracks()[-1], commit, end):
        if at >= 0:
            step = grown.steps[at]
            position = np.flatnonzero(grown.tracks()[at] == track)[0]
            assert step.written[position]
            assert step.left[position] == token


def test_a_line_never_ends_a_script_element(network):
    trace = Trace.begin(
        model={"name": "</script>", "vocab_size": VOCAB, "mask": MASK, "stop": []}, prompt="</script><!--",
        canvas=[1], fixed=np.array([True]), policy={"name": "llada"}, windows=[(0, 1)], seed=0, top_k=5, versions={},
        piece=lambda token: "</script>",
    )  # fmt: skip
    assert "<" not in "".join(trace.lines)
    assert Trace.parse(text_of(trace)).header["prompt"] == "</script><!--"


# --- files that are not what they should be ---


@given(keep=st.floats(0, 0.999))
def test_a_file_cut_anywhere_opens_up_to_its_last_whole_line_and_says_so(network, keep):
    run = record(network(), Canvas.from_prompt([1, 2], 6, MASK), steps=3)
    run.finish("finished")
    whole = text_of(run)
    part = whole[: int(len(whole) * keep)]
    lines = part.count(b"\n") + (whole[len(part) : len(part) + 1] == b"\n")  # all of a line but its end is all of it
    if lines == 0:
        with pytest.raises(RunFileError, match="no whole first line"):
            Trace.parse(part)
    else:
        cut = Trace.parse(part)
        assert cut.lines == run.lines[:lines]
        assert cut.notice.endswith(f"line {lines}")


def test_a_gzip_stream_that_breaks_off_opens_as_far_as_it_goes(trace, tmp_path):
    trace.save(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[: len(data) * 2 // 3])
    cut = Trace.load(tmp_path / "a")
    assert 0 < len(cut.lines) < len(trace.lines)
    assert "cut off" in cut.notice


def broken(trace, number, **changes):
    lines = [json.loads(line) for line in trace.lines]
    for key, value in changes.items():
        if value is None:
            del lines[number - 1][key]
        else:
            lines[number - 1][key] = value
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@pytest.mark.parametrize(
    ("number", "changes", "sentence"),
    [
        (1, {"unmask": 3}, "line 1 .* schema 3, and this version reads schemas 1 and 2"),
        (1, {"reasons": None}, "'reasons' is missing"),
        (1, {"reasons": [5]}, "'reasons' must hold names"),
        (1, {"reasons": ["quota"]}, "line 2 .* is not among the 1 of the header"),
        (3, {"score": [5, 0, 1]}, "line 3 .* must begin with a name"),
        (3, {"score": ["margin"]}, "line 3 .* 'margin' needs the least and the most"),
        (3, {"score": ["confidence", 0, 1]}, "line 3 .* bytes"),
        (3, {"ranked": None}, "line 3 .* 'ranked' is missing"),
        (3, {"ranked": "AA=="}, "line 3 .* 'ranked' needs 2 bytes"),
        (3, {"score": ["confidence", 1, 0]}, "line 3 .* least score must not be above the most"),
        (3, {"score": ["confidence", "a", 0]}, "line 3 .* wrong type"),
        (3, {"score": ["confidence", 1]}, "line 3 .* damaged"),
        (1, {"unmask": None}, "not an Unmask run file"),
        (1, {"canvas": [VOCAB]}, "token ids below"),
        (1, {"canvas": []}, "1 to 8192 positions"),
        (1, {"canvas": [1] * (MAX_LENGTH + 1)}, "1 to 8192 positions"),
        (1, {"fixed": [[0, 99]]}, "outside the canvas"),
        (1, {"top_k": 0}, "top_k"),
        (1, {"policy": {}}, "'name' is missing"),
        (3, {"step": 7}, "line 3 .* expected step 1, got 7"),
        (3, {"write": [[99, 1]]}, "line 3 .* outside"),
        (3, {"write": [[1]]}, "line 3 .* damaged"),
        (3, {"beliefs": "AAAA"}, "line 3 .* bytes"),
        (3, {"beliefs": None}, "line 3 .* 'beliefs' is missing"),
        (3, {"measured": "!!"}, "line 3 .* damaged"),
        (3, {"splice": [[99, 2]]}, "line 3 .* splice \\[99, 2\\] is not possible"),
        (3, {"splice": [[5, MAX_LENGTH]]}, "line 3 .* at most 8192 positions"),
        (3, {"window": [1]}, "line 3 .* damaged"),
        (3, {"pieces": {"1": 5}}, "line 3 .* must be a string"),
        (8, {"end": "well"}, "line 8 .* finished, stopped or error"),
    ],
)
def test_a_damaged_line_gives_one_sentence_that_names_the_line(trace, number, changes, sentence):
    with pytest.raises(RunFileError, match=sentence):
        Trace.parse(broken(trace, number, **changes))


def test_lines_behind_the_totals_are_refused(trace):
    with pytest.raises(RunFileError, match=r"line 9 .* nothing may follow"):
        Trace.parse(text_of(trace) + trace.lines[1].encode() + b"\n")


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\x89PNG\r\n\x1a\n....\n", b"{}\n", b"[1]\n", b"\xff\xfe\n", b"null\n", b"{" * 100_000 + b"\n"],
)
def test_a_foreign_file_is_refused_in_one_sentence(data, tmp_path):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(RunFileError) as error:
        Trace.load(tmp_path / "x")
    assert "\n" not in str(error.value)


def test_damaged_compression_and_bombs_are_refused(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"\x1f\x8b" + b"junk" * 9)
    with pytest.raises(RunFileError, match="compression is damaged"):
        Trace.load(tmp_path / "x")
    monkeypatch.setattr("dlm_core.trace.MAX_BYTES", 1000)
    (tmp_path / "x").write_bytes(gzip.compress(b"a" * 5000))
    with pytest.raises(RunFileError, match="the limit"):
        Trace.load(tmp_path / "x")


@pytest.mark.parametrize(
    ("number", "changes", "sentence"),
    [
        (3, {"forwards": 10**30}, "64 bits"),
        (3, {"forwards": 10**4000}, "64 bits, got one of 4001 digits"),
        (3, {"forwards": 0}, "at least 1 forward"),
        (3, {"seconds": float("nan")}, "NaN is no number of JSON"),
        (3, {"seconds": float("-inf")}, "-Infinity is no number of JSON"),
        (3, {"seconds": -1.0}, "0 seconds"),
        (3, {"step": float("inf")}, "Infinity is no number of JSON"),
        (3, {"info": {"quota": "<img src=x>"}}, "'quota' has the wrong type"),
        (3, {"info": [1]}, "'info' has the wrong type"),
        (3, {"write": [[5.0, 1]]}, "'write' must be a list of pairs of whole numbers"),
        (3, {"write": [[True, True]]}, "'write' must be a list of pairs"),
        (3, {"write": "ab"}, "'write' must be a list of pairs"),
        (3, {"write": [[5, 1]] * 10_000}, "'write' has at most 8192 pairs, got 10000"),
        (3, {"splice": [[5, 1.5]]}, "'splice' must be a list of pairs"),
        (3, {"splice": [[5, 10**18]]}, "is not possible"),
        (3, {"window": [0, 10**9]}, "lies outside the canvas"),
        (3, {"window": ["0", "1"]}, "'window' must be a list of pairs"),
        (3, {"pieces": {"1": "x" * 10_000}}, "at most 4096 characters, got 10000"),
        (3, {"pieces": {"1": "\ud800"}}, "surrogates"),
        (1, {"prompt": "\ud800"}, "surrogates"),
        (1, {"model": {"name": "m", "vocab_size": VOCAB, "mask": MASK, "stop": [[1]]}}, "'stop' must hold token ids"),
        (1, {"fixed": [[0, 1.5]]}, "'fixed' must be a list of pairs"),
        (1, {"windows": [[0, 4]] * 10_000}, "'windows' has at most 8192 pairs"),
        (1, {"unmask": "<b>" * 10_000}, "schema '<b>"),
        (8, {"message": {"<b>": 1}}, "'message' has the wrong type"),
    ],
)
def test_a_hostile_value_is_refused_in_one_short_sentence(trace, number, changes, sentence):
    with pytest.raises(RunFileError, match=rf"^line {number} .*{sentence}") as error:
        Trace.parse(broken(trace, number, **changes))
    assert len(str(error.value)) < 300
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "1e999"])
@pytest.mark.parametrize("number", [1, 3])
def test_nesting_without_end_and_numbers_beyond_all_are_refused(trace, number, value):
    lines = list(trace.lines)
    lines[number - 1] = lines[number - 1][:-1] + f',"more":{value}}}'
    with pytest.raises(RunFileError, match=f"^line {number} .* (recursion|too large)"):
        Trace.parse("".join(line + "\n" for line in lines).encode())


def test_a_small_file_cannot_ask_for_more_memory_than_a_run_has(trace, monkeypatch):
    cells = len(trace.header["canvas"]) * trace.header["top_k"]
    monkeypatch.setattr("dlm_core.trace.MAX_BELIEFS", 6 * cells)
    Trace.parse(text_of(trace))
    monkeypatch.setattr("dlm_core.trace.MAX_BELIEFS", 6 * cells - 1)
    with pytest.raises(RunFileError, match=r"^line 7 .* positions times steps times top_k are at most"):
        Trace.parse(text_of(trace))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_json_has_not_is_left_out_of_a_step_and_never_written(network, number):
    canvas = Canvas.from_prompt([1], 3, MASK)
    (step,) = sample(network(), canvas, make_policy("llada", steps=1), seed=3)
    trace = record(network(), canvas, steps=1)
    trace.steps.clear()
    trace.append(replace(step, info={"gap": number, "quota": 3}))
    assert trace.steps[0].info == {"quota": 3.0}
    assert json.loads(trace.lines[-1], parse_constant=pytest.fail)["info"] == {"quota": 3.0}
    about = {"model": trace.header["model"], "canvas": [1], "fixed": [True], "windows": [(0, 1)], "seed": 0, "top_k": 5}
    with pytest.raises(ValueError, match="JSON"):
        Trace.begin(**about, prompt="", policy={"name": "x", "eps": number}, versions={}, piece=str)


def test_half_characters_are_never_written(network):
    canvas = Canvas.from_prompt([1], 3, MASK)
    about = {"canvas": canvas.ids, "fixed": canvas.fixed, "windows": [(0, 4)], "seed": 0, "top_k": 5, "versions": {}}
    model = {"name": "caf\udce9", "vocab_size": VOCAB, "mask": MASK, "stop": []}
    said = [{"role": "system", "content": "\ud83d\udc4d"}]
    trace = Trace.begin(
        **about, model=model, prompt="\ud83d", policy={"name": "x"}, piece=lambda token: "\udc4d", conversation=said
    )
    trace.finish("error", "the model failed: \udcff")
    read = Trace.parse(trace.packed())
    assert (read.header, read.pieces, read.totals) == (trace.header, trace.pieces, trace.totals)
    assert (read.header["prompt"], read.header["model"]["name"]) == ("�", "caf�")
    assert read.header["conversation"][0]["content"] == "👍"
    assert read.totals["message"] == "the model failed: �"


def test_markup_in_tokens_is_text_like_any_other(trace):
    markup = "<img src=x onerror=alert(1)>${alert(1)}"
    hostile = Trace.parse(broken(trace, 3, pieces={"1": markup}))
    assert markup in hostile.text()


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(RunFileError, match="No such file"):
        Trace.load(tmp_path / "none")


def test_a_run_is_a_table_with_a_row_for_every_token_written(trace, grown):
    for run in (trace, grown):
        frame = run.to_frame()
        assert len(frame) == sum(int(step.written.sum()) for step in run.steps)
        for row in frame.itertuples():
            step = run.steps[row.step]
            assert step.written[row.position]
            assert (row.token_id, row.forwards) == (step.left[row.position], step.forwards)
            assert row.confidence == pytest.approx(step.confidence[row.position], nan_ok=True)
            assert row.reason == Reason(step.reason[row.position]).key
    assert as_schema_1(trace).to_frame().reason.isna().all()


def test_the_step_map_names_the_step_of_every_token_that_stands(trace, grown):
    for run in (trace, grown):
        assert run.step_map() == run.commit_step().tolist()
        assert max(run.step_map()) == len(run.steps) - 1


def test_in_a_notebook_a_run_plays_in_a_frame_that_its_text_cannot_leave(network):
    run = record(network(), Canvas.from_prompt([1, 2], 6, MASK), steps=3)
    run.pieces = dict.fromkeys(run.pieces, '"></iframe><script>alert(1)</script>')
    run.finish("finished", '"></iframe><script>alert(1)</script>')
    html = run._repr_html_()
    assert html.count("<iframe") == html.count("</iframe>") == 1
    assert html.startswith('<iframe sandbox="allow-scripts allow-downloads"')
    assert html.count('"') == 10, "nothing in the page ends the attribute that it stands in"


@pytest.mark.parametrize("measure", ["confidence", "entropy", "commit"])
def test_a_run_draws_itself(trace, measure):
    figure = trace.heatmap(measure)
    assert [layer.name for layer in figure.data] == ["held", "measured", "written"]
    assert np.array(figure.data[1].z).shape == (16, 6)
    assert list(trace.progress("dark").data[1].y) == trace.masks_left()[1:]
