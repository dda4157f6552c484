"""Fetching one known file over HTTP: several addresses, patience where a connection stands, resuming, checking."""

import fcntl
import hashlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from io import BufferedRandom
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.utils import get_environ_proxies, select_proxy

from scripts.common.errors import UserError
from scripts.common.progress import Progress, report

Result = TypeVar("Result")

CHUNK_BYTES = 1 << 16
"""Bytes that are taken from the network at a time. A transfer that breaks loses fewer bytes."""

LEAST_BYTES_PER_SECOND = 5_000
"""Speed below which a transfer is started again."""

PROGRESS_SHARE = 0.01
"""Smallest share of the file that a try must add so that earlier faults no longer count."""

UNKNOWN_ISSUER = (2, 18, 19, 20, 21)
"""OpenSSL's codes for certificates whose issuer it doesn't know (X509_STORE_CTX_get_error(3))."""
OUT_OF_DATE = (9, 10)
"""OpenSSL's codes for certificates that aren't valid yet or have expired."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, in seconds."""

    connection: float = 4.0
    """Seconds for its name to be looked up, and as many for a connection."""
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
        self._resumes = True

    def run(self) -> None:
        """Complete the file; raises `_Fault`, with what has arrived so far left in the file.

        Only what is more than ever before counts as progress: a server that has the file begun again, time after time,
        makes none.
        """
        started = progressed = time.monotonic()
        most = self._size()
        faults = 0
        while True:
            try:
                return self._attempt()
            except _PassingFault as fault:
                now = time.monotonic()
                if self._size() >= most + PROGRESS_SHARE * self._published.size_bytes:
                    most, progressed, faults = self._size(), now, 0
                if faults == len(self._patience.pauses):
                    raise
                pause = max(self._patience.pauses[faults], fault.wait_seconds)
                if now + pause > progressed + self._patience.address:
                    raise
                if not self._is_reached and now + pause > started + self._patience.unreachable:
                    raise
                report(f"{self._address}: {fault}; trying again in {pause:g} s")
                time.sleep(pause)
                faults += 1

    def _attempt(self) -> None:
        kept = self._size()
        if kept > self._published.size_bytes:
            self._discard()
        if kept != self._published.size_bytes:
            self._receive()
        if self._size() < self._published.size_bytes:
            raise _PassingFault("the transfer ended early")
        self._file.seek(0)
        if hashlib.file_digest(self._file, "sha256").hexdigest() != self._published.sha256:
            self._discard()
            # The bytes kept from an earlier transfer may be to blame: only a fresh one speaks against the address.
            raise (_PassingFault if kept else _Fault)("its content is not the published one (SHA-256)")

    def _receive(self) -> None:
        kept = self._size() if self._resumes else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={kept}-"} if kept else {})
        with self._request(headers) as response:
            status = response.status_code
            if status in (408, 429) or status >= 500:
                raise _PassingFault(f"answers {status} {response.reason}", _wait_seconds(response))
            if kept and (status == 416 or (status == 206 and not _starts_at(response, kept))):
                self._resumes = False
                raise _PassingFault("can't continue where the last transfer ended")
            if status != (206 if kept else 200) and status != 200:
                raise _Fault(f"answers {status} {response.reason}")
            if status == 200:
                kept = 0
            remaining = self._published.size_bytes - kept
            length = response.headers.get("Content-Length", str(remaining))
            if length != str(remaining):
                raise _Fault(f"offers {length} bytes where the published file has {remaining}")
            self._append(response, kept, remaining)

    def _append(self, response: requests.Response, kept: int, remaining: int) -> None:
        """Put what the answer holds behind the first `kept` bytes; its first byte cuts off what was behind them."""
        megabyte = 10**6
        received = 0
        window_start, window_bytes = time.monotonic(), 0
        with Progress(f"downloading {self._published.file_name}", remaining // megabyte, "MB") as progress:
            while chunk := self._chunk(response):
                if received == 0:
                    self._check_start(chunk, kept)
                    self._file.truncate(kept)
                received += len(chunk)
                window_bytes += len(chunk)
                if received > remaining:
                    self._discard()
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
        try:
            return response.raw.read1(CHUNK_BYTES, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError:
            raise _PassingFault(f"sent nothing for {self._patience.silence:g} s") from None
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise _PassingFault(_cause(error)) from error

    def _check_start(self, chunk: bytes, kept: int) -> None:
        start = self._published.start
        if kept == 0 and chunk[: len(start)] != start[: len(chunk)]:
            raise _Fault(
                f"sends something else, which begins with {chunk[:20]!r}; if that is a page of your network, log in "
                "first"
            )

    def _request(self, headers: dict[str, str]) -> requests.Response:
        """Ask for the file; returns once the headers of the answer are there. Raises `_Fault`."""
        patience = self._patience
        host = self._look_up()
        timeout = (patience.connection, patience.silence)

        def ask() -> requests.Response:
            return requests.get(self._address, headers=headers, stream=True, timeout=timeout)

        try:
            response = _within(2 * patience.connection + patience.silence, ask)
        except (TimeoutError, requests.ReadTimeout):
            self._is_reached = True
            raise _PassingFault(f"no answer within {patience.silence:g} s") from None
        except requests.exceptions.ProxyError as error:
            raise _PassingFault(f"the proxy {host} (http_proxy, https_proxy, all_proxy): {_cause(error)}") from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _certificate_fault(error) or _PassingFault(_cause(error)) from error
        except Exception as error:
            raise _Fault(_cause(error)) from error
        self._is_reached = True
        return response

    def _look_up(self) -> str | None:
        """Return the host that is asked, which may be a proxy; its name must be known."""
        try:
            proxy = select_proxy(self._address, get_environ_proxies(self._address))
            host = urlsplit(proxy or self._address).hostname
            if host:
                _within(self._patience.connection, lambda: socket.getaddrinfo(host, None))
            return host
        except TimeoutError:
            raise _PassingFault(f"no answer to the question where {host} is") from None
        except OSError as error:
            raise _PassingFault(f"{host}: {_cause(error)}") from error
        except ValueError as error:
            raise _Fault(_cause(error)) from error

    def _size(self) -> int:
        return self._file.seek(0, os.SEEK_END)

    def _discard(self) -> None:
        self._file.truncate(0)


def _within(seconds: float, work: Callable[[], Result]) -> Result:
    """Return what `work` does; raises TimeoutError when time is up, and leaves the work to itself.

    A name's look-up has no time-out of its own, and takes half a minute where a closed network swallows the question.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result(timeout=seconds)


def _starts_at(response: requests.Response, place: int) -> bool:
    """Whether an answer holds the part of the file that starts there."""
    return response.headers.get("Content-Range", "").startswith(f"bytes {place}-")


def _wait_seconds(response: requests.Response) -> float:
    """How long an answer asks to be left alone, by Retry-After: seconds, or a date (RFC 9110)."""
    told = response.headers.get("Retry-After", "")
    if told.strip().isdigit():
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return 0.0


def _certificate_fault(error: BaseException) -> _Fault | None:
    """What an error says of the server's certificate, with the remedy, if it's about that."""
    while error.__context__ is not None:
        error = error.__context__
    if not isinstance(error, ssl.SSLCertVerificationError):
        return None
    remedy = ""
    if error.verify_code in UNKNOWN_ISSUER:
        remedy = (
            "; where your network puts its own in place, set REQUESTS_CA_BUNDLE to the file of the issuer's certificate"
        )
    elif error.verify_code in OUT_OF_DATE:
        remedy = "; see that this machine's clock is right"
    return _Fault(f"its certificate is not trusted ({error.verify_message}){remedy}")


def _cause(error: BaseException) -> str:
    """Say what lies at the bottom of an error of `requests`, which wraps it several times over."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_there(place: Path, published: Published) -> bool:
    if not place.exists():
        return False
    if not place.is_file():
        raise UserError(f"{place}, where {published.address} is kept, is no file: move it away")
    with place.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == published.sha256:
            return True
    raise UserError(
        f"{place} is not the published {published.file_name} (its SHA-256 differs): "
        "move it away, or name it with `images:` in config.yaml to use it as it is"
    )


@contextmanager
def _alone(partial: Path) -> Iterator[BufferedRandom]:
    """Open the partial file; another process that has it open is waited for. An empty one isn't left behind."""
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


def _lock(file: BufferedRandom) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        report(f"waiting for the process that is downloading {file.name}")
        fcntl.flock(file, fcntl.LOCK_EX)


def _is_same(path: Path, file: BufferedRandom) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
