"""Backend zarr: a Zarr (version 3) group in a folder, with an array of images and an array of labels.

Layout of a store:

    images/c/<shard>/0/0/0    a shard: its chunks one after the other, then their places and a checksum of these
    labels/c/<chunk>          int64, little-endian
    zarr.json                 of the group, and one of each array in its folder
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.backends import base
from scripts.backends.shared import zarr3

if TYPE_CHECKING:
    from types import ModuleType

COMPRESSORS = {"zstd": "ZstdCodec", "blosc": "BloscCodec", "gzip": "GzipCodec"}


class Reader(zarr3.Reader):
    """Holds both arrays."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        zarr = _zarr()
        group = zarr.open_group(zarr.storage.LocalStore(path, read_only=True), mode="r")
        return self._set_up(path, group[zarr3.IMAGES], group[zarr3.LABELS], options)

    def _fill(self, stored: Any, rows: slice, out: np.ndarray) -> None:
        from zarr.buffer.cpu import NDBuffer

        stored.get_basic_selection(rows, out=NDBuffer.from_numpy_array(out))

    def _fill_batch(self, ids: np.ndarray, images: np.ndarray) -> None:
        unique, places = np.unique(ids, return_inverse=True)
        np.take(self._images.get_orthogonal_selection((unique,)), places, axis=0, out=images, mode="clip")


class Backend(zarr3.Backend):
    """Chunked arrays in a folder of plain files, many chunks to a file."""

    packages = {"zarr": "zarr==3.1.6"}
    reader = Reader

    def _create(self, path: Path, shape: Sequence[int], layout: zarr3.Layout, compression: str) -> tuple[Any, Any]:
        zarr = _zarr()
        count, *image_shape = shape
        compressors = None
        if settings := zarr3.COMPRESSORS[compression]:
            compressors = [getattr(zarr.codecs, COMPRESSORS[compression])(**settings)]
        same = {"filters": None, "fill_value": 0, "config": {"write_empty_chunks": True}}
        group = zarr.create_group(zarr.storage.LocalStore(path))
        images = group.create_array(
            zarr3.IMAGES,
            shape=shape,
            dtype="u1",
            chunks=(layout.images_per_chunk, *image_shape),
            shards=(layout.images_per_shard, *image_shape) if layout.has_shards else None,
            compressors=compressors,
            **same,
        )
        chunk = layout.labels_per_chunk
        labels = group.create_array(zarr3.LABELS, shape=count, dtype="<i8", chunks=chunk, compressors=None, **same)
        return images, labels

    def _put(self, stored: Any, start: int, block: np.ndarray) -> None:
        stored.set_basic_selection(slice(start, start + len(block)), block)


@cache
def _zarr() -> "ModuleType":
    """Return the library, which is told once for the whole process how many threads it may use."""
    import zarr

    threads = base.threads()
    zarr.config.set(
        {"async.concurrency": threads, "threading.max_workers": threads, "codec_pipeline.batch_size": 1 << 30}
    )
    return zarr
