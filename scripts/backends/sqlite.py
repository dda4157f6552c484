"""Backend sqlite: one SQLite database with a row per image.

    images.sqlite
        table images   number INTEGER PRIMARY KEY, label INTEGER, image BLOB: the image's bytes by the codec
        table shape    one row: images, height, width

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Pages of 16 KiB: with 4 KiB, SQLite's default, a row takes a page of its own, so that writing takes 1.4 times as long
  and the store 1.25 times the disk; but warm batches take 0.7 and single images 0.85 of the time, as a page is read
  whole. From a cold cache both are alike. SQLite's "Internal Versus External BLOBs" has 8 or 16 KiB as best.
- A key that is SQLite's own row number: WITHOUT ROWID, writing takes 1.3 times as long and a random image 1.6 times.
- Written without journal and syncs (journal_mode and synchronous OFF), since a store that isn't finished is deleted;
  with a write-ahead log it takes 1.8 times as long. A durable write syncs the file after SQLite has closed it.
- Transactions of at most 1,024 images and 4 MiB: of 256, or one for all, take as long. SQLite's own cache of 2 MB: with
  one of 64 MB writing takes 1.5 times as long.
- Opened as immutable: SQLite then takes no locks and doesn't look for changes before each read. Else a random image
  takes 1.7 times as long.
- A batch is one query that joins the ids, as JSON, with the table in their order, and takes 0.7 of the time of a query
  for each id. The order of its rows is that of the ids since SQLite never reorders a CROSS JOIN ("The SQLite Query
  Optimizer Overview"), whose outer loop is json_each, in the order of the array. WHERE number IN takes 1.1 to 1.4 times
  as long as the join and loses order and repeats. A BLOB handle for each id (`blobopen`) takes 1.3 times as long as a
  query; Python's can neither move to another row nor fill an array.
- All images are read by a memory map, which takes 0.85 of the time. Random ones aren't, which is SQLite's default: with
  `memory_map`, single images from a warm cache take 0.8 of the time and batches 0.7, but from a cold one single images
  take 6 times as long, since the kernel reads 25 times the bytes; SQLite can't be told to advise it.
- A batch isn't announced to the kernel: where a row is, only the pages above it tell.
- Between calls a reader keeps: the connection, with SQLite's page cache of 2 MB, its default, and, where it was the
  last to be used, the map.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import values

FILE = "images.sqlite"
TABLES = (
    "CREATE TABLE images (number INTEGER PRIMARY KEY, label INTEGER NOT NULL, image BLOB NOT NULL)",
    "CREATE TABLE shape (images INTEGER NOT NULL, height INTEGER NOT NULL, width INTEGER NOT NULL)",
)
IMAGES_PER_TRANSACTION = 1024
ONE = "SELECT label, image FROM images WHERE number = ?"
SEVERAL = "SELECT label, image FROM json_each(?) AS wanted CROSS JOIN images ON number = wanted.value"
ALL = "SELECT label, image FROM images ORDER BY number"
WHOLE_FILE = 1 << 62
"""A map of that size is as large as SQLite allows, 2 GiB by default; what lies behind it is read as without a map."""


class Backend(base.Backend):
    """A database in the standard library."""

    options = {
        "codec": base.CODEC,
        "page_bytes": base.Option(
            16384, "the size of SQLite's pages, which it reads and writes whole", tuple(512 << n for n in range(8))
        ),
        "memory_map": base.Option(
            False, "whether random reads take a memory map: faster from a warm cache, slower from a cold one"
        ),
    }
    standard_modules = ("_sqlite3",)
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=2, bytes_per_image=208)

    def versions(self) -> dict[str, str]:
        """SQLite's own, which comes with Python."""
        import sqlite3

        return {"sqlite": sqlite3.sqlite_version}

    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Open the database read-only; `options` say how its values are made and read."""
        os.stat(path / FILE)  # SQLite's own error for a missing store is not an OSError
        return Reader(path, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        import sqlite3

        codec = codecs.load(options["codec"])
        count, height, width, _ = images.shape
        rows_per_block = min(IMAGES_PER_TRANSACTION, base.rows_per_block(images.shape))
        try:
            with closing(sqlite3.connect(path / FILE, isolation_level=None)) as connection:
                connection.execute(f"PRAGMA page_size = {options['page_bytes']}")
                connection.execute("PRAGMA journal_mode = OFF")
                connection.execute("PRAGMA synchronous = OFF")
                for table in TABLES:
                    connection.execute(table)
                connection.execute("INSERT INTO shape VALUES (?, ?, ?)", (count, height, width))
                for start, image_block, label_block in base.blocks(images, labels, rows_per_block):
                    numbers = range(start, start + len(label_block))
                    rows = zip(numbers, label_block.tolist(), values.encode(image_block, codec), strict=True)
                    connection.execute("BEGIN")
                    connection.executemany("INSERT INTO images VALUES (?, ?, ?)", rows)
                    connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            raise
        if durable:
            base.sync_tree(path)


class Reader(base.Reader):
    """Holds one connection, with or without a memory map as the last call wanted."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        import sqlite3

        self._codec = codecs.load(options["codec"])
        self._maps_at_random = options["memory_map"]
        self._is_mapped = False
        name = (path / FILE).absolute().as_uri()
        self._connection = sqlite3.connect(
            f"{name}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
        with base.closing_on_error(self._close):
            ((count, height, width),) = self._connection.execute("SELECT images, height, width FROM shape")
            super().__init__(count, (height, width, 3))

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._map(True)
        self._fill(self._connection.execute(ALL), images, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        self._map(self._maps_at_random)
        numbers = ids.tolist()
        if len(numbers) == 1:
            ((labels[0], blob),) = self._connection.execute(ONE, numbers)
            values.decode([blob], images, self._codec)
        else:
            self._fill(self._connection.execute(SEVERAL, (str(numbers),)), images, labels)

    def _close(self) -> None:
        self._connection.close()

    def _map(self, wanted: bool) -> None:
        if self._is_mapped != wanted:
            self._connection.execute(f"PRAGMA mmap_size = {WHOLE_FILE if wanted else 0}")
            self._is_mapped = wanted

    def _fill(self, rows: Iterable[tuple[int, bytes]], images: np.ndarray, labels: np.ndarray) -> None:
        """Fill the arrays from rows in their order."""
        found: list[int] = []

        def blobs() -> Iterator[bytes]:
            for label, blob in rows:
                found.append(label)
                yield blob

        values.decode(blobs(), images, self._codec)
        labels[:] = found
