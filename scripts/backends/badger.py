"""Backend badger: one Badger database, a log-structured merge tree of keys with their values in a log, in Go.

    000001.vlog ...       the value log: the label (int64 of the machine), then the image's bytes by the codec
    000001.sst ...        tables: number of the image, 8 bytes, big-endian: place of its value in the log;
                          eight bytes 0xff: place of {"count", "image_shape"} as JSON
    MANIFEST, KEYREGISTRY, DISCARD    Badger's own: what tables there are, keys (none), what of the log is outdated

Settings and where they come from, measured on 10,000 CIFAR-10 images of 32x32 unless said otherwise:

- Many images cross into Go in one call, at most 1,024 or 4 MiB to write and all of a batch to read
  (`tests/yardsticks/border.py`).
- StreamWriter, Badger's own way for sorted keys in a new database. It's fed 1 MiB at a time: with 4 MiB it took 1.7
  times as long, a WriteBatch 1.1 times.
- There is nothing to compact: StreamWriter writes tables where compaction would put them. So no compactor runs.
- Values are in the log (ValueThreshold 0). In the tables, where Badger 4 has those below 1 MiB by default, writing and
  reading everything took 1.4 times as long and a batch 2.6 times; and StreamWriter holds up to 16 tables in memory, 190
  MB for 118 MB of images of 512x512.
- Badger compresses tables only, so there is no compression.
- Files are mapped, and synced by Badger as they are closed; SyncWrites, which is off, doesn't change that. A write that
  needn't be durable therefore takes as long as one that must, up to the fsyncs of the directories.
- Badger writes through maps of files with holes, and a full disk would kill the process. So each call looks first
  whether the disk has room for what isn't on it yet. Somebody else may still fill it in between, or a quota.
- No cache of blocks, as nothing is compressed and the page cache has the files; no Bloom filters, as every key that is
  asked for is there; no detection of conflicts.
- Everything is read by an iterator that doesn't prefetch: with Badger's prefetching it took 4.6 times as long.
- Badger lets the kernel read ahead in the log: an image at random from a cold cache reads 62 KB. It has no setting for
  it; that takes a sixth longer than in bolt, where only what is needed is read.
- Reading opens no file to write, but opening a reader calls fsync(2) of the directory, which has nothing to sync, and
  closing it does twice. One takes 0.06 of the time of opening and 0.14 of that of closing, on an idle disk. Badger has
  no option to leave that out.
- Between calls a reader keeps: the maps of all files, one transaction, and with codecs a buffer of values, 4 MiB from
  the first batch on.
- A process that was forked after the library was used can't use it at all (`scripts/backends/go`).
"""

from dataclasses import replace

from scripts.backends import base
from scripts.backends.go import store


class Backend(store.Backend):
    """A log-structured merge tree in Go, with values apart from keys."""

    kind, file = "badger", "MANIFEST"
    native = replace(store.NATIVE, modules=("github.com/dgraph-io/badger/v4", "github.com/dgraph-io/ristretto/v2"))
    options = {"codec": base.CODEC}
    takes = base.Footprint(files=8, bytes_per_image=60)
