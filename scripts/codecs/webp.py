"""Codec webp: lossless WebP by Pillow, at the least effort."""

import numpy as np

from scripts.codecs import png

packages = {"PIL": "pillow==13.0.0"}
is_identity = False
is_lossless = True
keeps_originals = False

QUALITY, METHOD = 0, 0
"""The effort of lossless compression; 0 is the least of both. Source: Pillow's handbook, image file formats, WebP."""


def encode(image: np.ndarray) -> memoryview:
    """Return `image` as a WebP file's bytes."""
    return png.encode_by_pillow(image, "WEBP", lossless=True, quality=QUALITY, method=METHOD)


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out`. Raises ValueError where `value` isn't a whole RGB WebP of that size."""
    from PIL.WebPImagePlugin import WebPImageFile

    png.decode_by_pillow(value, out, WebPImageFile)
