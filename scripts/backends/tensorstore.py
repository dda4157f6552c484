"""Backend tensorstore: the same Zarr (version 3) store as backend zarr, written and read by Google's TensorStore.

Layout of a store:

    images/c/<shard>/0/0/0    a shard: its chunks one after the other, then their places and a checksum of these
    labels/c/<chunk>          int64, little-endian
    zarr.json                 of the group, and one of each array in its folder
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.backends import base
from scripts.backends.shared import whole_process, zarr3

if TYPE_CHECKING:
    import tensorstore

METADATA = "zarr.json"
LITTLE_ENDIAN = {"name": "bytes", "configuration": {"endian": "little"}}


class Reader(zarr3.Reader):
    """Holds both arrays."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._context = _context()
        opening = [_open(path / name, self._context, open=True, read=True) for name in (zarr3.IMAGES, zarr3.LABELS)]
        self._images, self._stored_labels = (future.result() for future in opening)
        layout: Any = self._images.chunk_layout
        per_chunk, per_shard = layout.read_chunk.shape[0], layout.write_chunk.shape[0]
        return self._set_up(path, self._images.shape, per_chunk, per_shard, options)

    def _fill_images(self, rows: slice, images: np.ndarray) -> None:
        if len(images) == 1:
            images[:] = self._images[rows].read().result()
        else:
            self._fill(self._images[rows], images)

    def _fill_labels(self, rows: slice, labels: np.ndarray) -> None:
        self._fill(self._stored_labels[rows], labels)

    def _fill_batch(self, ids: np.ndarray, images: np.ndarray) -> None:
        self._fill(self._images[ids], images)

    def _fill(self, stored: "tensorstore.TensorStore", array: np.ndarray) -> None:
        """Read straight into an array: by a write into a store of the library's whose memory is this array."""
        import tensorstore

        tensorstore.array(array, context=self._context, copy=False, write=True).write(stored).result()


class Backend(base.Backend):
    """Chunked arrays in a folder of plain files, many chunks to a file."""

    packages = {"tensorstore": "tensorstore==0.1.86"}
    options = zarr3.OPTIONS
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    has_many_files = True
    file = METADATA
    reader = Reader

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> base.Footprint:
        """Count the files of the shards as well."""
        return zarr3.footprint(options, image_shape)

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        _, *image_shape = images.shape
        layout = zarr3.layout(images.shape, options)
        chunk_codecs: list[dict[str, Any]] = [{"name": "bytes"}]
        if settings := zarr3.COMPRESSORS[options["compression"]]:
            chunk_codecs.append({"name": options["compression"], "configuration": settings})
        if layout.has_shards:
            sharding = {
                "chunk_shape": [layout.images_per_chunk, *image_shape],
                "codecs": chunk_codecs,
                "index_codecs": [LITTLE_ENDIAN, {"name": "crc32c"}],
            }
            chunk_codecs = [{"name": "sharding_indexed", "configuration": sharding}]
        context = _context()
        (path / METADATA).write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}))
        stored_images = _create(path / zarr3.IMAGES, images, "uint8", layout.images_per_shard, chunk_codecs, context)
        stored_labels = _create(path / zarr3.LABELS, labels, "int64", layout.labels_per_chunk, [LITTLE_ENDIAN], context)
        zarr3.write(images, labels, layout, partial(_put, stored_images), partial(_put, stored_labels))


def _context() -> "tensorstore.Context":
    """Return what the library may use: so many threads, and no memory for what was read before."""
    whole_process.refuse_after_fork("TensorStore")
    import tensorstore

    limit = {"limit": whole_process.threads()}
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


def _create(
    path: Path,
    source: base.Source,
    data_type: str,
    rows: int,
    codecs: list[dict[str, Any]],
    context: "tensorstore.Context",
) -> "tensorstore.TensorStore":
    """Return a new array in the folder `path`, of the source's shape, with so many rows to a file."""
    metadata = {
        "shape": list(source.shape),
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [rows, *source.shape[1:]]}},
        "codecs": codecs,
        "fill_value": 0,
    }
    spec = {"metadata": metadata, "store_data_equal_to_fill_value": True}
    return _open(path, context, spec, create=True).result()


def _put(stored: "tensorstore.TensorStore", start: int, block: np.ndarray) -> None:
    """Write whole files. The block isn't copied first, since it stays as it is until it is written."""
    stored[start : start + len(block)].write(block, can_reference_source_data_indefinitely=True).result()
