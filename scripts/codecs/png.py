"""Codec png: lossless PNG by Pillow, in the way that costs Pillow least.

Encoding goes to memory, and decoding opens the PNG class itself: `Image.open` would first register and try formats.
"""

import io
import struct

import numpy as np

packages = {"PIL": "pillow"}
is_identity = False

PILLOW_COMPRESS_LEVEL = 6
"""The zlib level of Pillow's `save`, hence of the article: its default, -1, is zlib's default, which is 6."""

_DAMAGE = (SyntaxError, OSError, IndexError, TypeError, struct.error)
"""What Pillow's PNG class raises for bytes that aren't a whole PNG; `Image.open` expects the same."""


def encode(image: np.ndarray, compress_level: int = PILLOW_COMPRESS_LEVEL) -> memoryview:
    """Return `image` as a PNG file's bytes; `compress_level` is zlib's, from 0 (none) to 9."""
    from PIL import Image

    height, width, _ = image.shape
    file = io.BytesIO()
    Image.frombuffer("RGB", (width, height), image, "raw", "RGB", 0, 1).save(file, "PNG", compress_level=compress_level)
    return file.getbuffer()


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out`. Raises ValueError where `value` isn't a whole RGB PNG of that size."""
    from PIL.PngImagePlugin import PngImageFile

    height, width, _ = out.shape
    try:
        image = PngImageFile(io.BytesIO(value))
        found, pixels = (image.mode, image.size), image.tobytes()
    except _DAMAGE as error:
        raise ValueError(f"not a whole PNG: {error}") from error
    if found != ("RGB", (width, height)):
        raise ValueError(f"a PNG of {found}, not of {('RGB', (width, height))}")
    memoryview(out).cast("B")[:] = pixels
