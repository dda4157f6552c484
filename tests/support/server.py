"""A web server on loopback that misbehaves in a given way at each request."""

import hashlib
import http.server
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from scripts.dataset.download import Patience, Published

CONTENT = np.random.default_rng(0).bytes(3_000_000)
HALF = len(CONTENT) // 2


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`; each answer follows the next word of `script`, and answers after the last are faultless."""

    def __init__(self, *script: str, content: bytes = CONTENT) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.content = list(script), content
        self.ranges: list[str | None] = []
        self.sent = 0
        self.address = f"http://127.0.0.1:{self.server_port}/archive.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request, with the fault that is its turn."""

    server: Server

    def do_GET(self) -> None:
        """Send the file or what its range asks for, if no fault is due."""
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        fault = self.server.script.pop(0) if self.server.script else ""
        if fault in FAULTS:
            FAULTS[fault](self)
        elif fault == "reset":
            # Closing with nothing to linger for sends a reset instead of a polite end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif fault == "endless":
            self._send_without_end()
        elif fault.isdigit():
            self.send_error(int(fault))
        elif asked and int(asked[6:-1]) >= len(self.server.content):
            self.send_error(416)
        else:
            self._send_file(0 if not asked or fault == "no ranges" else int(asked[6:-1]), cut=fault == "cut")

    def send_late(self) -> None:
        time.sleep(2.0)
        self._send_file(0, cut=False)

    def say_nothing(self) -> None:
        time.sleep(30.0)

    def send_elsewhere_and_cut(self) -> None:
        """Send another place than the one asked for; without a range, half of the file."""
        self.send_response(206 if self.headers["Range"] else 200)
        if self.headers["Range"]:
            self.send_header("Content-Range", f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[:HALF])

    def send_page(self) -> None:
        """A log-in page, without its length."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>log in</html>")

    def send_nothing(self) -> None:
        self.send_response(200)
        self.end_headers()

    def send_little(self) -> None:
        """A thousand bytes of what is asked for."""
        start = int((self.headers["Range"] or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[start : start + 1000])

    def drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(ConnectionError):
            for place in range(1000):
                self.wfile.write(CONTENT[place : place + 1])
                time.sleep(0.02)

    def stall(self) -> None:
        """Send half of the file, and then nothing."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:HALF])
        self.wfile.flush()
        time.sleep(30.0)

    def send_in_circles(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()

    def ask_to_wait(self, seconds: int) -> None:
        self.send_response(429)
        self.send_header("Retry-After", str(seconds))
        self.end_headers()

    def send_as_encoded(self) -> None:
        """The file itself, called an encoding of something."""
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def _send_file(self, start: int, *, cut: bool) -> None:
        content = self.server.content
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:HALF] if cut else content[start:]
        self.server.sent += len(body)
        self.wfile.write(body)

    def _send_without_end(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(ConnectionError):
            while self.server.sent < 40 * len(CONTENT):
                self.wfile.write(CONTENT)
                self.server.sent += len(CONTENT)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


FAULTS = {
    "late": Handler.send_late,
    "silent": Handler.say_nothing,
    "elsewhere": Handler.send_elsewhere_and_cut,
    "page": Handler.send_page,
    "empty": Handler.send_nothing,
    "little": Handler.send_little,
    "drip": Handler.drip,
    "stall": Handler.stall,
    "circle": Handler.send_in_circles,
    "wait 1": lambda handler: handler.ask_to_wait(1),
    "wait 1000": lambda handler: handler.ask_to_wait(1000),
    "encoded": Handler.send_as_encoded,
}
BRISK = Patience(pauses=(0.01, 0.01))
PUBLISHED = Published(
    "http://published.invalid/archive.tar.gz",
    "archive.tar.gz",
    len(CONTENT),
    hashlib.sha256(CONTENT).hexdigest(),
    CONTENT[:2],
)
"""The content of a server as if it were a published archive."""


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def is_fetched(directory: Path) -> bool:
    return names(directory) == ["archive.tar.gz"] and (directory / "archive.tar.gz").read_bytes() == CONTENT
