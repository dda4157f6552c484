"""The labels of a store that is open, for every reader that finds them apart from the images."""

from collections.abc import Callable

import numpy as np


class Labels:
    """One label by itself for the first call that asks for one; all labels from the next call on, kept in memory.

    To read one image then takes no longer than it must, and to read many takes one read of all labels.
    """

    def __init__(self, count: int, read: Callable[[int, np.ndarray], None]) -> None:
        """`count` is the number of labels; `read` fills an array, (n,) int64, with the labels from a number on."""
        self._count = count
        self._read = read
        self._all: np.ndarray | None = None
        self._has_read_one = False

    def fill(self, ids: np.ndarray, labels: np.ndarray) -> None:
        """Fill `labels`, (n,) int64, with the labels of `ids`, (n,) int64, each from 0 to the number of labels - 1."""
        if self._all is None:
            if len(ids) == 1 and not self._has_read_one:
                self._has_read_one = True
                self._read(int(ids[0]), labels)
                return
            self._all = np.empty(self._count, np.int64)
            self._read(0, self._all)
        labels[:] = self._all[ids]
