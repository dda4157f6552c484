"""The page cache: evict a store from it, see how much of a store is resident in it, and what waits to be written.

Without root only data pages go: inodes and directory entries stay cached, so what is called cold is data-cold then.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from scripts.system.disk.durability import opened, sync_file_systems

COLD_RESIDENT_FRACTION = 0.01
WARM_RESIDENT_FRACTION = 0.99

DROP_CACHES = Path("/proc/sys/vm/drop_caches")
PAGES_AND_ENTRIES = "3"
"""Written to DROP_CACHES, it makes Linux drop clean pages, directory entries and inodes: proc_sys_vm(5)."""

LOWEST_BIT = bytes(value & 1 for value in range(256))
ANNOUNCED_FILES = 256
"""Files that are announced to the kernel before the first of them is read: a disk reads several faster than in turn."""
ANNOUNCED_PAGES = 32
"""Pages of the largest file that is announced; 128 KiB is the usual readahead of Linux. A larger file is read in order,
as backends do: announced, it comes in single pages, and is slower to read."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
MAP_FAILED = ctypes.c_void_p(-1).value
CACHESTAT = 451
CACHESTAT_COUNTS = ("cache", "dirty", "writeback", "evicted", "recently_evicted")
"""Counts of pages by state, in the order of `struct cachestat` in Linux, include/uapi/linux/mman.h."""
_seen_by_cachestat: set[int] = set()
"""Devices on which cachestat(2) has found a page of some file. On these a page that it doesn't find isn't in the page
cache. It finds no page of a file in an overlay."""


def evict(*places: Path) -> None:
    """Drop the data pages of files, and of every file in directories, from the page cache, where the system lets one.

    Syncs first, since `posix_fadvise(POSIX_FADV_DONTNEED)` skips dirty pages. It also skips pages that a process has
    mapped, and does nothing on some file systems: look with `resident_fraction` afterwards.
    """
    if hasattr(os, "posix_fadvise"):
        sync_file_systems(*places)
        _evict_clean(*places)


def drop_all() -> bool:
    """Drop the whole system's page cache with inodes and directory entries, and say whether this user may do that."""
    try:
        os.sync()
        DROP_CACHES.write_text(PAGES_AND_ENTRIES)
    except OSError:
        return False
    return True


def unsynced_fraction(*places: Path) -> float | None:
    """Return how much of files or directories isn't on the disk yet, from 0 to 1, or None where that can't be known.

    Pages that wait to be written, or are on their way, are counted by the kernel. Where it can't be asked, they are the
    pages that an eviction without a sync leaves resident. They are synced and evicted afterwards, and where some stay
    even then, the file system keeps its pages and nothing is known.
    """
    # An eviction leaves a page as well that another processor has just touched, so it is the second choice.
    counted = _fraction(map(_waiting_pages, files_of(*places)))
    if counted is not None or not hasattr(os, "posix_fadvise"):
        return counted
    _evict_clean(*places)
    unsynced = resident_fraction(*places)
    if unsynced:
        evict(*places)
        if resident_fraction(*places):
            return None
    return unsynced


def _evict_clean(*places: Path) -> None:
    for number, file in enumerate(files_of(*places)):
        with opened(file) as descriptor:
            if number == 0:
                # It may well be resident now, and a look that finds pages makes all later ones faster.
                _counts(descriptor, os.fstat(descriptor))
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def load(*places: Path) -> float | None:
    """Read what isn't in the page cache of files, and of every file in directories, so that it is there if there is
    room; return how much of it is there then, as `resident_fraction` does. A file that isn't wholly there is read, and
    looked at right afterwards: where the system doesn't keep it, only what is read from the device later shows that."""
    return _fraction(_loaded(files_of(*places)))


def _loaded(files: Iterator[str]) -> Iterator[tuple[int, int] | None]:
    """What `_resident_pages` says of each file; a file that isn't wholly there is read first."""
    # Few at a time, as memory that this takes counts as the next run's.
    while some := list(islice(files, ANNOUNCED_FILES)):
        missing = []
        for file in some:
            found = _resident_pages(file)
            if found and found[0] == found[1]:
                yield found
            else:
                if not found or found[1] <= ANNOUNCED_PAGES:
                    _announce(file)
                missing.append(file)
        for file in missing:
            _read(file)
            yield _resident_pages(file)


