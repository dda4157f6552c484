"""Durability: returning only once files, directories or all of a directory are on the disk.

On macOS fsync stops at the device's own cache. F_FULLFSYNC empties that, with all that any file has in it, and takes
milliseconds: so a directory is synced file by file, and the device's cache is emptied once, at the end.
"""

import ctypes
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sync(path: Path, *, empties_device: bool = True) -> None:
    """Return once the data and metadata of a file, or the entries of a directory, are on the disk."""
    with opened(path) as descriptor:
        if empties_device and hasattr(fcntl, "F_FULLFSYNC"):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)


def sync_tree(path: Path) -> None:
    """Return once the directory `path` and everything in it are on the disk, by an fsync of each: for few files."""
    for directory, _, names in os.walk(path):
        for name in names:
            sync(Path(directory, name), empties_device=False)
        sync(Path(directory), empties_device=False)
    if hasattr(fcntl, "F_FULLFSYNC"):
        sync(path)


def sync_file_system(path: Path) -> None:
    """Return once everything under the directory `path` is on the disk, in one call where the system has syncfs(2).

    It also waits for whatever else is to be written to that file system. Elsewhere (macOS) it is `sync_tree`.
    """
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except AttributeError:
        sync_tree(path)
        return
    with opened(path) as descriptor:
        if syncfs(descriptor) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(path))


def sync_file_systems(*places: Path) -> None:
    """Do `sync_file_system` once for each file system that files or directories are on."""
    for place in {os.stat(place).st_dev: place for place in places}.values():
        sync_file_system(place)


@contextmanager
def opened(path: Path | str) -> Iterator[int]:
    """Open a file or directory, and yield its descriptor."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
