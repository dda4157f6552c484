"""What a piece of work costs besides time: CPU seconds, memory, and bytes moved from and to storage devices.

Of this process alone: what the kernel does on its own, such as writing back later, isn't in it.

Memory is anonymous memory; mapped pages of files stand beside it. The kernel keeps the peak of both together (VmHWM of
proc_pid_status(5)). From this peak the mapped pages are subtracted: the pages at the end, or the most that were seen in
the first run of the same work, since a writer unmaps before its end (`scripts.system.memory_watch`). The result is
never less than what is there at the end, or was seen. It is too small where memory was given back, unseen, before more
pages were mapped. Some kernels (from Linux 6.2 on) count pages core by core, and are some hundred KiB off.
"""

import ctypes
import re
import resource
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from scripts.system import ask
from scripts.system.memory_watch import Resident, Watcher, resident

OWN = Path("/proc/self")
CLEAR_REFERENCES = OWN / "clear_refs"
RESET_PEAK = "5"
"""What makes /proc/self/clear_refs forget the peak of resident memory: proc_pid_clear_refs(5)."""


@dataclass(frozen=True)
class Costs:
    """CPU seconds, peaks of memory, and bytes moved; None where it can't be known.

    The peak of anonymous memory is above what was at rest, that of mapped pages above the pages before the work.
    """

    user_seconds: float = 0.0
    system_seconds: float = 0.0
    peak_memory_bytes: int | None = None
    peak_mapped_bytes: int | None = None
    device_read_bytes: int | None = None
    device_written_bytes: int | None = None


def together(costs: Iterable[Costs]) -> Costs:
    """Return the costs of several processes together."""
    counts = zip(*map(astuple, costs), strict=True)
    found: list[Any] = [None if None in values else sum(values) for values in counts]
    return Costs(*found)


class Meter:
    """Counts from `start` to `stop`; may be used again."""

    def __init__(self) -> None:
        self._seen: dict[str | None, Resident] = {}
        self.rest()

    def rest(self) -> None:
        """Take the memory that is there now for what the work doesn't need, except what lies ready for reuse."""
        with suppress(AttributeError):  # not every C library has it
            ctypes.CDLL(None).malloc_trim(0)
        self._at_rest = resident(ask.file(OWN / "statm"))

    def start(self, kind: str | None = None) -> None:
        """Begin to count work of one kind; in the first run of each kind memory is watched."""
        self._kind = kind
        self._watcher = Watcher() if kind and kind not in self._seen and self._at_rest else None
        self._before = resident(ask.file(OWN / "statm"))
        try:
            CLEAR_REFERENCES.write_text(RESET_PEAK)
            self._peak_is_new = True
        except OSError:
            self._peak_is_new = False
        self._moved = device_bytes()
        self._used = resource.getrusage(resource.RUSAGE_SELF)

    def stop(self) -> Costs:
        """Return the counts since `start`: CPU seconds and bytes, as in `Costs`."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        moved, before = device_bytes(), self._moved
        anonymous, mapped = self._peaks()
        return Costs(
            user_seconds=used.ru_utime - self._used.ru_utime,
            system_seconds=used.ru_stime - self._used.ru_stime,
            peak_memory_bytes=anonymous,
            peak_mapped_bytes=mapped,
            device_read_bytes=moved[0] - before[0] if moved and before else None,
            device_written_bytes=moved[1] - before[1] if moved and before else None,
        )

    def _peaks(self) -> tuple[int | None, int | None]:
        """Return the peaks of anonymous memory and of mapped pages since `start`, as in `Costs`."""
        now, peak = resident(ask.file(OWN / "statm")), peak_bytes()
        watched = self._watcher.stop() if self._watcher else None
        if not (self._peak_is_new and now and peak and self._before and self._at_rest):
            self._seen[self._kind] = Resident(0, 0)  # looking again wouldn't help
            return None, None
        if self._watcher:
            seen = watched or now
            self._seen[self._kind] = Resident(seen.anonymous, seen.mapped - self._before.mapped)
        seen = self._seen.get(self._kind, Resident(0, 0))
        mapped = max(0, now.mapped - self._before.mapped, seen.mapped)
        anonymous = max(now.anonymous, seen.anonymous, peak - self._before.mapped - mapped)
        # What was at rest may have been given back since, before this work began.
        return max(0, anonymous - min(self._at_rest.anonymous, self._before.anonymous)), mapped


def device_bytes() -> tuple[int, int] | None:
    """Return the bytes that this process had read from, and sent towards, devices since it started.

    From /proc/self/io (proc_pid_io(5)); None where the system doesn't count them.
    """
    counts = dict(line.split(": ") for line in ask.file(OWN / "io").splitlines())
    return (int(counts["read_bytes"]), int(counts["write_bytes"])) if counts else None


def peak_bytes() -> int | None:
    """Return the peak of this process's resident memory, None where the system doesn't tell it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", ask.file(OWN / "status"))
    return int(found[1]) * 1024 if found else None
