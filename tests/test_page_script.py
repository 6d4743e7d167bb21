"""The page's script is one file that browsers keep, named in the head of the front page."""

import asyncio
import gzip
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from dlm_core.ui.compat.early import KeptFile, LinkCard, PageScriptMiddleware

SCRIPT = "export const mount = 'née';\n"


async def front(_):
    return HTMLResponse("<!doctype html><html><head><title>é</title></head></html>")


async def other(_):
    return HTMLResponse("<head></head>")


@pytest.fixture
def client():
    middleware = [Middleware(PageScriptMiddleware, script=SCRIPT)]
    return TestClient(Starlette(routes=[Route("/", front), Route("/other", other)], middleware=middleware))


def address(page):
    return re.search(r'"unmask": "\.(/unmask-[0-9a-f]{16}\.js)"', page.text)[1]


def test_the_front_page_names_the_script_before_anything_else(client):
    page = client.get("/")
    assert page.text.index("importmap") < page.text.index('import "unmask"') < page.text.index("<title>é")
    assert client.get("/other").text == "<head></head>"


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_page_and_script_are_compressed_for_whoever_can_read_it(client, encoding):
    for path in ("/", address(client.get("/"))):
        with client.stream("GET", path, headers={"accept-encoding": encoding}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers.get("content-encoding", "identity") == encoding
        assert int(answer.headers["content-length"]) == len(raw)
        assert answer.headers["vary"] == "Accept-Encoding"
        text = (gzip.decompress(raw) if encoding == "gzip" else raw).decode()
        assert text == SCRIPT or "<title>é" in text


def test_a_browser_may_keep_the_script_for_ever_since_another_one_has_another_address(client):
    answer = client.get(address(client.get("/")))
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert PageScriptMiddleware(None, SCRIPT).path != PageScriptMiddleware(None, f"{SCRIPT} ").path
    assert client.get("/unmask-0000000000000000.js").status_code == 404


@pytest.mark.parametrize("root", ["/unmask", "/a/b", "/unmask-0"])
@pytest.mark.parametrize("stripped", [True, False])
def test_page_and_script_are_found_below_a_root_whether_a_proxy_takes_it_off_or_not(root, stripped):
    sent = []

    async def app(scope, receive, send):
        sent.append(scope["path"])

    async def send(message):
        sent.append(message.get("status"))

    page = PageScriptMiddleware(app, SCRIPT)
    path = page.path if stripped else root + page.path
    scope = {"type": "http", "method": "GET", "path": path, "root_path": root, "headers": []}
    with ThreadPoolExecutor(1) as apart:  # where a browser is open in this process, its loop has the main thread
        apart.submit(asyncio.run, page(scope, None, send)).result()
    assert sent == [200, None]


CARD = LinkCard("Un<mask>", 'a "sentence"', KeptFile("card", b"PNG", "png"))


@pytest.mark.parametrize(
    ("headers", "page"),
    [
        ({}, "http://testserver/"),
        ({"x-forwarded-proto": "https", "x-forwarded-host": "unmask.example"}, "https://unmask.example/"),
    ],
)
def test_a_link_to_the_page_shows_its_own_title_and_picture_and_nothing_of_gradios(headers, page):
    template = (Path(gr.__file__).parent / "templates/frontend/index.html").read_text(encoding="utf-8")

    async def gradios(_):
        return HTMLResponse(template)

    middleware = [Middleware(PageScriptMiddleware, script=SCRIPT, card=CARD)]
    client = TestClient(Starlette(routes=[Route("/", gradios)], middleware=middleware))
    assert 'property="og:title" content="Gradio"' in template
    front = client.get("/", headers=headers).text
    tags = dict(re.findall(r'<meta\s+property="(og:\w+)"\s+content="([^"]*)"', front))
    assert tags["og:title"] == "Un&lt;mask&gt;"
    assert tags["og:description"] == "a &quot;sentence&quot;"
    assert tags["og:image"] == page.rstrip("/") + CARD.picture.path
    assert front.count('property="og:title"') == 1
    picture = client.get(CARD.picture.path)
    assert (picture.content, picture.headers["content-type"]) == (b"PNG", "image/png")
