r"""Backend leveldb: one LevelDB database, through plyvel, with one value per image.

Layout of a store:

    key     number of the image, 8 bytes, big-endian, so that LevelDB's order of bytes is the order of numbers
    value   the label (int64 of the machine), then the image's bytes by the codec
    the key \xffmetadata, after all numbers: {"count", "image_shape"} as JSON
"""

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
        # LevelDB itself would create the directory of a missing store.
        os.stat(path / "CURRENT")
        return Reader(path, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        import plyvel

        codec = codecs.load(options["codec"])
        rows = min(IMAGES_PER_BATCH, base.rows_per_block(images.shape))
        compression = None if options["compression"] == "none" else options["compression"]
        database = plyvel.DB(
            str(path), create_if_missing=True, compression=compression, write_buffer_size=WRITE_BUFFER_BYTES
        )
        try:
            for start, image_block, label_block in base.blocks(images, labels, rows):
                with database.write_batch() as batch:
                    for number, value in enumerate(values.join(image_block, label_block, codec), start):
                        batch.put(values.key(number), value)
            database.put(values.METADATA, values.metadata(images.shape))
            # `compact_range` without both ends merges nothing (plyvel's issue 150).
            if options["finish"] == "flush":
                # The range has no keys: LevelDB empties its memory first, and then finds nothing to merge.
                database.compact_range(start=AFTER_ALL_KEYS, stop=AFTER_ALL_KEYS)
            elif options["finish"] == "compact":
                database.compact_range(start=FIRST_KEY, stop=AFTER_ALL_KEYS)
        finally:
            database.close()
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
