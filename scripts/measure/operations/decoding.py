"""Decoding alone: the values of a store, decoded from memory, so that storage and decoding are told apart.

It is the third subject of a job that reads a store whose codec decodes, in turn with backend and baseline.
"""

import time
from collections.abc import Callable

import numpy as np

from scripts.backends.base import Reader
from scripts.backends.shared import values
from scripts.measure import memory

DECODING = "decoding"
"""The name of the subject."""
MOST_IMAGES = 2000
"""The values of so many images are in memory at most, as far as they take no more than `memory.VALUES_BYTES`."""
BUDGET_SHARE = 0.05
"""A run decodes as many images as take this share of the cell's budget at most, and one at least. With the untimed run
before it, that is a tenth."""
COLLECTED_AT_ONCE = 32
SEED = 19920918


class Decoding:
    """The values of images that are drawn once from a whole store.

    Of these each run decodes every k-th, by ascending size, from the next start. So each run has small and large
    images alike, and not those of the run before, which the processor would know.
    """

    def __init__(self, reader: Reader, images: np.ndarray, seconds: float) -> None:
        """Collect the values, and decode some into `images`, for so many seconds at most, to know how many a run takes.

        `ids` are the images that were decoded.
        """
        assert reader.codec is not None
        self._codec, self._images = reader.codec, images
        drawn = np.random.default_rng(SEED).permutation(len(reader))[:MOST_IMAGES]
        self._values: list[bytes] = []
        size = 0
        for start in range(0, len(drawn), COLLECTED_AT_ONCE):
            more = reader.values(drawn[start : start + COLLECTED_AT_ONCE])
            size += sum(map(len, more))
            if self._values and size > memory.VALUES_BYTES:
                break
            self._values += more
        ends = time.perf_counter() + seconds
        done = 0
        for value, image in zip(self._values, images, strict=False):
            self._codec.decode(value, image)
            done += 1
            if time.perf_counter() > ends:
                break
        self.ids = drawn[:done]
        self._values.sort(key=len)
        self._step = -(-len(self._values) // done)
        self._start = 0

    def next_run(self) -> tuple[int, Callable[[], None]]:
        """Return how many images the next run decodes, and the run itself, into the first of the caller's images."""
        own = self._values[self._start :: self._step]
        self._start = (self._start + 1) % self._step
        into = self._images[: len(own)]
        into.fill(0xAA)
        return len(own), lambda: values.decode(own, into, self._codec)
