"""IDX files of MNIST and its kin, also compressed by gzip: images, and their labels beside them.

The format (http://yann.lecun.com/exdb/mnist/): two zeros, the type (8 for uint8), the number of dimensions, the length
of each (32 bits, big-endian), then the values.
"""

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np

from scripts.common.errors import UserError, shown
from scripts.dataset.sources import Sample
from scripts.dataset.sources.shared import places
from scripts.dataset.sources.shared.members import decompressed

has_originals = False
packages: dict[str, str] = {}
looks_for = "IDX files of images, as MNIST's, or a folder of them"

TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4"}
"""Types of values by their number in the format."""
_GZIP = b"\x1f\x8b"
_UNSIGNED = 8
_REMEDY = "get it again, or name another path with `images:` in config.yaml"


@dataclass(frozen=True)
class _File:
    """An IDX file by its header."""

    path: Path
    type_number: int
    shape: tuple[int, ...]

    @property
    def is_of_images(self) -> bool:
        return self.type_number == _UNSIGNED and (
            len(self.shape) == 3 or (len(self.shape) == 4 and self.shape[3] in (1, 3))
        )

    @property
    def start(self) -> int:
        """The place of the first value."""
        return 4 + 4 * len(self.shape)


def fits(path: Path) -> bool:
    """Say whether a path is an IDX file of images, or a folder with one."""
    return _of_images(path) is not None


def identity(path: Path, _most: int) -> str:
    """Return a text that changes when the images or their labels do."""
    images = _of_images(path)
    return places.identity([] if images is None else [images.path, *(file.path for file in _of_labels(images))])


@contextmanager
def open_source(path: Path) -> Iterator["Images"]:
    """Open IDX files. Raises UserError where they're damaged or unusable."""
    images = _of_images(path)
    if images is None:
        raise UserError(f"images: {shown(path)} holds no images in IDX files: {_REMEDY}")
    yield Images(images)


class Images:
    """The images of an IDX file, in their order."""

    has_originals, has_order = False, True
    label_names: list[str] = []

    def __init__(self, images: _File) -> None:
        self._file = images
        self.count, *self._shape = images.shape
        for _ in _values(images, [math.prod(images.shape) - 1], 1):  # the last byte is there, so all of them are
            pass
        self._labels = np.zeros(self.count, np.int64)
        for file in _of_labels(images):
            data_type = np.dtype(TYPES[file.type_number])
            ((_, content),) = _values(file, [0], math.prod(file.shape) * data_type.itemsize)
            # Where a label has several numbers, as in QMNIST, the first is the class.
            self._labels = np.frombuffer(content, data_type).reshape(self.count, -1)[:, 0].astype(np.int64)

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Yield the images of these numbers, in the order of the file. Raises UserError where it's damaged."""
        shape = self._shape if self._shape[2:] == [3] else self._shape[:2]
        for number, content in _values(self._file, np.asarray(numbers).tolist(), math.prod(self._shape)):
            pixels = np.frombuffer(content, np.uint8).reshape(shape)
            yield Sample(number, f"{self._file.path.name}/{number}", int(self._labels[number]), pixels)


def _of_images(path: Path) -> _File | None:
    """The file of images that a path stands for: that of a folder for training, else the one with most images."""
    if not path.is_dir():
        header = _header(path) if path.is_file() else None
        return header if header and header.is_of_images else None
    found = [file for file in _headers(places.inner(path)) if file.is_of_images]
    return min(found, key=lambda file: ("train" not in file.path.name, -file.shape[0], file.path.name), default=None)


def _of_labels(images: _File) -> list[_File]:
    """The labels beside a file of images: as many, under the name that is most like its own; [] without any."""
    found = [file for file in _headers(images.path.parent) if len(file.shape) < 3 and file.shape[0] == images.shape[0]]

    def likeness(file: _File) -> int:
        return sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(file.path.name, images.path.name, strict=False))
        )

    return sorted(found, key=likeness)[-1:]


def _headers(folder: Path) -> list[_File]:
    files = places.files_that_begin(folder, b"\0\0") + places.files_that_begin(folder, _GZIP)
    return [header for header in map(_header, sorted(files)) if header]


def _header(path: Path) -> _File | None:
    """What a file says of itself; None where it's no IDX file."""
    try:
        with decompressed(path) as file:
            zeros, type_number, dimensions = struct.unpack(">HBB", file.read(4))
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
    except (OSError, EOFError, zlib.error, struct.error, UserError):
        return None
    known = zeros == 0 and type_number in TYPES and 1 <= dimensions <= 4 and all(shape)
    return _File(path, type_number, shape) if known else None


def _values(file: _File, numbers: Sequence[int], size: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of values of that size (bytes), from the first to the last."""
    try:
        with decompressed(file.path) as content:
            for number in sorted(numbers):
                content.seek(file.start + number * size)
                value = content.read(size)
                if len(value) != size:
                    raise EOFError("it ends too early")
                yield number, value
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{shown(file.path)} is damaged or cut short ({error}): {_REMEDY}") from None
