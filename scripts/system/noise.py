"""Noise: what else goes on while a cell is timed, and probes of the machine right before and right after.

Nothing is judged here: the record keeps the facts, `scripts/report/records/disturbances.py` says what they mean.
"""

import hashlib
import mmap
import os
import re
import resource
import time
import timeit
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from scripts.system import ask, cgroup, machine
from scripts.system.disk import scratch

HASHED = bytes(1 << 20)
TOUCHED_PAGES = 1024
FILES_CREATED = 100
OVERWRITTEN = bytes(1 << 20)
OVERWRITES = 3
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
CORES = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Probes:
    """The state of the machine at one moment. Times in seconds; None where the system doesn't say."""

    load_average: float
    megahertz: float | None
    cpu_seconds: float
    memory_seconds: float
    file_seconds: float
    disk_seconds: float


class Watch:
    """Watches the machine from its making until `finish`."""

    def __init__(self, place: Path) -> None:
        """Probe the machine; `place` is a directory, on the disk that is measured, for files that stay."""
        self._place = place
        self._before = _probe(place / "probe-before")
        self._counts = _counts()

    def finish(self) -> dict[str, Any]:
        """Return what a record says of noise. Processes that worked for this one must have ended."""
        counts = _counts()
        after = _probe(self._place / "probe-after")
        passed = {name: _passed(before, counts[name]) for name, before in self._counts.items()}
        return {"before": asdict(self._before), "after": asdict(after), **passed}


def _passed(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else max(0, now - before)


def _counts() -> dict[str, float | None]:
    """What has been counted since the machine, or this process, started: times in seconds, of the cores that it may run
    on. Processes that ended count as one's own."""
    user, stolen = _user_and_stolen(set(machine.cores()))
    own = sum(resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    throttled = list(_numbers("cpu[0-9]*/thermal_throttle/core_throttle_count"))
    limited = cgroup.throttling()
    waits, waited = (limited.events, limited.seconds) if limited else (None, None)
    return {
        "wall_seconds": time.monotonic(),
        "stolen_seconds": stolen,
        "other_user_seconds": None if user is None else user - own,
        "throttle_events": int(sum(throttled)) if throttled else None,
        "limit_waits": waits,
        "limit_wait_seconds": waited,
    }


def _user_and_stolen(cores: set[int]) -> tuple[float | None, float | None]:
    """Seconds of these cores outside the kernel, and taken by a hypervisor; None where the system doesn't say."""
    # What runs on other cores, as beside a container that has cores of its own, disturbs nothing.
    user = stolen = None
    for line in ask.file("/proc/stat").splitlines():
        name, *ticks = line.split()
        # In ticks: proc_stat(5).
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            user = (user or 0.0) + (int(ticks[0]) + int(ticks[1])) / TICKS_PER_SECOND
            stolen = (stolen or 0.0) + int(ticks[7]) / TICKS_PER_SECOND
    return user, stolen


def _probe(place: Path) -> Probes:
    return Probes(
        load_average=os.getloadavg()[0],
        megahertz=_megahertz(),
        cpu_seconds=min(timeit.repeat(lambda: hashlib.sha256(HASHED).digest(), number=1, repeat=3)),
        memory_seconds=_seconds_to_touch(),
        file_seconds=scratch.seconds_to_create(place, FILES_CREATED) / FILES_CREATED,
        disk_seconds=_seconds_to_overwrite(place / "overwritten"),
    )


def _megahertz() -> float | None:
    """The mean frequency of the cores, as the kernel sets it or, where it doesn't, as the cores report it."""
    found = [kilohertz / 1000 for kilohertz in _numbers("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    found = found or list(map(float, re.findall(r"^cpu MHz\s*: ([0-9.]+)", ask.file("/proc/cpuinfo"), re.MULTILINE)))
    return fmean(found) if found else None


def _numbers(pattern: str) -> Iterator[float]:
    for path in CORES.glob(pattern):
        with suppress(OSError, ValueError):
            yield float(path.read_text())


def _seconds_to_touch() -> float:
    """Time of the first touch of a page of new memory: on a virtual machine it can cost several times the usual."""
    with mmap.mmap(-1, TOUCHED_PAGES * mmap.PAGESIZE) as memory:
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            with suppress(OSError):
                memory.madvise(mmap.MADV_NOHUGEPAGE)
        start = time.perf_counter()
        for page in range(0, len(memory), mmap.PAGESIZE):
            memory[page] = 1
        return (time.perf_counter() - start) / TOUCHED_PAGES


def _seconds_to_overwrite(file: Path) -> float:
    """Time to write a small file again in its place, durably: the first time, on a new part of a disk, is another."""
    found = []
    with open(file, "xb", buffering=0) as written:
        for _ in range(1 + OVERWRITES):
            start = time.perf_counter()
            os.pwrite(written.fileno(), OVERWRITTEN, 0)
            os.fsync(written.fileno())
            found.append(time.perf_counter() - start)
    return min(found[1:])
