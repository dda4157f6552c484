"""Backend png: one PNG file per image, as in the article, and one file of labels.

    00000000.png, 00000001.png, ...    the images, numbered in order
    labels.bin                         height, width and channels of every image, then the labels, int64, little-endian

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32:

- Pillow's default zlib level, as in the article, since sizes are compared with it; `compress_level` changes it.
- Each PNG is decoded by Pillow's PNG class itself, in the way of codec png.
- Files are written and read as by backend files, whose code this is. Between calls a reader keeps what it keeps: the
  labels.
"""

from functools import partial
from pathlib import Path
from typing import Any

from scripts.backends import base, files
from scripts.codecs import png

ENDING = "png"


class Backend(base.Backend):
    """PNG files on a file system, which needs no library but Pillow."""

    packages = png.packages
    options = {
        "compress_level": base.Option(
            png.PILLOW_COMPRESS_LEVEL, "zlib's level: 0 stores, 1 is fastest, 9 is smallest", tuple(range(10))
        )
    }
    fork_safe = True
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=3, files_per_image=1, bytes_per_image=40)

    def open(self, path: Path, options: dict[str, Any]) -> files.Reader:
        """Find the number of labels and the image shape."""
        return files.Reader(path, png, ENDING)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        encode = partial(png.encode, compress_level=options["compress_level"])
        files.write_files(path, images, labels, durable, encode, ENDING)
