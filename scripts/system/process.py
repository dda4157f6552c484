"""Fresh processes: started for one piece of work, with pinned threads and memory settings, and gone when it's done.

What becomes of one never stops the run: where it crashes, is killed, hangs or meets an error of a library, that is a
`Failed`, which becomes a gap. What the user can put right (a full disk, say) stays an error of its own.
"""

import ctypes
import errno
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from scripts.common import full_disk
from scripts.common.errors import NOT_PERMITTED, Failed, UserError
from scripts.common.progress import duration

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("BLOSC_NTHREADS", "RAYON_NUM_THREADS"),
)
"""Environment variables with the number of threads. OpenMP, BLAS libraries, NumExpr, Blosc and Rayon read them
when they are loaded. A backend names the variables of its own libraries."""
KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
"""Lets glibc keep freed memory at hand, with the largest thresholds that it comes to by itself (mallopt(3)). Left to
itself it gives memory back or doesn't by how the heap happens to lie, so that the checkout's path changes timings.
Source: Mytkowicz and others, "Producing wrong data without doing anything obviously wrong!" (2009)."""
FEW_TASKS = 4
"""To start an interpreter takes as long as so many tasks of decoding."""
TASKS_AHEAD = 3
"""The tasks that wait for each process, so that none waits for tasks."""
PR_SET_PDEATHSIG = 1
"""Option of prctl(2), from Linux, include/uapi/linux/prctl.h."""
ENDED_FROM_OUTSIDE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals by which a user or a cluster ends a job. They end this process too."""
LONGEST_REASON = 300
"""Letters of an error that the reason of a gap keeps at most. The traceback in the log has all of them."""


def call(
    function: Callable[..., Any],
    *arguments: Any,
    threads: int | None,
    thread_variables: Iterable[str] = (),
    limit_seconds: float | None = None,
) -> Any:
    """Call a module's function in a new interpreter that ends afterwards; return what it returns.

    It finds the number of threads in THREAD_VARIABLES and in `thread_variables`; None leaves them as they are. It dies
    with this process, and after `limit_seconds`; None waits for ever.

    Raises the UserError that the function raises, OSError for a full disk and a missing permission, and Failed where it
    raises anything else, crashes, is killed, or isn't done in time.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, os.getpid(), function, arguments))
    with pinned(threads, thread_variables) if threads else nullcontext():
        process.start()
    sender.close()
    try:
        if not receiver.poll(limit_seconds):
            limit = duration(limit_seconds or 0)
            raise Failed(
                f"it wasn't done after {limit}, the time limit (time_limit_seconds, on a cluster also runtime)"
            )
        returned, value = receiver.recv()
    except (EOFError, OSError):  # the second where it has ended in the middle of its answer
        process.join()
        raise _why_it_ended(process.exitcode or 0) from None
    except BaseException:
        process.kill()
        raise
    finally:
        process.join()
    if not returned:
        raise value
    return value


def share(function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], processes: int) -> Iterator[Any]:
    """Yield what a module's function returns for the arguments of each task, in the order of the tasks.

    So many new interpreters share them, and few tasks are taken ahead; a few tasks in all are done here. Raises
    UserError where one of the interpreters is killed, and what the function raises.
    """
    from concurrent.futures import Future, ProcessPoolExecutor  # which timings would load for nothing
    from concurrent.futures.process import BrokenProcessPool

    remaining = iter(tasks)
    first = deque(islice(remaining, FEW_TASKS + 1))
    if len(first) <= FEW_TASKS:
        yield from (function(*task) for task in first)
        return
    waiting: deque[Future[Any]] = deque()
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=die_with, initargs=(os.getpid(),)) as pool:
        try:
            for task in chain((first.popleft() for _ in range(len(first))), remaining):  # kept no longer than others
                waiting.append(pool.submit(function, *task))
                if len(waiting) > TASKS_AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                "one of the processes that share the work was killed, most likely for want of memory; run again, with "
                "fewer cores"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def pinned(threads: int, thread_variables: Iterable[str] = ()) -> Iterator[None]:
    """Let processes that are started meanwhile load their libraries with that many threads each, and keep memory."""
    before = os.environ.copy()
    os.environ |= dict.fromkeys([*THREAD_VARIABLES, *thread_variables], str(threads)) | KEEPS_MEMORY
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def die_with(parent: int) -> None:
    """Let this process be killed when the one that started it, `parent`, ends, so that no timing outlives its job.

    An interruption from the keyboard, which goes to all of them, is left to that process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def failure(error: Exception) -> Exception:
    """Return the error that says what an error of any kind means for the run, with the traceback as a note."""
    meant = _meant_by(error)
    meant.add_note(traceback.format_exc())
    return meant


def _answer(sender: Connection, parent: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Call and send what came of it."""
    die_with(parent)
    try:
        answer = (True, function(*arguments))
    except Exception as error:
        answer = (False, failure(error))
    try:
        sender.send(answer)
    except Exception as error:  # it can't be pickled
        sender.send((False, failure(error)))


def _meant_by(error: Exception) -> Exception:
    if isinstance(error, UserError | Failed | ModuleNotFoundError):
        return error
    if full := full_disk.recognised(error):
        return full
    if isinstance(error, OSError) and error.errno in NOT_PERMITTED:
        return OSError(error.errno, error.strerror, error.filename)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return Failed("there was not enough memory for it")
    said = " ".join(str(error).split())
    return Failed(f"{type(error).__name__}{': ' if said else ''}{said:.{LONGEST_REASON}}")


def _why_it_ended(code: int) -> Exception:
    """The error for a process that has ended with a code, a negative one being a signal, and said nothing."""
    if -code in ENDED_FROM_OUTSIDE:
        return UserError(f"its process was ended from outside ({signal.Signals(-code).name}); run again")
    if -code == signal.SIGKILL:
        return Failed("its process was killed, most likely for want of memory")
    how = f"crashed ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code} and said nothing"
    return Failed(f"its process {how}; a library that it uses is likely at fault")
