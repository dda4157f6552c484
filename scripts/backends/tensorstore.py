"""Backend tensorstore: the same Zarr (version 3) store as backend zarr, written and read by Google's TensorStore.

Layout of a store:

    images/c/<shard>/0/0/0    a shard: its chunks one after the other, then their places and a checksum of these
    labels/c/<chunk>          int64, little-endian
    zarr.json                 of the group, and one of each array in its folder
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.backends import base
from scripts.backends.shared import zarr3

if TYPE_CHECKING:
    import tensorstore

LITTLE_ENDIAN = {"name": "bytes", "configuration": {"endian": "little"}}


class Reader(zarr3.Reader):
    """Holds both arrays, and the context that both were opened in."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._context = _context()
        opening = [_open(path / name, self._context, open=True, read=True) for name in (zarr3.IMAGES, zarr3.LABELS)]
        images, labels = (future.result() for future in opening)
        return self._set_up(path, images, labels, options)

    def _fill(self, stored: Any, rows: slice | np.ndarray, out: np.ndarray) -> None:
        import tensorstore

        if len(out) == 1:
            out[:] = stored[rows].read().result()
        else:
            # A write into a store of the library's whose memory is this array reads straight into it.
            tensorstore.array(out, context=self._context, copy=False, write=True).write(stored[rows]).result()

    def _fill_batch(self, ids: np.ndarray, images: np.ndarray) -> None:
        self._fill(self._images, ids, images)


class Backend(zarr3.Backend):
    """Chunked arrays in a folder of plain files, many chunks to a file."""

    packages = {"tensorstore": "tensorstore==0.1.86"}
    reader = Reader

    def _create(self, path: Path, shape: Sequence[int], layout: zarr3.Layout, compression: str) -> tuple[Any, Any]:
        chunk_codecs: list[dict[str, Any]] = [{"name": "bytes"}]
        if settings := zarr3.COMPRESSORS[compression]:
            chunk_codecs.append({"name": compression, "configuration": settings})
        if layout.has_shards:
            sharding = {
                "chunk_shape": [layout.images_per_chunk, *shape[1:]],
                "codecs": chunk_codecs,
                "index_codecs": [LITTLE_ENDIAN, {"name": "crc32c"}],
            }
            chunk_codecs = [{"name": "sharding_indexed", "configuration": sharding}]
        context = _context()
        (path / zarr3.METADATA).write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}))
        arrays = []
        for name, array_shape, data_type, rows, codecs in (
            (zarr3.IMAGES, shape, "uint8", layout.images_per_shard, chunk_codecs),
            (zarr3.LABELS, shape[:1], "int64", layout.labels_per_chunk, [LITTLE_ENDIAN]),
        ):
            metadata = {
                "shape": array_shape,
                "data_type": data_type,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [rows, *array_shape[1:]]}},
                "codecs": codecs,
                "fill_value": 0,
            }
            spec = {"metadata": metadata, "store_data_equal_to_fill_value": True}
            arrays.append(_open(path / name, context, spec, create=True))
        images, labels = (future.result() for future in arrays)
        return images, labels

    def _put(self, stored: Any, start: int, block: np.ndarray) -> None:
        # The block isn't copied first, since it stays as it is until it is written.
        stored[start : start + len(block)].write(block, can_reference_source_data_indefinitely=True).result()


def _context() -> "tensorstore.Context":
    """Return what the library may use: so many threads, and no memory for what was read before."""
    base.refuse_after_fork("TensorStore")
    import tensorstore

    limit = {"limit": base.threads()}
    return tensorstore.Context(
        {
            "data_copy_concurrency": limit,
            "file_io_concurrency": limit,
            "file_io_sync": False,
            "file_io_locking": {"mode": "non_atomic"},
            "cache_pool": {"total_bytes_limit": 0},
        }
    )


def _open(
    path: Path, context: "tensorstore.Context", spec: dict[str, Any] | None = None, **how: Any
) -> "tensorstore.Future[tensorstore.TensorStore]":
    import tensorstore

    store = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    return tensorstore.open(store | (spec or {}), context=context, **how)
