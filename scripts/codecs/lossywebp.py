"""Codec lossywebp: lossy WebP by Pillow."""

import numpy as np

from scripts.codecs import png, webp

packages = {"PIL": "pillow==13.0.0"}
is_identity = False
is_lossless = False
keeps_originals = False

QUALITY = 85
"""The quality by libwebp's scale, from 0 to 100."""
METHOD = 4
"""The effort, from 0 (least) to 6; Pillow's default."""


def encode(image: np.ndarray, quality: int = QUALITY) -> memoryview:
    """Return `image` as a WebP file's bytes."""
    return png.encode_by_pillow(image, "WEBP", quality=quality, method=METHOD)


decode = webp.decode
