"""Backend sqlite: one SQLite database with a row per image.

Layout of a store:

    images.sqlite
        table images   number INTEGER PRIMARY KEY, label INTEGER, image BLOB: the image's bytes by the codec
        table shape    one row: images, height, width
"""

from collections.abc import Sequence
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
"""The size of map to ask for, in bytes. SQLite maps as much as it allows, 2 GiB by default, and reads the rest of the
file without a map."""


class Reader(base.Reader):
    """Holds one connection, with or without a memory map as the last call wanted."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        import sqlite3

        self._maps_at_random = options["memory_map"]
        self._is_mapped = False
        name = (path / FILE).absolute().as_uri()
        self._connection = sqlite3.connect(
            f"{name}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
        self._resources.callback(self._connection.close)
        ((count, height, width),) = self._connection.execute("SELECT images, height, width FROM shape")
        return count, (height, width, 3)

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._map(True)
        values.decode_pairs(self._connection.execute(ALL), images, labels, self._codec)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        self._map(self._maps_at_random)
        numbers = ids.tolist()
        if len(numbers) == 1:
            ((labels[0], blob),) = self._connection.execute(ONE, numbers)
            values.decode([blob], images, self._codec)
        else:
            rows = self._connection.execute(SEVERAL, (str(numbers),))
            values.decode_pairs(rows, images, labels, self._codec)

    def _map(self, wanted: bool) -> None:
        if self._is_mapped != wanted:
            self._connection.execute(f"PRAGMA mmap_size = {WHOLE_FILE if wanted else 0}")
            self._is_mapped = wanted


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
    file = FILE
    reader = Reader

    def versions(self) -> dict[str, str]:
        """Return the version of SQLite, which comes with Python."""
        import sqlite3

        return {"sqlite": sqlite3.sqlite_version}

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        import sqlite3

        codec = codecs.load(options["codec"])
        count, height, width, _ = images.shape
        rows_per_block = min(IMAGES_PER_TRANSACTION, values.rows_per_block(images, codec))
        with closing(sqlite3.connect(path / FILE, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {options['page_bytes']}")
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            for table in TABLES:
                connection.execute(table)
            connection.execute("INSERT INTO shape VALUES (?, ?, ?)", (count, height, width))
            for start, block, label_block in values.blocks(images, labels, codec, rows_per_block):
                numbers = range(start, start + len(label_block))
                rows = zip(numbers, label_block.tolist(), values.encode(block, codec), strict=True)
                connection.execute("BEGIN")
                connection.executemany("INSERT INTO images VALUES (?, ?, ?)", rows)
                connection.execute("COMMIT")
