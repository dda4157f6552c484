"""Backend lance: a dataset of Lance, a columnar format for random access, with one row per image.

    images.lance/data/*.lance       the only data file; columns `image`, large_binary: the image's bytes by the codec,
                                    and `label`, int64
    images.lance/_versions/         the manifest of the only version, with the schema; in its metadata `images`,
                                    {"count", "image_shape"} as JSON
    images.lance/_transactions/     what made that version

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- No dictionary, which Lance makes of values that repeat within a page of 8 MB: 3,000 images of which ten are distinct
  took 37 bytes each. No other backend looks for repeated images.
- A dataset, as its users write it, not the file format alone: reading is as fast. All rows are in one fragment, however
  many they are, so that one session of it serves every read.
- file_version is what pylance 14 writes of itself, 2.2. With 2.0 writing takes 0.5 to 0.7 of the time, reading
  everything 0.4 to 0.9, but one random image from a cold cache reads 2.1 to 2.6 times the bytes: where values start is
  stored apart from them.
- large_binary, with codec raw as with any other: as fixed_size_binary or a fixed_size_list of uint8 writing took 1.5
  and 1.6 times as long, reading everything 0.8 of the time. The blob encoding took twice as long to write (2.1).
- No compression, which leaves that to the codec. With zstd each image is compressed by itself; in file version 2.0 it
  would be whole pages, where one random image took over 100 times as long, so that isn't offered.
- The writer's cache is 4 MiB, not 8 MiB a column: with these, file version 2.0 held 126 MB while it wrote 118 MB of
  large images, now 57 MB, and writing is no slower.
- Reading everything: batches of about 4 MiB. All rows in one batch took 2.6 times as long.
- Reading at random: a session of the fragment, which Lance has for repeated requests; of `dataset.take` one image takes
  3 times as long. It wants rows in rising order, each once: a batch is sorted and put in its order while it is copied.
- The caches are bounded to 64 MiB of metadata, and nothing of an index, as there is none; their defaults are 1 GiB and
  6 GiB (Lance's performance guide).
- Threads that compute can only be set in the process's environment (LANCE_CPU_THREADS, TOKIO_WORKER_THREADS), which
  timings do. The 8 threads for input and output (LANCE_IO_THREADS) are left alone: they wait for the disk and don't
  compute. With one, not 8, a batch from a cold cache took 2 to 3 times as long.
- Between calls a reader keeps: those caches, which have where pages and values are, and no values.
- When a reader is closed, a thread of Lance's closes the file, in 1 of 100 cases only milliseconds later.
- Lance syncs nothing: a durable write syncs every file and directory afterwards.
"""

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import arrow, values
from scripts.common.errors import UserError

if TYPE_CHECKING:
    import pyarrow

DATASET = "images.lance"
COMPRESSION, LEVEL = b"lance-encoding:compression", b"lance-encoding:compression-level"
DICTIONARY = b"lance-encoding:dict-size-ratio"
NO_DICTIONARY = b"0.0001"
"""The part of the plain size that a dictionary must stay below to be used."""
INDEX_CACHE_BYTES, METADATA_CACHE_BYTES = 0, 64 << 20
UNLIMITED_BYTES = 1 << 60


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
            "none", "how each value is compressed, zstd at level 3; only with file_version 2.2", ("none", "zstd")
        ),
    }
    thread_variables = ("ARROW_IO_THREADS", "LANCE_CPU_THREADS", "TOKIO_WORKER_THREADS")
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=9, bytes_per_image=16)

    def check(self, options: dict[str, Any]) -> None:
        """Refuse compression where one image can't be read without a whole page."""
        if options["compression"] != "none" and options["file_version"] == "2.0":
            raise UserError("backend lance compresses image by image only in file_version 2.2: leave it at that")

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Open the dataset; `options` say how its values are made."""
        os.stat(path / DATASET)  # Lance's own error for a missing dataset is a ValueError
        return Reader(path / DATASET, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        base.refuse_after_fork("lance")
        import lance
        import pyarrow

        encoding = {COMPRESSION: options["compression"], LEVEL: str(arrow.ZSTD_LEVEL), DICTIONARY: NO_DICTIONARY}
        metadata = {arrow.METADATA: values.metadata(images.shape)}
        schema = arrow.schema(pyarrow.large_binary(), metadata, encoding)
        failures: list[BaseException] = []
        batches = _batches(images, labels, codecs.load(options["codec"]), schema, failures)
        try:
            lance.write_dataset(
                pyarrow.RecordBatchReader.from_batches(schema, batches),
                str(path / DATASET),
                data_storage_version=options["file_version"],
                data_cache_bytes=base.BLOCK_BYTES,
                max_rows_per_file=images.shape[0],
                max_bytes_per_file=UNLIMITED_BYTES,
            )
        except Exception as error:
            if failures:
                raise failures[0] from None
            if os.strerror(errno.ENOSPC) in str(error):  # an OSError already, but one without a number
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            raise
        if durable:
            base.sync_tree(path)


class Reader(base.Reader):
    """Holds the dataset, to read everything, and a session of its one fragment, to read at random."""

    def __init__(self, dataset: Path, options: dict[str, Any]) -> None:
        base.refuse_after_fork("lance")
        import lance

        self._codec = codecs.load(options["codec"])
        self._dataset = lance.dataset(
            str(dataset), index_cache_size_bytes=INDEX_CACHE_BYTES, metadata_cache_size_bytes=METADATA_CACHE_BYTES
        )
        (fragment,) = self._dataset.get_fragments()
        self._session = fragment.open_session()
        super().__init__(*values.described(self._dataset.schema.metadata[arrow.METADATA]))

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        start = 0
        for batch in self._dataset.to_batches(batch_size=base.rows_per_block(images.shape)):
            stop = start + len(batch)
            self._fill(batch, images[start:stop], labels[start:stop])
            start = stop

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        if len(ids) == 1:
            [batch] = self._session.take(ids.tolist()).to_batches()
            self._fill(batch, images, labels)
            return
        rows, places = np.unique(ids, return_inverse=True)
        [batch] = self._session.take(rows.tolist()).to_batches()
        found, content, ends = arrow.views(batch, 0)
        np.take(np.asarray(found), places, out=labels, mode="clip")
        if self._codec.is_identity:
            pixels = np.asarray(content)[ends[0] : ends[-1]].reshape(len(rows), -1)
            np.take(pixels, places, axis=0, out=images.reshape(len(ids), -1), mode="clip")
        else:
            stored = (content[ends[place] : ends[place + 1]] for place in places.tolist())
            values.decode(stored, images, self._codec)

    def _close(self) -> None:
        del self._session, self._dataset

    def _fill(self, batch: "pyarrow.RecordBatch", images: np.ndarray, labels: np.ndarray) -> None:
        """Fill the arrays from a batch in its order."""
        labels[:], content, ends = arrow.views(batch, 0)
        if self._codec.is_identity:
            memoryview(images).cast("B")[:] = content[ends[0] : ends[-1]]
        else:
            stored = (content[start:stop] for start, stop in itertools.pairwise(ends))
            values.decode(stored, images, self._codec)


def _batches(
    images: base.Source,
    labels: base.Source,
    codec: codecs.Codec,
    schema: "pyarrow.Schema",
    failures: list[BaseException],
) -> Iterator["pyarrow.RecordBatch"]:
    """Yield all rows; keep what stops it in `failures`, since Lance raises an error of its own in its place."""
    try:
        for _, image_block, label_block in base.blocks(images, labels):
            yield arrow.batch(schema, image_block, label_block, codec, "the size of images")
    except BaseException as error:
        failures.append(error)
        raise
