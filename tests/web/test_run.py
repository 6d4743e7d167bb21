"""The player's modules that read a run, in node: what they make of runs that Python recorded."""

import json

import pytest
from stand_ins import EVERY, MASK, as_schema_1, both_orders, record

from dlm_core.canvas import Canvas
from dlm_core.figures import MAX_CELLS, heatmap_data, progress_data
from dlm_core.policies import make_policy
from dlm_core.reasons import Reason, why
from dlm_core.record import from_canvases


def load(js, trace):
    js("lines => { globalThis.run = emptyRun(); for (const line of lines) addLine(run, line); }", trace.lines)


def test_the_page_reads_a_run_as_python_does(js, trace):
    load(js, trace)
    for step in trace.steps:
        theirs = js(
            "s => ({ ids: [...run.steps[s].ids], row: [...run.steps[s].row], p: [...run.steps[s].confidence],"
            " top: [...run.steps[s].topIds],"
            " masks: run.steps[s].masks })",
            step.index,
        )
        assert theirs["ids"] == step.after.tolist()
        assert [k >= 0 for k in theirs["row"]] == step.measured.tolist()
        assert theirs["p"] == pytest.approx(step.confidence[step.measured].tolist(), abs=1e-6)
        assert theirs["top"] == step.top_ids[step.measured].ravel().tolist()
        assert theirs["masks"] == trace.masks_left()[step.index + 1]
    assert js("run.steps.at(-1).tokens") == (trace.commit_step() >= 0).sum()


def test_what_nobody_measured_is_no_number_in_the_page(js):
    trace = from_canvases([[5, MASK], [5, 7]], mask_token_id=MASK, prompt_length=1)
    load(js, trace)
    step = "run.steps[0]"
    assert js(f"[{step}.forwards, {step}.seconds].every(Number.isNaN)")
    assert js(f"[{step}.masks, {step}.tokens, {step}.measured]") == [0, 1, 0]
    assert js("tokenAt(run, 1, 1, Infinity)") == {
        "state": "committed",
        "id": 7,
        "shown": 7,
        "commit": 0,
        "confidence": None,
    }
    assert "not recorded" not in js("explain(run, 1, 1)")
    assert "{" not in js("[narrate(run, 1), verdict(run), explain(run, 1, 1)].join(' ')"), "every number is filled in"
    assert js("verdict(run)").endswith(
        "Written by another sampler (canvases): what it did not report was not measured."
    )
    assert "exact" not in js("verdict(run)")


def test_positions_that_come_and_go_keep_their_names(js, grown):
    load(js, grown)
    tracks = grown.tracks()
    assert js("run.rank") != sorted(js("run.rank")), "the new position stands in the middle"
    for step in grown.steps:
        seen = js(
            "s => { const t = run.steps[s];"
            " return { rank: t.place.map(i => run.rank[i]), ids: t.place.map(i => t.ids[i]),"
            " row: t.queried.map(i => t.row[i]), masks: t.masks }; }",
            step.index,
        )
        assert seen["rank"] == tracks[step.index + 1].tolist()
        assert seen["ids"] == step.after.tolist()
        assert [k >= 0 for k in seen["row"]] == step.measured.tolist()
        assert seen["masks"] == grown.masks_left()[step.index + 1]


def test_room_that_opens_or_closes_is_told_in_words(js, grown):
    load(js, grown)
    said = js("run.steps.flatMap((_, s) => run.order.map(i => explain(run, s + 1, i)))")
    for sentence in (
        "2 masks stand here now. The model asked for room",
        "New room: it was opened in this step.",
        "This position is gone. The model closed the gap",
        "There is no such position at this step.",
    ):
        assert any(one.startswith(sentence) for one in said), sentence


@pytest.mark.parametrize("most", [MAX_CELLS, (5, 4), (3, 1)])
@pytest.mark.parametrize("kind", ["trace", "grown"])
@pytest.mark.parametrize("measure", ["confidence", "entropy", "commit"])
def test_the_page_fills_the_figures_with_the_numbers_python_would(js, request, kind, measure, most):
    trace = request.getfixturevalue(kind)
    load(js, trace)
    ours = heatmap_data(trace, measure, most)
    theirs = js(
        "([measure, most]) => JSON.parse(JSON.stringify(heatmapData(run, measure, most),"
        " (_, value) => ArrayBuffer.isView(value) ? [...value] : value))",
        [measure, most],
    )
    assert (theirs["shape"], theirs["merged"]) == (list(ours.shape), list(ours.merged))
    assert theirs["opening"] == ours.opening
    for part in ("measured", "held", "written"):
        assert len(theirs[part]) == len(getattr(ours, part))
        for row, other in zip(getattr(ours, part), theirs[part]):
            assert [x is None for x in row] == [x is None for x in other], part
            assert [x for x in row if x is not None] == pytest.approx([x for x in other if x is not None], abs=2e-4)
    assert js("MAX_CELLS") == list(MAX_CELLS)
    assert js("run.steps.map(s => s.masks)") == progress_data(trace).masks_left


