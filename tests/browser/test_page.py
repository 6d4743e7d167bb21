"""What a visitor does on the page, and what must be true then."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect
from stand_ins import record

from dlm_core.canvas import Canvas
from dlm_core.trace import Trace

LONG = {"prompt": "The cat", "length": 200, "steps": 200, "block_length": 0}


def test_a_recorded_run_is_playing_within_three_seconds_of_opening(visitor):
    page = visitor.page
    visitor.go(visitor.url)
    visitor.wait("mode === 'recorded' && playing && step >= 2", timeout=20_000)
    seconds = page.evaluate("performance.now() / 1000")
    print(f"recorded run playing after {seconds:.2f} s")
    expect(page.locator("#player .mode")).to_have_text("recorded", ignore_case=True)
    expect(page.locator("#heatmap .main-svg").first).to_be_visible()


def test_every_step_of_a_live_run_reaches_the_page(shared):
    shared.generate(prompt="Once upon a time", length=96, steps=96)
    shared.wait("mode === 'live' && step > 0")
    shared.wait("mode === 'finished' && steps === 96", timeout=90_000)
    tokens = shared.page.locator("#player [data-pos]")
    trace = saved(shared)
    assert len(trace.steps) == 96
    assert tokens.count() == trace.length
    shared.page.locator("#player [data-role=scrubber]").fill("96")
    shared.wait("step === 96 && !playing")
    shown = shared.page.evaluate(
        "[...document.querySelectorAll('#player [data-pos]')]"
        ".map(t => [+t.dataset.tokenId, t.dataset.commitStep, t.dataset.confidence])"
    )
    assert [token for token, _, _ in shown] == trace.steps[-1].after.tolist()
    assert [int(step) if step else -1 for _, step, _ in shown] == trace.commit_step().tolist()
    for i in np.flatnonzero(~trace.fixed):
        assert float(shown[i][2]) == pytest.approx(float(trace.steps[trace.commit_step()[i]].confidence[i]), abs=1e-3)


def saved(visitor) -> Trace:
    with visitor.page.expect_download() as download:
        visitor.page.click("#player [data-role=keep] summary")
        visitor.page.click("#player [data-action=save]")
    return Trace.load(download.value.path())


def test_pausing_and_scrubbing_back_work_while_the_model_goes_on(shared):
    shared.generate(**LONG)
    shared.wait("mode === 'live' && step >= 3")
    shared.page.click("#player [data-action=pause]")
    held = shared.state()
    shared.wait(f"mode === 'live' && steps > {held['steps'] + 3}")
    assert shared.state()["step"] == held["step"]
    shared.page.locator("#player [data-role=scrubber]").fill("1")
    shared.wait("mode === 'live' && step === 1 && !playing")
    shared.page.click("#player [data-action=step-forward]")
    shared.wait("step === 2 && !playing")
    shared.page.click("#player [data-action=live]")
    shared.wait("step === steps && (playing || mode === 'finished')")
    shared.page.click("#stop")
    shared.wait("mode !== 'live'")


def test_stop_ends_the_model_and_keeps_the_run(shared):
    shared.generate(**LONG)
    shared.wait("mode === 'live' && steps >= 3")
    shared.page.click("#stop")
    shared.wait("mode === 'stopped'")
    assert 3 <= shared.state()["steps"] < 200
    trace = saved(shared)
    assert trace.totals["end"] == "stopped"
    assert len(trace.steps) == shared.state()["steps"]


def test_ctrl_enter_generates_from_anywhere(shared):
    shared.set(prompt="A", length=8, steps=5)
    shared.page.locator("#seed input").press("Control+Enter")
    shared.wait("mode === 'finished' && steps === 5")


def test_generate_waits_for_the_settings_of_the_link_that_opened_the_page(visitor):
    visitor.go(f"{visitor.url}?prompt=The+sun&policy=threshold&length=8&steps=5&seed=9")
    visitor.page.click("#generate")
    visitor.wait("mode === 'finished'")
    header = saved(visitor).header
    assert (header["prompt"], header["policy"]["name"], header["policy"]["steps"], header["seed"]) == (
        "The sun",
        "threshold",
        5,
        9,
    )
    visitor.set(seed=10)
    visitor.page.locator("#prompt textarea").press("Enter")
    visitor.wait("mode === 'finished'")
    expect(visitor.page.locator("#player [data-slot=source]")).to_contain_text("seed 10")


ODD = [
    "<img src=x onerror=alert(1)>",
    "${alert(1)} {{x}}",
    "``` *a* # b",
    "👩‍👩‍👧 é",
    "مرحبا بالعالم",
    "你好世界",
    "[MASK] [EOS]",
    "</script><script>alert(1)</script>",
]


@pytest.mark.parametrize("prompt", ODD)
def test_a_prompt_is_shown_as_typed(shared, prompt):
    shared.run(prompt=prompt, length=8, steps=2)
    fixed = shared.page.evaluate(
        "[...document.querySelectorAll('#player [data-state=fixed]')].map(t => t.textContent).join('')"
    )
    assert fixed.removeprefix(" ") == prompt
    assert shared.page.locator("#player .tokens :not([data-pos])").count() == 0


def test_model_text_that_looks_like_markup_stays_text(shared, network, tmp_path):
    trace = record(network(), Canvas.from_prompt([1, 2], 6, 47), steps=3)
    lines = [json.loads(line) for line in trace.lines]
    for line in lines:
        line["pieces"] = {token: '<img src=x onerror="alert(1)">${alert(2)}' for token in line.get("pieces", {})}
    file = tmp_path / "evil.run.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    upload(shared, file)
    shared.wait("mode === 'recorded' && steps === 3")
    shared.page.locator("#player [data-pos='3']").hover()
    shared.page.mouse.move(*cell(shared.page, 0.5, 0.7))
    expect(shared.page.locator("#player .tip")).to_contain_text("<img src=x")
    assert shared.page.locator("#player img").count() == 0


def test_a_run_that_may_stop_early_says_how_near_it_is_in_each_step(shared, network, tmp_path):
    trace = record(network(), Canvas.from_prompt([1, 2], 6, 47), steps=3)
    lines = [json.loads(line) for line in trace.lines]
    for line, gap in zip(lines[1:], (0.5, 2, 5)):
        line["info"] = {"gap": gap, "exit": 5}
    file = tmp_path / "near.run.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    upload(shared, file)
    shared.wait("mode === 'recorded' && steps === 3 && step === 3")
    near = shared.page.locator("#player [data-slot=near]")
    expect(near).to_contain_text("Gap 5.00, at 5.00 it is taken.")
    shared.page.click("#player [data-action=step-back]")
    expect(near).to_contain_text("Gap 2.00, at 5.00")


def cell(page, x: float, y: float) -> tuple[float, float]:
    """Where on screen a share of the heatmap's width and height lies."""
    steps = page.locator("#player [data-mode]").get_attribute("data-steps")
    expect(page.locator(f"#heatmap[data-steps='{steps}'] .main-svg").first).to_be_visible()
    page.locator("#heatmap").scroll_into_view_if_needed()
    box = page.locator("#heatmap").bounding_box()
    return box["x"] + box["width"] * x, box["y"] + box["height"] * y


