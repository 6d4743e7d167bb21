"""Keeping, sharing and finding runs again, in the page, in the static site, and from code."""

import base64
import json
import subprocess
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect
from visitor import Visitor

from dlm_core.__main__ import main
from dlm_core.engine import LocalEngine, Request
from dlm_core.gallery import RECIPES, cards, file_of
from dlm_core.trace import Trace
from dlm_core.ui.code import snippets
from dlm_core.words import english, languages

SHORT = {"prompt": "<b>The cat</b>", "length": 8, "steps": 4, "seed": 5}
ROUNDED = 2**53 + 1  # which is 2**53 for JavaScript
SIZE = """async (film) => {
  const video = document.createElement("video");
  video.src = URL.createObjectURL(new Blob([Uint8Array.from(atob(film), (byte) => byte.charCodeAt(0))]));
  await new Promise((done, failed) => { video.onloadedmetadata = done; video.onerror = failed; });
  return [video.videoWidth, video.videoHeight];
}"""
MENU = "#player [data-role=keep] summary"


def kept(visitor, action, stem="unmask-llada-seed5"):
    visitor.page.click(MENU)
    with visitor.page.expect_download() as download:
        visitor.page.click(f"#player [data-action={action}]")
    name, path = download.value.suggested_filename, download.value.path()
    assert name.startswith(stem)
    return path


def test_a_run_is_kept_as_file_pictures_and_film(shared):
    shared.run(**SHORT)
    expect(shared.page.locator("#heatmap[data-steps='4']")).to_be_visible()
    trace = Trace.load(kept(shared, "save"))
    assert len(trace.steps) == 4
    assert kept(shared, "save-png").read_bytes()[:4] == b"\x89PNG"
    assert kept(shared, "save-svg").read_text(encoding="utf-8").startswith("<svg")
    film = kept(shared, "save-film").read_bytes()
    assert film[:4] == b"\x1a\x45\xdf\xa3", "the mark of Matroska and WebM"
    assert shared.page.evaluate(SIZE, base64.b64encode(film).decode()) == [1080, 1080]


def test_a_kept_page_replays_from_disk_and_can_be_kept_again(shared, browser, tmp_path):
    shared.run(**SHORT)
    source = shared
    for number in range(2):
        copy = tmp_path / f"{number}.html"
        copy.write_bytes(kept(source, "save-page").read_bytes())
        source = Visitor(browser, copy.as_uri())
        source.open()
        source.wait("mode === 'recorded' && steps === 4")
        text = source.page.locator("#player [data-state=fixed]").all_inner_texts()
        assert "<b>The cat</b>" in "".join(text)
        assert source.page.locator("#player b b").count() == 0
        expect(source.page.locator("#heatmap[data-steps='4']")).to_be_visible()
        assert source.complaints == []


def test_a_link_repeats_the_run_and_says_if_the_model_differs(visit):
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    visitor.open()
    visitor.generate(**SHORT)
    visitor.wait("mode === 'finished'")
    visitor.page.click(MENU)
    visitor.page.click("#player [data-action=copy-link]")
    expect(visitor.page.locator("#player [role=status]")).to_contain_text("Link copied")
    link = visitor.page.evaluate("navigator.clipboard.readText()")
    assert parse_qs(urlsplit(link).query)["length"] == ["8"]
    first = Trace.load(kept(visitor, "save"))
    visitor.go(link.replace("run=1", "run=0"))  # nothing runs: what plays came with the link
    visitor.wait("mode === 'recorded' && steps === 4 && step === 4")
    expect(visitor.page.locator("#player .tokens")).to_contain_text("<b>The")
    visitor.go(link.partition("#")[0].replace("&run=1", "") + "#run=aaaa")
    expect(visitor.page.locator("#player [role=alert]")).to_contain_text("The run in this link cannot be read")
    visitor.wait("mode === 'recorded' && steps === 64")
    visitor.go(link)
    visitor.wait("mode === 'finished' && steps === 4")
    assert Trace.load(kept(visitor, "save")).totals["text"] == first.totals["text"]
    visitor.go(link.replace("revision=", "revision=0"))
    expect(visitor.page.locator("#player [role=alert]")).to_contain_text("another text")
    visitor.wait("mode === 'recorded'")
    expect(visitor.page.locator("#length input")).to_have_value("8")


