"""Images and labels as two columns of Apache Arrow's, for every backend whose library takes and gives such columns.

The column of images holds the images' bytes by the codec; neither column has nulls.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import values
from scripts.common.errors import UserError

if TYPE_CHECKING:
    import pyarrow

PYARROW = "pyarrow==26.0.1"
"""The requirement of every backend that uses Arrow."""
IMAGE, LABEL = "image", "label"
METADATA = b"images"
"""The key in a schema's metadata that holds what `values.metadata` makes."""


def schema(shape: Sequence[int], codec: codecs.Codec, more: dict[bytes, bytes] | None = None) -> "pyarrow.Schema":
    """Return the schema of both columns, of images of `shape`, (n, height, width, 3), with more metadata.

    The type of images is fixed-size binary where images' bytes are their pixels, and binary otherwise.
    """
    import pyarrow as pa

    kind = pa.binary(math.prod(shape[1:]) if codec.is_identity else -1)
    fields = [pa.field(IMAGE, kind, False), pa.field(LABEL, pa.int64(), False)]
    return pa.schema(fields, {METADATA: values.metadata(shape), **(more or {})})


def batch(
    schema: "pyarrow.Schema", block: values.Block, labels: np.ndarray, codec: codecs.Codec, option: str
) -> "pyarrow.RecordBatch":
    """Return a block of images and labels as a batch, without a copy where an image's bytes are its pixels.

    Raises UserError, with the name of the option to lower, where the images take more than their type can hold.
    """
    import pyarrow as pa

    kind = schema.field(IMAGE).type
    content: np.ndarray | bytes
    if codec.is_identity and isinstance(block, np.ndarray):
        content, ends = block, int(block[0].nbytes) * np.arange(len(block) + 1, dtype=np.int64)
    else:
        encoded = values.encode(block, codec)
        content, ends = b"".join(encoded), np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    parts = [content]
    if not pa.types.is_fixed_size_binary(kind):
        offsets = np.int64 if pa.types.is_large_binary(kind) else np.int32
        if ends[-1] > np.iinfo(offsets).max:
            raise UserError(f"{len(block)} images take {ends[-1]} bytes, more than Arrow can hold: lower {option}")
        parts = [ends.astype(offsets, copy=False), content]
    columns = [_array(kind, len(block), *parts), _array(pa.int64(), len(labels), labels)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


class Views:
    """Views of the columns of a record batch; the batch owns their memory.

    `labels` are int64, `content` holds the bytes of all images, and `ends` says where in it each image begins and the
    last one ends.
    """

    def __init__(self, batch: "pyarrow.RecordBatch", image_bytes: int) -> None:
        """`image_bytes` is the size of an image where the batch's type fixes it."""
        import pyarrow as pa

        images, labels = batch.columns
        _, *offsets, content = images.buffers()
        rows = slice(images.offset, images.offset + len(images) + 1)
        ends: Sequence[int]
        if offsets:
            ends = memoryview(offsets[0]).cast("q" if pa.types.is_large_binary(images.type) else "i")
        else:
            ends = range(0, rows.stop * image_bytes, image_bytes)
        self.labels = memoryview(labels.buffers()[1]).cast("q")[labels.offset : labels.offset + len(labels)]
        self.content = memoryview(content).cast("B")
        self.ends = ends[rows]

    def value(self, row: int) -> memoryview:
        """Return the bytes of one image."""
        return self.content[self.ends[row] : self.ends[row + 1]]

    def fill(self, images: np.ndarray, labels: np.ndarray, codec: codecs.Codec) -> None:
        """Fill the arrays with all images and labels of the batch, in its order."""
        labels[:] = self.labels
        if codec.is_identity:
            memoryview(images).cast("B")[:] = self.content[self.ends[0] : self.ends[-1]]
        else:
            values.decode(map(self.value, range(len(self.labels))), images, codec)

    def take(self, places: np.ndarray, images: np.ndarray, labels: np.ndarray, codec: codecs.Codec) -> None:
        """Fill the arrays with the images and labels at `places` in the batch, in the order of `places`."""
        np.take(np.asarray(self.labels), places, out=labels, mode="clip")
        if codec.is_identity:
            pixels = np.asarray(self.content)[self.ends[0] : self.ends[-1]].reshape(len(self.labels), -1)
            np.take(pixels, places, axis=0, out=images.reshape(len(places), -1), mode="clip")
        else:
            values.decode(map(self.value, places.tolist()), images, codec)


@cache
def limit_input_threads() -> None:
    """Hold Arrow's pool of threads for input to the threads that a library may use; once for the whole process."""
    import pyarrow as pa

    pa.set_io_thread_count(base.threads())


def _array(kind: "pyarrow.DataType", length: int, *parts: np.ndarray | bytes) -> "pyarrow.Array":
    """Return an Arrow array over existing memory. `pyarrow.array` would import pandas, where that is installed."""
    import pyarrow as pa

    return pa.Array.from_buffers(kind, length, [None, *map(pa.py_buffer, parts)])
