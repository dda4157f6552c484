"""Backend lance: a dataset of Lance, a columnar format for random access, with one row per image.

Layout of a store:

    images.lance/data/*.lance       the only data file; columns `image`, large_binary: the image's bytes by the codec,
                                    and `label`, int64
    images.lance/_versions/         the manifest of the only version, with the schema; in its metadata `images`,
                                    {"count", "image_shape"} as JSON
    images.lance/_transactions/     what made that version
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import arrow, values
from scripts.common.errors import UserError

if TYPE_CHECKING:
    import pyarrow

DATASET, DATA = "images.lance", "data"
COMPRESSION, LEVEL = b"lance-encoding:compression", b"lance-encoding:compression-level"
DICTIONARY = b"lance-encoding:dict-size-ratio"
NO_DICTIONARY = b"0.0001"
"""Lance uses a dictionary where it takes less than this share of the plain size: never."""
INDEX_CACHE_BYTES, METADATA_CACHE_BYTES = 0, 64 << 20
UNLIMITED_BYTES = 1 << 60
TAKEN_ROWS = 128
"""Where a block has at most so many rows, of 32 KiB and more, everything is taken block by block. A scan is no faster
there, and holds what it has read ahead: up to all of it."""


class Reader(base.Reader):
    """Holds the dataset, to read everything, and a session of its one fragment, to read at random."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        base.refuse_after_fork("lance")
        import lance

        self._dataset = lance.dataset(
            str(path / DATASET),
            index_cache_size_bytes=INDEX_CACHE_BYTES,
            metadata_cache_size_bytes=METADATA_CACHE_BYTES,
        )
        (fragment,) = self._dataset.get_fragments()
        self._session: Any = fragment.open_session()
        count, image_shape = values.described(self._dataset.schema.metadata[arrow.METADATA])
        stored_bytes = sum(file.stat().st_size for file in (path / DATASET / DATA).iterdir())
        self._rows = base.rows_per_block((count, *image_shape), value_bytes=stored_bytes // count)
        return count, image_shape

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        start = 0
        batches: Iterator[pyarrow.RecordBatch]
        if self._rows <= TAKEN_ROWS:
            firsts = range(0, len(self), self._rows)
            batches = (self._take(range(first, min(first + self._rows, len(self)))) for first in firsts)
        else:
            batches = self._dataset.to_batches(batch_size=self._rows)
        for batch in batches:
            stop = start + len(batch)
            arrow.Views(batch, 0).fill(images[start:stop], labels[start:stop], self._codec)
            start = stop

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if len(ids) == 1:
            arrow.Views(self._take(ids.tolist()), 0).fill(images, labels, self._codec)
            return
        for start in range(0, len(ids), self._rows):
            some = slice(start, start + self._rows)
            rows, places = np.unique(ids[some], return_inverse=True)
            arrow.Views(self._take(rows.tolist()), 0).take(places, images[some], labels[some], self._codec)

    def _take(self, rows: Sequence[int]) -> "pyarrow.RecordBatch":
        """Return these rows, which ascend."""
        [batch] = self._session.take(list(rows)).to_batches()
        return batch


class Backend(base.Backend):
    """A dataset of the columnar format Lance, of one fragment."""

    packages = {
        "lance": "pylance==14.0.2; sys_platform != 'darwin' or platform_machine != 'x86_64'",
        "pyarrow": arrow.PYARROW,
    }
    options = {
        "codec": base.CODEC,
        "file_version": base.Option("2.2", "of Lance's file format; 2.0 is read faster in order", ("2.0", "2.2")),
        "compression": base.Option(
            "none",
            f"how each value is compressed, zstd at level {codecs.ZSTD_LEVEL}; only with file_version 2.2",
            ("none", "zstd"),
        ),
    }
    thread_variables = ("ARROW_IO_THREADS", "LANCE_CPU_THREADS", "TOKIO_WORKER_THREADS")
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=9, bytes_per_image=16)
    file = DATASET
    reader = Reader

    def check(self, options: dict[str, Any]) -> None:
        """Refuse compression where one image can't be read without a whole page."""
        if options["compression"] != "none" and options["file_version"] == "2.0":
            raise UserError("backend lance compresses image by image only in file_version 2.2: leave it at that")

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        base.refuse_after_fork("lance")
        import lance
        import pyarrow as pa

        encoding = {COMPRESSION: options["compression"], LEVEL: str(codecs.ZSTD_LEVEL), DICTIONARY: NO_DICTIONARY}
        image = pa.field(arrow.IMAGE, pa.large_binary(), False, encoding)
        label = pa.field(arrow.LABEL, pa.int64(), False)
        schema = pa.schema([image, label], {arrow.METADATA: values.metadata(images.shape)})
        failures: list[BaseException] = []
        batches = _batches(images, labels, codecs.load(options["codec"]), schema, failures)
        try:
            lance.write_dataset(
                pa.RecordBatchReader.from_batches(schema, batches),
                str(path / DATASET),
                data_storage_version=options["file_version"],
                data_cache_bytes=base.BLOCK_BYTES,
                max_rows_per_file=images.shape[0],
                max_bytes_per_file=UNLIMITED_BYTES,
            )
        except Exception:
            if failures:
                raise failures[0] from None
            raise


def _batches(
    images: base.Source,
    labels: base.Source,
    codec: codecs.Codec,
    schema: "pyarrow.Schema",
    failures: list[BaseException],
) -> Iterator["pyarrow.RecordBatch"]:
    """Yield all rows. An error that stops it is kept in `failures`, since Lance raises another one in its place."""
    try:
        for _, block, label_block in values.blocks(images, labels, codec):
            yield arrow.batch(schema, block, label_block, codec, "the size of images")
    except BaseException as error:
        failures.append(error)
        raise