def test_a_wrong_link_is_a_sentence_and_the_page_keeps_its_values(visit):
    visitor = visit()
    visitor.go(visitor.url + "/?length=minus&policy=threshold&threshold=0.5")
    expect(visitor.page.locator("#player [role=alert]")).to_contain_text("length cannot be minus")
    expect(visitor.page.locator("#length input")).to_have_value("96")
    expect(visitor.page.locator("#threshold input")).to_have_value("0.5")
    assert visitor.state()["mode"] == "recorded"


def test_runs_are_found_again_dropped_compared_and_deleted(visitor):
    page = visitor.page
    visitor.generate(**SHORT)
    visitor.wait("mode === 'finished'")
    page.click("#tab-runs-button")
    expect(page.locator("#runs .kept-list li")).to_contain_text("llada, seed 5: <b>The cat</b>")
    page.set_input_files("#runs [data-role=file]", [file_of("too-few")])
    visitor.wait("mode === 'recorded' && steps === 6")
    page.click("#tab-runs-button")
    expect(page.locator("#runs .kept-list li")).to_have_count(2)
    for wrong, sentence in (
        (b"hello\n", "not JSON"),
        (b'{"unmask": 1, "canvas": [1], "fixed": []}\n', "its header breaks"),
    ):
        page.set_input_files("#runs [data-role=file]", [{"name": "x", "mimeType": "", "buffer": wrong}])
        expect(page.locator("#runs [role=alert]")).to_contain_text(sentence)
    dropped = page.evaluate_handle(
        """(bytes) => { const all = new DataTransfer(), file = new File([new Uint8Array(bytes)], "x.run.jsonl.gz");
                       all.items.add(file); return all; }""",
        list(file_of("remasking").read_bytes()),
    )
    for kind in ("dragover", "drop"):
        page.dispatch_event("#runs .gallery", kind, {"dataTransfer": dropped})
    visitor.wait("mode === 'recorded' && steps === 40")
    page.click("#tab-runs-button")
    expect(page.locator("#runs .kept-list li")).to_have_count(3)
    page.check("#runs .kept-list li:nth-child(1) input")
    page.check("#runs .gallery article:nth-child(1) input")
    page.click("#runs [data-action=compare]")
    expect(page.locator("#compare .pane")).to_have_count(2)
    expect(page.locator("#compare tbody tr")).to_have_count(2)
    page.click("#tab-runs-button")
    page.click("#runs [data-action=forget]")
    expect(page.locator("#runs .kept-list li.empty")).to_contain_text("are kept here")


def test_the_cards_of_recorded_runs_show_heatmap_and_beginning_and_say_what_to_look_for_while_one_plays(shared):
    page = shared.page
    page.click("#tab-runs-button")
    cards = page.locator("#runs article")
    expect(cards).to_have_count(len(RECIPES))
    for name, card in zip(RECIPES, cards.all()):
        run = Trace.load(file_of(name))
        begins = run.totals["text"].removeprefix(run.header["prompt"]).strip()[:40].rstrip()
        expect(card.locator(".excerpt")).to_contain_text("" if "columns" in run.header["model"] else begins)
        colours = card.locator("canvas").evaluate(
            "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
        )
        assert colours > 4, name
    cards.nth(list(RECIPES).index("blocks")).locator(".title").click()
    shared.wait("mode === 'recorded' && steps === 64 && step < steps")
    expect(page.locator("#player [data-slot=verdict]")).to_have_text(english("runs.recorded.blocks.about"))
    assert page.evaluate("scrollY") == 0


