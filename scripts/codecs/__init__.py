"""The codecs that there are: how one image becomes bytes in a backend that keeps values of bytes.

Every file in this folder is one, under its file name: a module with the attributes of `Codec`.
"""

import importlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, cast

import numpy as np

from scripts.common.errors import UserError, did_you_mean

OPTION = "codec"
"""The option in which every backend that keeps one value per image names its codec."""
BEST_QUALITY = 100
"""The highest quality of lossy codecs; a codec with a constant `QUALITY` takes another one."""
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


def is_known(name: str) -> bool:
    """Say whether there is a codec of that name: a file's, or a lossy one's with a quality behind it, as in jpeg80."""
    stem, quality = _parts(name)
    return stem in names() and (quality is None or (quality <= BEST_QUALITY and hasattr(_module(stem), "QUALITY")))


def file_of(name: str) -> Path:
    """Return the file of a codec that is known."""
    return Path(__file__).with_name(f"{_parts(name)[0]}.py")


def load(name: str) -> Codec:
    """Return the codec of that name, without importing its library. Raises UserError when there is none."""
    if not is_known(name):
        raise UserError(f"there is no codec {name}; {did_you_mean(name, names())}")
    stem, quality = _parts(name)
    module = _module(stem)
    if quality is None:
        return cast(Codec, module)
    chosen = {**vars(module), "encode": partial(module.encode, quality=quality)}
    return cast(Codec, SimpleNamespace(**chosen))


def _parts(name: str) -> tuple[str, int | None]:
    """The name of a codec's file, and the quality behind it; names of files have no digits at their end."""
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :]) if name != stem else None


def _module(stem: str) -> Any:
    return importlib.import_module(f"{__name__}.{stem}")
