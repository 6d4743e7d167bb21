"""The page behind a proxy that shows it below a path, served from a folder whose name means something elsewhere."""

import re
import shutil

import pytest
from mounted import Mounted
from playwright.sync_api import expect
from stand_ins import ODD
from visitor import ROOT, Server, Visitor


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The page's server in an odd folder, with an odd folder for what it writes."""
    folder = tmp_path_factory.mktemp("elsewhere") / ODD / "unmask"
    for part in ("dlm_core", "assets"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", folder)
    (folder.parent / "tmp").mkdir()
    server = Server(folder=folder, GRADIO_ROOT_PATH="/un/mask", TMPDIR=str(folder.parent / "tmp"))
    yield server
    server.close()


@pytest.fixture(params=["stripped", "kept"])
def proxy(request, elsewhere):
    proxy = Mounted(elsewhere.port, "/un/mask", strip=request.param == "stripped")
    yield proxy
    proxy.close()


def test_everything_a_page_asks_for_lies_below_its_own_path(proxy, browser, trace, tmp_path):
    visitor = Visitor(browser, proxy.url)
    page = visitor.open("/")
    expect(page.locator("#heatmap .main-svg").first).to_be_visible()
    visitor.generate(prompt="A cat", length=8, steps=4)
    visitor.wait("mode === 'finished' && steps === 4")
    page.locator("#code > button").click()
    for language in ("python", "shell", "javascript"):
        page.locator("#programs").get_by_role(
            "button", name=re.compile({"shell": "curl"}.get(language, language), re.I)
        ).click()
        expect(page.locator(f"#code-{language}")).to_contain_text(proxy.url)
    page.locator("#player summary").first.click()
    with page.expect_download() as kept:
        page.locator("#player [data-action=save-page]").click()
    assert "A cat" in kept.value.path().read_text(encoding="utf-8")
    page.locator("#tab-runs-button").click()
    page.locator("#runs button.title").first.click()
    visitor.wait("mode === 'recorded' && steps > 6")
    trace.save(tmp_path / f"{ODD}.run.jsonl.gz")
    page.locator("#open-run input, input[type=file]").first.set_input_files(tmp_path / f"{ODD}.run.jsonl.gz")
    visitor.wait("mode === 'recorded' && steps === 6")
    visitor.context.close()
    assert proxy.outside == []
    assert visitor.complaints == []