def upload(visitor, file: Path) -> None:
    visitor.page.locator("input[type=file]").set_input_files(file)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"steps": 0}, "steps must be between 1 and 96, got 0."),
        ({"steps": 500}, "steps must be between 1 and 96, got 500."),
        ({"length": 0}, "length must be between 1 and 255, got 0."),
        ({"length": 5000}, "length must be between 1 and 255, got 5000."),
        ({"temperature": -1}, "temperature must be 0 or more, got -1."),
        ({"block_length": 7}, re.compile(r"block length must divide the length 96 \(one of 1, 2, .*, 96\), got 7\.")),
        ({"prompt": "dog " * 300}, re.compile("the prompt and the length must fit the model's 256 positions")),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_sentence_and_the_run_stays(shared, values, sentence):
    positions = shared.page.locator("#player [data-pos]")
    before, shown = shared.state()["steps"], positions.count()
    shared.generate(**{"prompt": "A", "length": 96, "steps": 96, "temperature": 0.5, "block_length": 0} | values)
    shared.wait("mode === 'error'")
    expect(shared.page.locator("#player [role=alert]")).to_have_text(sentence)
    assert shared.state()["steps"] == before
    assert positions.count() == shown
    shared.generate(prompt="A", length=8, steps=4, temperature=0.5, block_length=0)
    shared.wait("mode === 'finished' && steps === 4")
    expect(shared.page.locator("#player [role=alert]")).to_be_hidden()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"hello", "it has no whole first line"),
        (b"\xff\xff\n", "line 1 of the run file is not UTF-8 text"),
        (b"{}\n", "not an Unmask run file"),
        (b"\x1f\x8bjunkjunk", "compression is damaged"),
        (b'{"unmask": 99}\n', "schema 99"),
    ],
)
def test_a_file_that_is_no_run_is_refused_and_the_run_stays(shared, data, sentence, tmp_path):
    before = shared.state()["steps"]
    (tmp_path / "x.run.jsonl.gz").write_bytes(data)
    upload(shared, tmp_path / "x.run.jsonl.gz")
    expect(shared.page.locator("#player [role=alert]")).to_contain_text(sentence)
    assert shared.state() | {"mode": "error", "steps": before} == shared.state()


