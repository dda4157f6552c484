"""Images as values of bytes, one per image, for every backend that keeps such: the same bytes and the same decoder in
each, so that what differs between two of them is the container.

A value of `join` is the label (int64 of the machine), then the image's bytes by the codec; backends that have a place
of their own for labels use `encode` and `decode`, for images alone.
"""

from collections.abc import Iterable

import numpy as np

from scripts import codecs

LABEL_BYTES = np.dtype(np.int64).itemsize


def encode(images: np.ndarray, codec: codecs.Codec) -> list[bytes | memoryview]:
    """Return the bytes of each image; `images` is (n, height, width, 3) uint8, C-contiguous. With codec raw, views."""
    if codec.is_identity:
        return _slices(images)
    return [codec.encode(image) for image in images]


def decode(values: Iterable[bytes | memoryview], images: np.ndarray, codec: codecs.Codec) -> None:
    """Fill `images`, (n, height, width, 3) uint8, C-contiguous, from n values in their order.

    Raises ValueError where a value isn't an image of that shape.
    """
    if codec.is_identity:
        image_bytes, size = memoryview(images).cast("B"), images[:1].nbytes
        start = 0
        for value in values:
            image_bytes[start : start + size] = value
            start += size
    else:
        for row, value in enumerate(values):
            codec.decode(value, images[row])


def join(images: np.ndarray, labels: np.ndarray, codec: codecs.Codec) -> list[bytes]:
    """Return one value per image; `images` as in `encode`, `labels` (n,) int64, C-contiguous."""
    return [b"".join(pair) for pair in zip(_slices(labels), encode(images, codec), strict=True)]


def split(values: Iterable[bytes | memoryview], images: np.ndarray, labels: np.ndarray, codec: codecs.Codec) -> None:
    """Fill `images` and `labels`, (n,) int64, C-contiguous, from n values of `join` in their order.

    Raises ValueError where a value isn't an image of that shape.
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
        for row, value in enumerate(values):
            label_bytes[row * LABEL_BYTES : (row + 1) * LABEL_BYTES] = value[:LABEL_BYTES]
            codec.decode(value[LABEL_BYTES:], images[row])


def _slices(array: np.ndarray) -> list[memoryview]:
    """The bytes of each row of an array, without a copy."""
    whole, size = memoryview(array).cast("B"), array[:1].nbytes
    return [whole[start : start + size] for start in range(0, len(whole), size)]
