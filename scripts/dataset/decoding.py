"""The one rule by which an image file, of any mode and size, becomes pixels of an image size.

The rule, in this order:

- The first frame of several.
- EXIF orientation is applied.
- Modes other than RGB become RGB.
- The largest box in the middle with the proportions of the image size is scaled to that size, bilinear.
"""

import numpy as np


class BadImage(ValueError):
    """What is no whole image that may be decoded; the message is the reason, in a few words."""


def size_of(content: bytes | memoryview | np.ndarray) -> tuple[int, int]:
    """Return height and width (pixels) of an image, orientation applied, by its header. Raises BadImage."""
    raise NotImplementedError


def decode(content: bytes | memoryview | np.ndarray, out: np.ndarray) -> None:
    """Fill `out`, a C-contiguous (height, width, 3) uint8 array, with an image by the rule. Raises BadImage.

    `content` is the bytes of a file, or pixels, (height, width, 3) or (height, width) uint8.
    """
    raise NotImplementedError
