"""Codec webp: lossless WebP by Pillow, at the least effort.

Measured on 1,500 CIFAR-10 images of 32x32: Pillow's defaults for lossless (quality 80, method 4) take ten times as long
to encode for 3.5 % fewer bytes, and quality 100 with method 6 takes 300 times as long. Decoding opens the WebP class
itself, as `Image.open` would first register and try formats.
"""

import io

import numpy as np

packages = {"PIL": "pillow"}
is_identity = False

QUALITY, METHOD = 0, 0
"""Lossless, these are effort: 0 is the least of both. Source: Pillow's handbook, image file formats, WebP."""

_DAMAGE = (SyntaxError, OSError, ValueError, EOFError)
"""What Pillow's WebP class raises for bytes that aren't a whole WebP."""


def encode(image: np.ndarray) -> memoryview:
    """Return `image` as a WebP file's bytes."""
    from PIL import Image

    height, width, _ = image.shape
    file = io.BytesIO()
    picture = Image.frombuffer("RGB", (width, height), image, "raw", "RGB", 0, 1)
    picture.save(file, "WEBP", lossless=True, quality=QUALITY, method=METHOD)
    return file.getbuffer()


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out`. Raises ValueError where `value` isn't a whole RGB WebP of that size."""
    from PIL.WebPImagePlugin import WebPImageFile

    height, width, _ = out.shape
    try:
        image = WebPImageFile(io.BytesIO(value))
        found = (image.mode, image.size)
        pixels = image.tobytes() if found == ("RGB", (width, height)) else b""
    except _DAMAGE as error:
        raise ValueError(f"not a whole WebP: {error}") from error
    if not pixels:
        raise ValueError(f"a WebP of {found}, not of {('RGB', (width, height))}")
    memoryview(out).cast("B")[:] = pixels
