"""Backend badger: one Badger database, a log-structured merge tree of keys with their values in a log, in Go.

Layout of a store:

    000001.vlog ...       the value log: the label (int64 of the machine), then the image's bytes by the codec
    000001.sst ...        tables: number of the image, 8 bytes, big-endian: place of its value in the log;
                          eight bytes 0xff: place of {"count", "image_shape"} as JSON
    MANIFEST, KEYREGISTRY, DISCARD    Badger's own: what tables there are, keys (none), what of the log is outdated
"""

from scripts.backends import base
from scripts.backends.go import store


class Backend(store.Backend):
    """A log-structured merge tree in Go, with values apart from keys."""

    kind, file = "badger", "MANIFEST"
    go_modules = ("github.com/dgraph-io/badger/v4", "github.com/dgraph-io/ristretto/v2")
    options = {"codec": base.CODEC}
    takes = base.Footprint(files=8, bytes_per_image=60)
