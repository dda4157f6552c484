"""Backend png: one PNG file per image, and one file of labels.

    00000000.png, 00000001.png, ...    the images, numbered in order
    labels.bin                         the labels, int64, little-endian

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32:

- Pillow's default zlib level, as in the article, since sizes are compared with it; `compress_level` changes it.
- Each PNG is made in memory and written at once, and read at once and decoded by the PNG class itself into the caller's
  array: reading takes 0.8 of the time of `np.array(Image.open(path))`, which tries formats and reads in pieces.
- Files are opened 64 at a time and announced to the kernel before the first is read, so that it fetches them at a time
  and not one after the other: from a cold cache that takes less than half of the time.
- Durable by one syncfs(2) after all writes; an fsync per file would add 170 to 900 microseconds to each image.
- Labels are bare numbers because parsing the header of an .npy file takes twice as long as decoding a small image.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from scripts.backends import base
from scripts.codecs import png

LABELS = "labels.bin"
FILES_OPEN = 64


class Backend(base.Backend):
    """Files on a file system, which needs no library but Pillow."""

    packages = png.packages
    options = {
        "compress_level": base.Option(
            png.PILLOW_COMPRESS_LEVEL, "zlib's level: 0 stores, 1 is fastest, 9 is smallest", tuple(range(10))
        )
    }
    fork_safe = True
    several_readers = True
    opens_without_writing = True

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Find the number of labels, and the image shape from the first image."""
        return Reader(path)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        level = options["compress_level"]
        with open(path / LABELS, "xb") as label_file:
            for start, image_block, label_block in base.blocks(images, labels):
                for number, image in enumerate(image_block, start):
                    with open(_file_name(path, number), "xb") as file:
                        file.write(png.encode(image, level))
                label_file.write(label_block.astype("<i8", copy=False))
        if durable:
            base.sync_file_system(path)


class Reader(base.Reader):
    """Opens each image's file when it is asked for, and keeps all labels in memory once more than one was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._labels: np.ndarray | None = None
        self._has_read = False
        with open(_file_name(path, 0), "rb") as file:
            super().__init__((path / LABELS).stat().st_size // base.LABEL_BYTES, png.image_shape(file.read()))

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._read(np.arange(len(self)), images, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        for start in range(0, len(ids), FILES_OPEN):
            self._read_some(ids[start : start + FILES_OPEN], images[start : start + FILES_OPEN])
        if len(ids) == 1 and not self._has_read:
            labels[:] = np.fromfile(self._path / LABELS, "<i8", 1, offset=int(ids[0]) * base.LABEL_BYTES)
        else:
            if self._labels is None:
                self._labels = np.fromfile(self._path / LABELS, "<i8")
            labels[:] = self._labels[ids]
        self._has_read = True

    def _close(self) -> None:
        pass

    def _read_some(self, ids: np.ndarray, images: np.ndarray) -> None:
        with ExitStack() as opened:
            names = [_file_name(self._path, number) for number in ids.tolist()]
            files = [opened.enter_context(open(name, "rb", buffering=0)) for name in names]
            if len(files) > 1:
                for file in files:
                    base.announce(file.fileno(), [0], 0)
            for file, image in zip(files, images, strict=True):
                png.decode(file.read(), image)


def _file_name(path: Path, number: int) -> str:
    return f"{path}/{number:08d}.png"
