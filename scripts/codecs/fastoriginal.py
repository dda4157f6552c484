"""Codec fastoriginal: files as codec original, with JPEG decoded by imagecodecs (libjpeg-turbo) in place of Pillow.

It turns and scales as codec original does. JPEG files of other modes than RGB and grey, and files of other formats, are
decoded as by codec original.
"""

from typing import TYPE_CHECKING, cast

import numpy as np

from scripts.codecs import fastjpeg, original
from scripts.dataset import decoding

if TYPE_CHECKING:
    from PIL.Image import Image

packages = {"PIL": "pillow==13.0.0", "imagecodecs": "imagecodecs==2026.3.6"}
is_identity = False
is_lossless = False
keeps_originals = True

encode = original.encode


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out` by the rule of `decoding`. Raises ValueError where `value` isn't a whole image file."""
    decoding.decode(value, out, _of_jpeg)


def _of_jpeg(opened: "Image", content: bytes | memoryview) -> "Image":
    import imagecodecs
    from PIL import Image

    # What has no end, or something behind it, is left to Pillow, which tells the two apart.
    if bytes(content[-len(fastjpeg.END) :]) != fastjpeg.END:
        return opened
    return Image.fromarray(imagecodecs.jpeg8_decode(cast(bytes, content)))
