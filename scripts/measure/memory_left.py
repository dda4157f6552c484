"""How much memory this process can still get, and whether a cell fits into it.

The machine's free memory counts with what the kernel takes back at once, its page cache, and so does that of control
groups with a limit. Sources: proc(5), `MemAvailable`; in Linux's documentation admin-guide/cgroup-v2.rst and
admin-guide/cgroup-v1/memory.rst.
"""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

from scripts import forecast
from scripts.measure import cgroup

UNIT_BYTES = 100_000_000
MEMORY_INFORMATION = Path("/proc/meminfo")


def shortage(cutoff: int, image_shape: list[int]) -> str | None:
    """Return why timing a cell of so many images doesn't fit into the memory that is left, None where it does."""
    needed, left = forecast.memory_bytes(cutoff, image_shape), left_bytes()
    if left is None or needed <= left:
        return None
    said = (math.ceil(needed / UNIT_BYTES) / 10, math.floor(left / UNIT_BYTES) / 10)
    return "needs {:.1f} GB of memory at least, and {:.1f} GB are left".format(*said)


def left_bytes() -> int | None:
    """Return how much memory (bytes) this process can still get, None where the system doesn't say."""
    return min([*_of_machine(), *cgroup.memory_left()], default=None)


def _of_machine() -> Iterator[int]:
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", MEMORY_INFORMATION.read_text())
    except OSError:
        found = None
    if found:
        yield int(found[1]) * 1024
    elif "SC_AVPHYS_PAGES" in os.sysconf_names:
        yield os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
