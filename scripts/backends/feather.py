"""Backend feather: one file in Arrow's IPC format (Feather, version 2), read by a map of it into memory.

    images.arrow    record batches of two columns without nulls:
        image       fixed-size binary, the pixels; with a codec other than raw, binary, the image's bytes by the codec
        label       int64
    metadata of the schema: `images`, {"count", "image_shape"} as JSON, and `images_per_batch`

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Record batches of 4 MiB, as Arrow writes no batch before it has all of it, and pyarrow's own default of 65,536 images
  would be 200 MB. With 64 images to a batch, batches of 128 random images of 60,000 from a cold cache take twice the
  time: to find the columns of a record batch is one more page to wait for.
- Images and labels are found by Arrow and copied from its buffers, which are views of the map. All of 60,000 images
  take 1.2 times as long by read(2) into the caller's array, from the places that Arrow tells, and 1.8 times as long
  through a file of Arrow's own, which reads into memory of its own first; from a cold cache all three are alike.
- A map that is read at random says so to the kernel (MADV_RANDOM): without, single images of 60,000 take 8 times as
  long from a cold cache, and batches 5 times.
- Of a batch of images the kernel is told all places before the first is touched, and once for each record batch where
  its labels are: from a cold cache that takes 0.3 of the time (60,000 images), from a warm one 1.3 times. A single
  image isn't announced: it would take 1.2 times as long from a warm cache, and 0.8 to 0.9 of the time from a cold one.
- `compression` is of whole record batches, of which one image needs one: it goes with few `images_per_batch`. An image
  takes 3,080 bytes, with lz4 3,018 and with zstd 2,918. Arrow's own level of zstd is 1.
- No threads of Arrow's: it would share out columns, and nearly everything is in one. With two threads and zstd,
  neither writing nor reading takes less time. Reading compressed batches, Arrow waits for a thread of its pool for
  input, which is held to the threads allowed.
- No `pyarrow.array` for what NumPy holds: it imports pandas, where that is installed.
- Between calls a reader keeps: the map, and of record batches that were read where their columns are in it; of
  compressed ones nothing.
- Arrow never syncs, so durable means an fsync(2) after closing.
"""

import math
import mmap
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import arrow, values

if TYPE_CHECKING:
    import pyarrow

FILE = "images.arrow"
IMAGES_PER_BATCH = b"images_per_batch"


