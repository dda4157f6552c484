"""Fetching one known file over HTTP: several addresses, patience where a connection stands, resuming, checking."""

import hashlib
import os
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path

import requests
import urllib3

from scripts.common.digests import file_sha256
from scripts.common.errors import UserError
from scripts.common.progress import Progress, report
from scripts.system import lock

CHUNK_BYTES = 1 << 16
"""Bytes that are taken from the network at a time. A transfer that breaks loses fewer bytes."""

LEAST_BYTES_PER_SECOND = 5_000
"""Speed below which a transfer is started again."""

PROGRESS_SHARE = 0.01
"""Smallest share of the file that a try must add so that earlier faults no longer count."""

CERTIFICATE_REMEDY = (
    "see that this machine's clock is right; where your network puts its own certificate in place, set "
    "REQUESTS_CA_BUNDLE to the file of the issuer's certificate"
)


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, in seconds."""

    connection: float = 4.0
    """Seconds for a connection."""
    silence: float = 60.0
    """Seconds for its next byte on an open connection."""
    pauses: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Seconds before each retry after a fault that may pass."""
    unreachable: float = 3.0
    """Seconds after which a server that takes no connection isn't tried again."""
    address: float = 150.0
    """Seconds after which a server that has sent nothing new isn't tried again."""


@dataclass(frozen=True)
class Published:
    """A file as its publisher describes it."""

    address: str
    file_name: str
    size_bytes: int
    sha256: str
    start: bytes = b""
    """Its first bytes: what doesn't begin so is another file, such as the log-in page of a network."""


class Unavailable(Exception):
    """No address gave the file; the message says why, address by address."""


