"""Backend parquet: one Parquet file, written and read by pyarrow, of which one image needs a whole row group.

    images.parquet    row groups of two required columns, plainly encoded:
        image         fixed-length bytes, the pixels; with a codec other than raw, bytes, the image's by the codec
        label         int64
    the file's key `METADATA`: the shape of an image as JSON

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Row groups of 256 KiB, 85 images; Hugging Face's `datasets` long wrote 100 images, whatever their size
  (PARQUET_ROW_GROUP_SIZE_FOR_IMAGE_DATASETS). pyarrow can't read less than a row group: its Python interface has no
  reading by pages. With 8 images one at random takes 0.6 of the time and a batch of 128 0.45, but all take 1.7 times
  as long and writing takes 2.5 times as long; the footer grows, and opening takes 7 times as long. With 341 images one
  takes 3 times as long, and all as long.
- Nothing is kept from one call to the next: a batch reads each row group that it needs once, in its order in the file.
- Up to 4 MiB of row groups are read in one call: one by one takes 1.4 times as long. They are announced to the kernel
  first: from a cold cache (60,000 images) that takes 0.65 of the time, from a warm one it doesn't show.
- Random reads go through a map: without, they take 1.3 times as long. Everything is read through a file: from a cold
  cache (60,000 images) the map takes 2.6 times as long, from a warm one 0.75 of the time.
- No `pre_buffer`, which hands each read to a thread and is made for distant files: one image takes 1.4 times as long.
- No threads of Arrow's: it would share out columns, and nearly everything is in one. With two threads, reading all
  takes as long, with zstd too.
- Fixed-length bytes and not bytes for codec raw: 4 bytes fewer for each image, read as fast; writing takes 1.2 times
  as long.
- No dictionary, which could only save repeated images, and no statistics: with either, writing takes 1.2 times as
  long. A page of the default size, 1 MiB, holds a whole row group; pages of 64 KiB and a page index change nothing.
- `compression` is none, so that codecs compare; pyarrow's own default is snappy.
- No `pyarrow.array` for what NumPy holds: it imports pandas, where that is installed.
- Arrow never syncs, so durable means an fsync(2) after closing.
"""

import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts import codecs, values
from scripts.backends import base

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

FILE = "images.parquet"
METADATA = b"image_shape"
ROW_GROUPS_PER_BLOCK = 16
"""Row groups of the default size: 4 MiB by this."""


