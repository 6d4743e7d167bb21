"""A script that runs before anything else on the page.

Gradio runs what `launch(head=...)` names only after it has chosen its language, and offers no earlier place: so the
script is put into the page as it is served.
"""

from typing import Any


class HeadScriptMiddleware:
    """ASGI middleware: the front page with `script` at the beginning of its head, everything else as it is."""

    def __init__(self, app: Any, script: str) -> None:
        self._app = app
        self._script = f"<head><script>{script}</script>".encode()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].removeprefix(scope.get("root_path", "")) not in ("", "/"):
            return await self._app(scope, receive, send)
        start: dict[str, Any] = {}

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)  # until the length is known
                return
            if start:
                body = message.get("body", b"").replace(b"<head>", self._script, 1)
                headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                await send(start | {"headers": [*headers, (b"content-length", str(len(body)).encode())]})
                start.clear()
                message = message | {"body": body}
            await send(message)

        await self._app(scope, receive, sending)
