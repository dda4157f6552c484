"""The lock on the host that keeps a timing alone: a timing holds it alone, builds and the like share it.

`scripts/__main__.py` takes it around a step. It covers what Snakemake's scheduler can't see: other checkouts on the
same host, and all options that the user may pass.
"""

import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from scripts.common.errors import UserError, shown
from scripts.common.progress import report

ENVIRONMENT_VARIABLE = "IMAGE_STORAGE_BENCHMARK_LOCK"
SECONDS_BEFORE_SAYING_SO = 5.0
USUAL = "/tmp/image-storage-benchmark.lock"


def shared() -> AbstractContextManager[None]:
    """Hold the host's lock together with other steps that share it; wait while a timing runs."""
    return _held(fcntl.LOCK_SH)


def alone() -> AbstractContextManager[None]:
    """Hold the host's lock alone; wait until every other holder on this host has finished."""
    return _held(fcntl.LOCK_EX)


def hold(descriptor: int, doing: str) -> None:
    """Hold an open file or directory alone until it is closed; wait while another process does, with a line.

    `doing` completes the line: `is downloading ...`. Some shared file systems have no locks; there nothing is held.
    """
    with suppress(OSError):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for the process that {doing}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def check() -> None:
    """Raise UserError where this host's lock can't be opened, with the remedy."""
    for path in _files():
        os.close(_open(path))


def _files() -> tuple[Path, Path]:
    """The lock's file and its gate."""
    # All users and checkouts of a host share them, so they aren't in TMPDIR, which may be a job's own.
    path = os.environ.get(ENVIRONMENT_VARIABLE) or USUAL
    return Path(path), Path(f"{path}.gate")


@contextmanager
def _held(kind: int) -> Iterator[None]:
    """Take the lock in turn."""
    path, gate_path = _files()
    # A process that waits for the lock holds the gate, so that no newcomer overtakes a timing that waits.
    gate = _open(gate_path)
    lock = _open(path)
    try:
        _wait(gate, fcntl.LOCK_EX, path)
        _wait(lock, kind, path)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
    finally:
        os.close(lock)
        os.close(gate)


def _open(path: Path) -> int:
    """Open the lock's file, made on first use for every user of the host. Raises UserError where it can't be."""
    try:
        descriptor = _open_or_make(path)
    except OSError as error:
        raise UserError(_refused(path, str(error.strerror))) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(_refused(path, "it's no plain file"))
    return descriptor


def _open_or_make(path: Path) -> int:
    # O_NONBLOCK is for a pipe under that name, which would keep the process waiting. Without O_CREAT first: Linux may
    # refuse it on another user's file in a directory like /tmp (fs.protected_regular).
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        with suppress(PermissionError):  # another user has made it just now
            os.fchmod(descriptor, 0o666)
        return descriptor


def _refused(path: Path, reason: str) -> str:
    """Why the lock can't be had, and what helps: to let its owner remove it, or to name another place for all."""
    remedy = (
        f"set the variable {ENVIRONMENT_VARIABLE} to a file in a directory that you may write to, the same for "
        "everybody who measures on this host"
    )
    if os.path.lexists(path):
        remedy = f"remove it, or ask its owner to, while nothing is measured; or {remedy}"
    return f"the lock that keeps timings on this host apart, {shown(path)}, can't be opened ({reason}); {remedy}"


def _wait(descriptor: int, kind: int, path: Path) -> None:
    message = f"waiting for another job on this host to finish (lock {path})"
    notice = threading.Timer(SECONDS_BEFORE_SAYING_SO, report, [message])
    notice.daemon = True
    notice.start()
    try:
        fcntl.flock(descriptor, kind)
    finally:
        notice.cancel()
