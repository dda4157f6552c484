"""The image set: arrays on disk with their provenance, which every later step reads instead of an archive."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from scripts.errors import UserError

PROVENANCE_VERSION = 1

SYNTHETIC_LABEL = "synthetic images, not CIFAR-10 (for the real ones see README.md)"
"""What every record, table, figure and page made from generated images says of them."""


@dataclass(frozen=True)
class ImageSet:
    """Images (N, H, W, 3) uint8 and labels (N,) int64 for training, memory-mapped, and where they come from."""

    images: np.ndarray
    labels: np.ndarray
    provenance: dict[str, Any]

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Open the image set in `directory`. Raises UserError where one of its files is missing or disagrees."""
        try:
            provenance = json.loads((directory / "provenance.json").read_bytes())
            if provenance["provenance_version"] != PROVENANCE_VERSION:
                raise ValueError(f"provenance of version {provenance['provenance_version']}")
            shape = tuple(provenance["image_shape"])
            arrays = [
                _map(directory / f"{prefix}{name}.npy", (provenance[count], *item), data_type)
                for prefix, count in (("", "train_images"), ("test_", "test_images"))
                for name, item, data_type in (("images", shape, np.uint8), ("labels", (), np.int64))
            ]
        except (FileNotFoundError, EOFError, ValueError, KeyError, TypeError) as error:
            fault = f"{error.filename} is missing" if isinstance(error, FileNotFoundError) else str(error)
            raise UserError(
                f"{directory} holds no whole image set ({fault}): delete it and run the workflow again"
            ) from None
        return cls(arrays[0], arrays[1], provenance)

    def first(self, count: int) -> tuple["np.ndarray | Repeated", "np.ndarray | Repeated"]:
        """Return the first `count` images and labels, the set repeated in order where it has fewer.

        Both have a shape and a data type, and their slices are arrays; nothing is copied before it is sliced. Raises
        UserError for a count below 1.
        """
        if count < 1:
            raise UserError(f"a store holds at least one image, not {count}; give another cutoff")
        if count <= len(self.images):
            return self.images[:count], self.labels[:count]
        return Repeated(self.images, count), Repeated(self.labels, count)


class Repeated:
    """An array of `count` rows that repeats the rows of a shorter one in order, without holding them.

    A slice that doesn't reach over the end of the shorter array is a view of it, any other one a copy.
    """

    def __init__(self, rows: np.ndarray, count: int) -> None:
        self._rows = rows
        self.shape = (count, *rows.shape[1:])
        self.dtype = rows.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        if isinstance(rows, np.ndarray):
            return self._rows[rows % len(self._rows)]
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self._rows[np.arange(start, stop, step) % len(self._rows)]
        pieces = []
        while start < stop:
            offset = start % len(self._rows)
            pieces.append(self._rows[offset : offset + stop - start])
            start += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces or [self._rows[:0]])


def content_digest(blocks: Iterable[tuple[int, np.ndarray, np.ndarray]]) -> str:
    """Return the SHA-256 (hex) of images and labels, whatever the size of the blocks in which they come.

    A block is (index of its first image, images (n, H, W, 3) uint8, labels (n,) integers); blocks come in order. Raises
    ValueError where there is no block, or one that doesn't fit the ones before it.
    """
    image_bytes, label_bytes = hashlib.sha256(), hashlib.sha256()
    count, image_shape = 0, None
    for start, images, labels in blocks:
        image_shape = image_shape or images.shape[1:]
        if start != count or images.shape != (len(labels), *image_shape) or images.dtype != np.uint8:
            raise ValueError(
                f"block at {start}, {images.dtype} {images.shape}, doesn't follow {count} of {image_shape}"
            )
        image_bytes.update(np.ascontiguousarray(images))
        label_bytes.update(np.ascontiguousarray(labels, "<i8"))
        count += len(images)
    if image_shape is None:
        raise ValueError("no images to digest")
    shape = ",".join(map(str, (count, *image_shape)))
    return hashlib.sha256(shape.encode() + image_bytes.digest() + label_bytes.digest()).hexdigest()


def _map(path: Path, shape: tuple[int, ...], data_type: type) -> np.ndarray:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.shape != shape or array.dtype != data_type:
        raise ValueError(f"{path.name} is {array.dtype} {array.shape}, its provenance says {shape}")
    return array
