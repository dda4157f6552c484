"""Codec jpeg: lossy JPEG by Pillow (libjpeg-turbo)."""

import numpy as np

from scripts.codecs import png

packages = {"PIL": "pillow==13.0.0"}
is_identity = False
is_lossless = False
keeps_originals = False

QUALITY = 90
"""The quality by libjpeg's scale, from 0 to 100."""
SUBSAMPLING = "4:2:0"
"""How colour is kept: one value for 2 x 2 pixels, as most photographs have it."""


def encode(image: np.ndarray, quality: int = QUALITY) -> memoryview:
    """Return `image` as a JPEG file's bytes."""
    return png.encode_by_pillow(image, "JPEG", quality=quality, subsampling=SUBSAMPLING)


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out`. Raises ValueError where `value` isn't a whole RGB JPEG of that size."""
    from PIL.JpegImagePlugin import JpegImageFile

    png.decode_by_pillow(value, out, JpegImageFile)
