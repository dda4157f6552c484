"""Codec pickle: a pickled (shape, pixels), like the article's object per image, for comparisons with it.

The article pickles an object of its own class.
"""

import io
import pickle

import numpy as np

packages: dict[str, str] = {}
is_identity = False
is_lossless = True
keeps_originals = False


def encode(image: np.ndarray) -> bytes:
    """Return the pickle of `image`: its shape, a tuple of three ints, and its bytes."""
    return pickle.dumps((image.shape, image.tobytes()), protocol=pickle.HIGHEST_PROTOCOL)


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Copy the pickled image into `out`. Raises ValueError where `value` is anything but an image of that shape."""
    try:
        content = _PlainUnpickler(io.BytesIO(value)).load()
    except Exception as error:
        raise ValueError(f"not a pickled image: {error}") from error
    match content:
        case (shape, bytes(pixels)) if shape == out.shape and len(pixels) == out.nbytes:
            memoryview(out).cast("B")[:] = pixels
        case _:
            raise ValueError(f"not a pickled image of shape {out.shape}")


class _PlainUnpickler(pickle.Unpickler):
    """Builds numbers, text, bytes and containers of them. It refuses all that must be looked up by a name."""

    def find_class(self, module: str, name: str) -> None:
        raise pickle.UnpicklingError(f"it names {module}.{name}")
