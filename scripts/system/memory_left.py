"""How much memory this process can still get.

The machine's free memory counts with what the kernel takes back at once, its page cache, and so does that of control
groups with a limit. Sources: proc(5), `MemAvailable`; in Linux's documentation admin-guide/cgroup-v2.rst and
admin-guide/cgroup-v1/memory.rst.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from scripts.system import cgroup

MEMORY_INFORMATION = Path("/proc/meminfo")


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
