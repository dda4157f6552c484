"""Fresh processes: started for one piece of work, with pinned threads and memory settings, and gone when it's done."""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from scripts.errors import UserError

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("BLOSC_NTHREADS", "RAYON_NUM_THREADS"),
)
"""Where many libraries look for the size of their pools of threads when they are loaded: OpenMP, BLAS libraries,
NumExpr, Blosc, Rayon. A backend names those of its own."""
KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
"""Lets glibc keep freed memory at hand, with the largest thresholds that it comes to by itself (mallopt(3)). Left to
itself it gives memory back or doesn't by how the heap happens to lie: with the checkout in another directory, PNG's
compressor took a third longer, in every job. Source: Mytkowicz and others, "Producing wrong data without doing anything
obviously wrong!" (2009)."""
PR_SET_PDEATHSIG = 1
"""Linux, include/uapi/linux/prctl.h."""


def call(function: Callable[..., Any], *arguments: Any, threads: int, thread_variables: Iterable[str] = ()) -> Any:
    """Call a module's function in a new interpreter that ends afterwards; return what it returns.

    It finds the number of threads in THREAD_VARIABLES and in `thread_variables`.

    Raises what the function raises, and UserError where the process is killed. It dies with this one.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, os.getpid(), function, arguments))
    with pinned(threads, thread_variables):
        process.start()
    sender.close()
    try:
        returned, value = receiver.recv()
    except EOFError:
        process.join()
        if process.exitcode == -signal.SIGKILL:
            raise UserError(
                "the process that was timed has been killed, most likely for want of memory; leave out the largest "
                "cutoffs or run where there is more"
            ) from None
        raise UserError(
            f"the process that was timed has ended with code {process.exitcode} and said nothing (a negative code is a "
            "signal); a library that it uses is likely at fault"
        ) from None
    except BaseException:
        process.kill()
        raise
    finally:
        process.join()
    if not returned:
        raise value
    return value


@contextmanager
def pinned(threads: int, thread_variables: Iterable[str] = ()) -> Iterator[None]:
    """Let processes that are started meanwhile load their libraries with that many threads each, and keep memory."""
    variables = dict.fromkeys([*THREAD_VARIABLES, *thread_variables], str(threads)) | KEEPS_MEMORY
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def die_with(parent: int) -> None:
    """Let this process be killed when the one that started it, `parent`, ends, so that no timing outlives its job.

    An interruption from the keyboard, which goes to all of them, is left to that process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def cpu_affinity() -> list[int] | None:
    """Return the cores that this process may run on, or None where the system doesn't say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _answer(sender: Connection, parent: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Call and send what came of it; an error takes its traceback along as a note."""
    die_with(parent)
    try:
        answer = (True, function(*arguments))
    except Exception as error:
        error.add_note(traceback.format_exc())
        answer = (False, error)
    try:
        sender.send(answer)
    except Exception:  # what can't be pickled is told in words
        sender.send((False, RuntimeError(traceback.format_exc())))
