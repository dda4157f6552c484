"""Backend png: one PNG file per image, as in the article, and one file of labels.

Layout of a store:

    00000000.png, 00000001.png, ...    the images, numbered in order
    labels.bin                         height, width and channels of every image, then the labels, int64, little-endian
"""

from functools import partial
from pathlib import Path
from typing import Any

from scripts.backends import base, files
from scripts.codecs import png

CODEC = "png"


class Reader(files.Reader):
    """Reads PNG files, whatever the options of writing."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        super().__init__(path, {"codec": CODEC})


class Backend(files.Backend):
    """PNG files on a file system, which needs no library but Pillow."""

    packages = png.packages
    options = {
        "compress_level": base.Option(
            png.PILLOW_COMPRESS_LEVEL, "zlib's level: 0 stores, 1 is fastest, 9 is smallest", tuple(range(10))
        )
    }
    reader = Reader

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        encode = partial(png.encode, compress_level=options["compress_level"])
        files.write_files(path, images, labels, encode, CODEC)
