"""Arrays for timing. All of them start on a page, since their place in memory changes the cost of a copy."""

import math
import mmap

import numpy as np

PIECE_BYTES = 16 << 20
"""Bytes that are copied at a time."""


def empty_on_page(shape: tuple[int, ...], data_type: type) -> np.ndarray:
    """Return a new array whose first byte is the first of a page of memory.

    NumPy puts large arrays 16 bytes after the start of a page. A copy from the page cache to there takes twice as long
    where the data in the file start on a page, as the reference file's do: an accident that would count against
    some backends and not others.
    """
    count = math.prod(shape) * np.dtype(data_type).itemsize
    memory = np.empty(count + mmap.PAGESIZE, np.uint8)
    start = -memory.ctypes.data % mmap.PAGESIZE
    return memory[start : start + count].view(data_type).reshape(shape)


def copy_on_page(rows: np.ndarray) -> np.ndarray:
    """Return a copy of rows (an array, or what has a shape and data type and gives arrays when sliced), on a page."""
    copied = empty_on_page(rows.shape, rows.dtype.type)
    # In pieces, as a slice of repeated rows is a copy already, and two of all rows may not fit.
    step = max(1, PIECE_BYTES // max(1, copied[:1].nbytes))
    for start in range(0, len(copied), step):
        copied[start : start + step] = rows[start : start + step]
    return copied
