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


def sync_file(path: Path) -> None:
    """Return once the data and metadata of the file `path` are on the disk (its directory entry apart)."""
    _fsync(path)


def sync_directory(path: Path) -> None:
    """Return once the entries of the directory `path` are on the disk: a new file is durable only after this."""
    _fsync(path)


def sync_tree(path: Path) -> None:
    """Return once the directory `path` and everything in it are on the disk, by an fsync of each: for few files."""
    for directory, _, names in os.walk(path):
        for name in names:
            _fsync(Path(directory, name), empties_device=False)
        _fsync(Path(directory), empties_device=False)
    if hasattr(fcntl, "F_FULLFSYNC"):
        _fsync(path)


def sync_file_system(path: Path) -> None:
    """Return once everything under the directory `path` is on the disk, in one call where the system has syncfs(2).

    One syncfs after many small files costs a fraction of an fsync for each; it also waits for whatever else is waiting
    to be written to that file system. Elsewhere (macOS) every file and directory under `path` gets its fsync.
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


@contextmanager
def opened(path: Path | str) -> Iterator[int]:
    """Open a file or directory, and yield its descriptor."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _fsync(path: Path, *, empties_device: bool = True) -> None:
    with opened(path) as descriptor:
        if empties_device and hasattr(fcntl, "F_FULLFSYNC"):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)