def test_every_position_has_the_state_its_history_gives_it(js, trace):
    load(js, trace)
    commit = trace.commit_step()
    for at in range(len(trace.steps) + 1):
        views = js(
            "at => run.header.canvas.map((_, i) => { const v = tokenAt(run, at, i, Infinity);"
            " return { ...v, confidence: Number.isNaN(v.confidence) ? null : v.confidence }; })",
            at,
        )
        for i, view in enumerate(views):
            if i < 4:
                assert (view["state"], view["commit"], view["confidence"]) == ("fixed", -1, None)
            elif commit[i] < at:
                assert view["state"] == "committed"
                assert view["commit"] == commit[i]
                assert view["confidence"] == pytest.approx(float(trace.steps[commit[i]].confidence[i]), abs=1e-6)
            else:
                assert view["state"] == ("draft" if at else "masked")


def test_a_token_taken_back_or_rewritten_shows_as_such(js, trace):
    lines = [json.loads(line) for line in trace.lines[:3]]
    (first, token), (second, _) = lines[1]["write"]
    lines[2]["blank"] = [[first, MASK]]
    lines[2]["write"].append([second, (token + 1) % 40])
    js(
        "lines => { globalThis.run = emptyRun(); for (const line of lines) addLine(run, line); }",
        [json.dumps(line) for line in lines],
    )
    assert js("i => tokenAt(run, 2, i, Infinity).state", first) == "remasked"
    assert js("i => tokenAt(run, 2, i, Infinity).state", second) == "revised"
    assert "Taken back" in js("i => explain(run, 2, i)", first)


@pytest.mark.parametrize(
    ("rule", "policy", "params"),
    [
        (0, "llada", {"steps": 8}),
        (1, "threshold", {"threshold": 0.9}),
        (2, "eb", {"gamma": 0.1}),
        (3, "left_to_right", {"steps": 8}),
    ],
)
@pytest.mark.parametrize("gain", [4, 12, 40])
def test_what_another_rule_would_have_done_is_what_it_does(js, network, rule, policy, params, gain):
    canvas, windows = Canvas.from_prompt([1], 24, MASK), [(1, 13), (13, 25)]
    load(js, record(network(gain=gain), canvas, "llada", windows=windows, steps=8))
    told = js("otherRules(run, 1).map(other => [...other.writes].sort((a, b) => a - b))")
    theirs = record(network(gain=gain), canvas, policy, windows=windows, **params)
    assert told[rule] == theirs.steps[0].written.nonzero()[0].tolist()


@pytest.mark.parametrize(
    ("policy", "params"),
    [
        ("p2", {"num_steps": 8, "tau": 1.0}),
        ("wino", {"threshold": 0.03, "threshold_back": 0.9}),
        ("llada21", {"threshold": 0.3, "editing_threshold": 0.1, "temperature": 1.0}),
        ("remdm", {"steps": 10, "eta": 0.5}),
        ("remedi", {"steps": 6}),
    ],
)
def test_why_tells_what_became_of_every_position_of_a_run_that_revises(js, network, policy, params):
    trace = record(network(gain=3), Canvas.from_prompt([1], 24, MASK), policy=policy, **params)
    load(js, trace)
    said = js("run.steps.map((_, s) => run.order.map(i => explain(run, s + 1, i)))")
    revised = 0
    for step, sentences in zip(trace.steps, said):
        for i, sentence in enumerate(sentences):
            rewritten = step.written[i] and step.before[i] not in (MASK, step.after[i])
            start = (
                "Yours" if i == 0
                else "Taken back in this step" if step.blanked[i]
                else "Rewritten in this step" if rewritten
                else "Written in this step" if step.written[i]
                else ("Still a mask", "Written in step") if not step.measured[i] or step.after[i] == MASK
                else "Kept: it was written in step"
            )  # fmt: skip
            assert sentence.startswith(start), (step.index, i)
            revised += bool(rewritten or step.blanked[i])
    assert revised, "the run must revise for this to say anything"


def test_positions_behind_the_end_of_text_are_a_tail(js, network):
    canvas = Canvas.from_prompt([1, 2], 4, MASK)
    trace = record(network(), canvas, steps=4)
    lines = [json.loads(line) for line in trace.lines]
    lines[0]["model"]["stop"] = [stop := int(trace.steps[-1].after[3])]
    js(
        "lines => { globalThis.run = emptyRun(); for (const line of lines) addLine(run, line); }",
        [json.dumps(line) for line in lines],
    )
    states = js("run.header.canvas.map((_, i) => tokenAt(run, 4, i, firstStopAt(run, 4)).state)")
    end = trace.steps[-1].after.tolist().index(stop, 2)
    assert states[2:end] == ["committed"] * (end - 2)
    assert states[end:] == ["tail"] * (6 - end)


