"""A hub of one's own: repositories out of folders, over HTTP, in as many pieces as a test wants to wait for."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "0123456789" * 4


class Hub:
    """Serves `folder` as the repository `name`; the client is told of it by HF_ENDPOINT.

    Of every file but the first `allowed` pieces are held back until `more` is set.
    """

    def __init__(self, name: str, folder: Path, piece: int = 1 << 14) -> None:
        self.more = threading.Event()
        self.more.set()
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        hub = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                self.answer(body=False)

            def do_GET(self):
                self.answer(body=True)

            def answer(self, body):
                path = urlsplit(self.path).path
                if path.startswith(f"/api/models/{name}/tree/"):
                    return self.tell(
                        [
                            {"type": "file", "path": at, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                            for at, data in files.items()
                        ]
                    )
                if path.startswith(f"/api/models/{name}"):
                    return self.tell({"id": name, "sha": COMMIT, "siblings": [{"rfilename": at} for at in files]})
                data = files.get(path.rsplit("/", 1)[-1]) if path.startswith(f"/{name}/resolve/") else None
                if data is None:
                    self.send_response(404)
                    self.send_header("X-Error-Code", "RepoNotFound")
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)
                self.end_headers()
                for at in range(0, len(data) if body else 0, piece):
                    if at:
                        hub.more.wait(60)
                    try:
                        self.wfile.write(data[at : at + piece])
                    except OSError:  # the client has hung up
                        return None

            def tell(self, what):
                text = json.dumps(what).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.more.set()
        self.server.shutdown()
        self.server.server_close()
