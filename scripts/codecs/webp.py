"""Codec webp: lossless WebP by Pillow, at the least effort.

Measured on 1,500 CIFAR-10 images of 32x32: Pillow's defaults for lossless (quality 80, method 4) take ten times as long
to encode for 3.5 % fewer bytes, and quality 100 with method 6 takes 300 times as long. Decoding opens the WebP class
itself, as `Image.open` would first register and try formats.
"""

import numpy as np

from scripts.codecs import png

packages = {"PIL": "pillow==13.0.0"}
is_identity = False

QUALITY, METHOD = 0, 0
"""Lossless, these are effort: 0 is the least of both. Source: Pillow's handbook, image file formats, WebP."""


def encode(image: np.ndarray) -> memoryview:
    """Return `image` as a WebP file's bytes."""
    return png.encode_by_pillow(image, "WEBP", lossless=True, quality=QUALITY, method=METHOD)


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out`. Raises ValueError where `value` isn't a whole RGB WebP of that size."""
    from PIL.WebPImagePlugin import WebPImageFile

    png.decode_by_pillow(value, out, WebPImageFile)
