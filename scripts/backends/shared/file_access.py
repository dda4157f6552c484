"""Reading and writing whole parts of files, whatever one system call takes of them."""

import itertools
import os
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO

import numpy as np

READ_BYTES = 256 << 10
"""The bytes that one call of pread(2) asks for. One call for 30 MB is 1.6x slower (cold)."""


def read_into(file: FileIO, array: np.ndarray | memoryview, offset: int) -> None:
    """Fill a C-contiguous array from an unbuffered file, from the byte `offset` on.

    The file's own position, which forked processes share, stays as it is. Raises EOFError where the file ends early.
    """
    descriptor, view = file.fileno(), memoryview(array).cast("B")
    while len(view):
        read = os.preadv(descriptor, [view[:READ_BYTES]], offset)
        if not read:
            raise EOFError(f"{file.name!s} is too short")
        view, offset = view[read:], offset + read


def read_cached(file: FileIO, view: memoryview) -> bool:
    """Fill `view` with the start of an unbuffered file where all of that is in the page cache, and say whether it was.

    Where the system can't tell, it wasn't. Source: preadv2(2), RWF_NOWAIT.
    """
    with suppress(OSError, AttributeError):
        return os.preadv(file.fileno(), [view], 0, os.RWF_NOWAIT) == len(view)
    return False


def write_all(file: FileIO, content: np.ndarray | bytes | memoryview) -> None:
    """Write bytes or a C-contiguous array to an unbuffered file.

    One call of write(2) takes 2 GiB at most, and a part where the disk gets full.
    """
    view = memoryview(content).cast("B")
    while len(view):
        view = view[file.write(view) :]


def announce(descriptor: int, places: Iterable[int], sizes: int | Iterable[int]) -> None:
    """Let the kernel fetch parts of a file at the same time: so many bytes at each of these places (0: to the end).

    Does nothing where the system has no such call. Source: posix_fadvise(2), POSIX_FADV_WILLNEED.
    """
    if hasattr(os, "posix_fadvise"):
        for place, size in zip(places, itertools.repeat(sizes) if isinstance(sizes, int) else sizes, strict=False):
            os.posix_fadvise(descriptor, place, size, os.POSIX_FADV_WILLNEED)
