"""Values of unequal lengths as arrays: what the backends share that keep them one after the other.

values     uint8, (bytes,): the images' bytes by the codec, one after the other
offsets    int64, (n + 1,): where in it each image begins and the last one ends
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.base import Source
from scripts.backends.shared import file_access, values
from scripts.backends.shared.labels import Labels

Read = Callable[[int, np.ndarray], None]
"""Fills an array, (n,) int64, with the numbers of a stored one from a number on."""


class Reader(base.Reader):
    """Reads values one by one, or everything in pieces; of offsets and labels it keeps all after the first image."""

    def _set_up(self, count: int, read_offsets: Read, read_labels: Read) -> None:
        """Take what reads offsets and labels of so many images."""
        self._starts = Labels(count, read_offsets)
        self._ends = Labels(count, lambda first, out: read_offsets(first + 1, out))
        self._labels = Labels(count, read_labels)
        self._buffer = np.empty(file_access.READ_BYTES, np.uint8)

    @abstractmethod
    def _fill(self, start: int, out: np.ndarray) -> None:
        """Fill an array, (n,) uint8, with the bytes of values from byte `start` on."""

    def _announce(self, starts: list[int], sizes: list[int]) -> None:
        """Announce values that are read next to the kernel, where that is possible."""

    def _value(self, start: int, size: int) -> memoryview:
        """Return the bytes of a value; they are valid until the next call."""
        return self._piece(start, size)

    def _piece(self, start: int, size: int) -> memoryview:
        """Return so many bytes of values; they are valid until the next call."""
        if size > len(self._buffer):
            self._buffer = np.empty(size, np.uint8)
        found = self._buffer[:size]
        self._fill(start, found)
        return memoryview(found)

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        everything = np.arange(len(self))
        starts, ends = np.empty_like(everything), np.empty_like(everything)
        self._starts.fill(everything, starts)
        self._ends.fill(everything, ends)
        self._labels.fill(everything, labels)
        first = 0
        while first < len(self):
            # As many as a piece holds, and one at least.
            stop = max(first + 1, int(np.searchsorted(ends, starts[first] + file_access.READ_BYTES, "right")))
            origin = int(starts[first])
            piece = self._piece(origin, int(ends[stop - 1]) - origin)
            parts = map(slice, (starts[first:stop] - origin).tolist(), (ends[first:stop] - origin).tolist())
            values.decode(map(piece.__getitem__, parts), images[first:stop], self._codec)
            first = stop

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        starts, ends = np.empty_like(ids), np.empty_like(ids)
        self._starts.fill(ids, starts)
        self._ends.fill(ids, ends)
        places, sizes = starts.tolist(), (ends - starts).tolist()
        self._announce(places, sizes)
        values.decode(map(self._value, places, sizes), images, self._codec)
        self._labels.fill(ids, labels)


def blocks(
    images: Source, labels: Source, codec: codecs.Codec
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield, over all images in order: the number of the first, all bytes of some values, (bytes,) uint8, where in all
    values each of them ends, (n,) int64, and their labels, (n,) int64."""
    end = 0
    for start, block, label_block in values.blocks(images, labels, codec):
        stored = values.encode(block, codec)
        ends = end + np.cumsum([len(value) for value in stored], dtype=np.int64)
        yield start, np.frombuffer(b"".join(stored), np.uint8), ends, label_block
        end = int(ends[-1])
