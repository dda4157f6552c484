"""Backend parquet: one Parquet file, written and read by pyarrow, of which one image needs a whole row group.

    images.parquet    row groups of two required columns, plainly encoded:
        image         fixed-length bytes, the pixels; with a codec other than raw, bytes, the image's by the codec
        label         int64
    metadata of the file: `images`, {"count", "image_shape"} as JSON

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Row groups of 256 KiB, 85 images; Hugging Face's `datasets` long wrote 100 images, whatever their size
  (PARQUET_ROW_GROUP_SIZE_FOR_IMAGE_DATASETS). pyarrow can't read less than a row group: its Python interface has no
  reading by pages. With 8 images one at random takes 0.6 of the time and a batch of 128 0.45, but all take 1.7 times
  as long and writing takes 2.5 times as long; the footer grows, and opening takes 7 times as long. With 341 images one
  takes 3 times as long, and all as long.
- Between calls a reader keeps: the footer, decoded. A batch reads each row group that it needs once, in its order in
  the file.
- Up to 4 MiB of row groups are read in one call: one by one takes 1.4 times as long. They are announced to the kernel
  first: from a cold cache (60,000 images) that takes 0.65 of the time, from a warm one 1.0 to 1.1 times as long.
- Everything is read in pieces of 256 KiB, whatever the size of row groups.
- Random reads go through a map: without, they take 1.3 times as long. Everything is read through a file: from a cold
  cache (60,000 images) the map takes 2.6 times as long, from a warm one 0.75 of the time.
- No `pre_buffer`, which hands each read to a thread and is made for distant files: one image takes 1.4 times as long.
- No threads of Arrow's: it would share out columns, and nearly everything is in one. With two threads, reading all
  takes as long, with zstd too.
- Fixed-length bytes and not bytes for codec raw: 4 bytes fewer for each image, read as fast; writing takes 1.2 times
  as long.
- No dictionary, which could only save repeated images, and no statistics: with either, writing takes 1.2 times as
  long. A page of the default size, 1 MiB, holds a whole row group; pages of 64 KiB and a page index change nothing.
- `compression` is none, so that codecs compare; pyarrow's own default is snappy, and its level of zstd 1.
- No `pyarrow.array` for what NumPy holds: it imports pandas, where that is installed.
- Arrow never syncs, so durable means an fsync(2) after closing.
"""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import arrow, values

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

FILE = "images.parquet"
PIECES_PER_BLOCK = 16
"""Makes pieces of 256 KiB: row groups have that size by default, and everything is read in such."""


class Backend(base.Backend):
    """Row groups of Apache Parquet."""

    packages = {"pyarrow": arrow.PYARROW}
    options = {
        "codec": base.CODEC,
        "images_per_row_group": base.Option(
            0, "how many images a row group holds, which is read whole for one image; 0: as many as take 256 KiB"
        ),
        "compression": base.Option(
            "none", "how each page is compressed; zstd at level 3", ("none", "snappy", "lz4", "zstd")
        ),
    }
    thread_variables = ("ARROW_IO_THREADS",)
    fork_safe = True
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=2, bytes_per_image=8)

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Map the file and read its footer."""
        return Reader(path, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        codec = codecs.load(options["codec"])
        block_rows = base.rows_per_block(images.shape)
        rows = options["images_per_row_group"] or max(1, block_rows // PIECES_PER_BLOCK)
        metadata = {arrow.METADATA: values.metadata(images.shape)}
        schema = arrow.schema(arrow.image_type(images.shape[1:], codec), metadata)
        settings = {"compression": options["compression"], "use_dictionary": False, "write_statistics": False}
        if options["compression"] == "zstd":
            settings["compression_level"] = arrow.ZSTD_LEVEL
        with (
            pa.OSFile(str(path / FILE), "wb") as file,
            parquet.ParquetWriter(file, schema, **settings) as writer,
        ):
            for _, image_block, label_block in base.blocks(images, labels, max(1, block_rows // rows) * rows):
                batch = arrow.batch(schema, image_block, label_block, codec, "images_per_row_group of backend parquet")
                writer.write_table(pa.Table.from_batches([batch]), rows)
        if durable:
            base.sync_tree(path)


class Reader(base.Reader):
    """Holds the mapped file, to read at random, and the file, to read everything; of what it reads it keeps nothing."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        import pyarrow as pa

        self._path = str(path / FILE)
        self._codec = codecs.load(options["codec"])
        self._file = open(self._path, "rb", buffering=0)  # noqa: SIM115
        self._sources: list[pa.NativeFile] = []
        self._whole: ParquetFile | None = None
        with base.closing_on_error(self._close):
            self._sources.append(pa.memory_map(self._path))
            self._mapped = _open(self._sources[0])
            metadata = self._mapped.metadata
            super().__init__(*values.described(metadata.metadata[arrow.METADATA]))
            self._images_per_group = metadata.row_group(0).num_rows
        rows = base.rows_per_block((len(self), *self.image_shape))
        self._images_per_piece = max(1, rows // PIECES_PER_BLOCK)
        self._groups_at_a_time = max(1, rows // self._images_per_group)

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        if self._whole is None:
            import pyarrow as pa

            self._sources.append(pa.OSFile(self._path))
            self._whole = _open(self._sources[1], metadata=self._mapped.metadata)
        start = 0
        for batch in self._whole.iter_batches(self._images_per_piece, use_threads=False):
            stop = start + batch.num_rows
            labels[start:stop], content, ends = arrow.views(batch, images[0].nbytes)
            if self._codec.is_identity:
                memoryview(images[start:stop]).cast("B")[:] = content[ends[0] : ends[-1]]
            else:
                stored = (content[ends[row] : ends[row + 1]] for row in range(batch.num_rows))
                values.decode(stored, images[start:stop], self._codec)
            start = stop
        _check(start, len(self))

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
            beyond_the_end = max(0, (groups[-1] + 1) * self._images_per_group - len(self))
            rows = len(groups) * self._images_per_group - beyond_the_end
            batch = next(self._mapped.iter_batches(rows, row_groups=groups, use_threads=False))
            _check(batch.num_rows, rows)
            found, content, ends = arrow.views(batch, images[0].nbytes)
            for before, group in zip(itertools.count(0, self._images_per_group), groups):
                for row, place in wanted[group]:
                    labels[row] = found[before + place]
                    value = content[ends[before + place] : ends[before + place + 1]]
                    values.decode([value], images[row : row + 1], self._codec)

    def _close(self) -> None:
        for file in (self._file, *self._sources):
            file.close()

    def _announce(self, groups: list[int]) -> None:
        """Announce these row groups to the kernel."""
        for group in groups:
            columns = self._mapped.metadata.row_group(group)
            start, last = columns.column(0).data_page_offset, columns.column(1)
            base.announce(self._file.fileno(), [start], last.data_page_offset + last.total_compressed_size - start)


def _open(source: "pyarrow.NativeFile", **settings: Any) -> "ParquetFile":
    from pyarrow.parquet import ParquetFile

    return ParquetFile(source, pre_buffer=False, **settings)


def _check(rows: int, expected: int) -> None:
    """Raise ValueError where pyarrow has cut what it read into several batches, or the file has fewer rows."""
    if rows != expected:
        raise ValueError(f"{rows} images, not {expected}")
