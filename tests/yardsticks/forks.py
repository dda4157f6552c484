"""What a fork does to each backend: `python -m tests.yardsticks.forks [--processes N] [BACKEND ...]`.

A fresh process writes and reads a store, keeps two threads that write and read stores of their own, and forks ten
times; five such processes make fifty forks. Each child reads with a new reader, and before that with the reader that it
has inherited, where the backend declares `fork_safe`: such a backend is tried with each value of its options. A child
that isn't done in time counts as hung and is killed, so that nothing here waits for ever.

Prints a table and exits with 1 where a child hung, crashed or read something else, or was refused though the backend
declares `fork_safe`. Run it with busy loops beside it.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scripts import backends
from scripts.backends import base
from scripts.common.errors import UserError
from tests.support.backend_variants import Variant, installed, load_all, make, variants

PROCESSES = 5
FORKS = 10
"""Of each process: most of what a library starts by itself, as its threads, starts with its first store."""
THREADS = 2
LONGEST_WAIT_SECONDS = 20
"""For one child, which needs some hundredths of a second."""
LOOK_AGAIN_SECONDS = 0.002
READ, REFUSED, HUNG, CRASHED, FAILED, STUCK = "read all", "refused", "hung", "crashed", "failed", "parent stuck"
OUTCOMES = (READ, REFUSED, HUNG, CRASHED, FAILED, STUCK)
FAILED_CODE, REFUSED_CODE = 1, 2


def outcomes_of(variant: Variant, processes: int) -> Counter[str]:
    """Count what came of all children of that many fresh processes."""
    counts: Counter[str] = Counter()
    for _ in range(processes):
        command = [sys.executable, __file__, "--alone", json.dumps(variant)]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, timeout=FORKS * LONGEST_WAIT_SECONDS + 60)
        except subprocess.TimeoutExpired:
            counts[STUCK] += FORKS
            continue
        found = Counter(json.loads(done.stdout)) if done.returncode == 0 else Counter({STUCK: FORKS})
        counts.update(found)
    return counts


def fork_often(variant: Variant, directory: Path) -> Counter[str]:
    """Write a store, fork while threads use the same library, and count what came of the children."""
    images, labels = make()
    is_safe = variant.backend.fork_safe
    path = directory / "store"
    # Some libraries refuse a store that the process, or another one, has open already.
    path_of_child = path if is_safe else directory / "store-of-child"
    for each in {path, path_of_child}:
        variant.write(each, images, labels)
    done = threading.Event()
    threads = [
        threading.Thread(target=_work_until, args=(done, variant, directory / f"of-{number}"), daemon=True)
        for number in range(THREADS)
    ]
    with variant.open(path) as reader:
        load_all(reader)
        reader.load([1, 0])
        for thread in threads:
            thread.start()

        def child() -> bool:
            with variant.open(path_of_child) as own:
                return all(_reads_all(each, images, labels) for each in ([reader] if is_safe else []) + [own])

        counts = Counter(outcome_of(child) for _ in range(FORKS))
        done.set()
        for thread in threads:
            thread.join()
    return counts


def outcome_of(child: Callable[[], bool]) -> str:
    """Fork, let the child do that, and return what came of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what Python 3.12 says of a fork beside threads
        process = os.fork()
    if not process:
        code = FAILED_CODE
        try:
            code = 0 if child() else FAILED_CODE
        except UserError:
            code = REFUSED_CODE
        finally:
            os._exit(code)
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while time.monotonic() < end:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            if os.WIFSIGNALED(status):
                return CRASHED
            return {0: READ, REFUSED_CODE: REFUSED}.get(os.WEXITSTATUS(status), FAILED)
        time.sleep(LOOK_AGAIN_SECONDS)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return HUNG


def _work_until(done: threading.Event, variant: Variant, path: Path) -> None:
    images, labels = make()
    while not done.is_set():
        variant.write(path, images, labels)
        with variant.open(path) as reader:
            load_all(reader)
            reader.load([2, 1])
        shutil.rmtree(path)


def _reads_all(reader: base.Reader, images: np.ndarray, labels: np.ndarray) -> bool:
    ids = [2, 1]
    found = [*reader.load(ids), *load_all(reader)]
    return all(map(np.array_equal, found, (images[ids], labels[ids], images, labels)))


def main() -> int:
    """Fork with each, print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backends", nargs="*", help="these alone")
    parser.add_argument("--processes", type=int, default=PROCESSES, help=f"for each, of {FORKS} forks")
    parser.add_argument("--alone", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        with tempfile.TemporaryDirectory() as directory:
            print(json.dumps(fork_often(Variant(*given.alone), Path(directory))))
        return 0
    print(f"{'':32}" + "".join(f"{outcome:>13}" for outcome in OUTCOMES), flush=True)
    sound = True
    for variant in variants():
        usual = variant.options == backends.resolve(variant.name, {})
        if (given.backends and variant.name not in given.backends) or not (usual or variant.backend.fork_safe):
            continue
        try:
            installed(variant)
        except pytest.skip.Exception as reason:
            print(f"{variant!s:32}left out: {reason}", flush=True)
            continue
        counts = outcomes_of(variant, given.processes)
        print(f"{variant!s:32}" + "".join(f"{counts[outcome]:13}" for outcome in OUTCOMES), flush=True)
        fine = counts[READ] + (0 if variant.backend.fork_safe else counts[REFUSED])
        sound &= fine == given.processes * FORKS
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
