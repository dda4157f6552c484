"""The download against a real server on loopback that misbehaves, and what is recorded about the archive."""

import fcntl
import hashlib
import http.server
import json
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from scripts.common import sealed
from scripts.common.errors import UserError
from scripts.dataset import download as fetching
from scripts.dataset.download import Patience, Published, Unavailable, fetch
from scripts.dataset.image_set import SYNTHETIC_LABEL
from scripts.dataset.obtain import SYNTHETIC_FILE_NAME, obtain
from scripts.dataset.sources.cifar10 import open_archive
from tests.support.archives import write_small_archive

CHECKOUT = Path(__file__).resolve().parent.parent.parent
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
IMPATIENT = Patience(pauses=(0.01, 0.01), silence=0.4)
"""A good server may take longer on a busy machine: a test lists its address several times."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Start servers with a script of faults each; they stop with the test."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers: list[Server] = []

    def start(*script: str, content: bytes = CONTENT) -> Server:
        servers.append(Server(*script, content=content))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def closed_address(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address at which nothing listens."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/archive.tar.gz"


PUBLISHED = Published(
    "http://published.invalid/archive.tar.gz",
    "archive.tar.gz",
    len(CONTENT),
    hashlib.sha256(CONTENT).hexdigest(),
    CONTENT[:2],
)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def partial(directory: Path, content: bytes) -> None:
    (directory / "archive.tar.gz.part").write_bytes(content)


def is_fetched(directory: Path) -> bool:
    return names(directory) == ["archive.tar.gz"] and (directory / "archive.tar.gz").read_bytes() == CONTENT


def test_a_file_is_downloaded_once(serve, tmp_path):
    server = serve()
    assert fetch(PUBLISHED, tmp_path / "new", [server.address]) == server.address
    assert is_fetched(tmp_path / "new")
    assert fetch(PUBLISHED, tmp_path / "new", [server.address]) is None
    assert server.ranges == [None]


def test_a_partial_file_is_resumed(serve, tmp_path):
    server = serve()
    partial(tmp_path, CONTENT[:HALF])
    fetch(PUBLISHED, tmp_path, [server.address])
    assert is_fetched(tmp_path)
    assert server.ranges == [f"bytes={HALF}-"]
    assert server.sent == len(CONTENT) - HALF


def test_a_complete_partial_file_only_gets_its_name(closed_address, tmp_path):
    partial(tmp_path, CONTENT)
    fetch(PUBLISHED, tmp_path, [closed_address])
    assert is_fetched(tmp_path)


def test_a_server_that_ignores_ranges_sends_all_of_it(serve, tmp_path):
    server = serve("no ranges")
    partial(tmp_path, CONTENT[:HALF])
    fetch(PUBLISHED, tmp_path, [server.address])
    assert is_fetched(tmp_path)
    assert server.ranges == [f"bytes={HALF}-"]


@pytest.mark.parametrize("left", [b"x" * HALF, b"x" * len(CONTENT), CONTENT + b"x"], ids=["half", "whole", "longer"])
def test_a_partial_file_with_wrong_bytes_is_discarded(serve, tmp_path, left):
    server = serve()
    partial(tmp_path, left)
    fetch(PUBLISHED, tmp_path, [server.address])
    assert is_fetched(tmp_path)
    assert server.ranges[-1] is None


def test_a_transfer_that_is_cut_is_resumed(serve, tmp_path):
    server = serve("cut")
    fetch(PUBLISHED, tmp_path, [server.address])
    assert is_fetched(tmp_path)
    assert server.ranges[0] is None
    assert HALF - fetching.CHUNK_BYTES < int(server.ranges[1][len("bytes=") : -1]) <= HALF
    assert server.sent < len(CONTENT) + fetching.CHUNK_BYTES


@pytest.mark.parametrize("fault", ["503", "429", "reset"])
def test_a_passing_fault_is_tried_again(serve, tmp_path, fault):
    server = serve(fault)
    fetch(PUBLISHED, tmp_path, [server.address])
    assert is_fetched(tmp_path)
    assert len(server.ranges) == 2


def test_faults_that_do_not_pass_end(serve, tmp_path):
    server = serve(*["503"] * 9)
    with pytest.raises(Unavailable, match="503 Service Unavailable"):
        fetch(PUBLISHED, tmp_path, [server.address], BRISK)
    assert len(server.ranges) == 3
    assert names(tmp_path) == []


def test_what_arrived_is_kept_when_all_fail(serve, tmp_path):
    server = serve("cut", *["503"] * 9)
    with pytest.raises(Unavailable):
        fetch(PUBLISHED, tmp_path, [server.address], BRISK)
    kept = (tmp_path / "archive.tar.gz.part").read_bytes()
    assert HALF - fetching.CHUNK_BYTES < len(kept) <= HALF
    assert CONTENT.startswith(kept)


@pytest.mark.parametrize(
    "content", [b"x" * len(CONTENT), CONTENT[:-1], CONTENT + b"x", b"<html>log in</html>"], ids=len
)
def test_a_wrong_file_moves_on_to_the_next_address(serve, tmp_path, content):
    wrong, right = serve(content=content), serve()
    assert fetch(PUBLISHED, tmp_path, [wrong.address, right.address]) == right.address
    assert is_fetched(tmp_path)
    assert len(wrong.ranges) == 1


def test_a_file_without_end_is_not_waited_for(serve, tmp_path):
    endless, right = serve("endless"), serve()
    fetch(PUBLISHED, tmp_path, [endless.address, right.address])
    assert is_fetched(tmp_path)
    assert endless.sent < 20 * len(CONTENT)


def test_a_missing_file_moves_on_to_the_next_address_and_keeps_what_there_is(serve, tmp_path):
    missing, right = serve("404"), serve()
    partial(tmp_path, CONTENT[:HALF])
    fetch(PUBLISHED, tmp_path, [missing.address, right.address])
    assert is_fetched(tmp_path)
    assert missing.ranges == right.ranges == [f"bytes={HALF}-"]


def test_another_file_of_that_name_is_never_overwritten(serve, tmp_path):
    server = serve()
    (tmp_path / "archive.tar.gz").write_bytes(b"precious")
    with pytest.raises(UserError, match=r"archive\.tar\.gz is not the published .* move it away"):
        fetch(PUBLISHED, tmp_path, [server.address])
    assert (tmp_path / "archive.tar.gz").read_bytes() == b"precious"
    assert server.ranges == []


def test_processes_that_fetch_the_same_file_take_turns(serve, tmp_path):
    server = serve()
    with ThreadPoolExecutor() as pool:  # locks belong to open files, so threads contend as processes do
        sources = list(pool.map(lambda _: fetch(PUBLISHED, tmp_path, [server.address]), range(4)))
    assert is_fetched(tmp_path)
    assert sorted(sources, key=bool) == [None, None, None, server.address]
    assert server.ranges == [None]


def test_a_partial_file_that_its_owner_removes_is_begun_anew(serve, tmp_path):
    server = serve()
    path = tmp_path / "archive.tar.gz.part"
    with ThreadPoolExecutor() as pool:
        with path.open("wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            waiting = pool.submit(fetch, PUBLISHED, tmp_path, [server.address])
            time.sleep(0.2)  # for the other to come and wait; had it not, there would be nothing to see
            assert server.ranges == []
            path.unlink()
        assert waiting.result() == server.address
    assert is_fetched(tmp_path)


def test_a_file_that_is_there_needs_no_turn(serve, tmp_path):
    (tmp_path / "archive.tar.gz").write_bytes(CONTENT)
    with ThreadPoolExecutor() as pool, (tmp_path / "archive.tar.gz.part").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            assert pool.submit(fetch, PUBLISHED, tmp_path, []).result(timeout=10) is None
        finally:
            held.close()


def test_a_server_that_takes_its_time_is_waited_for_where_the_connection_stands(serve, tmp_path):
    assert Patience().silence >= 60
    server = serve("late")
    fetch(PUBLISHED, tmp_path, [server.address], Patience(connection=1.5))
    assert is_fetched(tmp_path)
    assert server.ranges == [None]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("silent", "no answer within 0.4 s"),
        ("stall", "sent nothing for 0.4 s"),
        ("drip", "sends less than 5 kB/s|sent nothing for"),
        ("empty", "the transfer ended early"),
    ],
)
def test_a_server_that_stays_silent_is_tried_again_and_then_the_next(serve, tmp_path, capsys, fault, reason):
    silent, right = serve(*[fault] * 20), serve()
    assert fetch(PUBLISHED, tmp_path, [silent.address, *[right.address] * 3], IMPATIENT) == right.address
    assert is_fetched(tmp_path)
    assert len(silent.ranges) <= 4
    assert re.search(f"{silent.address}: ({reason}).*; trying again in 0.01 s", capsys.readouterr().err)


def test_an_address_that_sends_nothing_new_is_left_in_time(serve, tmp_path):
    silent = serve(*["silent"] * 20)
    with pytest.raises(Unavailable):
        fetch(PUBLISHED, tmp_path, [silent.address], Patience(pauses=(0.01,) * 20, silence=0.2, address=0.5))
    assert len(silent.ranges) <= 3


def test_a_server_that_answers_with_another_place_is_asked_for_all_of_it(serve, tmp_path):
    server = serve("elsewhere")
    partial(tmp_path, CONTENT[:HALF])
    fetch(PUBLISHED, tmp_path, [server.address], BRISK)
    assert is_fetched(tmp_path)
    assert server.ranges == [f"bytes={HALF}-", None]


@pytest.mark.parametrize("fault", ["elsewhere", "little"])
def test_a_server_that_never_gets_further_is_left(serve, tmp_path, fault):
    server, right = serve(*[fault] * 200), serve()
    assert fetch(PUBLISHED, tmp_path, [server.address, right.address], BRISK) == right.address
    assert is_fetched(tmp_path)
    assert len(server.ranges) <= 2 * (len(BRISK.pauses) + 1)


def test_a_server_that_has_no_such_range_is_asked_for_all_of_it(serve, tmp_path):
    server = serve("416")
    partial(tmp_path, CONTENT[:HALF])
    fetch(PUBLISHED, tmp_path, [server.address], BRISK)
    assert is_fetched(tmp_path)
    assert server.ranges == [f"bytes={HALF}-", None]


@pytest.mark.parametrize("left", [b"", CONTENT[:HALF]], ids=["none", "half"])
def test_a_page_in_place_of_the_file_is_told_by_its_start_and_touches_nothing(serve, tmp_path, left):
    portal = serve("page")
    if left:
        partial(tmp_path, left)
    with pytest.raises(Unavailable, match=r"begins with b'<html>log in</html>'; if that is a page of your network"):
        fetch(PUBLISHED, tmp_path, [portal.address])
    assert len(portal.ranges) == 1
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([left] if left else [])


@pytest.mark.parametrize("name", ["archive.tar.gz", "archive.tar.gz.part"])
def test_a_directory_of_the_name_of_a_file_is_the_user_s_to_move(serve, tmp_path, name):
    server = serve()
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=rf"{name}, where .* is no file: move it away"):
        fetch(PUBLISHED, tmp_path, [server.address])
    assert server.ranges == []


def test_redirects_in_a_circle_end(serve, tmp_path):
    circle, right = serve(*["circle"] * 200), serve()
    assert fetch(PUBLISHED, tmp_path, [circle.address, right.address]) == right.address
    assert len(circle.ranges) < 50


def test_a_server_that_asks_for_time_gets_it_unless_it_asks_for_too_much(serve, tmp_path, capsys):
    server = serve("wait 1")
    fetch(PUBLISHED, tmp_path, [server.address], BRISK)
    assert "429 Too Many Requests; trying again in 1 s" in capsys.readouterr().err
    (tmp_path / "archive.tar.gz").unlink()
    busy, right = serve("wait 1000"), serve()
    assert fetch(PUBLISHED, tmp_path, [busy.address, right.address], BRISK) == right.address
    assert len(busy.ranges) == 1


def test_an_archive_that_is_sent_as_an_encoding_stays_one(serve, tmp_path):
    server = serve("encoded")
    fetch(PUBLISHED, tmp_path, [server.address])
    assert is_fetched(tmp_path)
    assert server.ranges == [None]


def test_a_proxy_that_is_not_there_is_named(monkeypatch, closed_address, tmp_path):
    monkeypatch.setenv("http_proxy", closed_address.removesuffix("/archive.tar.gz"))
    with pytest.raises(Unavailable, match="proxy"):
        fetch(PUBLISHED, tmp_path, ["http://images.invalid/archive.tar.gz"], Patience(unreachable=0.1))


def test_a_name_that_is_not_known_is_given_up_soon(monkeypatch, tmp_path):
    monkeypatch.delenv("http_proxy", raising=False)
    with pytest.raises(Unavailable, match=r"images\.invalid"):
        fetch(PUBLISHED, tmp_path, ["http://images.invalid/archive.tar.gz"], Patience(connection=0.5, unreachable=0.1))


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_a_certificate_that_is_not_trusted_is_named_with_the_remedy(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "localhost")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server = serve()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    address = f"https://localhost:{server.server_port}/archive.tar.gz"
    with pytest.raises(Unavailable, match=r"certificate is not trusted \(.*\); .*set REQUESTS_CA_BUNDLE to the file"):
        fetch(PUBLISHED, tmp_path / "kept", [address])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    fetch(PUBLISHED, tmp_path / "kept", [address])
    assert is_fetched(tmp_path / "kept")


@pytest.mark.parametrize("address", ["archive.tar.gz", "ftp://127.0.0.1/archive.tar.gz", "http://"])
def test_an_unusable_address_is_a_reason_like_any_other(tmp_path, address):
    with pytest.raises(Unavailable):
        fetch(PUBLISHED, tmp_path, [address])


def get(images: str, place: Path, **options) -> dict:
    """Obtain with the small file in the part of the published archive; returns the record."""
    settings = {"directory": place / "kept", "published": PUBLISHED, "synthetic_rows": 30, "patience": BRISK, **options}
    obtain(images, place / "archive.json", **settings)
    record = sealed.read(place / "archive.json")
    assert record.pop(sealed.SEAL)
    return record


def test_the_record_of_a_downloaded_archive(serve, tmp_path):
    server = serve()
    assert get("cifar10", tmp_path, addresses=[server.address]) == {
        "archive_version": 2,
        "path": str(tmp_path / "kept/archive.tar.gz"),
        "file_name": "archive.tar.gz",
        "bytes": len(CONTENT),
        "sha256": PUBLISHED.sha256,
        "source": server.address,
        "name": "cifar10",
        "label": "CIFAR-10",
        "synthetic": False,
        "note": None,
    }


def test_without_an_answer_synthetic_images_stand_in_and_say_so(closed_address, tmp_path):
    record = get("cifar10", tmp_path, addresses=[closed_address])
    assert names(tmp_path / "kept") == [SYNTHETIC_FILE_NAME]
    assert (record["name"], record["label"]) == ("synthetic", SYNTHETIC_LABEL)
    assert record["synthetic"] is True
    assert PUBLISHED.address in record["note"]
    assert str(tmp_path / "kept") in record["note"]
    with open_archive(Path(record["path"]), rows=30) as archive:
        assert archive.synthetic
        assert len(list(archive.training_batches())) == 5


def test_without_an_answer_and_fallback_the_error_names_both_remedies(closed_address, tmp_path):
    with pytest.raises(UserError) as caught:
        get("cifar10", tmp_path, addresses=[closed_address, closed_address], offline_fallback=False)
    message = str(caught.value)
    assert "\n" not in message
    assert f"save {PUBLISHED.address} in {tmp_path / 'kept'}" in message
    assert "`offline_fallback: true` or `images: synthetic`" in message
    assert "Connection refused" in message
    assert names(tmp_path) == ["kept"]
    assert names(tmp_path / "kept") == []


def test_an_archive_that_is_there_is_used_without_the_network(closed_address, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/archive.tar.gz").write_bytes(CONTENT)
    record = get("cifar10", tmp_path, addresses=[closed_address])
    assert (record["label"], record["synthetic"]) == ("CIFAR-10", False)
    assert is_fetched(tmp_path / "kept")


def test_synthetic_images_never_replace_an_archive(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/archive.tar.gz").write_bytes(CONTENT)
    record = get("synthetic", tmp_path)
    assert "images: cifar10" in record["note"]
    assert (tmp_path / "kept/archive.tar.gz").read_bytes() == CONTENT


def test_the_synthetic_archive_is_the_same_each_time(tmp_path):
    records = [get("synthetic", tmp_path / name) for name in ("one", "two")]
    assert records[0]["sha256"] == records[1]["sha256"]


def run_step(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(CHECKOUT / "scripts"), "download", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_the_step_records_the_path_of_an_archive_as_given(tmp_path):
    write_small_archive(tmp_path / "mine.tar.gz")
    content = (tmp_path / "mine.tar.gz").read_bytes()
    options = ["--directory", "kept", "--offline-fallback", "True", "--output", "out/archive.json"]
    assert run_step("--images", "mine.tar.gz", *options, cwd=tmp_path).returncode == 0
    record = json.loads((tmp_path / "out/archive.json").read_text())
    assert (record["path"], record["label"]) == ("mine.tar.gz", "mine.tar.gz")
    assert (record["sha256"], record["synthetic"]) == (hashlib.sha256(content).hexdigest(), False)
    assert not (tmp_path / "kept").exists()

    (tmp_path / "mine.tar.gz").write_bytes(content[: len(content) // 2])
    assert "mine.tar.gz is damaged" in run_step("--images", "mine.tar.gz", *options, cwd=tmp_path).stderr

    failed = run_step("--images", "cifar01", *options, cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "'cifar01' is no archive: give the path of one, cifar10 or synthetic" in failed.stderr
