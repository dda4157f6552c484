"""Codec zstd: the pixels compressed by Zstandard, which knows nothing of images, at its default level."""

import threading
from functools import cache

import numpy as np

from scripts import codecs

packages = {"zstandard": "zstandard==0.25.0"}
is_identity = False
is_lossless = True
keeps_originals = False


def encode(image: np.ndarray) -> bytes:
    """Return the pixels of `image` as one Zstandard frame, which says how many bytes it holds."""
    return _coders().compressor.compress(memoryview(image).cast("B"))


def decode(value: bytes | memoryview, out: np.ndarray) -> None:
    """Decompress into `out`. Raises ValueError where `value` isn't a whole frame of as many bytes."""
    import zstandard

    try:
        # The size is asked first, since the frame alone says how much memory it takes.
        size = zstandard.frame_content_size(value)
        if size != out.nbytes:
            raise ValueError(f"a frame of {size} bytes, not of {out.nbytes}")
        pixels = _coders().decompressor.decompress(value)
    except zstandard.ZstdError as error:
        raise ValueError(f"not a whole Zstandard frame: {error}") from error
    memoryview(out).cast("B")[:] = pixels


class _Coders(threading.local):
    """A compressor and a decompressor for each thread. Two threads that share one get each other's bytes."""

    def __init__(self) -> None:
        import zstandard

        self.compressor = zstandard.ZstdCompressor(
            level=codecs.ZSTD_LEVEL, write_content_size=True, write_checksum=False
        )
        self.decompressor = zstandard.ZstdDecompressor()


@cache
def _coders() -> _Coders:
    return _Coders()
