"""Backend files: one file per image by any codec, and one file of labels.

Layout of a store:

    00000000.raw, 00000001.raw, ...    the images, numbered in order; the ending is the codec's name
    labels.bin                         height, width and channels of every image, then the labels, int64, little-endian
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import file_access
from scripts.backends.shared.labels import Labels

LABELS = "labels.bin"
LABEL = np.dtype("<i8")
SHAPE_NUMBERS, CHANNELS = 3, 3
FILES_OPEN = 64
"""How many files are open at a time, so that the kernel fetches them together."""


class Reader(base.Reader):
    """Opens each image's file when it is asked for."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._path = path
        self._ending = options["codec"]
        with open(path / LABELS, "rb", buffering=0) as file:
            height, width, channels = np.frombuffer(file.read(SHAPE_NUMBERS * LABEL.itemsize), LABEL).tolist()
            count = (path / LABELS).stat().st_size // LABEL.itemsize - SHAPE_NUMBERS
        if channels != CHANNELS:
            raise ValueError(f"{path / LABELS} says that images have {channels} channels")
        self._labels = Labels(count, self._fill_labels)
        return count, (height, width, channels)

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._read(np.arange(len(self)), images, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        for start in range(0, len(ids), FILES_OPEN):
            self._read_some(ids[start : start + FILES_OPEN], images[start : start + FILES_OPEN])
        self._labels.fill(ids, labels)

    def _fill_labels(self, first: int, labels: np.ndarray) -> None:
        offset = (SHAPE_NUMBERS + first) * LABEL.itemsize
        labels[:] = np.fromfile(self._path / LABELS, LABEL, len(labels), offset=offset)

    def _read_some(self, ids: np.ndarray, images: np.ndarray) -> None:
        with ExitStack() as opened:
            names = [_file_name(self._path, number, self._ending) for number in ids.tolist()]
            files = [opened.enter_context(open(name, "rb", buffering=0)) for name in names]
            if len(files) > 1:
                for file in files:
                    file_access.announce(file.fileno(), [0], 0)
            for file, image in zip(files, images, strict=True):
                if self._codec.is_identity:
                    file_access.read_into(file, image, 0)
                else:
                    self._codec.decode(file.read(), image)


class Backend(base.Backend):
    """Files on a file system, which needs no library but the codec's."""

    options = {"codec": base.CODEC}
    fork_safe = True
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=3, files_per_image=1, bytes_per_image=40)
    has_many_files = True
    reader = Reader

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        write_files(path, images, labels, codecs.load(options["codec"]).encode, options["codec"])


def write_files(
    path: Path,
    images: base.Source,
    labels: base.Source,
    encode: Callable[[np.ndarray], bytes | memoryview],
    ending: str,
) -> None:
    """Write a store into the existing directory `path`, as `Backend.write` does: `encode` makes each image's file."""
    with open(path / LABELS, "xb") as label_file:
        label_file.write(np.array(images.shape[1:], LABEL))
        for start, image_block, label_block in base.blocks(images, labels):
            for number, image in enumerate(image_block, start):
                with open(_file_name(path, number, ending), "xb", buffering=0) as file:
                    file_access.write_all(file, encode(image))
            label_file.write(label_block.astype(LABEL, copy=False))


def _file_name(path: Path, number: int, ending: str) -> str:
    return f"{path}/{number:08d}.{ending}"
