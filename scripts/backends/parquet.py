"""Backend parquet: one Parquet file, written and read by pyarrow, of which one image needs a whole row group.

Layout of a store:

    images.parquet    row groups of two required columns, plainly encoded:
        image         fixed-length bytes, the pixels; with a codec other than raw, bytes, the image's by the codec
        label         int64
    metadata of the file: `images`, {"count", "image_shape"} as JSON
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import arrow, file_access, values

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

FILE = "images.parquet"
PIECES_PER_BLOCK = 16
"""Row groups have a sixteenth of a block by default, 256 KiB, and everything is read in pieces of that size."""


class Reader(base.Reader):
    """Holds the mapped file, to read at random, and the file, to read everything; of what it reads it keeps nothing."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        import pyarrow as pa

        self._path = str(path / FILE)
        self._file = self._resources.enter_context((path / FILE).open("rb", buffering=0))
        self._mapped = self._parquet_file(pa.memory_map(self._path))
        self._whole: ParquetFile | None = None
        metadata = self._mapped.metadata
        count, image_shape = values.described(metadata.metadata[arrow.METADATA])
        self._images_per_group = metadata.row_group(0).num_rows
        stored_bytes = os.fstat(self._file.fileno()).st_size
        rows = base.rows_per_block((count, *image_shape), value_bytes=stored_bytes // count)
        self._images_per_piece = max(1, rows // PIECES_PER_BLOCK)
        self._groups_at_a_time = max(1, rows // self._images_per_group)
        return count, image_shape

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        if self._whole is None:
            import pyarrow as pa

            self._whole = self._parquet_file(pa.OSFile(self._path), metadata=self._mapped.metadata)
        start = 0
        for batch in self._whole.iter_batches(self._images_per_piece, use_threads=False):
            stop = start + batch.num_rows
            arrow.Views(batch, images[0].nbytes).fill(images[start:stop], labels[start:stop], self._codec)
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
            found = arrow.Views(batch, images[0].nbytes)
            for number, group in enumerate(groups):
                before = number * self._images_per_group
                for row, place in wanted[group]:
                    labels[row] = found.labels[before + place]
                    values.decode([found.value(before + place)], images[row : row + 1], self._codec)

    def _parquet_file(self, source: "pyarrow.NativeFile", **settings: Any) -> "ParquetFile":
        from pyarrow.parquet import ParquetFile

        return ParquetFile(self._resources.enter_context(source), pre_buffer=False, **settings)

    def _announce(self, groups: list[int]) -> None:
        """Announce these row groups to the kernel."""
        for group in groups:
            columns = self._mapped.metadata.row_group(group)
            start, last = columns.column(0).data_page_offset, columns.column(1)
            size = last.data_page_offset + last.total_compressed_size - start
            file_access.announce(self._file.fileno(), [start], size)


class Backend(base.Backend):
    """Row groups of Apache Parquet."""

    packages = {"pyarrow": arrow.PYARROW}
    options = {
        "codec": base.CODEC,
        "images_per_row_group": base.Option(
            0, "how many images a row group holds, which is read whole for one image; 0: as many as take 256 KiB"
        ),
        "compression": base.compression("each page is", "none", "snappy", "lz4", "zstd"),
    }
    thread_variables = ("ARROW_IO_THREADS",)
    fork_safe = True
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=2, bytes_per_image=8)
    reader = Reader

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        codec = codecs.load(options["codec"])
        rows = options["images_per_row_group"] or max(1, values.rows_per_block(images, codec) // PIECES_PER_BLOCK)
        schema = arrow.schema(images.shape, codec)
        settings: dict[str, Any] = {
            "compression": options["compression"],
            "use_dictionary": False,
            "write_statistics": False,
        }
        if options["compression"] == "zstd":
            settings["compression_level"] = codecs.ZSTD_LEVEL
        with (
            pa.OSFile(str(path / FILE), "wb") as file,
            parquet.ParquetWriter(file, schema, **settings) as writer,
        ):
            for _, block, label_block in values.blocks(
                images, labels, codec, values.rows_per_block(images, codec, rows)
            ):
                batch = arrow.batch(schema, block, label_block, codec, "images_per_row_group of backend parquet")
                writer.write_table(pa.Table.from_batches([batch]), rows)


def _check(rows: int, expected: int) -> None:
    """Raise ValueError where pyarrow has cut what it read into several batches, or the file has fewer rows."""
    if rows != expected:
        raise ValueError(f"{rows} images, not {expected}")
