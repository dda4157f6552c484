"""Codec avif: lossy AVIF by Pillow (libavif), in one thread."""

import numpy as np

from scripts.codecs import png

packages = {"PIL": "pillow==13.0.0"}
is_identity = False
is_lossless = False
keeps_originals = False

QUALITY = 75
"""The quality by libavif's scale, from 0 to 100; Pillow's default."""
SPEED = 10
"""The effort, from 0 (most) to 10 (least)."""


def encode(image: np.ndarray, quality: int = QUALITY) -> memoryview:
    """Return `image` as an AVIF file's bytes."""
    return png.encode_by_pillow(image, "AVIF", quality=quality, speed=SPEED, max_threads=1)


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out`. Raises ValueError where `value` isn't a whole RGB AVIF of that size."""
    from PIL import AvifImagePlugin

    # Pillow's own default is a thread for each core, which no argument changes.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    png.decode_by_pillow(value, out, AvifImagePlugin.AvifImageFile)
