r"""Backend leveldb: one LevelDB database, through plyvel, with one value per image.

Layout of a store:

    key     number of the image, 8 bytes, big-endian, so that LevelDB's order of bytes is the order of numbers
    value   the label (int64 of the machine), then the image's bytes by the codec
    the key \xffmetadata, after all numbers: {"count", "image_shape"} as JSON
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import values

IMAGES_PER_BATCH = 128
WRITE_BUFFER_BYTES = 16 << 20
FIRST_KEY, AFTER_ALL_KEYS = values.key(0), b"\xff\xff"


class Reader(base.Reader):
    """Holds the database, and so its lock."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        import plyvel

        self._verify = options["verify_checksums"]
        self._database = self._resources.enter_context(closing(plyvel.DB(str(path))))
        return values.described(self._database.get(values.METADATA))

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        with self._database.iterator(include_key=False, verify_checksums=self._verify) as stored:
            values.split(itertools.islice(stored, len(self)), images, labels, self._codec)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        values.split(self._values_of(ids.tolist()), images, labels, self._codec)

    def _values_of(self, ids: list[int]) -> Iterator[bytes]:
        get, verify = self._database.get, self._verify
        for number in ids:
            yield get(values.key(number), verify_checksums=verify)


class Backend(base.Backend):
    """A log-structured merge tree."""

    packages = {
        "plyvel": "plyvel==1.5.1; sys_platform == 'linux' and platform_machine == 'x86_64' and python_version < '3.13'"
    }
    built_with = "a C++ compiler and LevelDB's header files (libleveldb-dev in Debian, leveldb in Homebrew)"
    options = {
        "codec": base.CODEC,
        "compression": base.compression("LevelDB's blocks are", "none", "snappy"),
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
    file = "CURRENT"
    reader = Reader

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        import plyvel

        compression = None if options["compression"] == "none" else options["compression"]
        database = plyvel.DB(
            str(path), create_if_missing=True, compression=compression, write_buffer_size=WRITE_BUFFER_BYTES
        )
        with closing(database):
            for items in values.items(images, labels, codecs.load(options["codec"]), IMAGES_PER_BATCH):
                with database.write_batch() as batch:
                    for key, value in items:
                        batch.put(key, value)
            # `compact_range` without both ends merges nothing (plyvel's issue 150).
            if options["finish"] == "flush":
                # The range has no keys: LevelDB empties its memory first, and then finds nothing to merge.
                database.compact_range(start=AFTER_ALL_KEYS, stop=AFTER_ALL_KEYS)
            elif options["finish"] == "compact":
                database.compact_range(start=FIRST_KEY, stop=AFTER_ALL_KEYS)
