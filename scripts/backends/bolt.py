"""Backend bolt: one bbolt database (etcd's BoltDB), a B+ tree in one file that is mapped to read, in Go.

    images.bolt           one bucket, `images`
        number of the image, 8 bytes, big-endian: the label (int64 of the machine), then the image's bytes by the codec
        eight bytes 0xff: {"count", "image_shape"} as JSON

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Many images cross into Go in one call, 1,024 to write and all of a batch to read (`benchmarks/border.py`). Each write
  is a transaction; 256 or 4,096 images in one took as long.
- Keys in order and FillPercent 1, bbolt's own advice for keys that are only appended.
- NoSync, and one fsync at the end where it's durable; bbolt's fdatasync of the first four pages can't be turned off.
- NoGrowSync: otherwise it took 1.6 times as long to write, and the file ended a third longer. It's safe, as what was
  written without a sync is only kept once all is written.
- The map starts at 1 GiB, of address space, not of disk: growing from nothing took 1.2 times as long. The kinds of free
  lists, and none on the disk, made no difference.
- Pages are of 4 KiB, as bbolt chooses. A page holds two values at least, so that two of 3 KB take two pages. With 16
  KiB writing takes 0.6 of the time and the file is a fifth smaller, but an image at random from a cold cache takes 2.2
  times as long: the search in a page touches more of it.
- bbolt tells the kernel that its map is read at random. To read everything the reader takes that back: from a cold
  cache it takes a twelfth of the time, from a warm one the same.
- Values of more than 8 KiB are announced to the kernel, all of a batch before the first is copied: from a cold cache a
  batch takes half the time at 64x64 and a seventh at 128x128. The pages of the tree are still waited for, one by one.
- One cursor for all reads: Bucket.Get, which makes one for each, took 1.3 times as long in batches.
- A process that was forked after the library was used can't use it at all (`scripts/go_stores`).
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts import codecs, go_stores
from scripts.backends import base

KIND = "bolt"
FILE = "images.bolt"


class Backend(base.Backend):
    """A memory-mapped B+ tree in Go."""

    native = replace(go_stores.NATIVE, modules=("go.etcd.io/bbolt",))
    options = {
        "codec": base.Option("raw", "how one image becomes bytes", tuple(codecs.names())),
        "page_size": base.Option(4096, "how many bytes a page of the tree has", (4096, 8192, 16384, 32768, 65536)),
    }
    fork_safe = False
    several_readers = True
    opens_without_writing = True

    def open(self, path: Path, options: dict[str, Any]) -> go_stores.Reader:
        """Open the database read-only, with a lock that readers share."""
        os.stat(path / FILE)
        return go_stores.Reader(KIND, path, options)

    def _write(
        self, path: Path, images: base.Source, labels: base.Source, durable: bool, options: dict[str, Any]
    ) -> None:
        go_stores.write(KIND, path, images, labels, codecs.load(options["codec"]), options)
        if durable:
            base.sync_file(path / FILE)
            base.sync_directory(path)
