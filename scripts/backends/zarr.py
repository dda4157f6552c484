"""Backend zarr: a Zarr (version 3) group in a folder, with an array of images and an array of labels.

    images/c/<shard>/0/0/0    a shard: its chunks one after the other, then their places and a checksum of these
    labels/c/<chunk>          int64, little-endian
    zarr.json                 of the group, and one of each array in its folder

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Shards of 4 MiB with chunks of 64 KiB. What a call of Zarr does beside reading takes nearly all of the time of one
  image: with chunks of one image that takes 0.97 of the time, but writing takes 10 times as long and reading everything
  12 times. Chunks of 192 KiB write in seven tenths of the time, but from a cold cache a batch takes 1.3 times as long.
- Without shards (`chunks_per_shard: 1`), a random read takes half of the time, as no list of places is read before;
  writing takes three to five times as long, and each chunk is a file.
- Chunks of a shard are worked on in one go, not as a task of the event loop for each (codec_pipeline.batch_size): with
  chunks of 16 images, that writes and reads everything in little more than a third of the time.
- Everything is read about 4 MiB at a time: Zarr keeps all that one call decodes until it returns.
- A batch is one selection of sorted ids without repeats, put in order afterwards: eight tenths of the time of a
  selection as it comes, and less than half of that of one call per image.
- A batch from shards without compression is announced to the kernel before it is read: of 60,000 images from a cold
  cache that took 0.5 to 1.0 of the time in three runs on a busy machine, from a warm one 0.9 to 1.4.
- Zarr's tasks and its pool of threads are as many as a library may have threads. Its event loop is one thread more, for
  which the caller waits.
- Black images are stored like others (write_empty_chunks), so that sizes compare.
- Labels are in chunks of 1 MiB, the least that Zarr's documentation advises.
- Between calls a reader keeps: all labels, from the first batch or the second single image on.
- Compressors have Zarr's own settings, but for zstd, of which level 3 is named; Zarr's level 0 stands for the same.
- Zarr never syncs, so durable means one syncfs(2) after all writes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.backends import base
from scripts.backends.shared import zarr3

if TYPE_CHECKING:
    from types import ModuleType

    import zarr

COMPRESSORS = {"zstd": "ZstdCodec", "blosc": "BloscCodec", "gzip": "GzipCodec"}


class Backend(base.Backend):
    """Chunked arrays in a folder of plain files, many chunks to a file."""

    packages = {"zarr": "zarr==3.1.6"}
    options = zarr3.OPTIONS
    fork_safe = False
    several_readers = True
    opens_without_writing = True

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> base.Footprint:
        """Count the files of the shards as well."""
        return zarr3.footprint(options, image_shape)

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Open both arrays; what the options did is written in them."""
        return Reader(path, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
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
        zarr3.write(
            *(images, labels, layout),
            lambda start, block: stored_images.set_basic_selection(slice(start, start + len(block)), block),
            lambda start, block: stored_labels.set_basic_selection(slice(start, start + len(block)), block),
        )
        if durable:
            base.sync_file_system(path)


class Reader(zarr3.Reader):
    """Holds both arrays."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        zarr = _zarr()
        group = zarr.open_group(zarr.storage.LocalStore(path, read_only=True), mode="r")
        self._images, self._stored_labels = group[zarr3.IMAGES], group[zarr3.LABELS]
        per_chunk, *_ = self._images.chunks
        per_shard, *_ = self._images.shards or self._images.chunks
        super().__init__(path, self._images.shape, per_chunk, per_shard, options)

    def _fill_images(self, rows: slice, images: np.ndarray) -> None:
        self._images.get_basic_selection(rows, out=_buffer(images))

    def _fill_labels(self, rows: slice, labels: np.ndarray) -> None:
        self._stored_labels.get_basic_selection(rows, out=_buffer(labels))

    def _fill_batch(self, ids: np.ndarray, images: np.ndarray) -> None:
        unique, places = np.unique(ids, return_inverse=True)
        np.take(self._images.get_orthogonal_selection((unique,)), places, axis=0, out=images, mode="clip")

    def _close(self) -> None:
        del self._images, self._stored_labels, self._labels


def _zarr() -> "ModuleType":
    """The library, held to the threads that it may use."""
    import zarr

    threads = base.threads()
    zarr.config.set(
        {"async.concurrency": threads, "threading.max_workers": threads, "codec_pipeline.batch_size": 1 << 30}
    )
    return zarr


def _buffer(array: np.ndarray) -> "zarr.core.buffer.NDBuffer":
    """An array as Zarr's own kind of array, without a copy."""
    from zarr.buffer.cpu import NDBuffer

    return NDBuffer.from_numpy_array(array)
