"""Backend tensorstore: the same Zarr (version 3) store as backend zarr, written and read by Google's TensorStore.

    images/c/<shard>/0/0/0    a shard: its chunks one after the other, then their places and a checksum of these
    labels/c/<chunk>          int64, little-endian
    zarr.json                 of the group, and one of each array in its folder

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Shards of 4 MiB with chunks of 64 KiB, as backend zarr has them: without compression the same bytes, so that the two
  compare libraries. With chunks of one image a batch takes half of the time, and a third of it from a cold cache, but
  writing and reading everything take 6 times as long.
- Without shards (`chunks_per_shard: 1`), a random read takes eight tenths of the time, as no list of places is read
  before; writing takes more than 10 times as long, and each chunk is a file.
- A shard is one write, and its chunks are written from the caller's memory (can_reference_source_data_indefinitely):
  seven tenths of the time of the copy that is made otherwise. Transactions save nothing.
- Files are written in place, without a lock or a new name for each (file_io_locking non_atomic), as nobody reads a
  store before all of it is written. It hardly shows in the time.
- Everything and batches are read straight into the caller's arrays: for everything eight tenths of the time of an array
  of the library's own and a copy. For one image that takes longer than the copy, by a few percent.
- Everything is read a shard at a time: in one call it takes as long, but two threads keep 46 MB instead of 4 MB.
- A batch is one selection: a quarter of the time of a call per image, or less, and six tenths of that of reads that run
  at a time or that share a `tensorstore.Batch`. Sorted and without repeats it takes as long.
- A batch from shards without compression is announced to the kernel before it is read: from a cold cache that takes six
  tenths of the time, from a warm one 1.1 times as long. 32 threads that wait for files would do the same. Without
  shards, when each chunk has a file to be opened, it would take 1.4 times as long from a warm cache.
- Threads that copy and threads that wait for files are each as many as a library may have threads.
- Files are read, not mapped (file_io_mode): with maps everything takes nine tenths of the time from the page cache, but
  a batch from a cold one 1.6 times as long.
- Nothing is kept from one call to the next (cache_pool of no bytes, the library's default): a cache would hold chunks
  of pixels as well as places in shards, and one of 1 MiB hardly helps.
- Black images are stored like others (store_data_equal_to_fill_value), so that sizes compare.
- Labels are in chunks of 1 MiB, as in backend zarr, and in memory from the second read on.
- The library's own fsync of every file is off (file_io_sync), so durable means one syncfs(2) after all writes.
- A process that was forked from one that has used the library can't use it: it would abort the process, so that is
  refused first.
"""

import functools
import itertools
import json
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.backends import base
from scripts.errors import UserError

if TYPE_CHECKING:
    import tensorstore

CHUNKS_PER_SHARD = 64
"""Of a shard as large as a block, which makes chunks of 64 KiB, as in backend zarr."""
LABELS_PER_CHUNK = 1 << 17
"""1 MiB, as in backend zarr."""
PLACE_BYTES, CHECKSUM_BYTES = 16, 4
"""At the end of a shard: of each chunk its place and its length, and of all that a CRC-32C (Zarr's sharding codec)."""
IMAGES, LABELS, METADATA = "images", "labels", "zarr.json"
LITTLE_ENDIAN = {"name": "bytes", "configuration": {"endian": "little"}}
COMPRESSORS: dict[str, dict[str, Any]] = {
    "none": {},
    "zstd": {"level": 0, "checksum": False},
    "blosc": {"cname": "zstd", "clevel": 5, "shuffle": "bitshuffle", "typesize": 1, "blocksize": 0},
    "gzip": {"level": 5},
}
"""With the settings that zarr-python has by default, so that the chunks are the same."""


