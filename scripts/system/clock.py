"""When a record was taken, by a clock that can't be set: seconds since the machine started, and which start that was.

The wall clock may be set at any moment: by hand, by NTP, by a virtual machine that resumes. So it orders nothing.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from scripts.system import ask

BOOT_ID = "/proc/sys/kernel/random/boot_id"
"""File with an identifier that is new at each start of Linux and the same in all containers: random(4)."""
SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The clock that also counts time asleep: clock_gettime(2). On macOS it has the second name."""
READINGS = 3


@dataclass(frozen=True)
class Moment:
    """One moment: by the wall clock in seconds since 1970, since boot in seconds, and the same without time asleep."""

    wall: float
    since_boot: float
    awake: float

    @property
    def utc(self) -> str:
        """The wall clock's moment in UTC, in ISO 8601 with microseconds."""
        return datetime.fromtimestamp(self.wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now() -> Moment:
    """Return this moment by all clocks."""
    # A process may lose its core between two clocks: of several readings, the one that took the least time counts.
    readings = []
    for _ in range(READINGS):
        before = time.monotonic()
        moment = Moment(time.time(), time.clock_gettime(SINCE_BOOT), time.monotonic())
        readings.append((moment.awake - before, moment))
    return min(readings, key=lambda reading: reading[0])[1]


def span(start: Moment, end: Moment) -> dict[str, float | str | None]:
    """Return what a record says of its span, in seconds: a wall clock that was set back jumped less than 0."""
    passed = end.since_boot - start.since_boot
    return {
        "boot": boot(),
        "started_seconds": start.since_boot,
        "ended_seconds": end.since_boot,
        "jump_seconds": end.wall - start.wall - passed,
        "asleep_seconds": max(0.0, passed - (end.awake - start.awake)),
    }


@lru_cache
def boot() -> str | None:
    """Return the name of the machine's last start; None where the system has none."""
    return ask.file(BOOT_ID).strip() or ask.command("sysctl", "-n", "kern.bootsessionuuid") or None