class Backend(base.Backend):
    """Record batches of Apache Arrow, mapped into memory."""

    packages = {"pyarrow": arrow.PYARROW}
    options = {
        "codec": base.CODEC,
        "images_per_batch": base.Option(0, "how many images a record batch holds; 0: as many as take 4 MiB"),
        "compression": base.Option(
            "none", "how columns of a record batch are compressed; zstd at level 3", ("none", "lz4", "zstd")
        ),
    }
    thread_variables = ("ARROW_IO_THREADS",)
    fork_safe = True
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=2, bytes_per_image=8)

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Map the file, or open it where its batches must be decompressed."""
        return Reader(path, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        import pyarrow as pa

        codec = codecs.load(options["codec"])
        block_rows = base.rows_per_block(images.shape)
        rows = options["images_per_batch"] or block_rows
        metadata = {arrow.METADATA: values.metadata(images.shape), IMAGES_PER_BATCH: str(rows).encode()}
        schema = arrow.schema(arrow.image_type(images.shape[1:], codec), metadata)
        level = arrow.ZSTD_LEVEL if options["compression"] == "zstd" else None
        compression = None if options["compression"] == "none" else pa.Codec(options["compression"], level)
        settings = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
        with pa.OSFile(str(path / FILE), "wb") as file, pa.ipc.new_file(file, schema, options=settings) as writer:
            for _, image_block, label_block in base.blocks(images, labels, max(1, block_rows // rows) * rows):
                batch = arrow.batch(schema, image_block, label_block, codec, "images_per_batch of backend feather")
                writer.write_table(pa.Table.from_batches([batch]), rows)
        if durable:
            base.sync_tree(path)


class Reader(base.Reader):
    """Holds the file; where that is mapped, also the views of the batches that have been asked for."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        import pyarrow as pa

        self._codec = codecs.load(options["codec"])
        self._file = open(path / FILE, "rb", buffering=0)  # noqa: SIM115
        self._map = self._source = self._batches = None
        self._address = 0
        self._advice: int | None = None
        self._known: dict[int, _Batch] = {}
        with base.closing_on_error(self._close):
            if options["compression"] == "none":
                self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
                self._address = pa.py_buffer(self._map).address
                # Arrow is told where the map is and doesn't hold it, so that closing ends it, whatever refers to Arrow.
                self._source = pa.BufferReader(pa.foreign_buffer(self._address, len(self._map)))
            else:
                pa.set_io_thread_count(base.threads())
                self._source = pa.OSFile(str(path / FILE))
            self._batches = pa.ipc.open_file(self._source, options=pa.ipc.IpcReadOptions(use_threads=False))
            metadata = self._batches.schema.metadata
            super().__init__(*values.described(metadata[arrow.METADATA]))
            self._images_per_batch = int(metadata[IMAGES_PER_BATCH])

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._advise(mmap.MADV_NORMAL)
        for number in range(self._batches.num_record_batches):
            rows = slice(number * self._images_per_batch, (number + 1) * self._images_per_batch)
            batch = self._batch(number)
            labels[rows] = batch.labels
            if self._codec.is_identity:
                memoryview(images[rows]).cast("B")[:] = batch.content[: batch.ends[-1]]
            else:
                values.decode(map(batch.value, range(len(batch.labels))), images[rows], self._codec)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if self._map is None:
            self._read_batch_by_batch(ids, images, labels)
            return
        self._advise(mmap.MADV_RANDOM)
        places = [divmod(number, self._images_per_batch) for number in ids.tolist()]
        wanted = [(self._batch(number), row) for number, row in places]
        if len(ids) > 1:
            starts = [batch.place + batch.ends[row] for batch, row in wanted]
            size = images[0].nbytes
            if not self._codec.is_identity:
                size = max(batch.ends[row + 1] - batch.ends[row] for batch, row in wanted)
            base.announce(self._file.fileno(), starts, size)
        labels[:] = [batch.labels[row] for batch, row in wanted]
        values.decode((batch.value(row) for batch, row in wanted), images, self._codec)

    def _read_batch_by_batch(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        """Decompress each batch once, however many of its images are asked for."""
        numbers, places = np.divmod(ids, self._images_per_batch)
        for number in np.unique(numbers).tolist():
            batch = self._batch(number)
            for row in np.flatnonzero(numbers == number).tolist():
                labels[row] = batch.labels[places[row]]
                values.decode([batch.value(places[row])], images[row : row + 1], self._codec)

    def _close(self) -> None:
        self._file.close()
        self._known.clear()
        if self._source is not None:
            self._source.close()
        self._batches = self._source = None
        if self._map is not None:
            self._map.close()

    def _batch(self, number: int) -> "_Batch":
        batch = self._known.get(number)
        if batch is None:
            batch = _Batch(self._batches.get_batch(number), math.prod(self.image_shape), self._address)
            if self._map is not None:
                self._known[number] = batch
                for place, size in batch.small:
                    base.announce(self._file.fileno(), [place], size)
        return batch

    def _advise(self, advice: int) -> None:
        if self._map is not None and advice != self._advice:
            self._advice = advice
            with suppress(OSError):
                self._map.madvise(advice)


class _Batch:
    """Views of the columns of one record batch, and where in the file, mapped to `origin`, they are: images begin at
    `place`, and `small` has place and size of all else."""

    def __init__(self, batch: "pyarrow.RecordBatch", image_bytes: int, origin: int) -> None:
        images, labels = batch.columns
        _, *offsets, content = images.buffers()
        self.place = content.address - origin
        self.small = [(buffer.address - origin, buffer.size) for buffer in (*offsets, labels.buffers()[1])]
        self.labels, self.content, self.ends = arrow.views(batch, image_bytes)

    def value(self, row: int) -> memoryview:
        """The bytes of one image."""
        return self.content[self.ends[row] : self.ends[row + 1]]
