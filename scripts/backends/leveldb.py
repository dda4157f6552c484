r"""Backend leveldb: one LevelDB database, through plyvel, with one value per image.

    key     number of the image, 8 bytes, big-endian, so that LevelDB's order of bytes is the order of numbers
    value   the label (int64 of the machine), then the image's bytes by the codec
    the key \xffmetadata, after all numbers: {"count", "image_shape"} as JSON

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Writing: batches of at most 128 images and 4 MiB; so many small ones stay in the processor's cache: with 1,365 (4 MiB)
  it takes 1.15 times the processor time.
- Write buffer: 16 MiB. LevelDB's own 4 MiB take 1.1 times as long (20,000 images), 32 MiB gain nothing that could be
  measured. LevelDB's options.h advises larger ones for bulk loads; it holds up to two of them in memory.
- Everything is written twice, to the log and to a table, and LevelDB syncs each table and its manifest, asked or not;
  `durable` adds the rest. So a buffered write waits for the disk as well.
- The end of a write: the last images go from memory to a table (finish: flush), so that reading finds a settled store.
  There is nothing to merge, as keys come in order: tables move from level to level without being read. To merge them
  nevertheless (finish: compact) takes 1.66 times as long and rewrites a third of 100,000 images; reading is the same to
  within 6 %. Where they stay in the log (finish: none) writing takes two thirds of the processor time, but who opens
  the store first makes the tables, which takes 18 times as long as opening otherwise.
- plyvel's compact_range without arguments merges nothing (its issue 150), so both ends are given.
- Compression: none, so that it is the codec that compresses; LevelDB's own default is snappy, which takes 1.4 times the
  processor time to write and saves 1 %.
- Checksums are not checked, LevelDB's own default; checking takes 1.4 times as long for all images and 1.5 for a batch.
- Blocks of 4 KiB, LevelDB's own default: with 16 KiB all images take 0.91 of the time, a batch 1.03. A Bloom filter
  changes nothing, as every key that is asked for is there; nor does a larger cache, as LevelDB maps tables into memory
  and doesn't cache what it needn't decompress.
- A batch from a cold cache reads 240,000 bytes for an image, as the kernel reads ahead in those maps, and takes 2.7
  times as long as in LMDB: plyvel has no setting against it. A batch isn't announced, as nothing tells cheaply where in
  which table an image is.
- Opening locks the database, and writes and syncs a new manifest and a new CURRENT, which waits for the disk three
  times: with those syncs left out, opening a settled store of 1,000 images takes a third of the time at most.
- Between calls a reader keeps: the database, with its lock, and LevelDB's block cache of 8 MiB, its default, which
  stays empty where blocks aren't compressed, as tables are mapped.
- LevelDB works in one thread of its own beside the caller's; there is no setting for that.
"""

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import values

IMAGES_PER_BATCH = 128
WRITE_BUFFER_BYTES = 16 << 20
FIRST_KEY, AFTER_ALL_KEYS = values.key(0), b"\xff\xff"


class Backend(base.Backend):
    """A log-structured merge tree."""

    packages = {
        "plyvel": "plyvel==1.5.1; sys_platform == 'linux' and platform_machine == 'x86_64' and python_version < '3.13'"
    }
    built_with = "a C++ compiler and LevelDB's header files (libleveldb-dev in Debian, leveldb in Homebrew)"
    options = {
        "codec": base.CODEC,
        "compression": base.Option("none", "how LevelDB compresses its blocks", ("none", "snappy")),
        "finish": base.Option(
            "flush",
            "what ends a write: `none` leaves the last images in the log, `flush` writes them to tables, `compact` "
            "merges all tables as well",
            ("none", "flush", "compact"),
        ),
        "verify_checksums": base.Option(False, "whether reading checks the checksum of every block"),
    }
    fork_safe = False
    several_readers = False
    opens_without_writing = False
    takes = base.Footprint(files=8, files_per_image=0.0002, bytes_per_image=40)

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Open the database, which locks it and writes a new manifest."""
        os.stat(path / "CURRENT")  # LevelDB itself would create the directory of a missing store
        return Reader(path, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        import plyvel

        codec = codecs.load(options["codec"])
        rows = min(IMAGES_PER_BATCH, base.rows_per_block(images.shape))
        compression = None if options["compression"] == "none" else options["compression"]
        try:
            database = plyvel.DB(
                str(path), create_if_missing=True, compression=compression, write_buffer_size=WRITE_BUFFER_BYTES
            )
            try:
                for start, image_block, label_block in base.blocks(images, labels, rows):
                    with database.write_batch() as batch:
                        for number, value in enumerate(values.join(image_block, label_block, codec), start):
                            batch.put(values.key(number), value)
                database.put(values.METADATA, values.metadata(images.shape))
                if options["finish"] == "flush":
                    # A range without keys: LevelDB empties its memory first, and then finds nothing to merge.
                    database.compact_range(start=AFTER_ALL_KEYS, stop=AFTER_ALL_KEYS)
                elif options["finish"] == "compact":
                    database.compact_range(start=FIRST_KEY, stop=AFTER_ALL_KEYS)
            finally:
                database.close()
        except plyvel.IOError as error:  # an OSError without a number
            if os.strerror(errno.ENOSPC) in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            raise
        if durable:
            base.sync_tree(path)


class Reader(base.Reader):
    """Holds the database, and so its lock."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        import plyvel

        self._codec = codecs.load(options["codec"])
        self._verify = options["verify_checksums"]
        self._database = plyvel.DB(str(path))
        with base.closing_on_error(self._database.close):
            super().__init__(*values.described(self._database.get(values.METADATA)))

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        with self._database.iterator(include_key=False, verify_checksums=self._verify) as stored:
            values.split(itertools.islice(stored, len(self)), images, labels, self._codec)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        values.split(self._values_of(ids.tolist()), images, labels, self._codec)

    def _close(self) -> None:
        self._database.close()

    def _values_of(self, ids: list[int]) -> Iterator[bytes]:
        get, verify = self._database.get, self._verify
        for number in ids:
            yield get(values.key(number), verify_checksums=verify)
