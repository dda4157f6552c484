"""Images as values of bytes, one per image, for every backend that keeps such values.

All these backends have the same bytes and the same decoder, so two of them differ in the container alone. A value of
`join` is the label (int64 of the machine), then the image's bytes by the codec. Backends that have a place of their own
for labels use `encode` and `decode`, for images alone.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.base import LABEL_BYTES, Source

TOGETHER_BLOCKS = 16
"""So many blocks of 4 MiB, 64 MiB, hold a batch of 128 photographs of 500 kB each."""
Block = np.ndarray | list[memoryview]
"""What values are made from: images, (n, height, width, 3) uint8, C-contiguous; with a codec that keeps originals, the
bytes of n files."""

METADATA = b"\xffmetadata"
"""The key after all numbers of images, in stores of keys and values; its value is what `metadata` returns."""


def key(number: int) -> bytes:
    """Return the key of an image: 8 bytes, big-endian, so that the order of bytes is the order of numbers."""
    return number.to_bytes(8, "big")


def metadata(shape: Sequence[int]) -> bytes:
    """Return what a store holds, of images of `shape`, (n, height, width, 3): {"count", "image_shape"} as JSON."""
    count, *image_shape = shape
    return json.dumps({"count": count, "image_shape": image_shape}).encode()


def described(value: bytes | memoryview) -> tuple[int, list[int]]:
    """Return the number of images and [height, width, 3], from what `metadata` made."""
    found = json.loads(bytes(value))
    return found["count"], found["image_shape"]


def items(
    images: Source, labels: Source, codec: codecs.Codec, most: int, per_value: int = 1
) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yield keys and values of all images, at most so many at a time, in the order of keys; the metadata come last.

    Of several images to a value, whose codec must be raw, a key is the number of the value.
    """
    rows = max(1, min(most, rows_per_block(images, codec)) // per_value) * per_value
    for start, block, label_block in blocks(images, labels, codec, rows):
        numbered = enumerate(join(block, label_block, codec, per_value), start // per_value)
        yield [(key(number), value) for number, value in numbered]
    yield [(METADATA, metadata(images.shape))]


def rows_per_block(images: Source, codec: codecs.Codec, of: int = 1, beside: int = 0) -> int:
    """Return the number of images in a block, a multiple of `of`: as many as take about 4 MiB, in pixels or, where
    the codec keeps originals and these are larger, in files, with `beside` bytes for each image."""
    return base.rows_per_block(images.shape, of, value_bytes(images, codec) + beside)


def value_bytes(images: Source, codec: codecs.Codec) -> int:
    """Return the bytes that an image takes at most: of its pixels or, where the codec keeps originals and these are
    larger, of a file on average."""
    count, *image_shape = images.shape
    file_bytes = cast(base.FileSource, images).original_bytes // count if codec.keeps_originals else 0
    return max(math.prod(image_shape), file_bytes)


def together(count: int, stored_bytes: int) -> int:
    """Return how many values of a store to ask for at a time where a library gives all that one call asks for at once:
    as many as take about TOGETHER_BLOCKS. `count` values take `stored_bytes`."""
    return max(1, TOGETHER_BLOCKS * base.BLOCK_BYTES * count // stored_bytes)


def blocks(
    images: Source, labels: Source, codec: codecs.Codec, rows: int | None = None
) -> Iterator[tuple[int, Block, np.ndarray]]:
    """Yield (start, what `encode` takes, labels[start:stop]) over all rows, in order.

    `rows` is the number of rows in a block, by default as `rows_per_block` says. Raises ValueError where a slice of the
    source hasn't the source's shape and type.
    """
    rows = rows or rows_per_block(images, codec)
    if not codec.keeps_originals:
        yield from base.blocks(images, labels, rows)
        return
    source = cast(base.FileSource, images)
    for start in range(0, images.shape[0], rows):
        stop = min(start + rows, images.shape[0])
        files = source.originals(slice(start, stop))
        if len(files) != stop - start:
            raise ValueError(f"images must have {stop - start} originals from number {start} on, not {len(files)}")
        yield start, files, base.label_rows(labels, start, stop)


def encode(block: Block, codec: codecs.Codec) -> Sequence[bytes | memoryview]:
    """Return the bytes of each image of a block. With codec raw, views."""
    if isinstance(block, list):
        return block
    if codec.is_identity:
        return slices(block)
    return [codec.encode(image) for image in block]


def decode(values: Iterable[bytes | memoryview], images: np.ndarray, codec: codecs.Codec) -> None:
    """Fill `images`, (n, height, width, 3) uint8, C-contiguous, from n values in their order.

    Raises ValueError where a value isn't an image of that shape, or there are fewer.
    """
    if codec.is_identity:
        image_bytes, size = memoryview(images).cast("B"), images[:1].nbytes
        start = 0
        for value in values:
            image_bytes[start : start + size] = value
            start += size
        found = start // size
    else:
        found = 0
        for value in values:
            codec.decode(value, images[found])
            found += 1
    if found != len(images):
        raise ValueError(f"{found} values, not {len(images)}")


def decode_pairs(
    pairs: Iterable[tuple[int, bytes | memoryview]], images: np.ndarray, labels: np.ndarray, codec: codecs.Codec
) -> None:
    """Fill `images` and `labels` from n pairs of a label and an image's bytes, in their order; see `decode`."""
    found: list[int] = []

    def encoded() -> Iterator[bytes | memoryview]:
        for label, value in pairs:
            found.append(label)
            yield value

    decode(encoded(), images, codec)
    labels[:] = found


def join(block: Block, labels: np.ndarray, codec: codecs.Codec, per_value: int = 1) -> list[bytes]:
    """Return one value per image; `block` as in `encode`, `labels` (n,) int64, C-contiguous.

    Of several images to a value, whose codec must be raw, all labels come first.
    """
    encoded = encode(block, codec) if per_value == 1 else slices(cast(np.ndarray, block), per_value)
    return [b"".join(pair) for pair in zip(slices(labels, per_value), encoded, strict=True)]


def split(values: Iterable[bytes | memoryview], images: np.ndarray, labels: np.ndarray, codec: codecs.Codec) -> None:
    """Fill `images` and `labels`, (n,) int64, C-contiguous, from n values of `join` in their order.

    Raises ValueError where a value isn't an image of that shape, or there are fewer.
    """
    label_bytes, image_bytes, size = memoryview(labels).cast("B"), memoryview(images).cast("B"), images[:1].nbytes
    label = image = 0
    if codec.is_identity:
        for value in values:
            label_bytes[label : label + LABEL_BYTES] = value[:LABEL_BYTES]
            image_bytes[image : image + size] = value[LABEL_BYTES:]
            label += LABEL_BYTES
            image += size
    else:
        for value in values:
            # A slice of bytes would be a copy.
            codec.decode(memoryview(value)[LABEL_BYTES:], images[label // LABEL_BYTES])
            label_bytes[label : label + LABEL_BYTES] = value[:LABEL_BYTES]
            label += LABEL_BYTES
    if label != len(label_bytes):
        raise ValueError(f"{label // LABEL_BYTES} values, not {len(labels)}")


def slices(array: np.ndarray, rows: int = 1) -> list[memoryview]:
    """Return the bytes of each row of a C-contiguous array, or of so many rows together, without a copy."""
    whole, size = memoryview(array).cast("B"), array[:rows].nbytes
    return [whole[start : start + size] for start in range(0, len(whole), size)]
