"""The baseline (*reference file*): the same images and labels in one file, written and read in the fastest way.

It is timed inside every timing job, in turn with the backend, so that drift of the machine shows and so that ratios to
it can be compared where times can't. It has the shape of a backend, as far as timing needs one.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.backends import base
from scripts.backends.shared import file_access
from scripts.system.disk.durability import sync


class Baseline:
    """Writes and reads one file: all pixels, then all labels."""

    fork_safe = True
    several_readers = True

    def write(
        self, path: Path, images: base.Source, labels: base.Source, *, durable: bool, options: dict[str, Any]
    ) -> None:
        """Write the new file `path`; `images`, `labels` and `durable` are as in the contract of a backend."""
        rows = base.rows_per_block(images.shape)
        with open(path, "xb", buffering=0) as file:
            for start in range(0, images.shape[0], rows):
                file_access.write_all(file, images[start : start + rows])
            file_access.write_all(file, labels[:])
            if durable:
                os.fsync(file.fileno())
        if durable:
            sync(path.parent)

    def places(self, path: Path, options: dict[str, Any]) -> list[Path]:
        """Return the files that a store consists of."""
        return [path]

    def open(self, path: Path, options: dict[str, Any]) -> Any:
        """Return a reader of the file `path`; `options["image_shape"]` is (height, width, 3)."""
        return BaselineReader(path, options["image_shape"])


class BaselineReader:
    """Reads the file of a baseline with pread(2), straight into the caller's arrays."""

    def __init__(self, path: Path, image_shape: Sequence[int]) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self._image_bytes = math.prod(image_shape)
        self._all_labels: np.ndarray | None = None
        self._has_read = False

    def __enter__(self) -> "BaselineReader":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Fill images (n, height, width, 3) uint8 and labels (n,) int64. Raises EOFError where the file ends early."""
        file_access.read_into(self._file, images, 0)
        file_access.read_into(self._file, labels, images.nbytes)

    def read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        """Fill images and labels of `ids`, in that order, as in the contract of a backend.

        One image is one call, and its label another; for more, all labels are read once and kept. What several images
        need is announced first, so that the kernel fetches it at a time.
        """
        descriptor, size = self._file.fileno(), self._image_bytes
        view = memoryview(images).cast("B")
        first_label = os.fstat(descriptor).st_size // (size + base.LABEL_BYTES) * size
        if len(ids) == 1 and not self._has_read:
            self._has_read = True
            os.preadv(descriptor, [view], int(ids[0]) * size)
            os.preadv(descriptor, [labels], first_label + int(ids[0]) * base.LABEL_BYTES)
            return
        if self._all_labels is None:
            self._all_labels = np.empty(first_label // size, np.int64)
            os.preadv(descriptor, [self._all_labels], first_label)
        if len(ids) > 1:
            file_access.announce(descriptor, (ids * size).tolist(), size)
        for row, number in enumerate(ids.tolist()):
            os.preadv(descriptor, [view[row * size : (row + 1) * size]], number * size)
        labels[:] = self._all_labels[ids]
