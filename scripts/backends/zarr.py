"""Backend zarr: a Zarr (version 3) group in a folder, with an array of images and an array of labels.

    images/c/<shard>/0/0/0    a shard: its chunks one after the other, then their places and a checksum of these
    labels/c/<chunk>          int64, little-endian
    zarr.json                 of the group, and one of each array in its folder

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Shards of 4 MiB with chunks of 64 KiB. A call of Zarr costs most of a millisecond, whatever it reads, so chunks of one
  image don't make random reads faster, but writing takes 10 times as long and reading everything 12 times. Chunks of
  192 KiB write in seven tenths of the time, but from a cold cache a batch takes 1.3 times as long.
- Without shards (`chunks_per_shard: 1`), a random read takes half of the time, as no list of places is read before;
  writing takes three to five times as long, and each chunk is a file.
- Chunks of a shard are worked on in one go, not as a task of the event loop for each (codec_pipeline.batch_size): with
  chunks of 16 images, that writes and reads everything in little more than a third of the time.
- Everything is read about 4 MiB at a time: Zarr keeps all that one call decodes until it returns.
- A batch is one selection of sorted ids without repeats, put in order afterwards: eight tenths of the time of a
  selection as it comes, and less than half of that of one call per image.
- Zarr's tasks and its pool of threads are as many as a library may have threads. Its event loop is one thread more, for
  which the caller waits.
- Black images are stored like others (write_empty_chunks), so that sizes compare.
- Labels are in chunks of 1 MiB, the least that Zarr's documentation advises, and in memory from the second read on.
- Zarr never syncs, so durable means one syncfs(2) after all writes.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.backends import base

if TYPE_CHECKING:
    from types import ModuleType

    import zarr

CHUNKS_PER_SHARD = 64
"""Of a shard as large as a block, which makes chunks of 64 KiB."""
LABELS_PER_CHUNK = 1 << 17
"""1 MiB, as Zarr's documentation advises as the least."""
IMAGES, LABELS = "images", "labels"
COMPRESSORS = {"none": "", "zstd": "ZstdCodec", "blosc": "BloscCodec", "gzip": "GzipCodec"}


class Backend(base.Backend):
    """Chunked arrays in a folder of plain files, many chunks to a file."""

    packages = {"zarr": "zarr"}
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
        return Reader(path)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        zarr = _zarr()
        count, *image_shape = images.shape
        rows = base.rows_per_block(images.shape)
        per_chunk = options["images_per_chunk"] or max(1, rows // CHUNKS_PER_SHARD)
        per_chunk = min(per_chunk, count)
        per_shard = min(options["chunks_per_shard"] or max(1, rows // per_chunk), -(-count // per_chunk)) * per_chunk
        compressor = COMPRESSORS[options["compression"]]
        settings = {"filters": None, "fill_value": 0, "config": {"write_empty_chunks": True}}
        group = zarr.create_group(zarr.storage.LocalStore(path))
        stored_images = group.create_array(
            IMAGES,
            shape=images.shape,
            dtype=images.dtype,
            chunks=(per_chunk, *image_shape),
            shards=(per_shard, *image_shape) if per_shard > per_chunk else None,
            compressors=[getattr(zarr.codecs, compressor)()] if compressor else None,
            **settings,
        )
        rows = per_shard if per_shard > per_chunk else max(1, rows // per_chunk) * per_chunk
        labels_per_chunk = max(1, LABELS_PER_CHUNK // rows) * rows
        stored_labels = group.create_array(
            LABELS, shape=labels.shape, dtype="<i8", chunks=min(labels_per_chunk, count), compressors=None, **settings
        )
        pending: list[np.ndarray] = []
        for start, image_block, label_block in base.blocks(images, labels, rows):
            stop = start + len(label_block)
            stored_images.set_basic_selection(slice(start, stop), image_block)
            pending.append(label_block)
            if stop % labels_per_chunk == 0 or stop == count:
                chunk = np.concatenate(pending)
                stored_labels.set_basic_selection(slice(stop - len(chunk), stop), chunk)
                pending.clear()
        if durable:
            base.sync_file_system(path)


class Reader(base.Reader):
    """Holds both arrays, and all labels in memory once more than one image was read."""

    def __init__(self, path: Path) -> None:
        zarr = _zarr()
        group = zarr.open_group(zarr.storage.LocalStore(path, read_only=True), mode="r")
        self._images, self._stored_labels = group[IMAGES], group[LABELS]
        self._labels: np.ndarray | None = None
        self._has_read = False
        rows, whole = base.rows_per_block(self._images.shape), (self._images.shards or self._images.chunks)[0]
        self._rows = max(1, rows // whole) * whole
        count, *image_shape = self._images.shape
        super().__init__(count, image_shape)

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        for start in range(0, len(self), self._rows):
            stop = min(start + self._rows, len(self))
            self._images.get_basic_selection(slice(start, stop), out=_buffer(images[start:stop]))
        self._stored_labels.get_basic_selection(out=_buffer(labels))

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if len(ids) == 1:
            one = slice(int(ids[0]), int(ids[0]) + 1)
            self._images.get_basic_selection(one, out=_buffer(images))
            if not self._has_read:
                self._has_read = True
                self._stored_labels.get_basic_selection(one, out=_buffer(labels))
                return
        else:
            unique, places = np.unique(ids, return_inverse=True)
            np.take(self._images.get_orthogonal_selection((unique,)), places, axis=0, out=images, mode="clip")
        if self._labels is None:
            self._labels = self._stored_labels[:]
        np.take(self._labels, ids, out=labels, mode="clip")

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