class Backend(base.Backend):
    """Chunked arrays in a folder of plain files, many chunks to a file."""

    packages = {"tensorstore": "tensorstore"}
    options = {
        "images_per_chunk": base.Option(
            0, "how many images a chunk holds; 0: as many as fit into 64 KiB, at least one"
        ),
        "chunks_per_shard": base.Option(
            0, "how many chunks share one file; 0: as many as fit into 4 MiB; 1: no shards, each chunk is a file"
        ),
        "compression": base.Option("none", "how each chunk of images is compressed", tuple(COMPRESSORS)),
    }
    fork_safe = False
    several_readers = True
    opens_without_writing = True

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Open both arrays; what the options did is written in them."""
        os.stat(path / METADATA)  # the library's own error for a missing store is not an OSError
        return Reader(path, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        count, *image_shape = images.shape
        rows = base.rows_per_block(images.shape)
        per_chunk = options["images_per_chunk"] or max(1, rows // CHUNKS_PER_SHARD)
        per_chunk = min(per_chunk, count)
        per_shard = min(options["chunks_per_shard"] or max(1, rows // per_chunk), -(-count // per_chunk)) * per_chunk
        chunk_codecs: list[dict[str, Any]] = [{"name": "bytes"}]
        if settings := COMPRESSORS[options["compression"]]:
            chunk_codecs.append({"name": options["compression"], "configuration": settings})
        if per_shard > per_chunk:
            sharding = {
                "chunk_shape": [per_chunk, *image_shape],
                "codecs": chunk_codecs,
                "index_codecs": [LITTLE_ENDIAN, {"name": "crc32c"}],
            }
            chunk_codecs = [{"name": "sharding_indexed", "configuration": sharding}]
            rows = per_shard
        else:
            rows = max(1, rows // per_chunk) * per_chunk
        labels_per_chunk = max(1, LABELS_PER_CHUNK // rows) * rows
        context = _context()
        try:
            (path / METADATA).write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}))
            stored_images = _create(path / IMAGES, images, "uint8", per_shard, chunk_codecs, context)
            stored_labels = _create(
                path / LABELS, labels, "int64", min(labels_per_chunk, count), [LITTLE_ENDIAN], context
            )
            pending: list[np.ndarray] = []
            for start, image_block, label_block in base.blocks(images, labels, rows):
                stop = start + len(label_block)
                _put(stored_images, start, image_block)
                pending.append(label_block)
                if stop % labels_per_chunk == 0 or stop == count:
                    chunk = np.concatenate(pending)
                    _put(stored_labels, stop - len(chunk), chunk)
                    pending.clear()
        except ValueError as error:
            # The library's errors aren't OSErrors; those of the system, as of a full disk, say its number.
            if found := re.search(r"os_error_code='(\d+)'", str(error)):
                raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error
            raise
        if durable:
            base.sync_file_system(path)


class Reader(base.Reader):
    """Holds both arrays, and all labels in memory once more than one image was read."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        self._context = _context()
        opening = [_open(path / name, self._context, open=True, read=True) for name in (IMAGES, LABELS)]
        self._images, self._stored_labels = (future.result() for future in opening)
        self._labels: np.ndarray | None = None
        self._has_read = False
        count, *image_shape = self._images.shape
        layout = self._images.chunk_layout
        self._per_chunk, per_shard = layout.read_chunk.shape[0], layout.write_chunk.shape[0]
        self._chunks_per_shard = per_shard // self._per_chunk
        self._rows = max(1, base.rows_per_block(self._images.shape) // per_shard) * per_shard
        self._shards = path / IMAGES / "c"
        self._knows_places = options["compression"] == "none" and self._chunks_per_shard > 1
        super().__init__(count, image_shape)

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        for start in range(0, len(self), self._rows):
            rows = slice(start, min(start + self._rows, len(self)))
            self._fill(self._images[rows], images[rows])
        self._fill(self._stored_labels, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if len(ids) == 1:
            one = slice(int(ids[0]), int(ids[0]) + 1)
            images[:] = self._images[one].read().result()
            if not self._has_read:
                self._has_read = True
                self._fill(self._stored_labels[one], labels)
                return
        else:
            if self._knows_places:
                self._announce(ids)
            self._fill(self._images[ids], images)
        if self._labels is None:
            self._labels = self._stored_labels.read().result()
        np.take(self._labels, ids, out=labels, mode="clip")

    def _close(self) -> None:
        del self._images, self._stored_labels, self._labels, self._context

    def _announce(self, ids: np.ndarray) -> None:
        """Let the kernel fetch what a batch needs: of its shards the places of chunks, at the end, and its chunks."""
        size, all_places = self._per_chunk * math.prod(self.image_shape), self._chunks_per_shard * PLACE_BYTES
        chunks = np.unique(ids // self._per_chunk).tolist()
        for shard, found in itertools.groupby(chunks, lambda chunk: chunk // self._chunks_per_shard):
            with open(f"{self._shards}/{shard}/0/0/0", "rb", buffering=0) as file:
                descriptor = file.fileno()
                base.announce(descriptor, [os.fstat(descriptor).st_size - all_places - CHECKSUM_BYTES], 0)
                base.announce(descriptor, [chunk % self._chunks_per_shard * size for chunk in found], size)

    def _fill(self, stored: "tensorstore.TensorStore", array: np.ndarray) -> None:
        """Read straight into an array, as a write into an array store that is its memory."""
        import tensorstore

        tensorstore.array(array, context=self._context, copy=False, write=True).write(stored).result()


def _context() -> "tensorstore.Context":
    """What the library may use: so many threads, and no memory for what was read before."""
    import tensorstore

    if _first_process() != os.getpid():
        raise UserError(
            "TensorStore can't be used in a process that was forked from one that has used it; start processes with "
            "`spawn` or `forkserver`"
        )
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


@functools.cache
def _first_process() -> int:
    """The process that used the library first, which one that is forked from it finds here."""
    return os.getpid()


def _open(
    path: Path, context: "tensorstore.Context", spec: dict[str, Any] | None = None, **how: bool
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
    """A new array in the folder `path`, of the source's shape, with so many rows to a file."""
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
    """Write whole files; the block, which nobody changes before it is written, isn't copied first."""
    stored[start : start + len(block)].write(block, can_reference_source_data_indefinitely=True).result()
