"""Processes of their own: what they find, and what becomes of the run where they fail, crash or hang."""

import errno
import gc
import os
import platform
import resource
import signal
import struct
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pytest

from scripts.common.errors import Failed, UserError
from scripts.system import process

pytestmark = pytest.mark.slow


def test_a_process_is_fresh_and_has_its_threads_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert process.call(os.getenv, "OMP_NUM_THREADS", threads=3) == "3"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "BLOSC_NTHREADS" not in os.environ
    assert process.call(os.getpid, threads=1) != os.getpid()


def faults_of_memory_used_again() -> int:
    """How often the kernel is asked for pages by an array that another one of its size came before."""
    np.ones(20 << 20, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(20 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are those of glibc's allocator")
def test_freed_memory_stays_with_the_process_whatever_the_heap_looks_like() -> None:
    assert process.call(faults_of_memory_used_again, threads=1) < 100


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def answer_in_part() -> None:
    """Write the length of an answer and its first byte to whom waits for it, and be killed."""
    sender = next(each for each in gc.get_objects() if isinstance(each, Connection) and each.writable)
    os.write(sender.fileno(), struct.pack("!i", 1000) + b"x")
    os.kill(os.getpid(), signal.SIGKILL)


class OddError(Exception):
    """Can be pickled, and can't be made again from that."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one + other)


def raise_(error: type[Exception], *arguments: Any) -> None:
    raise error(*arguments)


@pytest.mark.parametrize(
    ("function", "arguments", "kind", "says"),
    [
        (die, (), Failed, "its process was killed, most likely for want of memory"),
        (answer_in_part, (), Failed, "its process was killed, most likely for want of memory"),
        (signal.raise_signal, (signal.SIGSEGV,), Failed, r"its process crashed \(SIGSEGV\)"),
        (os._exit, (3,), Failed, "ended with code 3 and said nothing"),
        (open, (os.devnull,), Failed, "pickle"),
        (os.stat, ("nothing",), Failed, "FileNotFoundError"),
        (raise_, (OddError, "odd ", "thing"), Failed, "OddError: odd thing"),
        (raise_, (MemoryError,), Failed, "not enough memory"),
        (raise_, (OSError, errno.ENOMEM, "x"), Failed, "not enough memory"),
        (raise_, (OSError, errno.ENOSPC, "x", "/place"), OSError, "/place"),
        (raise_, (OSError, errno.EACCES, "x", "/place"), OSError, "/place"),
        (raise_, (UserError, "other images"), UserError, "other images"),
        (signal.raise_signal, (signal.SIGTERM,), UserError, "ended from outside"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_ends_a_process_is_its_own_fault_or_one_that_the_user_can_put_right(
    function: Any, arguments: Any, kind: type[Exception], says: str
) -> None:
    """The first becomes a gap, the second stops the run, with one line."""
    with pytest.raises(kind, match=says):
        process.call(function, *arguments, threads=1)


def test_an_error_takes_its_traceback_along() -> None:
    with pytest.raises(Failed) as raised:
        process.call(os.stat, "nothing", threads=1)
    assert "in _answer" in raised.value.__notes__[0]


def test_a_process_that_hangs_is_ended() -> None:
    with pytest.raises(Failed, match="wasn't done after 1 s"):
        process.call(time.sleep, 3600, threads=1, limit_seconds=1)
