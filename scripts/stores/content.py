"""What must come out of a store, and the checksums by which timing jobs recognise it.

A lossless store gives the pixels of the image set back. A lossy one gives what its codec's own round trip gives. The
build step computes that, compares the store with it, and keeps a checksum of each image, so that a timing job compares
what it reads without the images in memory and without encoding them again.
"""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.common.errors import UserError
from scripts.stores import manifest

CHECKSUM = np.dtype("<u4")


def expected(
    images: base.Source, labels: base.Source, codec: codecs.Codec | None
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (start, images, labels) that must come out of a store written with a codec, a block at a time, in order.

    `images` are `Originals` where the codec keeps originals, and `codec` is None where a backend has none. Raises
    ValueError where the codec can't decode what it encoded.
    """
    for start, image_block, label_block in base.blocks(images, labels):
        if codec and not codec.is_lossless:
            image_block = _round_trip(images, image_block, start, codec)
        yield start, image_block, label_block


def _round_trip(images: Any, block: np.ndarray, start: int, codec: codecs.Codec) -> np.ndarray:
    """What a block of images is after encoding and decoding; the files themselves where the codec keeps originals."""
    rows = slice(start, start + len(block))
    values = images.originals(rows) if codec.keeps_originals else map(codec.encode, block)
    decoded = np.empty_like(block)
    for value, image in zip(values, decoded, strict=True):
        codec.decode(value, image)
    return decoded


def checksums(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the CRC-32 of each image and then its label, (n,) uint32: quick, and enough to notice a mistake.

    `images` are (n, height, width, 3) uint8 and `labels` (n,) int64, both C-contiguous.
    """
    pairs = zip(images, labels.astype("<i8", copy=False), strict=True)
    return np.array([zlib.crc32(label, zlib.crc32(image)) for image, label in pairs], CHECKSUM)


def write_checksums(directory: Path, found: np.ndarray) -> dict[str, str]:
    """Write the checksums of the store in `directory`, and return what the manifest says of them."""
    content = found.tobytes()
    (directory / manifest.CHECKSUMS).write_bytes(content)
    return {"checksums_digest": hashlib.sha256(content).hexdigest()}


def read_checksums(directory: Path, content: dict[str, Any]) -> np.ndarray:
    """Return the checksums of the store in `directory`, whose manifest says `content`; (cutoff,) uint32.

    Raises UserError where they aren't there as they were written.
    """
    path = directory / manifest.CHECKSUMS
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"the store {directory} has lost its {path.name}; {manifest.remedy(directory)}") from None
    except PermissionError:
        raise UserError(f"no permission to read {path}; {manifest.ASK}") from None
    if hashlib.sha256(found).hexdigest() != content["checksums_digest"]:
        raise UserError(
            f"the store {directory} has another {path.name} than it was built with; {manifest.remedy(directory)}"
        )
    return np.frombuffer(found, CHECKSUM)
