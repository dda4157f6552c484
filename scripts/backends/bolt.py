"""Backend bolt: one bbolt database (etcd's BoltDB), a B+ tree in one file that is mapped to read, in Go.

    images.bolt           one bucket, `images`
        number of the image, 8 bytes, big-endian: the label (int64 of the machine), then the image's bytes by the codec
        eight bytes 0xff: {"count", "image_shape"} as JSON

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Many images cross into Go in one call, at most 1,024 or 4 MiB to write and all of a batch to read
  (`tests/yardsticks/border.py`). Each write is a transaction; 256 or 4,096 images in one took as long.
- Keys in order and FillPercent 1, bbolt's own advice for keys that are only appended.
- NoSync, and one fsync at the end where it's durable; bbolt's fdatasync of the first four pages can't be turned off.
- NoGrowSync: otherwise it took 1.6 times as long to write, and the file ended a third longer. It's safe, as what was
  written without a sync is only kept once all is written.
- The map starts at 1 GiB, of address space, not of disk: growing from nothing took 1.2 times as long. The kinds of free
  lists, and none on the disk, made no difference.
- Pages are of 4 KiB, as bbolt chooses where the system's are. A page holds two values at least, so that two of 3 KB
  take two pages. With 16 KiB writing takes 0.6 of the time and the file is a fifth smaller, but an image at random from
  a cold cache takes 2.2 times as long: the search in a page touches more of it.
- bbolt tells the kernel that its map is read at random. To read everything the reader takes that back: from a cold
  cache it takes a twelfth of the time, from a warm one the same.
- Values of more than 8 KiB are announced to the kernel, all of a batch before the first is copied: from a cold cache a
  batch takes half the time at 64x64 and a seventh at 128x128. The pages of the tree are still waited for, one by one.
- One cursor for all reads: Bucket.Get, which makes one for each, took 1.3 times as long in batches.
- Between calls a reader keeps: the map, one transaction and its cursor, and with codecs a buffer of values, 4 MiB from
  the first batch on.
- A process that was forked after the library was used can't use it at all (`scripts/backends/go`).
"""

from dataclasses import replace

from scripts.backends import base
from scripts.backends.go import store


class Backend(store.Backend):
    """A memory-mapped B+ tree in Go."""

    kind, file = "bolt", "images.bolt"
    native = replace(store.NATIVE, modules=("go.etcd.io/bbolt",))
    options = {
        "codec": base.CODEC,
        "page_bytes": base.Option(4096, "how many bytes a page of the tree has", (4096, 8192, 16384, 32768, 65536)),
    }
    takes = base.Footprint(files=2, page_bytes=4096, bytes_per_image=16)
