r"""Backend lmdb: one LMDB environment, with one value per image, or several images to a value.

Layout of a store:

    key     number of the value, 8 bytes, big-endian, so that LMDB's order of bytes is the order of numbers
    value   the label (int64 of the machine), then the image's bytes by the codec; of several images, all labels first
    the key \xffmetadata, after all numbers: {"count", "image_shape"} as JSON
"""

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import values
from scripts.common.errors import UserError

if TYPE_CHECKING:
    import lmdb

FILE = "data.mdb"
FIRST_MAP_BYTES = 64 << 20
IMAGES_PER_TRANSACTION = 1024
SMALL_BYTES = 512 << 10
"""A store of at most so many bytes is always read with the kernel's readahead."""
LARGE_VALUE_BYTES = 32 << 10
"""A store whose values take so many bytes on average as well: without readahead, each page is a wait for the disk."""


class Reader(base.Reader):
    """Holds one read transaction, in an environment opened with or without readahead as the last call wanted.

    There can be one reader of a store at a time in a process.
    """

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._path = str(path)
        self._per_value = options["images_per_value"]
        self._always_ahead = os.stat(path / FILE).st_size <= SMALL_BYTES
        self._reads_ahead: bool | None = None
        self._environment: lmdb.Environment | None = None
        self._resources.callback(self._close_environment)
        count, image_shape = values.described(self._begin(readahead=False).get(values.METADATA))
        self._always_ahead |= os.stat(path / FILE).st_size // count >= LARGE_VALUE_BYTES
        self._image_bytes = math.prod(image_shape)
        return count, image_shape

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        with self._begin(readahead=True).cursor() as cursor:
            self._fill(itertools.islice(cursor.iternext(keys=False), -(-len(self) // self._per_value)), images, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        self._fill(self._values_of(ids.tolist()), images, labels)

    def _close_environment(self) -> None:
        if self._environment is not None:
            # This ends its transaction as well.
            self._environment.close()

    def _begin(self, readahead: bool) -> Any:
        """Return the transaction, begun in another environment if the last one wasn't opened as wanted."""
        readahead = readahead or self._always_ahead
        if self._reads_ahead != readahead:
            import lmdb

            self._close_environment()
            self._environment = lmdb.open(self._path, readonly=True, create=False, lock=False, readahead=readahead)
            self._transaction: Any = self._environment.begin(buffers=True)
            self._reads_ahead = readahead
        return self._transaction

    def _values_of(self, ids: list[int]) -> Iterator[bytes | memoryview]:
        """Yield the label and image of each of `ids`, cut out of a value where that holds several images."""
        get = self._begin(readahead=False).get
        for number in ids:
            value_number, place = divmod(number, self._per_value)
            value = get(values.key(value_number))
            if self._per_value > 1:
                label = place * base.LABEL_BYTES
                image = self._all_labels(value) + place * self._image_bytes
                value = b"".join((value[label : label + base.LABEL_BYTES], value[image : image + self._image_bytes]))
            yield value

    def _fill(self, stored: Iterator[bytes | memoryview], images: np.ndarray, labels: np.ndarray) -> None:
        """Fill the arrays from values in their order."""
        if self._per_value == 1:
            values.split(stored, images, labels, self._codec)
            return
        label_bytes, image_bytes = memoryview(labels).cast("B"), memoryview(images).cast("B")
        label = image = 0
        for value in stored:
            split = self._all_labels(value)
            label_bytes[label : label + split] = value[:split]
            image_bytes[image : image + len(value) - split] = value[split:]
            label += split
            image += len(value) - split

    def _all_labels(self, value: bytes | memoryview) -> int:
        """Return how many bytes the labels take in a value of codec raw; the pixels come after them."""
        return len(value) // (base.LABEL_BYTES + self._image_bytes) * base.LABEL_BYTES


class Backend(base.Backend):
    """A memory-mapped B+ tree."""

    packages = {"lmdb": "lmdb==3.0.0"}
    options = {
        "codec": base.CODEC,
        "images_per_value": base.Option(1, "how many images share one value; above 1 only with codec raw", minimum=1),
    }
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=2, page_bytes=4096, bytes_per_image=32)
    file = FILE
    reader = Reader

    def check(self, options: dict[str, Any]) -> None:
        """Refuse several images to a value where the codec makes them of different sizes."""
        if options["images_per_value"] > 1 and not codecs.load(options["codec"]).is_identity:
            raise UserError(
                f"backend lmdb packs images of one size only: with codec {options['codec']} leave images_per_value at 1"
            )

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        import lmdb

        codec, per_value = codecs.load(options["codec"]), options["images_per_value"]
        with lmdb.open(str(path), map_size=FIRST_MAP_BYTES, lock=False, sync=False) as environment:
            for items in values.items(images, labels, codec, IMAGES_PER_TRANSACTION, per_value):
                _append(environment, items)


def _append(environment: "lmdb.Environment", items: list[tuple[bytes, bytes]]) -> None:
    """Put keys and values, which follow all others, in one transaction. Where the map is full, double it and retry."""
    import lmdb

    while True:
        try:
            with environment.begin(write=True) as transaction, transaction.cursor() as cursor:
                cursor.putmulti(items, append=True)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])
