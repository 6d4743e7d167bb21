"""A proxy that shows a server below a path, as an operator's nginx does."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OWN = {"connection", "transfer-encoding", "content-length", "accept-encoding"}  # headers of one connection


class Mounted:
    """Passes on what is asked below `path` to a port of this machine; all else is refused, and kept in `outside`.

    With `strip` the path in front is taken off, as most proxies do; without, the server sees it.
    """

    def __init__(self, port: int, path: str, strip: bool = True) -> None:
        self.outside: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                if self.path == "/favicon.ico":  # browsers ask every origin for its own
                    self.send_response(204)
                    return self.end_headers()
                if not f"{self.path}/".startswith(f"{path}/"):
                    proxy.outside.append(self.path)
                    return self.send_error(404)
                asked = (self.path.removeprefix(path) or "/") if strip else self.path
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                there = http.client.HTTPConnection("127.0.0.1", port)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in OWN}
                there.request(self.command, asked, body, headers | {"X-Forwarded-Host": self.headers["host"]})
                answer = there.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in OWN:
                        self.send_header(name, value)
                self.end_headers()
                try:
                    while part := answer.read1(1 << 16):
                        self.wfile.write(part)
                        self.wfile.flush()
                except (OSError, http.client.HTTPException):  # one of the ends is gone
                    self.close_connection = True
                finally:
                    there.close()

            do_GET = do_POST = do_HEAD = answer  # noqa: N815

            def log_message(self, *_) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{path}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
