"""Codec fastjpeg: lossy JPEG as codec jpeg, by imagecodecs (libjpeg-turbo), straight into the caller's array."""

from typing import cast

import numpy as np

from scripts.codecs import jpeg

packages = {"imagecodecs": "imagecodecs==2026.3.6"}
is_identity = False
is_lossless = False
keeps_originals = False

QUALITY = jpeg.QUALITY
END = b"\xff\xd9"
"""The last bytes of a JPEG file. imagecodecs makes the rest grey where a file is cut."""


def encode(image: np.ndarray, quality: int = QUALITY) -> bytes:
    """Return `image` as a JPEG file's bytes."""
    import imagecodecs

    subsampling = jpeg.SUBSAMPLING.replace(":", "")
    return cast(bytes, imagecodecs.jpeg8_encode(image, level=quality, subsampling=subsampling))


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out`. Raises ValueError where `value` isn't a whole RGB JPEG of that size."""
    import imagecodecs

    if bytes(value[-len(END) :]) != END:
        raise ValueError("not a whole JPEG: its end is missing")
    try:
        imagecodecs.jpeg8_decode(cast(bytes, value), out=out)
    except (imagecodecs.Jpeg8Error, ValueError) as error:
        raise ValueError(f"not a whole RGB JPEG of shape {out.shape}: {error}") from error