@pytest.mark.parametrize(
    ("policy", "params", "words"),
    [
        ("llada", {"steps": 3}, ["ranks", "quota is 4"]),
        ("llada", {"steps": 3, "remasking": "random"}, ["chance decides the order", "quota"]),
        ("threshold", {"threshold": 0.3}, ["confidence", "threshold is 0.3"]),
        ("eb", {"gamma": 0.5}, ["entropy", "bound of 0.5"]),
        ("mdlm", {"steps": 4}, ["chance alone"]),
        ("left_to_right", {"steps": 3}, ["reading order"]),
    ],
)
def test_why_names_the_rule_and_its_numbers(js, network, policy, params, words):
    trace = record(network(), Canvas.from_prompt([1], 12, MASK), policy=policy, **params)
    load(js, trace)
    at = next(s.index for s in trace.steps if s.written.any())
    written = int(trace.steps[at].written.argmax())
    sentence = js("([at, i]) => explain(run, at, i)", [at + 1, written])
    assert sentence.startswith("Written in this step.")
    for word in words:
        assert word in sentence
    assert "fixed" in js("explain(run, 1, 0)")


@pytest.mark.parametrize(
    ("policy", "params", "gain"),
    [(policy, params, gain) for canvas, policy, params in EVERY if make_policy(policy).for_masks for gain in (3, 12)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_page_gives_the_reason_that_python_gives(js, network, policy, params, gain):
    trace = record(network(gain=gain), Canvas.from_prompt([1], 20, MASK), policy=policy, **params)
    load(js, trace)
    for step, tracks in zip(trace.steps, trace.tracks()):
        said = js("([at, tracks]) => tracks.map(i => explain(run, at, i))", [step.index + 1, tracks.tolist()])
        for i in (step.measured & (step.reason != Reason.FIXED)).nonzero()[0]:
            assert why(step, i).removesuffix(".") in said[i], (step.index, i)


def test_a_caption_counts_what_a_draft_proposed_and_its_check_kept_as_the_rule_recorded_it(js):
    canvas = Canvas.from_prompt([1], 20, MASK)
    trace = record(both_orders(gain=3), canvas, "speculative", draft_length=5, temperature=1.0)
    load(js, trace)
    captions = js("run.steps.map((_, s) => narrate(run, s + 1))")
    for step, caption, left in zip(trace.steps, captions, trace.masks_left()[1:]):
        k, kept = int(step.info["drafted"]), step.info.get("kept")
        counts = f"drafted {k}" if kept is None else f"drafted {k}, kept {int(kept)}"
        assert caption.startswith(f"Step {step.index + 1}: {counts}, {left} left.")
        replaced = (step.reason == Reason.REPLACED).nonzero()[0]
        if len(replaced):
            assert caption.endswith(f"replaces another word. {why(step, replaced[0])}")
        said = js("at => run.order.map(i => explain(run, at, i))", step.index + 1)
        for i in step.measured.nonzero()[0]:
            assert why(step, i).removesuffix(".") in said[i], (step.index, i)
    assert sum("replaces another word" in caption for caption in captions) > 1


def test_a_word_is_drafted_accepted_or_replaced_as_the_rule_recorded_it_and_what_was_rejected_is_known(js):
    trace = record(both_orders(gain=3), Canvas.from_prompt([1], 20, MASK), "speculative", draft_length=5, temperature=1)
    load(js, trace)
    drawn, seen = {"drafted": Reason.DRAFTED, "accepted": Reason.ACCEPTED, "replaced": Reason.REPLACED}, set()
    for step in trace.steps:
        marks = js("at => run.order.map(i => draftAt(run, at, i))", step.index + 1)
        assert marks == [next((name for name in drawn if drawn[name] == code), "") for code in step.reason]
        seen |= set(marks)
        rejected = js("at => run.order.map(i => stateAfter(run, at - 1).ids[i])", step.index + 1)
        for i in (step.reason == Reason.REPLACED).nonzero()[0]:
            assert rejected[i] == step.before[i] != step.after[i]
    assert seen == {"", *drawn}
    assert not any(js("run.order.map(i => draftAt(run, 0, i))")), "before the first step there is no draft"


def test_a_reason_that_this_version_does_not_know_is_called_by_its_name(js, trace):
    js(
        "lines => { globalThis.run = emptyRun(); for (const line of lines) addLine(run, line); }",
        [trace.lines[0].replace('"quota"', '"luck"'), *trace.lines[1:]],
    )
    sentence = js("explain(run, 1, run.steps[0].write[0][0])")
    assert sentence.startswith(
        "Written in this step. Its reason is called luck, which this version does not know; next"
    )


def test_a_file_of_schema_1_says_that_reasons_were_not_recorded(js, trace):
    load(js, as_schema_1(trace))
    sentence = js("explain(run, 1, run.steps[0].write[0][0])")
    assert sentence.startswith("Written in this step. The reason was not recorded; next to")
    assert js("otherRules(run, 1)") == []
