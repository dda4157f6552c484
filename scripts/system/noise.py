"""Noise: what else goes on while a cell is timed, and probes of the machine right before and right after.

Nothing is judged here: the record keeps the facts, `scripts/report/records/disturbances.py` says what they mean.
"""

import hashlib
import mmap
import os
import re
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.system import cgroup, machine

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
        self._counts = _Counts.now()

    def finish(self) -> dict[str, Any]:
        """Return what a record says of noise. Processes that worked for this one must have ended."""
        counts = _Counts.now()
        after = _probe(self._place / "probe-after")
        return {"before": asdict(self._before), "after": asdict(after), **counts.since(self._counts)}


@dataclass(frozen=True)
class _Counts:
    """Counts since the machine, or this process, started. Times in seconds, of the cores that it may run on."""

    wall: float
    stolen: float | None
    user: float | None
    own_user: float
    throttled: int | None
    limited: cgroup.Throttling | None

    @classmethod
    def now(cls) -> "_Counts":
        """Read them: /proc/stat counts in ticks (proc_stat(5)); processes that ended count as one's own."""
        user, stolen = _user_and_stolen(set(machine.cores()))
        own = sum(resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        throttled = list(_numbers("cpu[0-9]*/thermal_throttle/core_throttle_count"))
        hot = int(sum(throttled)) if throttled else None
        return cls(time.monotonic(), stolen, user, own, hot, cgroup.throttling())

    def since(self, before: "_Counts") -> dict[str, float | int | None]:
        """What has been counted since then, as in a record."""
        others = stolen = throttled = waits = waited = None
        if self.user is not None and before.user is not None:
            others = max(0.0, self.user - before.user - (self.own_user - before.own_user))
        if self.stolen is not None and before.stolen is not None:
            stolen = max(0.0, self.stolen - before.stolen)
        if self.throttled is not None and before.throttled is not None:
            throttled = self.throttled - before.throttled
        if self.limited is not None and before.limited is not None:
            waits = self.limited.events - before.limited.events
            waited = self.limited.seconds - before.limited.seconds
        return {
            "wall_seconds": self.wall - before.wall,
            "stolen_seconds": stolen,
            "other_user_seconds": others,
            "throttle_events": throttled,
            "limit_waits": waits,
            "limit_wait_seconds": waited,
        }


def _user_and_stolen(cores: set[int]) -> tuple[float | None, float | None]:
    """Seconds of those cores outside the kernel, and taken by a hypervisor; None where the system doesn't say.

    What runs on other cores, as beside a container that has cores of its own, disturbs nothing.
    """
    user = stolen = None
    with suppress(OSError):
        for line in Path("/proc/stat").read_text().splitlines():
            name, *ticks = line.split()
            if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
                user = (user or 0.0) + (int(ticks[0]) + int(ticks[1])) / TICKS_PER_SECOND
                stolen = (stolen or 0.0) + int(ticks[7]) / TICKS_PER_SECOND
    return user, stolen


def _probe(place: Path) -> Probes:
    return Probes(
        load_average=machine.load_average(),
        megahertz=_megahertz(),
        cpu_seconds=min(_seconds_to_hash() for _ in range(3)),
        memory_seconds=_seconds_to_touch(),
        file_seconds=_seconds_to_create(place),
        disk_seconds=_seconds_to_overwrite(place / "overwritten"),
    )


def _megahertz() -> float | None:
    """The mean frequency of the cores, as the kernel sets it or, where it doesn't, as the cores report it."""
    found = [kilohertz / 1000 for kilohertz in _numbers("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    if not found:
        with suppress(OSError):
            lines = Path("/proc/cpuinfo").read_text()
            found = [float(value) for value in re.findall(r"^cpu MHz\s*: ([0-9.]+)", lines, re.MULTILINE)]
    return sum(found) / len(found) if found else None


def _numbers(pattern: str) -> Iterator[float]:
    for path in CORES.glob(pattern):
        with suppress(OSError, ValueError):
            yield float(path.read_text())


def _seconds_to_hash() -> float:
    start = time.perf_counter()
    hashlib.sha256(HASHED).digest()
    return time.perf_counter() - start


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


def _seconds_to_create(place: Path) -> float:
    """Time to create an empty file; the files stay, as deleting them would slow down what comes after."""
    place.mkdir()
    start = time.perf_counter()
    for number in range(FILES_CREATED):
        os.close(os.open(place / str(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return (time.perf_counter() - start) / FILES_CREATED


def _seconds_to_overwrite(file: Path) -> float:
    """Time to write a small file again in its place, durably: the first time, on a new part of a disk, is another."""
    found = []
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        for _ in range(1 + OVERWRITES):
            start = time.perf_counter()
            os.pwrite(descriptor, OVERWRITTEN, 0)
            os.fsync(descriptor)
            found.append(time.perf_counter() - start)
    finally:
        os.close(descriptor)
    return min(found[1:])