def test_the_static_site_plays_every_run_from_disk_without_python(browser, tmp_path):
    assert main(["site", str(tmp_path)]) == 0
    visitor = Visitor(browser, (tmp_path / "index.html").as_uri())
    page = visitor.open()
    assert page.locator("#runs article").count() == len(RECIPES)
    expect(page.locator("#runs .choose").first).to_be_hidden()  # there is nothing here to compare with
    for number, card in enumerate(cards()):
        page.locator("#runs article .title").nth(number).click()
        visitor.wait(f"mode === 'recorded' && steps === {len(card['numbers']['writes'])}")
    page.click("#language button[lang=zh-CN]")
    expect(page.locator("#masthead p")).to_have_text(languages()["zh-CN"]["replay.site_tagline"])
    assert visitor.complaints == []
    assert visitor.outside == []
    visitor.context.close()


def test_the_snippets_run_as_they_stand(server, shared, bundled):
    params = {"threshold": 0.4, "steps": 8, "temperature": 2.0}
    request = Request('It\'s "a" <cat> $HOME', "threshold", 8, None, ROUNDED, params)
    python, curl, javascript = snippets(server.url, request)
    printed = []
    exec(python, {"print": lambda *values: printed.append(values)})
    said = subprocess.run(["bash", "-c", curl], capture_output=True, encoding="utf-8", timeout=60, check=True).stdout
    streamed = [json.loads(line[6:])[0] for line in said.split("\n") if line.startswith("data: [")]
    steps = shared.page.evaluate(f"async () => {{ {javascript} return steps; }}")
    for own in (streamed, steps):
        unique = {step["index"]: step["text"] for step in own}
        assert list(unique.items()) == printed
    assert printed[-1][1].startswith(request.prompt)
    other = LocalEngine(bundled).run(replace(request, seed=ROUNDED - 1))
    assert printed[-1][1] != Trace.parse("".join(other).encode()).text(), "the seed that JavaScript makes of it"


def test_a_seed_that_javascript_would_round_goes_through_the_page_as_it_is(visit):
    visitor, seed = visit(permissions=["clipboard-read", "clipboard-write"]), str(ROUNDED)
    page = visitor.open(f"?prompt=A&length=8&steps=4&temperature=1&seed={seed}&run=1")
    visitor.wait("mode === 'finished' && steps === 4")
    expect(page.locator("#seed input")).to_have_value(seed)
    expect(page.locator("#player [data-slot=source]")).to_contain_text(f"seed {seed}")
    page.click("#code button")
    expect(page.locator("#code-python")).to_contain_text(f"'seed': {seed},")
    page.click(MENU)
    page.click("#player [data-action=copy-link]")
    query = page.evaluate("navigator.clipboard.readText()").partition("?")[2]
    assert parse_qs(query)["seed"] == [seed]
    first = Trace.load(kept(visitor, "save", f"unmask-llada-seed{seed}"))
    page.click("#player [data-action=step-back]")
    page.click("#player [data-action=resume]")
    expect(page.locator("#branches li")).to_have_count(2)
    visitor.wait("mode === 'finished'")
    branch = Trace.load(kept(visitor, "save", f"unmask-llada-seed{seed}"))
    assert {first.header["seed"], branch.header["seed"], branch.header["branch"]["seed"]} == {ROUNDED}
    page.click("#tab-runs-button")
    expect(page.locator("#runs .kept-list li").first).to_contain_text(f"seed {seed}")


def test_the_disclosure_holds_what_the_controls_show(shared):
    shared.set(prompt="A bird", length=12)
    shared.page.click("#code button")
    expect(shared.page.locator("#code-python")).to_contain_text("'prompt': 'A bird'")
    expect(shared.page.locator("#code-python")).to_contain_text("'length': 12")


def test_a_program_gets_text_summary_and_run_file(server):
    from gradio_client import Client

    client = Client(server.url, verbose=False)
    text, summary, run = client.predict("The cat", "llada", 4, 8, 0.7, 1, api_name="/write")
    client.close()
    assert "4 forwards" in summary
    assert Trace.load(run).text() == text
