"""The page cache: evict a store from it without root, and see how much of a store is resident in it.

Data pages only: inodes and directory entries stay cached, so what is called cold here is data-cold.
"""

import ctypes
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scripts.backends.base import sync_file_system

COLD_RESIDENT_FRACTION = 0.01
WARM_RESIDENT_FRACTION = 0.99

_libc = ctypes.CDLL(None, use_errno=True)


def evict(path: Path) -> None:
    """Drop the data pages of a file, or of every file in a directory, from the page cache.

    Syncs first, since `posix_fadvise(POSIX_FADV_DONTNEED)` skips dirty pages; it also skips pages that a process has
    mapped, and does nothing on some file systems: look with `resident_fraction` afterwards. Does nothing where the
    system has no such call.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    sync_file_system(path)
    for file in _files(path):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def load(path: Path) -> None:
    """Read a file, or every file in a directory, so that its data pages are in the page cache if there is room."""
    buffer = bytearray(1 << 20)
    for file in _files(path):
        with open(file, "rb", buffering=0) as opened:
            while opened.readinto(buffer):
                pass


def resident_fraction(path: Path) -> float | None:
    """Return how much of a file or directory is in the page cache, from 0 to 1, or None where that can't be known.

    By mincore(2). The kernel calls every page of a file resident for those who neither own it nor may write it
    (Linux 5.2 and later), so such a file is unknown rather than warm.
    """
    if not hasattr(_libc, "mincore"):
        return None
    resident = pages = 0
    for file in _files(path):
        status = os.stat(file)
        if status.st_uid != os.geteuid() and not os.access(file, os.W_OK):
            return None
        if status.st_size == 0:
            continue
        in_file = -(-status.st_size // mmap.PAGESIZE)
        flags = np.zeros(in_file, np.uint8)
        with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            view = np.frombuffer(mapped, np.uint8)
            failed = _libc.mincore(
                ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(status.st_size), ctypes.c_void_p(flags.ctypes.data)
            )
            del view
        if failed:
            return None
        resident += int(np.count_nonzero(flags & 1))
        pages += in_file
    return resident / pages if pages else None


def _files(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield os.fspath(path)
        return
    for folder, _, names in os.walk(path):
        for name in names:
            yield os.path.join(folder, name)
