"""Images and labels as two columns of Apache Arrow's, for every backend whose library takes and gives such.

The column of images holds their bytes by the codec; neither column has nulls. No `pyarrow.array` for what NumPy holds:
it imports pandas, where that is installed.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scripts import codecs
from scripts.backends.shared import values
from scripts.common.errors import UserError

if TYPE_CHECKING:
    import pyarrow

PYARROW = "pyarrow==26.0.1"
"""The requirement of every backend that uses Arrow."""
IMAGE, LABEL = "image", "label"
METADATA = b"images"
"""The key of a schema's metadata that has what `values.metadata` makes."""
ZSTD_LEVEL = 3
"""As codec zstd has it."""


def schema(
    kind: "pyarrow.DataType", metadata: dict[bytes, bytes], image_metadata: dict[bytes, bytes] | None = None
) -> "pyarrow.Schema":
    """Return the schema of both columns; `kind`, the type of images, is `image_type` or binary with large offsets."""
    import pyarrow as pa

    fields = [pa.field(IMAGE, kind, False, image_metadata), pa.field(LABEL, pa.int64(), False)]
    return pa.schema(fields, metadata)


def image_type(image_shape: Sequence[int], codec: codecs.Codec) -> "pyarrow.DataType":
    """Return fixed-size binary where images' bytes are their pixels, and binary otherwise."""
    import pyarrow as pa

    return pa.binary(math.prod(image_shape) if codec.is_identity else -1)


def batch(
    schema: "pyarrow.Schema", images: np.ndarray, labels: np.ndarray, codec: codecs.Codec, option: str
) -> "pyarrow.RecordBatch":
    """Return images and labels as a batch, without a copy where an image's bytes are its pixels.

    Raises UserError, with the name of the option to lower, where the images take more than their type can hold.
    """
    import pyarrow as pa

    kind = schema.field(IMAGE).type
    if codec.is_identity:
        content, ends = images, np.arange(0, images.nbytes + 1, images[0].nbytes, np.int64)
    else:
        encoded = values.encode(images, codec)
        content, ends = b"".join(encoded), np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    parts = [content]
    if not pa.types.is_fixed_size_binary(kind):
        offsets = np.int64 if pa.types.is_large_binary(kind) else np.int32
        if ends[-1] > np.iinfo(offsets).max:
            raise UserError(f"{len(images)} images take {ends[-1]} bytes, more than Arrow can hold: lower {option}")
        parts = [ends.astype(offsets, copy=False), content]
    columns = [_array(kind, len(images), *parts), _array(pa.int64(), len(labels), labels)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def views(batch: "pyarrow.RecordBatch", image_bytes: int) -> tuple[memoryview, memoryview, Sequence[int]]:
    """Return the labels of a batch, the bytes of all its images, and where in them each begins and the last ends.

    `image_bytes` is the size of an image where that is fixed.
    """
    import pyarrow as pa

    images, labels = batch.columns
    _, *offsets, content = images.buffers()
    rows = slice(images.offset, images.offset + len(images) + 1)
    if offsets:
        ends = memoryview(offsets[0]).cast("q" if pa.types.is_large_binary(images.type) else "i")
    else:
        ends = range(0, rows.stop * image_bytes, image_bytes)
    found = memoryview(labels.buffers()[1]).cast("q")[labels.offset : labels.offset + len(labels)]
    return found, memoryview(content).cast("B"), ends[rows]


def _array(kind: "pyarrow.DataType", length: int, *parts: np.ndarray | bytes) -> "pyarrow.Array":
    import pyarrow as pa

    return pa.Array.from_buffers(kind, length, [None, *map(pa.py_buffer, parts)])
