"""What a number was measured on: the machine, its node and its load."""

import os
import platform
import re
import socket
from functools import lru_cache
from pathlib import Path

from scripts.measure import file_system


def describe() -> dict[str, object]:
    """Return the facts of this machine and node that a record carries (memory in bytes)."""
    return {
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "node_cores": os.cpu_count(),
        "memory_bytes": _memory_bytes(),
        "kernel": f"{platform.system()} {platform.release()}",
        "operating_system": _operating_system(),
        "python": platform.python_version(),
        "node": node(),
    }


def name(store_directory: Path) -> str:
    """Return a short name for this kind of machine, from its CPU, cores, memory, kernel and stores' file system.

    Two machines with the same name may be pooled by a reader, so everything that shifts timings is in it; the kernel
    counts with its major and minor version.
    """
    cpu = re.sub(r"\(.*?\)|@.*|\b(CPU|Processor|with|\d+-Core)\b.*", " ", _cpu_model())
    kernel = ".".join(platform.release().split(".")[:2])
    parts = [
        cpu,
        f"{usable_cores()}cores",
        f"{round(_memory_bytes() / 2**30)}gib",
        f"{platform.system()}{kernel}",
        file_system.type_of(store_directory),
    ]
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(parts).lower()).strip("-")


def node() -> str:
    """Return the name of this node, as the cluster knows it where a job runs on one (Slurm's `SLURMD_NODENAME`)."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_average() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


@lru_cache
def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform()
