"""Backend memmap: the raw pixels in one file of NumPy's own format, mapped into memory to read.

Layout of a store:

    images.npy     uint8, (n, height, width, 3)
    labels.npy     int64, (n,)

    With a codec other than raw, in place of `images.npy`:

    values.bin     the images' bytes by the codec, one after the other, with nothing else
    offsets.npy    int64, (n + 1,): where in it each image begins and the last one ends
    shape.npy      int64, (3,): height, width and channels of every image
"""

import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import file_access, flat

IMAGES, LABELS = "images.npy", "labels.npy"
VALUES, OFFSETS, SHAPE = "values.bin", "offsets.npy", "shape.npy"


class Reader(base.Reader):
    """Holds both maps, and the file of the images to announce what will be read."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._file = self._resources.enter_context((path / IMAGES).open("rb", buffering=0))
        self._images = np.load(path / IMAGES, mmap_mode="r")
        self._labels = np.load(path / LABELS, mmap_mode="r")
        self._image_bytes = self._images[0].nbytes
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
        # The pages of one image come together only where they are announced.
        if len(ids) > 1 or self._image_bytes > mmap.PAGESIZE:
            places = (self._first_pixel + ids * self._image_bytes).tolist()
            file_access.announce(self._file.fileno(), places, self._image_bytes)
        np.take(self._images, ids, axis=0, out=images, mode="clip")
        np.take(self._labels, ids, axis=0, out=labels, mode="clip")


class ValuesReader(flat.Reader):
    """Holds the maps, and the file of the values to announce what will be read."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._file = self._resources.enter_context((path / VALUES).open("rb", buffering=0))
        content = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        with suppress(OSError):
            content.madvise(mmap.MADV_RANDOM)
        # The map goes with the last view of it: an error may still hold the value that it met.
        self._values = memoryview(content)
        offsets, labels = (np.load(path / name, mmap_mode="r") for name in (OFFSETS, LABELS))
        self._set_up(len(labels), partial(_copy, offsets), partial(_copy, labels))
        return len(labels), np.load(path / SHAPE).tolist()

    def _fill(self, start: int, out: np.ndarray) -> None:
        file_access.read_into(self._file, out, start)

    def _announce(self, starts: list[int], sizes: list[int]) -> None:
        file_access.announce(self._file.fileno(), starts, sizes)

    def _value(self, start: int, size: int) -> memoryview:
        return self._values[start : start + size]


class Backend(base.Backend):
    """Arrays as NumPy saves them."""

    options = {"codec": base.CODEC}
    fork_safe = True
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=5, bytes_per_image=16)
    file = LABELS
    reader = Reader

    def reader_of(self, options: dict[str, Any]) -> type[base.Reader]:
        """Return the reader of pixels or of values."""
        return self.reader if codecs.load(options["codec"]).is_identity else ValuesReader

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        codec = codecs.load(options["codec"])
        if not codec.is_identity:
            _write_values(path, images, labels, codec)
            return
        with open(path / IMAGES, "xb", buffering=0) as image_file, open(path / LABELS, "xb", buffering=0) as label_file:
            _write_header(image_file, images.dtype, images.shape)
            _write_header(label_file, labels.dtype, labels.shape)
            for _, image_block, label_block in base.blocks(images, labels):
                file_access.write_all(image_file, image_block)
                file_access.write_all(label_file, label_block)


def _write_values(path: Path, images: base.Source, labels: base.Source, codec: codecs.Codec) -> None:
    count, *image_shape = images.shape
    np.save(path / SHAPE, np.array(image_shape, base.LABEL))
    with (
        open(path / VALUES, "xb", buffering=0) as value_file,
        open(path / OFFSETS, "xb", buffering=0) as offset_file,
        open(path / LABELS, "xb", buffering=0) as label_file,
    ):
        _write_header(offset_file, base.LABEL, (count + 1,))
        _write_header(label_file, base.LABEL, (count,))
        file_access.write_all(offset_file, np.zeros(1, base.LABEL))
        for _, content, ends, label_block in flat.blocks(images, labels, codec):
            file_access.write_all(value_file, content)
            file_access.write_all(offset_file, ends)
            file_access.write_all(label_file, label_block)


def _write_header(file: FileIO, dtype: np.dtype, shape: Sequence[int]) -> None:
    """Write what `numpy.save` writes before the numbers."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(file, header)


def _copy(stored: np.ndarray, first: int, out: np.ndarray) -> None:
    out[:] = stored[first : first + len(out)]
