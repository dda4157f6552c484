"""Backend feather: one file in Arrow's IPC format (Feather, version 2), read by a map of it into memory.

Layout of a store:

    images.arrow    record batches of two columns without nulls:
        image       fixed-size binary, the pixels; with a codec other than raw, binary, the image's bytes by the codec
        label       int64
    metadata of the schema: `images`, {"count", "image_shape"} as JSON, and `images_per_batch`
"""

import math
import mmap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import arrow, file_access, values

if TYPE_CHECKING:
    import pyarrow

FILE = "images.arrow"
IMAGES_PER_BATCH = b"images_per_batch"


class Reader(base.Reader):
    """Holds the file; where that is mapped, also the views of the batches that have been asked for."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        import pyarrow as pa

        self._file = self._resources.enter_context((path / FILE).open("rb", buffering=0))
        self._map: mmap.mmap | None = None
        self._address = 0
        self._advice: int | None = None
        self._known: dict[int, _Batch] = {}
        if options["compression"] == "none":
            self._map = self._resources.enter_context(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ))
            self._address = pa.py_buffer(self._map).address
            # Arrow is told where the map is and doesn't hold it, so that closing ends it, whatever refers to Arrow.
            source = pa.BufferReader(pa.foreign_buffer(self._address, len(self._map)))
        else:
            arrow.limit_input_threads()
            source = pa.OSFile(str(path / FILE))
        self._resources.enter_context(source)
        self._batches = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(use_threads=False))
        metadata = self._batches.schema.metadata
        self._images_per_batch = int(metadata[IMAGES_PER_BATCH])
        return values.described(metadata[arrow.METADATA])

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._advise(mmap.MADV_NORMAL)
        for number in range(self._batches.num_record_batches):
            rows = slice(number * self._images_per_batch, (number + 1) * self._images_per_batch)
            self._batch(number).fill(images[rows], labels[rows], self._codec)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if self._map is None:
            self._read_batch_by_batch(ids, images, labels)
            return
        self._advise(mmap.MADV_RANDOM)
        places = [divmod(number, self._images_per_batch) for number in ids.tolist()]
        wanted = [(self._batch(number), row) for number, row in places]
        if len(ids) > 1 or images[0].nbytes > mmap.PAGESIZE:
            starts = [batch.place + batch.ends[row] for batch, row in wanted]
            sizes: int | list[int] = images[0].nbytes
            if not self._codec.is_identity:
                sizes = [batch.ends[row + 1] - batch.ends[row] for batch, row in wanted]
            file_access.announce(self._file.fileno(), starts, sizes)
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

    def _batch(self, number: int) -> "_Batch":
        batch = self._known.get(number)
        if batch is None:
            batch = _Batch(self._batches.get_batch(number), math.prod(self.image_shape), self._address)
            if self._map is not None:
                self._known[number] = batch
                for place, size in batch.small:
                    file_access.announce(self._file.fileno(), [place], size)
        return batch

    def _advise(self, advice: int) -> None:
        if self._map is not None and advice != self._advice:
            self._advice = advice
            with suppress(OSError):
                self._map.madvise(advice)


class Backend(base.Backend):
    """Record batches of Apache Arrow, mapped into memory."""

    packages = {"pyarrow": arrow.PYARROW}
    options = {
        "codec": base.CODEC,
        "images_per_batch": base.Option(0, "how many images a record batch holds; 0: as many as take 4 MiB"),
        "compression": base.compression("columns of a record batch are", "none", "lz4", "zstd"),
    }
    thread_variables = ("ARROW_IO_THREADS",)
    fork_safe = True
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=2, bytes_per_image=8)
    reader = Reader

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        import pyarrow as pa

        codec = codecs.load(options["codec"])
        rows = options["images_per_batch"] or values.rows_per_block(images, codec)
        schema = arrow.schema(images.shape, codec, {IMAGES_PER_BATCH: str(rows).encode()})
        level = codecs.ZSTD_LEVEL if options["compression"] == "zstd" else None
        compression = None if options["compression"] == "none" else pa.Codec(options["compression"], level)
        settings = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
        with pa.OSFile(str(path / FILE), "wb") as file, pa.ipc.new_file(file, schema, options=settings) as writer:
            for _, block, label_block in values.blocks(
                images, labels, codec, values.rows_per_block(images, codec, rows)
            ):
                batch = arrow.batch(schema, block, label_block, codec, "images_per_batch of backend feather")
                writer.write_table(pa.Table.from_batches([batch]), rows)


class _Batch(arrow.Views):
    """Views of one record batch of a file that is mapped to the address `origin`.

    Images begin at byte `place` of the file; `small` has place and size of all else.
    """

    def __init__(self, batch: "pyarrow.RecordBatch", image_bytes: int, origin: int) -> None:
        super().__init__(batch, image_bytes)
        images, labels = batch.columns
        _, *offsets, content = images.buffers()
        self.place = content.address - origin
        self.small = [(buffer.address - origin, buffer.size) for buffer in (*offsets, labels.buffers()[1])]
