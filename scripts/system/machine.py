"""What a number was measured on: the machine, its node and its load."""

import os
import platform
import re
import socket
from functools import lru_cache
from pathlib import Path

from scripts.system import ask, cgroup
from scripts.system.disk import file_system


def describe() -> dict[str, object]:
    """Return the facts of this machine and node that a record carries (memory in bytes)."""
    limits = cgroup.limits()
    return {
        "cpu": cpu(),
        "cores": len(cores()),
        "node_cores": os.cpu_count(),
        "cpu_limit": limits.cpus,
        "memory_bytes": _memory_bytes(),
        "memory_limit_bytes": limits.memory_bytes,
        "kernel": f"{platform.system()} {platform.release()}",
        "operating_system": _operating_system(),
        "python": platform.python_version(),
        "node": node(),
    }


def name(store_directory: Path) -> str:
    """Return a short name for this kind of machine, from its CPU, cores, memory, kernel and stores' file system.

    Two machines with the same name may be pooled by a reader, so everything that shifts timings is in it. Where a
    container or the like may use less than all cores or all memory, what it may use is in it: `0.5cpus`, `0.8gib`.
    """
    model = re.sub(r"\(.*?\)|@.*|\b(CPU|Processor|with|\d+-Core)\b.*", " ", cpu())
    kernel = ".".join(platform.release().split(".")[:2])
    parts = [
        model,
        *_room(len(cores()), _memory_bytes(), cgroup.limits()),
        f"{platform.system()}{kernel}",
        file_system.type_of(store_directory),
    ]
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(parts).lower()).strip("-")


@lru_cache
def cpu() -> str:
    """Return the name of this machine's CPU."""
    cpuinfo = ask.file("/proc/cpuinfo")
    if named := re.search(r"^model name\s*:\s*(.+)", cpuinfo, re.MULTILINE):
        return named[1].strip()
    return (
        cpu_of(ask.command("lscpu"), cpuinfo)
        or ask.command("sysctl", "-n", "machdep.cpu.brand_string")
        or platform.processor()
        or platform.machine()
    )


def cpu_of(lscpu: str, cpuinfo: str) -> str:
    """Return the maker and the kinds of cores of a CPU to which /proc/cpuinfo gives no name, such as Arm's.

    They are as lscpu names them, or the numbers in /proc/cpuinfo where it doesn't; empty where these are missing, too.
    """
    makers, kinds = (re.findall(rf"^\s*{name}:\s*(.+)$", lscpu, re.MULTILINE) for name in ("Vendor ID", "Model name"))
    if not kinds or "-" in kinds:
        makers, kinds = [], re.findall(r"^CPU (?:implementer|part)\s*:\s*(\S+)", cpuinfo, re.MULTILINE)
    return " ".join(dict.fromkeys(makers + kinds))


def node() -> str:
    """Return the name of this node, as the cluster knows it where a job runs on one (Slurm's `SLURMD_NODENAME`)."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def cores() -> list[int]:
    """Return the cores that this process may run on, by number."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def usable_cores() -> int:
    """Return the number of whole cores, one at least, that this process can keep busy within its limit of CPU time."""
    limit = cgroup.limits().cpus
    return len(cores()) if limit is None else max(1, min(len(cores()), int(limit)))


def memory_left_bytes() -> int | None:
    """Return how much memory (bytes) this process can still get, None where the system doesn't say.

    The page cache counts as free, as the kernel takes it back at once: proc_meminfo(5), `MemAvailable`.
    """
    available = re.findall(r"MemAvailable:\s+(\d+) kB", ask.file("/proc/meminfo"))
    return min([*(int(each) * 1024 for each in available), *cgroup.memory_left()], default=None)


def _room(cores: int, memory_bytes: int, limits: cgroup.Limits) -> tuple[str, str]:
    """Cores and memory in the name of a machine, or what its limits leave of them."""
    used = f"{cores}cores" if limits.cpus is None or limits.cpus >= cores else f"{limits.cpus:.3g}cpus"
    if limits.memory_bytes is None or limits.memory_bytes >= memory_bytes:
        return used, f"{round(memory_bytes / 2**30)}gib"
    gibibytes = limits.memory_bytes / 2**30
    return used, f"{gibibytes:.1f}".removesuffix(".0") + "gib"


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform()
