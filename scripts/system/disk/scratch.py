"""Where a timing job writes: a fresh directory on the stores' file system, which outlives the job.

Deleted files make creating files slow for minutes on some file systems: without a journal, ext4 passes one by one over
inodes that were deleted in the last 60 s, or 300 s (`recently_deleted` in Linux, fs/ext4/ialloc.c). Two things keep
that out of the timings. A job deletes nothing: it empties its large files, and the run removes all at its end. And
every job's directory is placed as if at the top of the file system, which ext4 spreads over the disk (`chattr +T`), in
the best of a few places: beside many files that were just deleted, creating a file takes several times as long.
"""

import array
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from scripts.common.atomic import is_own, owned_name
from scripts.common.progress import report
from scripts.system.disk.durability import opened, sync_file_system
from scripts.system.page_cache import files_of

PLACE = ".timing-{user}"
"""Name of a user's directory among the stores. A group may share the stores, and each user writes in one of these."""
LARGE_FILE_BYTES = 1 << 14
PLACES_TRIED = 4
FILES_TRIED = 20
GET_FLAGS, SET_FLAGS, TOP_OF_HIERARCHY = 0x80086601, 0x40086602, 0x00020000
"""FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_TOPDIR_FL of Linux, include/uapi/linux/fs.h, on 64-bit x86 and ARM."""


@contextmanager
def directory(stores: Path) -> Iterator[Path]:
    """Make a new directory among the stores; afterwards give back the space of its large files, and leave the rest."""
    candidates = [_new_name(stores) for _ in range(PLACES_TRIED)]
    made = min(candidates, key=partial(seconds_to_create, count=FILES_TRIED)) / "job"
    made.mkdir()
    try:
        yield made
    finally:
        give_back(made)


def seconds_to_create(directory: Path, count: int) -> float:
    """Make a directory, and return how long (s) it took to create so many empty files in it. The files stay, as
    deleting them would slow down what comes after."""
    directory.mkdir()
    start = time.perf_counter()
    for number in range(count):
        os.close(os.open(directory / str(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return time.perf_counter() - start


def give_back(written: Path) -> None:
    """Give back the space of large files, of what was written in a file or directory; the files stay, empty.

    What is written next comes where they were: on a virtual disk the first write to a place is slower than later ones
    (Amazon EC2 User Guide, "Optimize disk performance for instance store volumes"). Where ext4 goes on to other places
    all the same, `overwrite_seconds` of the record tells. Small files keep their space, as emptying many takes long.
    """
    for path in files_of(written):
        if os.path.getsize(path) >= LARGE_FILE_BYTES:
            os.truncate(path, 0)
    sync_file_system(written)


def put_off(store: Path) -> None:
    """Rename an unwanted store, <stores>/<backend>/<image size>/<cutoff>, so that the end of the run removes it."""
    os.rename(store, _new_name(store.parents[2]))


def remove_all(stores: Path) -> None:
    """Remove every such directory of this host, and of runs in this working directory on other hosts.

    The caller sees to it that no timing of theirs goes on (`scripts.system.lock`; a run ends after its jobs).
    """
    place, made = _place(stores), left(stores)
    if made:
        report("removing what the timings wrote, which takes a minute where it is many files")
        with ThreadPoolExecutor() as pool:
            pool.map(partial(shutil.rmtree, ignore_errors=True), [entry for each in made for entry in each.glob("*/*")])
        for each in made:
            shutil.rmtree(each, ignore_errors=True)
        sync_file_system(stores)
    with suppress(OSError):  # there is none, or another host has something in it
        place.rmdir()


def left(stores: Path) -> list[Path]:
    """Return the directories that there are to remove."""
    return [each for each in _place(stores).glob("*") if is_own(each.name)]


def _place(stores: Path) -> Path:
    return stores / PLACE.format(user=os.getuid())


def _new_name(stores: Path) -> Path:
    """A name for a new directory of this process; where the file system knows how, such directories lie far apart."""
    place = _place(stores)
    place.mkdir(parents=True, exist_ok=True)
    flags = array.array("L", [0])
    with opened(place) as descriptor, suppress(OSError):
        fcntl.ioctl(descriptor, GET_FLAGS, flags)
        flags[0] |= TOP_OF_HIERARCHY
        fcntl.ioctl(descriptor, SET_FLAGS, flags)
    return place / owned_name()
