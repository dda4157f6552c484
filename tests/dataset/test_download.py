"""The download against a real server on loopback that misbehaves."""

import fcntl
import re
import shutil
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.dataset import download as fetching
from scripts.dataset.download import Patience, Unavailable, fetch
from tests.support.server import BRISK, CONTENT, HALF, PUBLISHED, is_fetched, names

IMPATIENT = Patience(pauses=(0.01, 0.01), silence=0.4)
"""A good server may take longer on a busy machine: a test lists its address several times."""


def partial(directory: Path, content: bytes) -> None:
    (directory / "archive.tar.gz.part").write_bytes(content)


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
        ("silent", "sent nothing for 0.4 s"),
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
