"""A hub on loopback that huggingface_hub and timm's own `pretrained=True` talk to as to the real one."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_PIECES = 50


@cache
def _sha256(path: Path) -> str:
    """What the real hub tells of a large file; its client calls the file so in its cache."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class LoopbackHub:
    """Serves `files`: (repository, file name) -> path. `requests` notes what was asked for.

    `seconds`: how long it takes over a file.
    """

    def __init__(self, files: dict[tuple[str, str], Path], *, seconds: float = 0) -> None:
        self.files = files
        self.seconds = seconds
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                self._answer(body=True)

            def log_message(self, *arguments: object) -> None:
                pass

            def _answer(self, body: bool) -> None:
                hub.requests.append(f"{self.command} {self.path}")
                for (repo, name), path in hub.files.items():
                    if self.path == f"/{repo}/resolve/main/{name}":
                        return self._send(path.read_bytes() if body else b"", path.stat().st_size, path)
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _send(self, content: bytes, size: int, path: Path) -> None:
                self.send_response(200)
                self.send_header("ETag", f'"{_sha256(path)}"')
                self.send_header("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567")
                self.send_header("Content-Length", str(size))
                self.end_headers()
                if not hub.seconds:
                    self.wfile.write(content)
                    return
                piece = len(content) // _PIECES + 1
                with suppress(OSError):  # a client that was killed
                    for start in range(0, len(content), piece):
                        self.wfile.write(content[start : start + piece])
                        time.sleep(hub.seconds / _PIECES)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator["LoopbackHub"]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
