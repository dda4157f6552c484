"""Backend zarr: a Zarr (version 3) group in a folder, with an array of images and an array of labels.

Layout of a store:

    images/c/<shard>/0/0/0    a shard: its chunks one after the other, then their places and a checksum of these
    labels/c/<chunk>          int64, little-endian
    zarr.json                 of the group, and one of each array in its folder
"""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.backends import base
from scripts.backends.shared import whole_process, zarr3

if TYPE_CHECKING:
    from types import ModuleType

    import zarr

COMPRESSORS = {"zstd": "ZstdCodec", "blosc": "BloscCodec", "gzip": "GzipCodec"}


class Reader(zarr3.Reader):
    """Holds both arrays."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        zarr = _zarr()
        group = zarr.open_group(zarr.storage.LocalStore(path, read_only=True), mode="r")
        self._images, self._stored_labels = group[zarr3.IMAGES], group[zarr3.LABELS]
        per_chunk, *_ = self._images.chunks
        per_shard, *_ = self._images.shards or self._images.chunks
        return self._set_up(path, self._images.shape, per_chunk, per_shard, options)

    def _fill_images(self, rows: slice, images: np.ndarray) -> None:
        self._images.get_basic_selection(rows, out=_buffer(images))

    def _fill_labels(self, rows: slice, labels: np.ndarray) -> None:
        self._stored_labels.get_basic_selection(rows, out=_buffer(labels))

    def _fill_batch(self, ids: np.ndarray, images: np.ndarray) -> None:
        unique, places = np.unique(ids, return_inverse=True)
        np.take(self._images.get_orthogonal_selection((unique,)), places, axis=0, out=images, mode="clip")


class Backend(base.Backend):
    """Chunked arrays in a folder of plain files, many chunks to a file."""

    packages = {"zarr": "zarr==3.1.6"}
    options = zarr3.OPTIONS
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    has_many_files = True
    reader = Reader

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> base.Footprint:
        """Count the files of the shards as well."""
        return zarr3.footprint(options, image_shape)

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        zarr = _zarr()
        _, *image_shape = images.shape
        layout = zarr3.layout(images.shape, options)
        compressors = None
        if settings := zarr3.COMPRESSORS[options["compression"]]:
            compressors = [getattr(zarr.codecs, COMPRESSORS[options["compression"]])(**settings)]
        same = {"filters": None, "fill_value": 0, "config": {"write_empty_chunks": True}}
        group = zarr.create_group(zarr.storage.LocalStore(path))
        stored_images = group.create_array(
            zarr3.IMAGES,
            shape=images.shape,
            dtype=images.dtype,
            chunks=(layout.images_per_chunk, *image_shape),
            shards=(layout.images_per_shard, *image_shape) if layout.has_shards else None,
            compressors=compressors,
            **same,
        )
        stored_labels = group.create_array(
            zarr3.LABELS,
            shape=labels.shape,
            dtype="<i8",
            chunks=layout.labels_per_chunk,
            compressors=None,
            **same,
        )
        zarr3.write(images, labels, layout, partial(_put, stored_images), partial(_put, stored_labels))


@cache
def _zarr() -> "ModuleType":
    """Return the library, which is told once for the whole process how many threads it may use."""
    import zarr

    threads = whole_process.threads()
    zarr.config.set(
        {"async.concurrency": threads, "threading.max_workers": threads, "codec_pipeline.batch_size": 1 << 30}
    )
    return zarr


def _put(stored: "zarr.Array[Any]", start: int, block: np.ndarray) -> None:
    stored.set_basic_selection(slice(start, start + len(block)), block)


def _buffer(array: np.ndarray) -> "zarr.core.buffer.NDBuffer":
    """Return an array as Zarr's own kind of array, without a copy."""
    from zarr.buffer.cpu import NDBuffer

    return NDBuffer.from_numpy_array(array)
