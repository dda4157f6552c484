r"""Backend rocksdb: one RocksDB database, through rocksdict in its raw mode, with one value per image.

    key     number of the image, 8 bytes, big-endian, so that RocksDB's order of bytes is the order of numbers
    value   the label (int64 of the machine), then the image's bytes by the codec
    the key \xffmetadata, after all numbers: {"count", "image_shape"} as JSON

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Writing: RocksDB's way to load what is sorted ("Creating and Ingesting SST files" in its wiki): tables are written
  outside and then moved into the lowest level, so that no background work is left. Batches through memory take 2.0
  times as long without the log, with prepare_for_bulk_load too, 2.1 with its vector memory table, and 2.8 with the log,
  as an application writes that adds images as they come (bulk_load: false).
- Batches are flushed and compacted at the end, so that reading finds a settled store. That costs nothing that could be
  measured: keys come in order, so that tables move from level to level and none is rewritten. The write buffer is 16
  MiB: 4 and 24 took the same time, RocksDB's own 64 are more memory than a write may have.
- At most 128 images and 4 MiB at a time; so many small ones stay in the processor's cache: with 1,365 (4 MiB) it takes
  1.2 times the processor time.
- Tables of 256 MiB: 16 and 64 MiB take the same time (60,000 images), but each table is an open file of the reader.
- RocksDB syncs each table and its manifest, asked or not (its option disableDataSync went with 5.3.0); `durable` adds
  the rest. So a buffered write waits for the disk as well. A bulk load drops its tables from the page cache.
- Compression: none, so that it is the codec that compresses; lz4 takes 1.5 times the processor time to write and saves
  1 %, zstd at level 3, its default, 5 times and saves 3 %.
- Checksums are checked, RocksDB's own default; not to check them gains a tenth at most. They are XXH3, its default:
  with CRC32C all images and a batch take twice as long, as rocksdict's build lacks the processor's instructions for it.
- Reading everything asks for 2 MiB at a time, which takes three quarters of the time from a cold cache, and doesn't
  fill the block cache, 0.87 of the time from a warm one (both in RocksDB's documentation, for scans).
- Several images are asked for in one call, which takes 0.8 of the time from a cold cache and the same from a warm one;
  one image is asked for by itself, without the list.
- Tables are read, not mapped, RocksDB's own default: mapped (`memory_map`) all images take 0.7 of the time from a warm
  cache and 7 times from a cold one, where each page is waited for by itself; a batch 0.9 and 1.5 to 2.5 times.
- Blocks of 4 KiB, RocksDB's own default, hold two images: with 1 KiB, which hold one, a batch takes 0.86 of the time
  and all images 1.27; with 16 KiB it is 1.25 and 0.74. A Bloom filter helps only for keys that aren't there, and every
  key is.
- Between calls a reader keeps: the database, with its open tables, and RocksDB's block cache of 32 MiB, its default:
  images read again may come from it.
- rocksdict 0.3.29 rewrites a file of its own when it opens a store, also read-only (mended by its pull request 186). So
  the reader opens a directory of links to the store's files, which can go once RocksDB has opened all of them: opening
  needs a temporary directory that can be written to (TMPDIR), even where the store can't be.
- Threads: as many for background jobs, and for opening tables, as a timing allows, otherwise as there are cores.
"""

import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
ZSTD_LEVEL = 3
"""zstd's own default."""
OF_ROCKSDB = ("CURRENT", "IDENTITY", "MANIFEST-*", "*.sst", "*.log")
"""The files that a reader needs."""


class Backend(base.Backend):
    """A log-structured merge tree."""

    packages = {"rocksdict": "rocksdict==0.3.29"}
    options = {
        "codec": base.CODEC,
        "compression": base.Option(
            "none", "how RocksDB compresses its blocks; zstd at level 3", ("none", "lz4", "zstd")
        ),
        "bulk_load": base.Option(
            True, "whether writing makes sorted tables and adds them whole; if not, it sends batches through the log"
        ),
        "memory_map": base.Option(False, "whether reading maps the tables into memory"),
    }
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=10, bytes_per_image=40)

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Open the database read-only."""
        os.stat(path / "CURRENT")  # rocksdict itself would create the directory of a missing store
        return Reader(path, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        write = _bulk_load if options["bulk_load"] else _write_batches
        write(path, _database_options(options), _items(images, labels, codecs.load(options["codec"])))
        if durable:
            base.sync_tree(path)


class Reader(base.Reader):
    """Holds the database, read-only."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        import rocksdict

        self._codec = codecs.load(options["codec"])
        with tempfile.TemporaryDirectory() as view:
            for pattern in OF_ROCKSDB:
                for file in path.resolve().glob(pattern):
                    Path(view, file.name).symlink_to(file)
            self._database = rocksdict.Rdict(
                view, _database_options(options), access_type=rocksdict.AccessType.read_only()
            )
        self._scan = rocksdict.ReadOptions()
        self._scan.set_readahead_size(READAHEAD_BYTES)
        self._scan.fill_cache(False)
        with base.closing_on_error(self._database.close):
            super().__init__(*values.described(self._database[values.METADATA]))

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        stored = itertools.islice(self._database.values(read_opt=self._scan), len(self))
        values.split(stored, images, labels, self._codec)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        keys = [values.key(number) for number in ids.tolist()]
        stored = self._database[keys] if len(keys) > 1 else [self._database[keys[0]]]
        values.split(stored, images, labels, self._codec)

    def _close(self) -> None:
        self._database.close()


def _database_options(options: dict[str, Any]) -> "rocksdict.Options":
    import rocksdict

    database_options = rocksdict.Options(raw_mode=True)
    database_options.set_compression_type(getattr(rocksdict.DBCompressionType, options["compression"])())
    if options["compression"] == "zstd":
        database_options.set_compression_options(w_bits=0, level=ZSTD_LEVEL, strategy=0, max_dict_bytes=0)
    database_options.set_allow_mmap_reads(options["memory_map"])
    database_options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    database_options.set_max_background_jobs(base.threads())
    database_options.set_max_file_opening_threads(base.threads())
    return database_options


def _items(images: base.Source, labels: base.Source, codec: codecs.Codec) -> Iterator[list[tuple[bytes, bytes]]]:
    """Keys and values of all images, some at a time, in the order of keys; the metadata come last."""
    rows = min(IMAGES_PER_BATCH, base.rows_per_block(images.shape))
    for start, image_block, label_block in base.blocks(images, labels, rows):
        yield [(values.key(n), value) for n, value in enumerate(values.join(image_block, label_block, codec), start)]
    yield [(values.METADATA, values.metadata(images.shape))]


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
        writer = None  # closes its file, also where the error that stopped it is kept
    ingestion = rocksdict.IngestExternalFileOptions()
    ingestion.set_move_files(True)
    with _new_database(path, options) as database:
        database.ingest_external_file(tables, ingestion)


def _write_batches(path: Path, options: "rocksdict.Options", batches: Iterable[list[tuple[bytes, bytes]]]) -> None:
    import rocksdict

    with _new_database(path, options) as database:
        for batch in batches:
            write_batch = rocksdict.WriteBatch(raw_mode=True)
            for key, value in batch:
                write_batch[key] = value
            database.write(write_batch)
        database.flush()
        database.compact_range(None, None)


@contextmanager
def _new_database(path: Path, options: "rocksdict.Options") -> Iterator["rocksdict.Rdict"]:
    import rocksdict

    database = rocksdict.Rdict(str(path), options)
    try:
        yield database
    except BaseException:
        with suppress(Exception):  # closing fails again with what went wrong before
            database.close()
        raise
    database.close()
