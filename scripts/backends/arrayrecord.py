"""Backend arrayrecord: one ArrayRecord file, the format of Google's Grain, with one record per image.

Layout of a store:

    images.array_record    records in order: the label (int64 of the machine), then the image's bytes by the codec;
                           after the last image one record more: {"count", "image_shape"} as JSON
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import file_access, values

FILE = "images.array_record"
COMPRESSIONS = {"none": "uncompressed", "snappy": "snappy", "zstd": f"zstd:{codecs.ZSTD_LEVEL}", "brotli": "brotli"}
AT_RANDOM = "readahead_buffer_size:0,max_parallelism:0"
IN_ORDER = "readahead_buffer_size:1M,max_parallelism:1"
"""A parallelism of 1 is the calling thread alone; 0 would read group by group, whatever the buffer's size."""

BLOCK, BLOCK_HEADER, CHUNK_HEADER = 65536, 24, 40
"""Sizes in bytes in a file of Riegeli's records, which ArrayRecord is built on: each block of the file starts with a
header, and each group (a chunk of Riegeli's) with another."""


class Reader(base.Reader):
    """Holds the file as the library opens it to read at random, and once more to read in order, when that is wanted."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._path = str(path / FILE)
        self._per_group = options["images_per_group"]
        self._at_random = self._opened(AT_RANDOM)
        self._in_order: Any = None
        self._descriptor: int | None = None
        if self._codec.is_identity and options["compression"] == "none":
            self._descriptor = os.open(self._path, os.O_RDONLY)
            self._resources.callback(os.close, self._descriptor)
        self._at_random.seek(self._at_random.num_records() - 1)
        return values.described(self._at_random.read())

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        if self._in_order is None:
            self._in_order = self._opened(IN_ORDER)
        self._in_order.seek(0)
        read = self._in_order.read
        values.split((read() for _ in range(len(self))), images, labels, self._codec)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        numbers = ids.tolist()
        if len(numbers) > 1:
            if self._descriptor is not None:
                self._announce(self._descriptor, ids, base.LABEL_BYTES + images[0].nbytes)
            if self._per_group > 1:
                order = np.argsort(ids, kind="stable").tolist()
                found = dict(zip(order, self._records(numbers[row] for row in order), strict=True))
                values.split((found[row] for row in range(len(found))), images, labels, self._codec)
                return
        values.split(self._records(numbers), images, labels, self._codec)

    def _opened(self, settings: str) -> Any:
        base.refuse_after_fork("array_record")
        from array_record.python.array_record_module import ArrayRecordReader

        return self._resources.enter_context(contextlib.closing(ArrayRecordReader(self._path, settings)))

    def _records(self, numbers: Iterable[int]) -> Iterator[bytes]:
        seek, read = self._at_random.seek, self._at_random.read
        for number in numbers:
            seek(number)
            yield read()

    def _announce(self, descriptor: int, ids: np.ndarray, record_bytes: int) -> None:
        """Announce the groups of `ids`; all records have one size. A wrong place would cost time and nothing else."""
        sizes = self._per_group * _varint_bytes(record_bytes)
        group = CHUNK_HEADER + 1 + _varint_bytes(sizes) + sizes + self._per_group * record_bytes
        # The first group comes after the file's own header.
        first = CHUNK_HEADER + np.unique(ids // self._per_group) * group
        places = first + (first // (BLOCK - BLOCK_HEADER) + 1) * BLOCK_HEADER
        file_access.announce(descriptor, places.tolist(), group + (group // BLOCK + 1) * BLOCK_HEADER)


class Backend(base.Backend):
    """A file of records with an index at its end."""

    packages = {"array_record": "array-record==0.8.6; sys_platform != 'darwin' or platform_machine != 'x86_64'"}
    options = {
        "codec": base.CODEC,
        "images_per_group": base.Option(1, "how many images are stored, compressed and read together", minimum=1),
        "compression": base.compression("groups are", *COMPRESSIONS),
    }
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=2, bytes_per_image=64)
    file = FILE
    reader = Reader

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        base.refuse_after_fork("array_record")
        from array_record.python.array_record_module import ArrayRecordWriter

        settings = f"group_size:{options['images_per_group']},{COMPRESSIONS[options['compression']]}"
        codec = codecs.load(options["codec"])
        with contextlib.closing(ArrayRecordWriter(str(path / FILE), settings)) as writer:
            for _, block, label_block in values.blocks(images, labels, codec):
                for value in values.join(block, label_block, codec):
                    writer.write(value)
            writer.write(values.metadata(images.shape))


def _varint_bytes(number: int) -> int:
    """Return how many bytes a number takes, 7 bits in each."""
    return -(-max(1, number.bit_length()) // 7)
