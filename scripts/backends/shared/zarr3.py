"""Images in chunks of whole images, many chunks to a file: what the backends of the Zarr format (version 3) share.

images/c/<shard>/0/0/0    a shard: its chunks one after the other, then their places and a checksum of these
labels/c/<chunk>          int64, little-endian
"""

import itertools
import math
import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import file_access
from scripts.backends.shared.labels import Labels

CHUNKS_PER_SHARD = 64
"""A shard is as large as a block by default, so its chunks have 64 KiB."""
LABELS_PER_CHUNK = 1 << 17
"""A chunk of labels has 1 MiB, the least that Zarr's documentation advises."""
PLACE_BYTES, CHECKSUM_BYTES = 16, 4
"""A shard ends with place and length of each chunk, and with a CRC-32C of them (Zarr's sharding codec)."""
IMAGES, LABELS = "images", "labels"
METADATA = "zarr.json"
COMPRESSORS: dict[str, dict[str, Any]] = {
    "none": {},
    "zstd": {"level": codecs.ZSTD_LEVEL, "checksum": False},
    "blosc": {"cname": "zstd", "clevel": 5, "shuffle": "bitshuffle", "typesize": 1, "blocksize": 0},
    "gzip": {"level": 5},
}
"""Compressors with the settings that zarr-python has by default. Its default level of zstd is 0, which stands for 3."""


class Layout(NamedTuple):
    """How many images and labels share a chunk, a file and a call."""

    images_per_chunk: int
    images_per_shard: int
    """Where there are no shards, as many as in a chunk."""
    images_per_write: int
    labels_per_chunk: int

    @property
    def has_shards(self) -> bool:
        """Whether several chunks share a file."""
        return self.images_per_shard > self.images_per_chunk


def layout(shape: Sequence[int], options: dict[str, Any], value_bytes: int = 0) -> Layout:
    """Return the layout of images of `shape`, (n, height, width, 3), by complete options. `value_bytes` is what an
    image takes where that may be more than its pixels."""
    count, rows = shape[0], base.rows_per_block(shape, value_bytes=value_bytes)
    per_chunk = min(options["images_per_chunk"] or max(1, rows // CHUNKS_PER_SHARD), count)
    chunks = min(options["chunks_per_shard"] or max(1, rows // per_chunk), -(-count // per_chunk))
    rows = chunks * per_chunk if chunks > 1 else base.rows_per_block(shape, per_chunk, value_bytes)
    return Layout(per_chunk, chunks * per_chunk, rows, min(max(1, LABELS_PER_CHUNK // rows) * rows, count))


class Reader(base.Reader):
    """Reads images a chunk at a time."""

    def _set_up(self, path: Path, images: Any, labels: Any, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        """Take both open arrays of the library's, and return what `_open` does."""
        self._images, self._stored_labels = images, labels
        count, *image_shape = images.shape
        self._layout = layout(images.shape, options)
        self._knows_places = options["compression"] == "none" and self._layout.has_shards
        self._shards = path / IMAGES / "c"
        self._labels = Labels(count, lambda n, out: self._fill(self._stored_labels, slice(n, n + len(out)), out))
        return count, image_shape

    @abstractmethod
    def _fill(self, stored: Any, rows: slice, out: np.ndarray) -> None:
        """Read rows of one of both arrays, which follow each other."""

    @abstractmethod
    def _fill_batch(self, ids: np.ndarray, images: np.ndarray) -> None:
        """Read images in the order of `ids`."""

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        step = base.rows_per_block(images.shape, self._layout.images_per_shard)
        for start in range(0, len(self), step):
            rows = slice(start, min(start + step, len(self)))
            self._fill(self._images, rows, images[rows])
        self._fill(self._stored_labels, slice(0, len(self)), labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if len(ids) == 1:
            self._fill(self._images, slice(int(ids[0]), int(ids[0]) + 1), images)
        else:
            if self._knows_places:
                self._announce(ids)
            self._fill_batch(ids, images)
        self._labels.fill(ids, labels)

    def _announce(self, ids: np.ndarray) -> None:
        """Let the kernel fetch what a batch needs: its chunks, and the places of chunks at the end of their shards."""
        per_chunk = self._layout.images_per_chunk
        chunks = self._layout.images_per_shard // per_chunk
        size = per_chunk * math.prod(self.image_shape)
        for shard, found in itertools.groupby(np.unique(ids // per_chunk).tolist(), lambda chunk: chunk // chunks):
            with open(f"{self._shards}/{shard}/0/0/0", "rb", buffering=0) as file:
                descriptor = file.fileno()
                places = os.fstat(descriptor).st_size - chunks * PLACE_BYTES - CHECKSUM_BYTES
                file_access.announce(descriptor, [places], 0)
                file_access.announce(descriptor, [chunk % chunks * size for chunk in found], size)


class Backend(base.Backend):
    """Both arrays, made and filled by a library."""

    options = {
        "images_per_chunk": base.Option(
            0, "how many images a chunk holds; 0: as many as fit into 64 KiB, at least one"
        ),
        "chunks_per_shard": base.Option(
            0, "how many chunks share one file; 0: as many as fit into 4 MiB; 1: no shards, each chunk is a file"
        ),
        "compression": base.Option(
            "none",
            f"how each chunk of images is compressed; zstd at level {codecs.ZSTD_LEVEL}, "
            "blosc by zstd at its level 5 of 9",
            tuple(COMPRESSORS),
        ),
    }
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    has_many_files = True
    file = METADATA

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> base.Footprint:
        """Count the files of images as well, each of which has three directories to itself."""
        per_file = layout((1 << 30, *image_shape), options).images_per_shard
        return base.Footprint(files=12, files_per_image=4 / per_file, bytes_per_image=20)

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        chosen = layout(images.shape, options)
        stored = self._create(path, images.shape, chosen, options["compression"])
        self._put_all(*stored, base.blocks(images, labels, chosen.images_per_write), images.shape[0], chosen)

    def _put_all(
        self,
        stored_images: Any,
        stored_labels: Any,
        blocks: Iterable[tuple[int, np.ndarray, np.ndarray]],
        count: int,
        chosen: Layout,
    ) -> None:
        """Write both arrays from blocks of images and labels, `count` in all."""
        pending: list[np.ndarray] = []
        for start, image_block, label_block in blocks:
            self._put(stored_images, start, image_block)
            pending.append(label_block)
            stop = start + len(label_block)
            if stop % chosen.labels_per_chunk == 0 or stop == count:
                chunk = np.concatenate(pending)
                self._put(stored_labels, stop - len(chunk), chunk)
                pending.clear()

    @abstractmethod
    def _create(self, path: Path, shape: Sequence[int], layout: Layout, compression: str) -> tuple[Any, Any]:
        """Return two new arrays of the library's, IMAGES and LABELS, of images of `shape`, (n, height, width, 3)."""

    @abstractmethod
    def _put(self, stored: Any, start: int, block: np.ndarray) -> None:
        """Write rows of an array from `start` on, which are whole files."""
