"""The baseline: the same images and labels in one plain file, written and read in the fastest way.

It is timed inside every timing job, in turn with the backend, so that drift of the machine shows and so that ratios to
it can be compared where times can't. It has the shape of a backend, as far as timing needs one.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from scripts.backends.base import sync_directory

READ_BYTES = 256 << 10
"""How much one call of read(2) asks for: from a cold cache, 30 MB in one call took 1.6 times as long (measured)."""


class Baseline:
    """Writes and reads one file: all pixels, then all labels."""

    def write(
        self, path: Path, images: np.ndarray, labels: np.ndarray, *, durable: bool, options: dict[str, Any]
    ) -> None:
        """Write the new file `path`; `durable` as in the contract of a backend. `options` must be empty."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            for array in (images, labels):
                _write_all(descriptor, memoryview(array).cast("B"))
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if durable:
            sync_directory(path.parent)

    def open(self, path: Path, options: dict[str, Any]) -> "BaselineReader":
        """Open the file `path` for reading; `options` must be empty."""
        return BaselineReader(path)


class BaselineReader:
    """Reads the file of a baseline with read(2), straight into the caller's arrays."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115

    def __enter__(self) -> "BaselineReader":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Fill images (n, height, width, 3) uint8 and labels (n,) int64. Raises EOFError where the file ends early."""
        for array in (images, labels):
            view = memoryview(array).cast("B")
            while len(view):
                read = self._file.readinto(view[:READ_BYTES])
                if not read:
                    raise EOFError(f"{self._file.name} is too short")
                view = view[read:]


def _write_all(descriptor: int, view: memoryview) -> None:
    """Write it all: one call of write(2) takes at most 2 GiB."""
    while len(view):
        view = view[os.write(descriptor, view) :]
