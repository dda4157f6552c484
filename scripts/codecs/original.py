"""Codec original: the file that an image came from, untouched, decoded at each read to the image set's pixels."""

import numpy as np

from scripts.dataset import decoding

packages = {"PIL": "pillow==13.0.0"}
is_identity = False
is_lossless = True
keeps_originals = True


def encode(image: np.ndarray) -> bytes:
    """Raise TypeError, since pixels don't give the file back that they came from."""
    raise TypeError("codec original keeps files; pixels can't be encoded to one")


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decode into `out` by the rule of `decoding`. Raises ValueError where `value` isn't a whole image file."""
    decoding.decode(value, out)
