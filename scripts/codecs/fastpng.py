"""Codec fastpng: lossless PNG as codec png, by imagecodecs (libpng and zlib-ng), straight into the caller's array."""

from typing import cast

import numpy as np

packages = {"imagecodecs": "imagecodecs==2026.3.6"}
is_identity = False
is_lossless = True
keeps_originals = False

LEVEL = 1
"""The fastest of zlib's levels that compress."""


def encode(image: np.ndarray) -> bytes:
    """Return `image` as a PNG file's bytes."""
    import imagecodecs

    return cast(bytes, imagecodecs.png_encode(image, level=LEVEL))


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out`. Raises ValueError where `value` isn't a whole RGB PNG of that size."""
    import imagecodecs

    try:
        imagecodecs.png_decode(cast(bytes, value), out=out)
    except (imagecodecs.PngError, ValueError) as error:
        raise ValueError(f"not a whole RGB PNG of shape {out.shape}: {error}") from error
