"""Images and labels as arrays: what their types are, and how they are taken a block at a time."""

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

PIXEL, LABEL = np.dtype(np.uint8), np.dtype(np.int64)
LABEL_BYTES = LABEL.itemsize
BLOCK_BYTES = 4 << 20
"""The pixels that a backend holds at a time while it writes, in bytes. A block is large enough to hide the cost of a
call, and small enough for any machine."""


class Source(Protocol):
    """What `write` takes: an array, a memory map larger than memory, or anything whose slices are arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, 3) of images, (n,) of labels."""

    @property
    def dtype(self) -> np.dtype:
        """The type uint8 of images, int64 of labels."""

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Return these rows as an array."""


def check(name: str, array: Source, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Raise ValueError where an array has another type or shape."""
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} must be {dtype} of shape {shape}, not {array.dtype} {array.shape}")


def rows_per_block(shape: Sequence[int]) -> int:
    """Return the number of images in BLOCK_BYTES, at least 1; `shape` is (n, height, width, 3)."""
    return max(1, BLOCK_BYTES // math.prod(shape[1:]))


def blocks(images: Source, labels: Source, rows: int | None = None) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (start, images[start:stop], labels[start:stop]) over all rows, in order, as C-contiguous arrays.

    `rows` is the number of rows in a block, by default as many as take about 4 MiB of pixels. Raises ValueError where a
    slice of the source hasn't the source's shape and type.
    """
    count, *image_shape = images.shape
    rows = rows or rows_per_block(images.shape)
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        image_block = np.ascontiguousarray(images[start:stop])
        label_block = np.ascontiguousarray(labels[start:stop])
        check("images", image_block, PIXEL, (stop - start, *image_shape))
        check("labels", label_block, LABEL, (stop - start,))
        yield start, image_block, label_block
