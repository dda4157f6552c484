"""Fetching one known file over HTTP: several addresses, patience with passing faults, resuming, checking."""

import fcntl
import hashlib
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import requests

from scripts.errors import UserError
from scripts.progress import Progress, report

CONNECT_SECONDS = 4.0
"""Longest wait for a connection."""

ANSWER_SECONDS = 6.0
"""Longest wait for the start of an answer, the look-up of the host's name included."""

READ_SECONDS = 20.0
"""Longest silence within an answer."""

PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""Pauses before trying again after passing faults in a row. What was gained in between starts the row anew."""

SILENT_HOST_SECONDS = 3.0
"""A host that has never answered is not tried again after this time: a closed network shows within seconds."""

CHUNK_BYTES = 1 << 16
"""Bytes taken from the network at a time; less than that is lost when a transfer breaks."""


@dataclass(frozen=True)
class Published:
    """A file as its publisher describes it."""

    address: str
    file_name: str
    bytes: int
    sha256: str


class Unavailable(Exception):
    """No address gave the file; the message says why, address by address."""


def fetch(published: Published, directory: Path, addresses: Sequence[str]) -> str | None:
    """See to it that the published file is in `directory`, checked; returns the address it came from, None if there.

    What a broken transfer leaves is kept beside it as `<name>.part` and continued by the next one, from any address;
    it takes its final name only when size and SHA-256 are right. Processes that fetch the same file take turns. Raises
    UserError for another file of that name, which is never overwritten, and `Unavailable`.
    """
    place = directory / published.file_name
    if _is_there(place, published):
        return None
    directory.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(place.name + ".part")
    with _alone(partial) as file:
        if _is_there(place, published):
            return None
        reasons = []
        for address in addresses:
            try:
                _Transfer(address, file, published).run()
            except _Fault as fault:
                reasons.append(f"{address}: {fault}")
                report(reasons[-1])
            else:
                os.replace(partial, place)
                return address
        raise Unavailable("; ".join(reasons))


class _Fault(Exception):
    """Why an address can't give the file; trying it again won't help."""


class _PassingFault(_Fault):
    """Why an address didn't give the file this time."""


class _Transfer:
    """Getting the rest of one file from one address."""

    def __init__(self, address: str, file: BinaryIO, published: Published) -> None:
        self._address, self._file, self._published = address, file, published
        self._answered = False

    def run(self) -> None:
        """Complete the file; raises `_Fault`, with what has arrived so far left in the file."""
        started = time.monotonic()
        faults = 0
        while True:
            before = self._size()
            try:
                return self._attempt()
            except _PassingFault as fault:
                faults = 0 if self._size() >= before + CHUNK_BYTES else faults
                if faults == len(PAUSES_SECONDS):
                    raise
                pause = PAUSES_SECONDS[faults]
                if not self._answered and time.monotonic() + pause > started + SILENT_HOST_SECONDS:
                    raise
                report(f"{self._address}: {fault}; trying again in {pause:g} s")
                time.sleep(pause)
                faults += 1

    def _attempt(self) -> None:
        kept = self._size()
        if kept > self._published.bytes:
            self._discard()
        if kept != self._published.bytes:
            self._receive()
        if self._size() < self._published.bytes:
            raise _PassingFault("the transfer ended early")
        self._file.seek(0)
        if hashlib.file_digest(self._file, "sha256").hexdigest() != self._published.sha256:
            self._discard()
            # The bytes kept from an earlier transfer may be to blame: only a fresh one speaks against the address.
            raise (_PassingFault if kept else _Fault)("its content is not the published one (SHA-256)")

    def _receive(self) -> None:
        kept = self._size()
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={kept}-"} if kept else {})
        with _request(self._address, headers) as response:
            self._answered = True
            status = response.status_code
            if status in (408, 429) or status >= 500:
                raise _PassingFault(f"answers {status} {response.reason}")
            if status not in (200, 206):
                raise _Fault(f"answers {status} {response.reason}")
            if status == 200:
                kept = 0
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {kept}-"):
                self._discard()
                raise _PassingFault("answers with another part of the file than the one asked for")
            remaining = self._published.bytes - kept
            length = response.headers.get("Content-Length", str(remaining))
            if length != str(remaining):
                raise _Fault(f"offers {length} bytes where the published file has {remaining}")
            self._file.truncate(kept)
            self._append(response, remaining)

    def _append(self, response: requests.Response, remaining: int) -> None:
        megabyte = 10**6
        received = 0
        with Progress(f"downloading {self._published.file_name}", remaining // megabyte, "MB") as progress:
            try:
                for chunk in response.iter_content(CHUNK_BYTES):
                    received += len(chunk)
                    if received > remaining:
                        self._discard()
                        raise _Fault("sends more bytes than the published file has")
                    self._file.write(chunk)
                    progress.update(received // megabyte)
            except requests.RequestException as error:
                raise _PassingFault(_cause(error)) from error

    def _size(self) -> int:
        return self._file.seek(0, os.SEEK_END)

    def _discard(self) -> None:
        self._file.truncate(0)


def _request(address: str, headers: dict[str, str]) -> requests.Response:
    """Ask for a file; returns once the headers of the answer are there. Raises `_Fault`.

    In a thread that is left to itself when time is up: looking up a host's name has no time-out of its own, and takes
    half a minute where a closed network swallows the question.
    """
    outcome: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            timeout = (CONNECT_SECONDS, READ_SECONDS)
            outcome.put(requests.get(address, headers=headers, stream=True, timeout=timeout))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = outcome.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        raise _PassingFault(f"no answer within {ANSWER_SECONDS:g} s") from None
    if isinstance(answer, requests.Response):
        return answer
    if isinstance(answer, requests.ConnectionError | requests.Timeout):
        raise _PassingFault(_cause(answer)) from answer
    raise _Fault(_cause(answer)) from answer


def _cause(error: BaseException) -> str:
    """Say what lies at the bottom of an error of `requests`, which wraps it several times over."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_there(place: Path, published: Published) -> bool:
    if not place.exists():
        return False
    with place.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == published.sha256:
            return True
    raise UserError(
        f"{place} is not the published {published.file_name} (its SHA-256 differs): "
        "move it away, or name it with `images:` in config.yaml to use it as it is"
    )


@contextmanager
def _alone(partial: Path) -> Iterator[BinaryIO]:
    """Open the partial file; whoever else has it open is waited for. An empty one isn't left behind."""
    while True:
        with partial.open("a+b") as file:
            # Some shared file systems have no locks; there the checksum alone guards against two writers.
            with suppress(OSError):
                _lock(file)
            if not _is_same(partial, file):
                continue  # renamed or removed by the process that was waited for
            try:
                yield file
            finally:
                if file.seek(0, os.SEEK_END) == 0:
                    partial.unlink(missing_ok=True)
            return


def _lock(file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        report(f"waiting for the process that is downloading {file.name}")
        fcntl.flock(file, fcntl.LOCK_EX)


def _is_same(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
