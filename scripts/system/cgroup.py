"""The control groups of this process (Linux): how much CPU time and memory they leave it, and how often it had to wait.

Containers, batch systems and services are limited in this way. Of a group and the groups above it the tightest limit
holds. Sources: cgroups(7), and in Linux's documentation admin-guide/cgroup-v2.rst, admin-guide/cgroup-v1/memory.rst and
scheduler/sched-bwc.rst.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from scripts.system import ask
from scripts.system.disk import file_system

PROCESS = Path("/proc/self")
CPU, MEMORY = "cpu", "memory"
FILE_PAGES = ("inactive_file", "active_file")
"""Names in `memory.stat` of pages of files, which the kernel can take back."""
UNLIMITED_BYTES = 1 << 62
"""Version 1 says that memory has no limit by a number of bytes near 2 ** 63."""


@dataclass(frozen=True)
class Limits:
    """What this process may use at most: CPUs, which may be a fraction, and bytes of memory; None without a limit."""

    cpus: float | None
    memory_bytes: int | None


@dataclass(frozen=True)
class Throttling:
    """How often a group has used up its CPU time and had to wait, and how long (s, of all cores), since its start."""

    events: int
    seconds: float


def limits(process: Path = PROCESS) -> Limits:
    """Return the limits of this process, or of another by its directory in /proc; no limit where nothing says one."""
    return Limits(
        min(_cpu_limits(_groups(process, CPU)), default=None),
        min(_memory_limits(_groups(process, MEMORY)), default=None),
    )


def memory_left(process: Path = PROCESS) -> Iterator[int]:
    """Yield how much memory (bytes) is left to each group of this process with a limit; page cache counts as free."""
    for group in _groups(process, MEMORY):
        for limit in _memory_limits([group]):
            used = ask.file(group / "memory.current") or ask.file(group / "memory.usage_in_bytes")
            counts = dict(line.split() for line in ask.file(group / "memory.stat").splitlines())
            # Version 1 counts the groups below under names of their own.
            cache = sum(int(counts.get(f"total_{name}", counts.get(name, 0))) for name in FILE_PAGES)
            yield max(0, limit - max(0, int(used or 0) - cache))


def throttling(process: Path = PROCESS) -> Throttling | None:
    """Return the waiting of the groups of this process whose CPU time is limited; None where no group's is."""
    limited = [group for group in _groups(process, CPU) if any(_cpu_limits([group]))]
    counts: Counter[str] = Counter()
    for group in limited:
        for line in ask.file(group / "cpu.stat").splitlines():
            name, count = line.split()
            counts[name] += int(count)
    # Version 2 counts microseconds, version 1 nanoseconds.
    seconds = counts["throttled_usec"] / 1e6 + counts["throttled_time"] / 1e9
    return Throttling(counts["nr_throttled"], seconds) if limited else None


def _cpu_limits(groups: Iterable[Path]) -> Iterator[float]:
    """Version 2 has quota and period (microseconds) in one file, version 1 in two."""
    for group in groups:
        quota, *period = ask.file(group / "cpu.max").split() or [ask.file(group / "cpu.cfs_quota_us").strip()]
        period = period or [ask.file(group / "cpu.cfs_period_us").strip()]
        with suppress(ValueError, ZeroDivisionError):
            if int(quota) > 0:
                yield int(quota) / int(period[0])


def _memory_limits(groups: Iterable[Path]) -> Iterator[int]:
    for group in groups:
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(ValueError):
                limit = int(ask.file(group / name))
                if limit < UNLIMITED_BYTES:
                    yield limit


@lru_cache
def _groups(process: Path, controller: str) -> list[Path]:
    """The directories of the process's group and of all above it that are in sight, of both versions."""
    paths = {}
    for line in ask.file(process / "cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        # Version 2 has number 0 and names no controllers.
        if number == "0" or controller in controllers.split(","):
            paths[number == "0"] = path
    found = []
    for mount in file_system.mounts(ask.file(process / "mountinfo")):
        is_version_2 = mount.type == "cgroup2"
        controls = is_version_2 or (mount.type == "cgroup" and controller in mount.own_options.split(","))
        if controls and is_version_2 in paths:
            found += _upwards(Path(mount.point), mount.root, paths[is_version_2])
    return found


def _upwards(top: Path, root: str, path: str) -> list[Path]:
    """The directories from the top of a mount down to a group. A container sees its own group at the top, whatever the
    path of that is outside."""
    inside = path.removeprefix(root.rstrip("/")) if path.startswith(root) else "/"
    parts = [part for part in inside.split("/") if part not in ("", "..")]
    places = [top.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    return [place for place in places if place.is_dir()]
