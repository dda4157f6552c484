"""Backend memmap: the raw pixels in one file of NumPy's own format, mapped into memory to read.

Layout of a store:

    images.npy    uint8, (n, height, width, 3)
    labels.npy    int64, (n,)
"""

import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from scripts.backends import base
from scripts.backends.shared import file_access

IMAGES, LABELS = "images.npy", "labels.npy"


class Reader(base.Reader):
    """Holds both maps, and the file of the images to announce what will be read."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._file = self._resources.enter_context((path / IMAGES).open("rb", buffering=0))
        self._images = np.load(path / IMAGES, mmap_mode="r")
        self._labels = np.load(path / LABELS, mmap_mode="r")
        self._first_pixel = os.fstat(self._file.fileno()).st_size - self._images.nbytes
        self._at_random = False
        count, *image_shape = self._images.shape
        return count, image_shape

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        file_access.read_into(self._file, images, self._first_pixel)
        labels[:] = self._labels

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if not self._at_random:
            self._at_random = True
            with suppress(OSError):
                self._images._mmap.madvise(mmap.MADV_RANDOM)
        if len(ids) > 1:
            size = self._images[0].nbytes
            file_access.announce(self._file.fileno(), (self._first_pixel + ids * size).tolist(), size)
        np.take(self._images, ids, axis=0, out=images, mode="clip")
        np.take(self._labels, ids, axis=0, out=labels, mode="clip")


class Backend(base.Backend):
    """Arrays as NumPy saves them."""

    fork_safe = True
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=3, bytes_per_image=8)
    reader = Reader

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        with open(path / IMAGES, "xb", buffering=0) as image_file, open(path / LABELS, "xb", buffering=0) as label_file:
            for file, array in ((image_file, images), (label_file, labels)):
                header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False}
                np.lib.format.write_array_header_1_0(file, {**header, "shape": tuple(array.shape)})
            for _, image_block, label_block in base.blocks(images, labels):
                file_access.write_all(image_file, image_block)
                file_access.write_all(label_file, label_block)
