"""What is gathered of a source, as it lies on the disk for all image sizes: names of files, and reading them.

In the dataset's directory `gathered.json` says what was gathered, and the folder `gathered` holds it:

    labels.npy                   (n,) int64
    HEIGHTxWIDTH.npy             pixels of the first images at a size, (m, height, width, 3) uint8; several, or none
    originals.bin, offsets.npy   of a source of files: the bytes of all files, and (n + 1,) int64, where each begins
    names.bin                    their paths in the source, each with a zero byte at its end
    sizes.npy                    (n, 2) int64, height and width of each in pixels, orientation applied

`gathered.json` has the SHA-256 of each of them, so that whatever changes in one of them reaches what is made of it.
"""

import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from scripts.common import sealed
from scripts.common.cells import shape_of
from scripts.common.digests import file_sha256
from scripts.common.errors import UserError

GATHERED_VERSION = 2
GATHERED, FOLDER = "gathered.json", "gathered"
LABELS, ORIGINALS, OFFSETS, NAMES, SIZES = "labels.npy", "originals.bin", "offsets.npy", "names.bin", "sizes.npy"
OF_FILES = (ORIGINALS, OFFSETS, NAMES)
"""What holds the files of a source."""
OWN = "own"
"""The image size that all images of a source have."""
USUAL_SIZE = 224
"""The shorter side (pixels) for sources of several sizes. Source: torchvision's reference training of classifiers."""


def write(directory: Path, facts: dict[str, Any]) -> None:
    """Write what was gathered into the dataset's directory, whole or not at all, with the digests of its files."""
    paths = sorted((directory / FOLDER).glob("*"))
    with ThreadPoolExecutor() as pool:
        digests = dict(zip((path.name for path in paths), pool.map(file_sha256, paths), strict=True))
    sealed.write(directory / GATHERED, {"gathered_version": GATHERED_VERSION, **facts, "digests": digests})


def read(directory: Path) -> dict[str, Any]:
    """Return what was gathered in the dataset's directory. Raises UserError where that is nothing whole."""
    path = directory / GATHERED
    try:
        return sealed.read(path, gathered_version=GATHERED_VERSION)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run the workflow again") from None
    except PermissionError:
        raise UserError(
            f"no permission to read {path}; ask its owner, or set download_dir to a directory of your own"
        ) from None
    except sealed.Damaged as fault:
        raise UserError(f"{path} {fault}; delete it and run the workflow again") from None


def originals_digest(digests: Mapping[str, str]) -> str:
    """Return the digest of the files of a source, by the digests of what holds them: of their bytes and names."""
    return hashlib.sha256(" ".join(digests[name] for name in OF_FILES).encode()).hexdigest()


def square(side: int) -> str:
    """Return the image size whose sides have so many pixels."""
    return f"{side}x{side}"


def fitting(image_size: str, most_bytes: int) -> int:
    """Return how many images of an image size take so many bytes of pixels at most; at least 1."""
    return max(1, most_bytes // math.prod(shape_of(image_size)))


def header(shape: Sequence[int]) -> bytes:
    """Return the start of a .npy file of uint8. NumPy pads it so that its length doesn't depend on the count."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)})
    return file.getvalue()