def resident_fraction(*places: Path) -> float | None:
    """Return how much of files or directories is in the page cache, from 0 to 1, or None where that can't be known.

    By mincore(2), or by cachestat(2) where that is enough. To a user who neither owns a file nor may write it, the
    kernel calls all of its pages resident (Linux 5.2 and later), so such a file is unknown rather than warm.
    """
    return _fraction(map(_resident_pages, files_of(*places)))


def tells(*places: Path) -> bool:
    """Say whether the kernel tells this user what of files, or of the first file in each directory, is in the page
    cache: their owner, and who may write them. A link that leads nowhere is no file."""
    there = (filter(os.path.exists, files_of(place)) for place in places)
    first = (next(files, None) for files in there)
    return all(file is None or _may_know(file, os.stat(file)) for file in first)


def _fraction(found: Iterable[tuple[int, int] | None]) -> float | None:
    """Return the part of all pages that is resident, given that of each file, or None where one is unknown."""
    resident: int | None = 0
    pages = 0
    # To the end, though one is unknown: where files are loaded, this loads them.
    for counted in found:
        resident = None if counted is None or resident is None else resident + counted[0]
        pages += counted[1] if counted else 0
    return resident / pages if resident is not None and pages else None


def _announce(file: str) -> None:
    """Let the kernel begin to read a file."""
    if hasattr(os, "posix_fadvise"):
        with opened(file) as descriptor:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)


def _read(file: str) -> None:
    buffer = bytearray(ANNOUNCED_PAGES * mmap.PAGESIZE)
    with open(file, "rb", buffering=0) as opened:
        while opened.readinto(buffer):
            pass


def _resident_pages(file: str) -> tuple[int, int] | None:
    """Return how many pages of a file are in the page cache, and how many it has; None where the kernel won't tell."""
    with opened(file) as descriptor:
        status = os.fstat(descriptor)
        if not _may_know(file, status):
            return None
        pages = -(-status.st_size // mmap.PAGESIZE)
        if pages == 0:
            return 0, 0
        counts = _counts(descriptor, status)
        if counts and (counts["cache"] == 0 or counts["cache"] >= pages):
            return min(counts["cache"], pages), pages
        # Python's own `mmap` takes several times as long, which counts with a file per image.
        address = _libc.mmap(None, status.st_size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address == MAP_FAILED:
        return None
    try:
        flags = ctypes.create_string_buffer(pages)
        failed = _libc.mincore(address, status.st_size, flags)
    finally:
        _libc.munmap(address, status.st_size)
    # Only the lowest bit of each byte means something (mincore(2)).
    return None if failed else (sum(flags.raw.translate(LOWEST_BIT)), pages)


def _may_know(file: str, status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() or os.access(file, os.W_OK)


def _waiting_pages(file: str) -> tuple[int, int] | None:
    """Return how many pages of a file aren't on the disk yet, and how many it has; None where the kernel won't tell."""
    with opened(file) as descriptor:
        status = os.fstat(descriptor)
        pages = -(-status.st_size // mmap.PAGESIZE)
        counts = _counts(descriptor, status) if pages else dict.fromkeys(CACHESTAT_COUNTS, 0)
        return (min(counts["dirty"] + counts["writeback"], pages), pages) if counts else None


def _counts(descriptor: int, status: os.stat_result) -> dict[str, int] | None:
    """Return how many pages of a file cachestat(2) of Linux 6.5 counts in each state; None where it can't be asked."""
    # With many files it takes less than half as long as mincore(2).
    counts = (ctypes.c_uint64 * len(CACHESTAT_COUNTS))()
    span = (ctypes.c_uint64 * 2)(0, status.st_size)
    if sys.platform != "linux" or _libc.syscall(CACHESTAT, descriptor, span, counts, 0):
        return None
    if counts[0]:
        _seen_by_cachestat.add(status.st_dev)
    return dict(zip(CACHESTAT_COUNTS, counts, strict=True)) if status.st_dev in _seen_by_cachestat else None


def files_of(*places: str | Path) -> Iterator[str]:
    """Yield the paths of files, and of every file in directories."""
    for place in places:
        if not os.path.isdir(place):
            yield os.fspath(place)
            continue
        with os.scandir(place) as entries:
            for entry in entries:
                yield from files_of(entry.path) if entry.is_dir(follow_symlinks=False) else (entry.path,)
