"""What a number was measured on: the machine, its load, the file system of a path."""

import os
import platform
import re
import socket
from functools import lru_cache
from pathlib import Path


def describe() -> dict[str, object]:
    """Return the facts of this machine and node that a record carries (memory in bytes)."""
    return {
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "memory_bytes": _memory_bytes(),
        "kernel": f"{platform.system()} {platform.release()}",
        "operating_system": _operating_system(),
        "python": platform.python_version(),
        "node": socket.gethostname(),
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
        file_system(store_directory)["type"],
    ]
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(parts).lower()).strip("-")


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_average() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def file_system(path: Path) -> dict[str, str]:
    """Return type, mount point and mount options of the file system that a path is on or would be made on.

    From /proc/self/mountinfo (proc(5)); `unknown` where there is no such file.
    """
    place = Path(os.path.realpath(path))
    while not place.exists():
        place = place.parent
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return {"type": "unknown", "mount_point": "unknown", "options": "unknown"}
    best = {"type": "unknown", "mount_point": "", "options": "unknown"}
    for line in lines:
        before, after = line.split(" - ", 1)
        mount_point, options = before.split()[4:6]
        mount_point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), mount_point)
        inside = place == Path(mount_point) or Path(mount_point) in place.parents
        if inside and len(mount_point) >= len(best["mount_point"]):
            best = {"type": after.split()[0], "mount_point": mount_point, "options": options}
    return best


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
