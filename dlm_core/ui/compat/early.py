"""What Gradio has no place for at the start of a visit: script, Plotly, opening run, first paint, and how a link looks.

Gradio runs what `launch(head=...)` names only after it has chosen its language, and offers no earlier place: so the
front page names the script at the beginning of its head.  Its address holds a digest of its content, so a browser may
keep it for ever: a new version has a new address.  Plotly is served alike: Gradio gives a file an address that says
nothing of its content, so a browser asks again for a megabyte and a half.  What a chat or a feed shows of a link
(Open Graph) Gradio fills with its own name and no picture.

For Gradio 6.31; `tests/test_page_script.py` fails where another version serves its front page otherwise.
"""

import asyncio
import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cached_property
from html import escape
from typing import Any, NamedTuple

_OPEN_GRAPH = re.compile(rb'<meta\s[^>]*?(?:property="og:|name="twitter:)[^>]*>')
_BODY = re.compile(rb"<body\b[^>]*>")
_FOR_EVER = b"public, max-age=31536000, immutable"
_KINDS = {
    "js": b"text/javascript; charset=utf-8", "jsonl": b"application/x-ndjson; charset=utf-8", "png": b"image/png"
}  # fmt: skip


class KeptFile:
    """A file that never changes under its address, and its compressed form, made when it is first asked for."""

    def __init__(self, name: str, content: bytes, ending: str = "js") -> None:
        self.content = content
        self.path = f"/{name}-{hashlib.sha256(content).hexdigest()[:16]}.{ending}"
        self._kind = _KINDS[ending]

    @cached_property
    def packed(self) -> bytes:
        """The file in gzip's form."""
        return gzip.compress(self.content, mtime=0)

    async def serve(self, scope: dict[str, Any], send: Any) -> None:
        """Answer a request for it."""
        packed = _takes_gzip(scope)
        body = await asyncio.to_thread(lambda: self.packed) if packed else self.content
        headers = [
            (b"content-type", self._kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", _FOR_EVER),
            (b"vary", b"Accept-Encoding"),
        ]
        if packed:
            headers.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class LinkCard(NamedTuple):
    """What a chat or a feed shows of a link to the page: a title, a sentence, and a picture of 1200 by 630 pixels."""

    title: str
    about: str
    picture: KeptFile

    def tags(self, page: str) -> bytes:
        """Return the Open Graph tags of the page at the address `page`."""
        texts = {
            "og:title": self.title, "og:description": self.about, "og:type": "website", "og:url": page,
            "og:image": page.rstrip("/") + self.picture.path,
        }  # fmt: skip
        lines = [f'<meta property="{name}" content="{escape(text)}" />' for name, text in texts.items()]
        return "".join([*lines, '<meta name="twitter:card" content="summary_large_image" />']).encode()


class PageScriptMiddleware:
    """ASGI middleware: serve `script` as the module "unmask", name it in the head of the front page; serve `others`.

    Those in `early` are fetched as soon as the head is read, after what the page cannot be painted without.  `paint` is
    markup that is seen until Gradio has mounted.  `card` says how a link to the page looks.  The front page is
    compressed too, which Gradio leaves out because its address has no ending.
    """

    def __init__(
        self, app: Any, script: str, others: Sequence[KeptFile] = (), early: Sequence[KeptFile] = (),
        paint: str = "", card: LinkCard | None = None,
    ) -> None:  # fmt: skip
        self._app = app
        own = KeptFile("unmask", script.encode())
        self.path = own.path
        self._scripts = {one.path: one for one in (own, *others, *early, *([card.picture] if card else []))}
        self._card = card
        modules = json.dumps({"imports": {"unmask": f".{self.path}"}})
        begin = f'<script type="importmap">{modules}</script><script type="module">import "unmask";</script>'
        fetched = [
            f'<link rel="preload" as="fetch" fetchpriority="low" crossorigin href=".{one.path}">' for one in early
        ]
        self._head = "".join(["<head>", begin, *fetched]).encode()
        self._paint = paint.encode()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        path = _below_root(scope) if scope["type"] == "http" else None
        if path in self._scripts:
            return await self._scripts[path].serve(scope, send)
        if path not in ("", "/"):
            return await self._app(scope, receive, send)
        start: dict[str, Any] = {}

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)  # until the length is known
                return
            if start:
                body = message.get("body", b"").replace(b"<head>", self._head, 1)
                body = _BODY.sub(lambda tag: tag[0] + self._paint, body, count=1)
                if self._card:
                    body = _OPEN_GRAPH.sub(b"", body).replace(self._head, self._head + self._card.tags(_page(scope)), 1)
                headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                headers.append((b"vary", b"Accept-Encoding"))
                if _takes_gzip(scope) and not message.get("more_body"):
                    body = gzip.compress(body)
                    headers.append((b"content-encoding", b"gzip"))
                await send(start | {"headers": [*headers, (b"content-length", str(len(body)).encode())]})
                start.clear()
                message = message | {"body": body}
            await send(message)

        await self._app(scope, receive, sending)


def _page(scope: dict[str, Any]) -> str:
    """Return the address of the page as its visitor has it: a proxy says by which protocol and host."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    protocol = headers.get("x-forwarded-proto", str(scope.get("scheme", "http"))).split(",")[0].strip()
    host = headers.get("x-forwarded-host", headers.get("host", "")).split(",")[0].strip()
    return f"{protocol}://{host}{scope.get('root_path', '')}/"


def _below_root(scope: dict[str, Any]) -> str:
    """Return the path below the page's root, whether a proxy took the root off or not."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return (
        path[len(root) :] if f"{path}/".startswith(f"{root}/") else path
    )  # a root "/unmask" is no part of "/unmask-1"


def _takes_gzip(scope: dict[str, Any]) -> bool:
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
