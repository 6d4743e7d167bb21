"""An engine on another machine, without a cluster: a thread here answers by HTTP what a page asks."""

import threading
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dlm_core.engine import LocalEngine
from dlm_core.engine.remote import handle


class EngineServer:
    """Serves `engine` at `url`.  Whatever is at work when `lost` is set ends without a word."""

    def __init__(self, engine: LocalEngine) -> None:
        self.lost = threading.Event()
        lost = self.lost

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()
                lines = handle(engine, self.path.strip("/"), body, threading.Event())
                with closing(lines), suppress(OSError):  # whoever asked may leave
                    for line in lines:
                        if lost.is_set():
                            return
                        self.wfile.write(line.encode())

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.lost.set()
        self._http.shutdown()
        self._http.server_close()
