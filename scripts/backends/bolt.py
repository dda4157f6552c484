"""Backend bolt: one bbolt database (etcd's BoltDB), a B+ tree in one file that is mapped to read, in Go.

Layout of a store:

    images.bolt           one bucket, `images`
        number of the image, 8 bytes, big-endian: the label (int64 of the machine), then the image's bytes by the codec
        eight bytes 0xff: {"count", "image_shape"} as JSON
"""

from scripts.backends import base
from scripts.backends.go import store


class Backend(store.Backend):
    """A memory-mapped B+ tree in Go."""

    kind, file = "bolt", "images.bolt"
    go_modules = ("go.etcd.io/bbolt",)
    options = {
        "codec": base.CODEC,
        "page_bytes": base.Option(4096, "how many bytes a page of the tree has", (4096, 8192, 16384, 32768, 65536)),
    }
    takes = base.Footprint(files=2, page_bytes=4096, bytes_per_image=16)
