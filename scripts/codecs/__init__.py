"""The codecs that there are: how one image becomes bytes in a backend that keeps values of bytes.

Every file in this folder is one, under its file name: a module with the attributes of `Codec`.
"""

import importlib
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from scripts.common.errors import UserError, did_you_mean

OPTION = "codec"
"""The option in which every backend that keeps one value per image names its codec."""
ZSTD_LEVEL = 3
"""The level of Zstandard wherever it compresses, in codec zstd and in backends; the library's own default."""


class Codec(Protocol):
    """What the module of a codec defines. It imports its library only inside its functions."""

    packages: dict[str, str]
    """The libraries that it needs: import name to requirement, as in {"PIL": "pillow==13.0.0"}.

    A marker in the requirement says where the package is published. `python scripts pins` makes all pins from these.
    """
    is_identity: bool
    """Whether the encoded bytes are the pixels themselves, so that a backend may copy many images at once."""
    is_lossless: bool
    """Whether decoding gives the pixels of the image set back exactly. Otherwise stores are held against the codec's
    own round trip."""
    keeps_originals: bool
    """Whether the bytes are those of the files that the images came from, which no pixels can be encoded to."""

    def encode(self, image: np.ndarray) -> bytes | memoryview:
        """Return the bytes of one image, a C-contiguous (height, width, 3) uint8 array.

        Raises TypeError where the codec keeps originals.
        """

    def decode(self, value: bytes | memoryview, out: np.ndarray) -> None:
        """Fill `out`, a C-contiguous (height, width, 3) uint8 array, from the bytes of one image.

        Keeps no reference to `value`. Raises ValueError where the bytes aren't an image of this shape.
        """


def names() -> list[str]:
    """Return the name of every codec, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def load(name: str) -> Codec:
    """Return the codec of that name, without importing its library. Raises UserError when there is none."""
    if name not in names():
        raise UserError(f"there is no codec {name}; {did_you_mean(name, names())}")
    return cast(Codec, importlib.import_module(f"{__name__}.{name}"))