def fetch(
    published: Published, directory: Path, addresses: Sequence[str], patience: Patience | None = None
) -> str | None:
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
    if partial.exists() and not partial.is_file():
        raise UserError(f"{partial}, where the download is kept until it is complete, is no file: move it away")
    with _alone(partial) as file:
        if _is_there(place, published):
            return None
        reasons = []
        for address in addresses:
            try:
                _Transfer(address, file, published, patience or Patience()).run()
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
    """Why an address didn't give the file this time, and how many seconds it asks to be left alone."""

    def __init__(self, reason: str, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class _Transfer:
    """Getting the rest of one file from one address."""

    def __init__(self, address: str, file: BufferedRandom, published: Published, patience: Patience) -> None:
        self._address, self._file, self._published, self._patience = address, file, published, patience
        self._is_reached = False

    def run(self) -> None:
        """Complete the file. Raises `_Fault`, with what has arrived so far left in the file."""
        progressed, most, faults = time.monotonic(), self._size(), 0
        while True:
            try:
                return self._attempt()
            except _PassingFault as fault:
                # Only more than ever before is progress: a server that starts over, time after time, makes none.
                if self._size() >= most + PROGRESS_SHARE * self._published.size_bytes:
                    progressed, most, faults = time.monotonic(), self._size(), 0
                if faults == len(self._patience.pauses):
                    raise
                pause = max(self._patience.pauses[faults], fault.wait_seconds)
                limit = self._patience.address if self._is_reached else self._patience.unreachable
                if time.monotonic() + pause > progressed + limit:
                    raise
                report(f"{self._address}: {fault}; trying again in {pause:g} s")
                time.sleep(pause)
                faults += 1

    def _attempt(self) -> None:
        kept = self._size()
        if kept > self._published.size_bytes:
            self._file.truncate(0)
        if kept != self._published.size_bytes:
            self._receive()
        if self._size() < self._published.size_bytes:
            raise _PassingFault("the transfer ended early")
        self._file.seek(0)
        if hashlib.file_digest(self._file, "sha256").hexdigest() != self._published.sha256:
            self._file.truncate(0)
            # The bytes kept from an earlier transfer may be to blame: only a fresh one speaks against the address.
            raise (_PassingFault if kept else _Fault)("its content is not the published one (SHA-256)")

    def _receive(self) -> None:
        kept = self._size()
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={kept}-"} if kept else {})
        timeout = (self._patience.connection, self._patience.silence)
        with self._network():
            response = requests.get(self._address, headers=headers, stream=True, timeout=timeout)
        self._is_reached = True
        with response:
            status, answer = response.status_code, f"answers {response.status_code} {response.reason}"
            if status in (408, 429) or status >= 500:
                with self._network():
                    wait_seconds = urllib3.Retry().get_retry_after(response.raw)
                raise _PassingFault(answer, wait_seconds or 0.0)
            starts_there = response.headers.get("Content-Range", "").startswith(f"bytes {kept}-")
            if kept and (status == 416 or (status == 206 and not starts_there)):
                self._file.truncate(0)
                raise _PassingFault("can't continue where the last transfer ended")
            if status not in (200, 206):
                raise _Fault(answer)
            self._append(response, kept if status == 206 else 0)

    def _append(self, response: requests.Response, kept: int) -> None:
        """Put what the answer holds behind the first `kept` bytes; its first byte cuts off what was behind them."""
        megabyte = 10**6
        start, remaining = self._published.start, self._published.size_bytes - kept
        length = response.headers.get("Content-Length", str(remaining))
        if length != str(remaining):
            raise _Fault(f"offers {length} bytes where the published file has {remaining}")
        received = window_bytes = 0
        window_start = time.monotonic()
        with Progress(f"downloading {self._published.file_name}", remaining // megabyte, "MB") as progress:
            while chunk := self._chunk(response):
                if received == 0:
                    if kept == 0 and chunk[: len(start)] != start[: len(chunk)]:
                        raise _Fault(
                            f"sends something else, which begins with {chunk[:20]!r}; if that is a page of your "
                            "network, log in first"
                        )
                    self._file.truncate(kept)
                received += len(chunk)
                window_bytes += len(chunk)
                if received > remaining:
                    self._file.truncate(0)
                    raise _Fault("sends more bytes than the published file has")
                self._file.write(chunk)
                progress.update(received // megabyte)
                elapsed = time.monotonic() - window_start
                if elapsed > self._patience.silence:
                    if window_bytes < LEAST_BYTES_PER_SECOND * elapsed:
                        raise _PassingFault(f"sends less than {LEAST_BYTES_PER_SECOND // 1000} kB/s")
                    window_start, window_bytes = time.monotonic(), 0

    def _chunk(self, response: requests.Response) -> bytes:
        """The next bytes of an answer, as they were sent: an archive that is called an encoding stays one."""
        with self._network():
            return response.raw.read1(CHUNK_BYTES, decode_content=False)

    @contextmanager
    def _network(self) -> Iterator[None]:
        """Turn what goes wrong on the network into a fault that says what lies at its bottom."""
        try:
            yield
        except (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
            self._is_reached = True
            raise _PassingFault(f"sent nothing for {self._patience.silence:g} s") from None
        except Exception as error:
            cause: BaseException = error
            while cause.__context__ is not None:
                cause = cause.__context__
            reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise _Fault(f"its certificate is not trusted ({cause.verify_message}); {CERTIFICATE_REMEDY}") from None
            if isinstance(error, requests.exceptions.ProxyError):
                reason = f"the proxy that http_proxy, https_proxy or all_proxy names: {reason}"
            passing = (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError)
            raise (_PassingFault if isinstance(error, passing) else _Fault)(reason) from error

    def _size(self) -> int:
        return self._file.seek(0, os.SEEK_END)


def _is_there(place: Path, published: Published) -> bool:
    if not place.exists():
        return False
    if not place.is_file():
        raise UserError(f"{place}, where {published.address} is kept, is no file: move it away")
    if file_sha256(place) == published.sha256:
        return True
    raise UserError(
        f"{place} is not the published {published.file_name} (its SHA-256 differs): "
        "move it away, or name it with `images:` in config.yaml to use it as it is"
    )


@contextmanager
def _alone(partial: Path) -> Iterator[BufferedRandom]:
    """Open the partial file once no other process has it open, and remove it where it stays empty."""
    while True:
        with partial.open("a+b") as file:
            # Where the file system has no locks, the checksum alone guards against two writers.
            lock.hold(file.fileno(), f"is downloading {file.name}")
            if not _is_same(partial, file):
                continue  # renamed or removed by the process that was waited for
            try:
                yield file
            finally:
                if file.seek(0, os.SEEK_END) == 0:
                    partial.unlink(missing_ok=True)
            return


def _is_same(path: Path, file: BufferedRandom) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
