"""What a piece of work costs besides time: CPU seconds, memory, and bytes moved from and to storage devices.

Of this process alone: what the kernel does on its own, such as writing back later, isn't in it.
"""

import ctypes
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STATUS, CLEAR_REFERENCES, INPUT_OUTPUT = (Path("/proc/self", name) for name in ("status", "clear_refs", "io"))
RESET_PEAK = "5"
"""What makes /proc/self/clear_refs forget the peak of resident memory: proc_pid_clear_refs(5)."""


@dataclass(frozen=True)
class Costs:
    """CPU seconds, the peak of memory above what was at rest, and bytes moved; None where it can't be known."""

    user_seconds: float
    system_seconds: float
    peak_memory_bytes: int | None
    device_read_bytes: int | None
    device_written_bytes: int | None

    def __add__(self, other: "Costs") -> "Costs":
        """The costs of two processes together."""
        return Costs(
            self.user_seconds + other.user_seconds,
            self.system_seconds + other.system_seconds,
            _sum(self.peak_memory_bytes, other.peak_memory_bytes),
            _sum(self.device_read_bytes, other.device_read_bytes),
            _sum(self.device_written_bytes, other.device_written_bytes),
        )


class Meter:
    """Counts from `start` to `stop`; may be used again."""

    def __init__(self) -> None:
        self.rest()

    def rest(self) -> None:
        """Take the memory that is resident now for what the work doesn't need, except what lies ready for reuse."""
        with suppress(AttributeError):  # not every C library has it
            ctypes.CDLL(None).malloc_trim(0)
        self._at_rest = resident_bytes()

    def start(self) -> None:
        """Begin to count."""
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
        peak = _status("VmHWM") if self._peak_is_new else None
        return Costs(
            user_seconds=used.ru_utime - self._used.ru_utime,
            system_seconds=used.ru_stime - self._used.ru_stime,
            peak_memory_bytes=None if peak is None or self._at_rest is None else max(0, peak - self._at_rest),
            device_read_bytes=moved[0] - before[0] if moved and before else None,
            device_written_bytes=moved[1] - before[1] if moved and before else None,
        )


def device_bytes() -> tuple[int, int] | None:
    """Return the bytes that this process had read from, and sent towards, devices since it started.

    From /proc/self/io (proc_pid_io(5)); None where the system doesn't count them.
    """
    try:
        counts = dict(line.split(": ") for line in INPUT_OUTPUT.read_text().splitlines())
    except OSError:
        return None
    return int(counts["read_bytes"]), int(counts["write_bytes"])


def resident_bytes() -> int | None:
    """Return this process's resident memory, mapped pages of files included; None where the system doesn't say."""
    return _status("VmRSS")


def _status(name: str) -> int | None:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
