"""A web server on loopback that behaves as badly as its paths say, and remembers what it was asked."""

import gzip
import random
import socket
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.program import SAMPLES

PHOTO = (SAMPLES / "coffee.png").read_bytes()
PACKED = {b"": PHOTO, b"gzip": gzip.compress(PHOTO, 1), b"deflate": zlib.compress(PHOTO, 1)}  # by Content-Encoding


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what this server is for."""


class HostileServer:
    """`asked` counts requests by path; `authorized` notes the paths that came with credentials; `agents` who asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.authorized: list[str] = []
        self.agents: set[str] = set()
        self.other = ""  # the endpoint of another host, for redirects
        self.stop = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                server.asked[path] += 1
                server.agents.add(self.headers.get("User-Agent", ""))
                if "Authorization" in self.headers:
                    server.authorized.append(path)
                with suppress(OSError):
                    getattr(self, "get_" + path.strip("/").replace("-", "_").split(".")[0].split("/")[0])()

            def log_message(self, *arguments: object) -> None:
                pass

            def answer(self, body: bytes = PHOTO, status: int = 200, length: int | None = None, **headers: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def raw(self, content: bytes) -> None:
                self.close_connection = True
                self.wfile.write(content)

            def wait(self, seconds: float = 60) -> None:
                server.stop.wait(seconds)

            def get_good(self) -> None:
                self.answer(Content_Type="image/png")

            def get_slow(self) -> None:
                time.sleep(0.1)
                self.answer()

            def get_later(self) -> None:
                self.wait(3)
                self.answer()

            def get_wrong_type(self) -> None:
                self.answer(Content_Type="text/html")

            def get_page(self) -> None:
                self.answer(b"<!doctype html><title>Log in</title>", Content_Type="image/png")

            def get_stall_before_headers(self) -> None:
                self.wait()

            def get_stall_in_headers(self) -> None:
                self.raw(b"HTTP/1.1 200 OK\r\nContent-Le")
                self.wait()

            def get_stall_in_body(self) -> None:
                self.answer(PHOTO[:5000], length=len(PHOTO))
                self.wait()

            def get_drip_headers(self) -> None:
                self.raw(b"HTTP/1.1 200 OK\r\nX-Padding: ")
                while not server.stop.wait(0.05):
                    self.wfile.write(b"x")

            def get_drip_body(self) -> None:
                self.answer(b"", length=len(PHOTO))
                for byte in PHOTO:
                    if server.stop.wait(0.05):
                        return
                    self.wfile.write(bytes([byte]))

            def get_endless_headers(self) -> None:
                self.raw(b"HTTP/1.1 200 OK\r\n")
                while not server.stop.is_set():
                    self.wfile.write(b"X-Padding: " + b"x" * 1000 + b"\r\n")

            def get_endless_interim(self) -> None:
                while not server.stop.wait(0.001):
                    self.raw(b"HTTP/1.1 103 Early Hints\r\n\r\n")

            def get_endless_body(self) -> None:
                self.raw(b"HTTP/1.1 200 OK\r\n\r\n")
                while not server.stop.is_set():
                    self.wfile.write(bytes(1 << 16))

            def get_terabyte(self) -> None:
                self.answer(PHOTO, length=10**12)
                self.wait()

            def get_short(self) -> None:
                self.close_connection = True
                self.answer(PHOTO[:5000], length=len(PHOTO))

            def get_long(self) -> None:
                self.close_connection = True
                self.answer(PHOTO + b"x" * 100_000, length=len(PHOTO))

            def get_gzip(self) -> None:
                self.answer(gzip.compress(PHOTO), Content_Encoding="gzip")

            def get_gzip_bomb(self) -> None:
                self.answer(gzip.compress(bytes(60_000_000)), Content_Encoding="gzip")

            def get_brotli(self) -> None:
                self.answer(Content_Encoding="br")

            def get_no_gzip(self) -> None:
                self.answer(Content_Encoding="gzip")

            def get_damaged_gzip(self) -> None:
                packed = bytearray(gzip.compress(PHOTO, 1))
                packed[len(packed) // 2 :] = bytes(len(packed) - len(packed) // 2)
                self.answer(bytes(packed), Content_Encoding="gzip")

            def get_x_gzip(self) -> None:
                self.answer(gzip.compress(PHOTO, 1), Content_Encoding="x-gzip")

            def get_deflate(self) -> None:
                self.answer(zlib.compress(PHOTO, 1), Content_Encoding="deflate")

            def get_raw_deflate(self) -> None:
                self.answer(zlib.compress(PHOTO, 1)[2:-4], Content_Encoding="Deflate")

            def get_no_deflate(self) -> None:
                self.answer(Content_Encoding="deflate")

            def get_zstd(self) -> None:
                self.answer(Content_Encoding="zstd")

            def get_layers(self) -> None:
                self.answer(gzip.compress(gzip.compress(PHOTO, 1), 1), Content_Encoding="gzip, gzip")

            def get_endless_redirect(self) -> None:
                self.close_connection = True
                self.raw(b"HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Encoding: gzip\r\n\r\n")
                while not server.stop.is_set():
                    self.wfile.write(bytes(1 << 16))

            def get_zip(self) -> None:
                self.answer(b"PK\x03\x04" + PHOTO)

            def get_damaged(self) -> None:
                """A good answer, packed or not, of which some bytes anywhere are others; the query is the seed."""
                seeded = random.Random(self.path)
                packed = seeded.choice([*PACKED])
                body = PACKED[packed]
                head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
                if packed:
                    head += b"Content-Encoding: " + packed + b"\r\n"
                if seeded.random() < 0.3:
                    head += b"Transfer-Encoding: chunked\r\n\r\n"
                    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
                else:
                    head += b"Content-Length: %d\r\n\r\n" % len(body)
                content = bytearray(head + body)
                for _ in range(seeded.randint(1, 6)):
                    reach = seeded.choice([20, len(head), len(head) + 20, len(content)])
                    content[seeded.randrange(reach)] = seeded.choice([0, 10, 13, 32, 58, 255, seeded.randrange(256)])
                if seeded.random() < 0.2:
                    del content[seeded.randrange(len(content)) :]
                self.raw(bytes(content))

            def get_reset(self) -> None:
                linger = b"\1\0\0\0\0\0\0\0"
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                for each in (self.rfile, self.wfile, self.connection):
                    each.close()

            def get_reset_once(self) -> None:
                self.get_reset() if server.asked["/reset-once"] == 1 else self.answer()

            def get_loop(self) -> None:
                self.answer(b"", 302, Location="/loop")

            def get_five_redirects(self) -> None:
                step = int(self.path.partition("?")[2] or 0)
                self.answer(b"", 302, Location=f"/five-redirects?{step + 1}") if step < 5 else self.answer()

            def get_to_file(self) -> None:
                self.answer(b"", 302, Location=f"file://{SAMPLES}/coffee.png")

            def get_to_data(self) -> None:
                self.answer(b"", 302, Location="data:image/png;base64,AAAA")

            def get_to_ftp(self) -> None:
                self.answer(b"", 302, Location="ftp://127.0.0.1/x.png")

            def get_to_nonsense(self) -> None:
                self.answer(b"", 302, Location="http://[:::")

            def get_to_other(self) -> None:
                self.answer(b"", 302, Location=f"{server.other}/good")

            def get_missing(self) -> None:
                self.answer(b"none", 404)

            def get_twice_busy(self) -> None:
                self.answer(status=503 if server.asked["/twice-busy"] <= 2 else 200)

            def get_always_busy(self) -> None:
                self.answer(b"", 503)

            def get_in_a_second(self) -> None:
                self.answer(status=429, Retry_After="1") if server.asked["/in-a-second"] == 1 else self.answer()

            def get_in_thirty_years(self) -> None:
                self.answer(b"", 503, Retry_After="946684800")

            def get_bad_reason(self) -> None:
                self.raw(b"HTTP/1.1 404 \x1b[31mNo\x07pe\r\nContent-Length: 0\r\n\r\n")

            def get_cookie(self) -> None:
                self.answer(status=404 if "Cookie" in self.headers else 200, Set_Cookie="a=b; Path=/")

            def get_no_http(self) -> None:
                self.raw(b"SSH-2.0-OpenSSH_9.9\r\n")

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator["HostileServer"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()
