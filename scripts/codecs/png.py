"""Codec png: lossless PNG by Pillow, in the way that costs Pillow least."""

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

packages = {"PIL": "pillow==13.0.0"}
is_identity = False
is_lossless = True
keeps_originals = False

PILLOW_COMPRESS_LEVEL = 6
"""The zlib level of Pillow's `save`, hence of the article."""

_DAMAGE = (SyntaxError, OSError, ValueError, EOFError, IndexError, TypeError, struct.error)
"""The errors that Pillow's classes of formats raise for bytes that aren't a whole picture."""


def encode(image: np.ndarray, compress_level: int = PILLOW_COMPRESS_LEVEL) -> memoryview:
    """Return `image` as a PNG file's bytes; `compress_level` is zlib's, from 0 (none) to 9."""
    return encode_by_pillow(image, "PNG", compress_level=compress_level)


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out`. Raises ValueError where `value` isn't a whole RGB PNG of that size."""
    from PIL.PngImagePlugin import PngImageFile

    decode_by_pillow(value, out, PngImageFile)


def encode_by_pillow(image: np.ndarray, kind: str, **settings: Any) -> memoryview:
    """Return `image` as the bytes of a file of one of Pillow's formats, with the format's settings."""
    from PIL import Image

    height, width, _ = image.shape
    file = io.BytesIO()
    Image.frombuffer("RGB", (width, height), image, "raw", "RGB", 0, 1).save(file, kind, **settings)
    return file.getbuffer()


def decode_by_pillow(value: bytes | memoryview, out: np.ndarray, kind: "type[ImageFile]") -> None:
    """Decode into `out` by Pillow's class for a format.

    Raises ValueError where `value` isn't a whole RGB picture of that format and size. A picture of another size isn't
    decoded, since its header alone says how much memory that takes.
    """
    height, width, _ = out.shape
    try:
        picture = kind(io.BytesIO(value))
        found = (picture.mode, picture.size)
        pixels = picture.tobytes() if found == ("RGB", (width, height)) else b""
    except _DAMAGE as error:
        raise ValueError(f"not a whole {kind.format}: {error}") from error
    if not pixels:
        raise ValueError(f"a {kind.format} of {found}, not of {('RGB', (width, height))}")
    memoryview(out).cast("B")[:] = pixels
