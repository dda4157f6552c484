r"""Backend rocksdb: one RocksDB database, through rocksdict in its raw mode, with one value per image.

Layout of a store:

    key     number of the image, 8 bytes, big-endian, so that RocksDB's order of bytes is the order of numbers
    value   the label (int64 of the machine), then the image's bytes by the codec
    the key \xffmetadata, after all numbers: {"count", "image_shape"} as JSON
"""

import itertools
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import values

if TYPE_CHECKING:
    import rocksdict

IMAGES_PER_BATCH = 128
TABLE_BYTES = 256 << 20
WRITE_BUFFER_BYTES = 16 << 20
READAHEAD_BYTES = 2 << 20
READER_FILES = ("CURRENT", "IDENTITY", "MANIFEST-*", "*.sst", "*.log")
"""The patterns of the files that a reader needs."""


class Reader(base.Reader):
    """Holds the database, read-only."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        import rocksdict

        # rocksdict 0.3.29 rewrites a file of its own when it opens a store, also read-only (its pull request 186 ends
        # that). So it opens a directory of links, which can go once RocksDB has opened all files.
        stored_bytes = 0
        with tempfile.TemporaryDirectory() as view:
            for pattern in READER_FILES:
                for file in path.resolve().glob(pattern):
                    Path(view, file.name).symlink_to(file)
                    stored_bytes += file.stat().st_size
            access = rocksdict.AccessType.read_only()
            self._database = cast(Any, rocksdict.Rdict(view, _database_options(options), access_type=access))
        self._resources.callback(self._database.close)
        # The annotations of rocksdict don't know all that its options and databases take.
        self._scan = cast(Any, rocksdict.ReadOptions())
        self._scan.set_readahead_size(READAHEAD_BYTES)
        self._scan.fill_cache(False)
        count, image_shape = values.described(self._database[values.METADATA])
        self._together = values.together(count, stored_bytes)
        return count, image_shape

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        stored = itertools.islice(self._database.values(read_opt=self._scan), len(self))
        values.split(stored, images, labels, self._codec)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        keys = [values.key(number) for number in ids.tolist()]
        if len(keys) == 1:
            values.split([self._database[keys[0]]], images, labels, self._codec)
            return
        for start in range(0, len(keys), self._together):
            some = slice(start, start + self._together)
            values.split(self._database[keys[some]], images[some], labels[some], self._codec)


class Backend(base.Backend):
    """A log-structured merge tree."""

    packages = {"rocksdict": "rocksdict==0.3.29"}
    options = {
        "codec": base.CODEC,
        "compression": base.compression("RocksDB's blocks are", "none", "lz4", "zstd"),
        "bulk_load": base.Option(
            True, "whether writing makes sorted tables and adds them whole; if not, it sends batches through the log"
        ),
        "memory_map": base.Option(False, "whether reading maps the tables into memory"),
    }
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=10, bytes_per_image=40)
    file = "CURRENT"
    reader = Reader

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        write = _bulk_load if options["bulk_load"] else _write_batches
        items = values.items(images, labels, codecs.load(options["codec"]), IMAGES_PER_BATCH)
        write(path, _database_options(options), items)


def _database_options(options: dict[str, Any]) -> "rocksdict.Options":
    import rocksdict

    database_options = rocksdict.Options(raw_mode=True)
    database_options.set_compression_type(getattr(rocksdict.DBCompressionType, options["compression"])())
    if options["compression"] == "zstd":
        database_options.set_compression_options(w_bits=0, level=codecs.ZSTD_LEVEL, strategy=0, max_dict_bytes=0)
    database_options.set_allow_mmap_reads(options["memory_map"])
    database_options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    database_options.set_max_background_jobs(base.threads())
    database_options.set_max_file_opening_threads(base.threads())
    return database_options


def _bulk_load(path: Path, options: "rocksdict.Options", batches: Iterable[list[tuple[bytes, bytes]]]) -> None:
    import rocksdict

    tables: list[str] = []
    writer = None
    try:
        for batch in batches:
            if writer is None:
                tables.append(str(path / f"table-{len(tables)}"))
                writer = rocksdict.SstFileWriter(options)
                writer.open(tables[-1])
            for key, value in batch:
                writer[key] = value
            if writer.file_size() >= TABLE_BYTES:
                writer.finish()
                writer = None
        if writer is not None:
            writer.finish()
    finally:
        # This closes its file, also where the error that stopped it is kept.
        writer = None
    ingestion = rocksdict.IngestExternalFileOptions()
    ingestion.set_move_files(True)
    with closing(rocksdict.Rdict(str(path), options)) as database:
        database.ingest_external_file(tables, ingestion)


def _write_batches(path: Path, options: "rocksdict.Options", batches: Iterable[list[tuple[bytes, bytes]]]) -> None:
    import rocksdict

    with closing(rocksdict.Rdict(str(path), options)) as database:
        for batch in batches:
            write_batch = rocksdict.WriteBatch(raw_mode=True)
            for key, value in batch:
                write_batch[key] = value
            database.write(write_batch)
        database.flush()
        database.compact_range(None, None)