class Backend(base.Backend):
    """Row groups of Apache Parquet."""

    packages = {"pyarrow": "pyarrow"}
    options = {
        "codec": base.Option("raw", "how one image becomes bytes", tuple(codecs.names())),
        "images_per_row_group": base.Option(
            0, "how many images a row group holds, which is read whole for one image; 0: as many as take 256 KiB"
        ),
        "compression": base.Option("none", "how each page is compressed", ("none", "snappy", "lz4", "zstd")),
    }
    fork_safe = True
    several_readers = True
    opens_without_writing = True

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Map the file and read its footer."""
        return Reader(path, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        codec = codecs.load(options["codec"])
        _, *image_shape = images.shape
        block_rows = base.rows_per_block(images.shape)
        rows = options["images_per_row_group"] or max(1, block_rows // ROW_GROUPS_PER_BLOCK)
        image_type = pa.binary(math.prod(image_shape) if codec.is_identity else -1)
        schema = pa.schema(
            [pa.field("image", image_type, nullable=False), pa.field("label", pa.int64(), nullable=False)],
            {METADATA: json.dumps(image_shape).encode()},
        )
        settings = {"compression": options["compression"], "use_dictionary": False, "write_statistics": False}
        with (
            pa.OSFile(str(path / FILE), "wb") as file,
            parquet.ParquetWriter(file, schema, **settings) as writer,
        ):
            for _, image_block, label_block in base.blocks(images, labels, max(1, block_rows // rows) * rows):
                columns = [_column(image_block, codec), _array(pa.int64(), len(label_block), label_block)]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema), rows)
        if durable:
            base.sync_file(path / FILE)
            base.sync_directory(path)


class Reader(base.Reader):
    """Holds the mapped file, to read at random, and the file, to read everything; of what it reads it keeps nothing."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        self._path = path / FILE
        self._codec = codecs.load(options["codec"])
        self._file = open(self._path, "rb", buffering=0)  # noqa: SIM115
        self._mapped = _open(self._path, memory_map=True)
        self._whole: ParquetFile | None = None
        metadata = self._mapped.metadata
        super().__init__(metadata.num_rows, json.loads(metadata.metadata[METADATA]))
        self._images_per_group = metadata.row_group(0).num_rows
        rows = base.rows_per_block((len(self), *self.image_shape))
        self._images_per_batch = max(1, rows // ROW_GROUPS_PER_BLOCK)
        self._groups_at_a_time = max(1, rows // self._images_per_group)

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        if self._whole is None:
            self._whole = _open(self._path, metadata=self._mapped.metadata)
        start = 0
        for batch in self._whole.iter_batches(self._images_per_batch, use_threads=False):
            stop = start + batch.num_rows
            labels[start:stop], pixels, ends = _views(batch, images[0].nbytes)
            if self._codec.is_identity:
                memoryview(images[start:stop]).cast("B")[:] = pixels[ends[0] : ends[-1]]
            else:
                stored = (pixels[ends[row] : ends[row + 1]] for row in range(batch.num_rows))
                values.decode(stored, images[start:stop], self._codec)
            start = stop

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        wanted: dict[int, list[tuple[int, int]]] = {}
        for row, number in enumerate(ids.tolist()):
            group, place = divmod(number, self._images_per_group)
            wanted.setdefault(group, []).append((row, place))
        needed = sorted(wanted)
        for first in range(0, len(needed), self._groups_at_a_time):
            groups = needed[first : first + self._groups_at_a_time]
            if len(groups) > 1:
                self._announce(groups)
            rows = len(groups) * self._images_per_group
            batch = next(self._mapped.iter_batches(rows, row_groups=groups, use_threads=False))
            found, pixels, ends = _views(batch, images[0].nbytes)
            for before, group in zip(itertools.count(0, self._images_per_group), groups):
                for row, place in wanted[group]:
                    labels[row] = found[before + place]
                    value = pixels[ends[before + place] : ends[before + place + 1]]
                    values.decode([value], images[row : row + 1], self._codec)

    def _close(self) -> None:
        self._file.close()
        self._mapped.close()
        if self._whole is not None:
            self._whole.close()

    def _announce(self, groups: list[int]) -> None:
        """Announce these row groups to the kernel."""
        for group in groups:
            columns = self._mapped.metadata.row_group(group)
            start, last = columns.column(0).data_page_offset, columns.column(1)
            base.announce(self._file.fileno(), [start], last.data_page_offset + last.total_compressed_size - start)


def _open(path: Path, **settings: Any) -> "ParquetFile":
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path, pre_buffer=False, **settings)


def _views(batch: "pyarrow.RecordBatch", image_bytes: int) -> tuple[memoryview, memoryview, Sequence[int]]:
    """The labels of a record batch, the bytes of all its images, and where in them each begins, and ends."""
    images, labels = batch.columns
    _, *ends, pixels = images.buffers()
    rows = slice(images.offset, images.offset + len(images) + 1)
    every = memoryview(ends[0]).cast("i") if ends else range(0, rows.stop * image_bytes, image_bytes)
    found = memoryview(labels.buffers()[1]).cast("q")[labels.offset : labels.offset + len(labels)]
    return found, memoryview(pixels).cast("B"), every[rows]


def _column(images: np.ndarray, codec: codecs.Codec) -> "pyarrow.Array":
    """A column of images, without a copy where their bytes are the pixels."""
    import pyarrow as pa

    if codec.is_identity:
        return _array(pa.binary(images[0].nbytes), len(images), images)
    encoded = values.encode(images, codec)
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return _array(pa.binary(), len(images), ends, b"".join(encoded))


def _array(kind: "pyarrow.DataType", length: int, *parts: np.ndarray | bytes) -> "pyarrow.Array":
    """An array of Arrow's around what is in memory: `pyarrow.array` would import pandas."""
    import pyarrow as pa

    return pa.Array.from_buffers(kind, length, [None, *map(pa.py_buffer, parts)])
