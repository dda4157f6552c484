"""The lock on the host that keeps a timing job alone: timings hold it alone, every other step shares it.

It covers what Snakemake's scheduler can't see: other checkouts on the same host, and whatever options the user passes.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts.progress import report

ENVIRONMENT_VARIABLE = "IMAGE_STORAGE_BENCHMARK_LOCK"
SECONDS_BEFORE_SAYING_SO = 5.0


@contextmanager
def shared() -> Iterator[None]:
    """Hold the host's lock together with other steps that share it; waits while a timing runs."""
    with _hold(_path(), fcntl.LOCK_SH):
        yield


@contextmanager
def alone() -> Iterator[None]:
    """Hold the host's lock alone; waits until every other holder on this host has finished."""
    with _hold(_path(), fcntl.LOCK_EX):
        yield


def _path() -> Path:
    """Return the lock's file: one for all users and checkouts of a host, so not in TMPDIR, which may be a job's own."""
    return Path(os.environ.get(ENVIRONMENT_VARIABLE, "/tmp/image-storage-benchmark.lock"))


@contextmanager
def _hold(path: Path, kind: int) -> Iterator[None]:
    """Take the lock in turn: a gate, held while waiting, keeps newcomers from overtaking a timing that waits."""
    gate = _open(path.with_name(path.name + ".gate"))
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
    """Open the lock's file, made on first use for every user of the host.

    Without O_CREAT first: Linux may refuse O_CREAT on another user's file in a directory like /tmp
    (fs.protected_regular).
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with suppress(PermissionError):  # somebody else has made it just now
            os.fchmod(descriptor, 0o666)
        return descriptor


def _wait(descriptor: int, kind: int, path: Path) -> None:
    message = f"waiting for another job on this host to finish (lock {path})"
    notice = threading.Timer(SECONDS_BEFORE_SAYING_SO, report, [message])
    notice.daemon = True
    notice.start()
    try:
        fcntl.flock(descriptor, kind)
    finally:
        notice.cancel()
