"""Looking at the memory of this process every now and then, from a process of its own, which waits for no lock here.

The kernel keeps the peak of all resident memory, but not of its two kinds: anonymous memory, the process's own, and
pages of mapped files, which the system takes back when it needs them. What comes and goes between two looks isn't seen.
"""

import os
import select
import subprocess
import sys
import time
from mmap import PAGESIZE
from pathlib import Path
from typing import NamedTuple

LEAST_WAIT_SECONDS, MOST_WAIT_SECONDS = 0.0005, 0.02
LOOKS = 200
"""Looks in as long as the work has taken so far."""
STATM_BYTES = 256


class Resident(NamedTuple):
    """Resident memory of a process, in bytes: its own, and mapped pages of files and of shared memory."""

    anonymous: int
    mapped: int


def resident(statm: str) -> Resident | None:
    """Return what a process's statm file says of its memory (in pages: proc_pid_statm(5)), None where it's empty."""
    if not statm:
        return None
    _, pages, mapped, *_ = map(int, statm.split())
    return Resident((pages - mapped) * PAGESIZE, mapped * PAGESIZE)


class Watcher:
    """Looks at the memory of this process from the start until it is stopped."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", Path(__file__), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if self._process.stdout:
            self._process.stdout.readline()  # it has begun

    def stop(self) -> Resident | None:
        """Return the most that was seen of each kind, None where nothing could be looked at."""
        said, _ = self._process.communicate()
        return Resident(*map(int, said.split())) if said else None


def watch(process: int) -> Resident | None:
    """Look at the memory of a process until the standard input ends; return the most that was seen of each kind."""
    most = None
    with open(f"/proc/{process}/statm", "rb", buffering=0) as statm:
        start = time.perf_counter()
        print(flush=True)
        while True:
            seen = resident(os.pread(statm.fileno(), STATM_BYTES, 0).decode())
            if seen:
                most = Resident(*map(max, seen, most or seen))
            wait = min(MOST_WAIT_SECONDS, max(LEAST_WAIT_SECONDS, (time.perf_counter() - start) / LOOKS))
            if select.select([sys.stdin], [], [], wait)[0]:
                return most


if __name__ == "__main__":
    found = watch(int(sys.argv[1]))
    if found:
        print(*found)
