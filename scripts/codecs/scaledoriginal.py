"""Codec scaledoriginal: files as codec original, large JPEG files decoded at a fraction of their size.

libjpeg makes 1/2, 1/4 or 1/8 of each side while it decodes: the least that is still twice the image size. Then it
scales as codec original does. JPEG files of other modes than RGB and grey, and files of other formats, are decoded as
by codec original.
"""

from typing import TYPE_CHECKING

import numpy as np

from scripts.codecs import original
from scripts.dataset import decoding

if TYPE_CHECKING:
    from PIL.Image import Image

packages = {"PIL": "pillow==13.0.0"}
is_identity = False
is_lossless = False
keeps_originals = True

LEAST_SCALE = 2
"""The scale, as a multiple of the image size, at which a file is decoded at least."""

encode = original.encode


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out` by the rule of `decoding`. Raises ValueError where `value` isn't a whole image file."""
    least = LEAST_SCALE * max(out.shape[:2])

    def of_jpeg(opened: "Image", content: bytes | memoryview) -> "Image":
        opened.draft(opened.mode, (least, least))
        return opened

    decoding.decode(value, out, of_jpeg)