def test_a_run_from_the_command_line_opens_in_the_page_cut_off_or_whole(shared, trace, tmp_path):
    trace.save(tmp_path / "a.run.jsonl.gz")
    upload(shared, tmp_path / "a.run.jsonl.gz")
    shared.wait("mode === 'recorded' && steps === 6")
    (tmp_path / "b.run.jsonl").write_text("\n".join(trace.lines)[:-300], encoding="utf-8")
    upload(shared, tmp_path / "b.run.jsonl")
    shared.wait("mode === 'recorded' && steps > 0 && steps < 6")
    expect(shared.page.locator("#player [role=alert]")).to_contain_text("cut off")


def test_hovering_a_token_lights_its_row_and_tells_the_five_likeliest(watcher):
    page = watcher.page
    page.click("#player [data-action=pause]")
    page.locator("#player [data-role=scrubber]").fill("5")
    watcher.wait("step === 5")
    expect(page.locator("#heatmap .main-svg").first).to_be_visible()
    page.locator("#player [data-state=draft]").first.hover()
    expect(page.locator("#player .inspector .alternative").nth(4)).to_be_visible()
    expect(page.locator("#player .inspector .why")).to_contain_text("Still a mask")
    expect(page.locator("#player .row-light")).to_be_visible()


def test_the_heatmap_tells_a_cell_and_a_click_moves_the_playhead_there(watcher):
    page = watcher.page
    page.click("#player [data-action=pause]")
    spot = cell(page, 0.3, 0.78)  # no word that was pinned
    page.mouse.move(*spot)
    tip = page.locator("#player .tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("confidence")
    expect(tip).to_contain_text("nats")
    expect(tip.locator(".alternative").nth(4)).to_be_visible()
    step = int(re.search(r"step (\d+)", tip.inner_text()).group(1))
    page.mouse.click(*spot)
    watcher.wait(f"step === {step} && !playing")


def test_the_heatmap_can_show_entropy_and_the_commit_step(watcher):
    for name in ("entropy", "commit", "confidence"):
        watcher.page.click(f"#player [data-measure={name}]")
        expect(watcher.page.locator(f"#player [data-measure={name}]")).to_have_attribute("aria-pressed", "true")
    expect(watcher.page.locator("#player .scale")).to_contain_text("confidence")


def test_the_whole_transport_works_by_keyboard(watcher):
    page = watcher.page
    page.locator("#player .player").focus()
    page.keyboard.press("End")
    watcher.wait("step === steps && !playing")
    page.keyboard.press("ArrowLeft")
    watcher.wait("step === steps - 1")
    page.keyboard.press("Home")
    watcher.wait("step === 0 && !playing")
    page.keyboard.press("ArrowRight")
    watcher.wait("step === 1")
    page.keyboard.press(" ")
    watcher.wait("playing && step > 1")
    page.keyboard.press(" ")
    watcher.wait("!playing")


def test_playback_stops_at_the_end_and_starts_over_on_play(watcher):
    watcher.page.locator("#player [data-role=speed]").select_option("16")
    watcher.wait("step === steps && !playing")
    watcher.page.locator("#player [data-role=speed]").select_option("1")
    watcher.page.click("#player [data-action=play]")
    watcher.wait("playing && step < steps")


def test_a_policy_shows_the_parameters_it_has_and_no_others(visitor):
    page = visitor.page
    expect(page.locator("#threshold")).to_have_count(0)
    visitor.choose("policy", "Everything sure enough (Fast-dLLM)")
    expect(page.locator("#threshold input")).to_be_visible()
    expect(page.locator("#remasking")).to_have_count(0)
    expect(page.locator("#steps input")).to_have_value("")  # it needs none
    visitor.generate(prompt="The cat", length=16, steps=16, threshold=0.5)
    visitor.wait("mode === 'finished'")
    header = saved(visitor).header
    assert header["policy"] == {
        "name": "threshold",
        "threshold": 0.5,
        "steps": 16,
        "temperature": 0.7,
        "draws": "positions",
        "left_open": False,
    }


def test_parameters_that_few_set_are_folded_away_and_count(visitor):
    page = visitor.page
    expect(page.locator("#cache")).to_be_hidden()
    visitor.choose("policy", "By the clock (Dream)")
    expect(page.locator("#top-k input")).to_be_hidden()
    page.locator("#more > button").click()
    expect(page.locator("#top-p input")).to_have_value("1")
    visitor.generate(prompt="The cat", length=16, steps=8, top_k=3)
    visitor.wait("mode === 'finished'")
    policy = saved(visitor).header["policy"]
    assert (policy["top_k"], policy["top_p"], policy["alg_temp"], policy["eps"]) == (3, 1, 0, 0.001)


def test_two_visitors_take_turns_and_the_second_is_told(visit):
    first, second = visit(), visit()
    for visitor in (first, second):
        visitor.open()
    first.generate(**LONG)
    first.wait("mode === 'live' && steps >= 1")
    second.generate(prompt="B", length=8, steps=2)
    expect(second.page.locator("#player [role=alert]")).to_contain_text("1 ahead of you")
    first.page.click("#stop")
    second.wait("mode === 'finished' && steps === 2")
    expect(second.page.locator("#player [role=alert]")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_player_transport_and_heatmap_without_sideways_scrolling(visit, scheme):
    visitor = visit(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    page = visitor.open()
    expect(page.locator("#heatmap .main-svg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in ("#prompt", "#generate", "#player .tokens", "#player [data-role=scrubber]", "#heatmap"):
        box = page.locator(part).bounding_box()
        assert box["x"] >= 0, part
        assert box["x"] + box["width"] <= 390, part
    assert visitor.complaints == []


def test_dark_mode_repaints_the_player(visit):
    papers = []
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme).open()
        papers.append(page.evaluate("getComputedStyle(document.querySelector('#player .card')).backgroundColor"))
    assert papers == ["rgb(255, 255, 255)", "rgb(27, 30, 33)"]


def test_reduced_motion_opens_on_the_finished_text_and_moves_nothing(visit):
    visitor = visit(reduced_motion="reduce")
    visitor.open()
    visitor.wait("step === steps && !playing")


def test_the_text_does_not_jump_while_a_finished_run_plays(watcher):
    page = watcher.page
    page.click("#player [data-action=pause]")
    places = []
    for step in (1, 12, 24, 36):
        page.locator("#player [data-role=scrubber]").fill(str(step))
        watcher.wait(f"step === {step}")
        places.append(
            page.evaluate(
                "[...document.querySelectorAll('#player [data-pos]')]"
                ".map(t => { const b = t.getBoundingClientRect(); return [Math.round(b.left), Math.round(b.top)]; })"
            )
        )
    for other in places[1:]:
        moved = [i for i, (a, b) in enumerate(zip(places[0], other)) if abs(a[0] - b[0]) > 2 or abs(a[1] - b[1]) > 6]
        assert moved == []


def test_the_api_yields_one_dict_a_step(server):
    from gradio_client import Client

    client = Client(server.url, verbose=False)
    steps = list(client.submit("The cat", "llada", 4, 16, None, 0.7, 1, api_name="/denoise"))
    client.close()
    assert [step["index"] for step in steps] == [0, 1, 2, 3]
    assert steps[-1]["masks_left"] == 0
    assert sum(len(step["written"]) for step in steps) == 16
    assert {one["reason"] for step in steps for one in step["written"]} == {"quota"}
    assert steps[-1]["text"].startswith("The cat")


def test_a_model_that_cannot_be_loaded_leaves_the_page_alive_and_says_why(browser):
    from visitor import Server, Visitor

    server = Server(UNMASK_MODEL="/nowhere/model")
    try:
        visitor = Visitor(browser, server.url)
        visitor.open()
        visitor.wait("mode === 'recorded' && step > 0")
        visitor.generate(prompt="A")
        visitor.wait("mode === 'error'")
        expect(visitor.page.locator("#player [role=alert]")).to_contain_text("was not found")
        visitor.context.close()
    finally:
        server.close()


def test_a_cache_is_chosen_on_the_page_and_the_run_says_that_it_approximates(visitor):
    page = visitor.page
    page.locator("#more > button").click()
    expect(page.locator("#cache")).to_contain_text("approximate")
    visitor.choose("cache", "dual")
    visitor.generate(steps=8, length=32, block_length=8)
    visitor.wait("mode === 'finished' && steps === 8")
    told = page.evaluate("import('unmask').then(({ shownRun }) => shownRun().header.cache)")
    assert told == {"kind": "dual", "approximate": True}


def test_a_word_that_is_chosen_does_not_stop_the_player_while_another_tab_is_open(watcher):
    page = watcher.page
    page.locator("#player [data-pos]").nth(20).click()
    expect(page.locator("#player [data-slot=inspector]")).to_be_visible()
    page.evaluate("location.hash = '#puzzle'")  # as Back and links do: a click elsewhere would close the box
    expect(page.locator("#tab-puzzle-button")).to_have_attribute("aria-selected", "true")
    page.evaluate("document.querySelector('#player [data-action=restart]').click()")
    page.evaluate("location.hash = ''")
    page.click("#player [data-action=play]")
    watcher.wait("playing && step > 0")
