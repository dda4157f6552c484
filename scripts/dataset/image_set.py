"""The image set: arrays on disk with their provenance, which every later step reads instead of an archive.

The provenance holds a digest of every few megabytes of images and labels, and what is read is checked against it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np

from scripts.common import sealed
from scripts.common.atomic import writable
from scripts.common.digests import file_sha256
from scripts.common.errors import UserError
from scripts.dataset import gathered
from scripts.dataset.gathered import FOLDER, NAMES, OF_FILES, OFFSETS, ORIGINALS, originals_digest

PROVENANCE_VERSION = 4
PROVENANCE = "provenance.json"
BLOCK_BYTES = 4 << 20
"""Bytes of images that one digest in the provenance covers."""

SYNTHETIC_LABEL = "synthetic images, not CIFAR-10 (for the real ones see README.md)"
"""What every record, table, figure and page made from generated images says of them."""

PHOTOGRAPHS_LABEL = "synthetic photographs, not real ones (for your own see README.md)"
"""What is said of photographs that were generated."""


@dataclass(frozen=True)
class ImageSet:
    """Images (N, H, W, 3) uint8 and labels (N,) int64, memory-mapped, and where they come from."""

    directory: Path
    images: np.ndarray
    labels: np.ndarray
    provenance: dict[str, Any]

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Open the image set in `directory`. Raises UserError where one of its files is missing or disagrees."""
        provenance = read_provenance(directory / PROVENANCE)
        count = provenance["images"]
        images = _map(directory / "images.npy", (count, *provenance["image_shape"]), np.uint8)
        return cls(directory, images, _map(directory / "labels.npy", (count,), np.int64), provenance)

    def first(self, count: int) -> tuple["np.ndarray | Repeated", "np.ndarray | Repeated"]:
        """Return the first `count` images and labels, the set repeated in order where it has fewer.

        Both have a shape and a data type, and their slices are arrays; nothing is copied before it is sliced. Raises
        UserError for a count below 1, and where an image or label isn't the one that was unpacked.
        """
        if count < 1:
            raise UserError(f"a store holds at least one image, not {count}; give another cutoff")
        self._check(count)
        if count <= len(self.images):
            return self.images[:count], self.labels[:count]
        return Repeated(self.images, count), Repeated(self.labels, count)

    def first_with_originals(self, count: int) -> tuple["Originals", np.ndarray]:
        """Return the first `count` images with the files that they came from, and their labels.

        Raises UserError as `first` does, where the source has no files, and where the lengths of the files' parts don't
        fit; `check_originals` looks at their content.
        """
        if self.provenance["originals_digest"] is None:
            raise UserError(f"{self.provenance['label']} has no image files to keep as they are; give another codec")
        if count > len(self.images):
            raise UserError(f"there are {len(self.images)} images, not {count}; give another cutoff")
        images, labels = self.first(count)
        folder = self.directory.parent / FOLDER
        try:
            content: np.ndarray = np.memmap(folder / ORIGINALS, np.uint8, "r")
            names = (folder / NAMES).read_bytes().split(b"\0")
        except (OSError, ValueError):  # one of them is gone, or empty
            content, names = np.empty(0, np.uint8), []
        # There may be more files than images, of which only as many as fit are kept as pixels.
        offsets = _map(folder / OFFSETS, (max(len(names), len(self.images) + 1),), np.int64)
        if len(content) != offsets[-1] or len(names) != len(offsets):
            raise UserError(refusal(self.directory, f"the files in {folder} aren't those that were gathered"))
        root = gathered.read(self.directory.parent)["root"]
        return Originals(np.asarray(images), content, offsets[: count + 1], names[:count], root), np.asarray(labels)

    def check_originals(self) -> None:
        """Read all files through; a second takes 600 MB. Raises UserError where they aren't those that were
        gathered."""
        folder = self.directory.parent / FOLDER
        try:
            found = originals_digest({name: file_sha256(folder / name) for name in OF_FILES})
        except OSError:
            found = ""
        if found != self.provenance["originals_digest"]:
            raise UserError(refusal(self.directory, f"the files in {folder} aren't those that were gathered"))

    def _check(self, count: int) -> None:
        """Compare the blocks that hold the first `count` images with the provenance; a second takes 600 MB."""
        rows = self.provenance["images_per_block"]
        digests = block_digests(self.images, self.labels, rows, count)
        for number, (found, expected) in enumerate(zip(digests, self.provenance["block_digests"], strict=False)):
            if found != expected:
                last = min((number + 1) * rows, len(self.images)) - 1
                fault = f"images {number * rows} to {last} or their labels aren't those that were unpacked"
                raise UserError(refusal(self.directory, fault))


def read_provenance(path: Path) -> dict[str, Any]:
    """Return the content of a provenance.json. Raises UserError where it's missing or isn't as it was written."""
    try:
        return sealed.read(path, provenance_version=PROVENANCE_VERSION)
    except FileNotFoundError:
        raise UserError(refusal(path.parent, f"{path} is missing")) from None
    except PermissionError:
        raise UserError(not_permitted(path)) from None
    except sealed.Damaged as fault:
        raise UserError(refusal(path.parent, f"{path} {fault}")) from None


def provenance_digests(images: np.ndarray, labels: np.ndarray, originals: str | None = None) -> dict[str, Any]:
    """Return what the provenance says of the content of images (N, H, W, 3) uint8 and labels (N,) int64, and of the
    files that they came from, whose digest is `originals`: another file may have the same pixels."""
    rows = max(1, BLOCK_BYTES // images[:1].nbytes)
    pixels = content_digest([(0, images, labels)])
    return {
        "digest": hashlib.sha256(f"{pixels} {originals}".encode()).hexdigest() if originals else pixels,
        "originals_digest": originals,
        "images_per_block": rows,
        "block_digests": list(block_digests(images, labels, rows, len(images))),
    }


def block_digests(images: np.ndarray, labels: np.ndarray, rows: int, count: int) -> Iterator[str]:
    """Yield the digests of the blocks of `rows` images and labels that hold the first `count` of them."""
    for start in range(0, min(count, len(images)), rows):
        yield content_digest([(0, images[start : start + rows], labels[start : start + rows])])


class Originals:
    """Images with the files that they came from: pixels by index as of an array, and the bytes and names of files.

    It is a source that backends write from (`scripts.backends.base.Source`), with the codecs that keep originals too.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        content: np.ndarray,
        offsets: np.ndarray,
        names: Sequence[bytes],
        root: str | None = None,
    ) -> None:
        """`pixels` are (n, height, width, 3) uint8. File i of n is the bytes `offsets[i]` to `offsets[i + 1]` of
        `content`, (bytes,) uint8, and `names[i]` is its path in the source, as the file system has it. `root` is the
        folder in which they lie, None where they lie in none."""
        self.pixels = pixels
        self.shape: tuple[int, ...] = pixels.shape
        self.dtype = pixels.dtype
        self.root = root
        self._content = content
        self._offsets = offsets
        self._names = names

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        chosen: np.ndarray = self.pixels[rows]
        return chosen

    @property
    def original_bytes(self) -> int:
        """The bytes of all files together."""
        return int(self._offsets[len(self)] - self._offsets[0])

    def originals(self, rows: slice) -> list[memoryview]:
        """Return the bytes of each file of these rows, without a copy."""
        start, stop, _ = rows.indices(len(self))
        content, ends = memoryview(self._content), self._offsets[start : stop + 1].tolist()
        return [content[first:last] for first, last in pairwise(ends)]

    def names(self, rows: slice) -> list[bytes]:
        """Return the path in the source of each file of these rows."""
        return list(self._names[rows])


class Repeated:
    """An array of `count` rows that repeats the rows of a shorter one in order, without holding them.

    A slice that doesn't reach over the end of the shorter array is a view of it, any other one a copy.
    """

    def __init__(self, rows: np.ndarray, count: int) -> None:
        self._rows = rows
        self.shape: tuple[int, ...] = (count, *rows.shape[1:])
        self.dtype = rows.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            offset = start % len(self._rows)
            if step == 1 and start <= stop <= start - offset + len(self._rows):
                return self._rows[offset : offset + stop - start]
            rows = np.arange(start, stop, step)
        chosen: np.ndarray = self._rows[rows % len(self._rows)]
        return chosen


def content_digest(blocks: Iterable[tuple[int, np.ndarray, np.ndarray]]) -> str:
    """Return the SHA-256 (hex) of images and labels, whatever the size of the blocks in which they come.

    A block is (index of its first image, images (n, H, W, 3) uint8, labels (n,) integers); blocks come in order. Raises
    ValueError where there is no block, or one that doesn't fit the ones before it.
    """
    image_bytes, label_bytes = hashlib.sha256(), hashlib.sha256()
    count, image_shape = 0, None
    for start, images, labels in blocks:
        image_shape = image_shape or images.shape[1:]
        if start != count or images.shape != (len(labels), *image_shape) or images.dtype != np.uint8:
            raise ValueError(
                f"block at {start}, {images.dtype} {images.shape}, doesn't follow {count} of {image_shape}"
            )
        image_bytes.update(np.ascontiguousarray(images))
        label_bytes.update(np.ascontiguousarray(labels, "<i8"))
        count += len(images)
    if image_shape is None:
        raise ValueError("no images to digest")
    shape = ",".join(map(str, (count, *image_shape)))
    return hashlib.sha256(shape.encode() + image_bytes.digest() + label_bytes.digest()).hexdigest()


def refusal(directory: Path, fault: str) -> str:
    """What is wrong with an image set, and what to do. Its arrays may be the very files that were gathered."""
    remedy = f"delete {directory.parent} and run again"
    if directory.exists() and not writable(directory):
        remedy = "it isn't yours to change, so set download_dir to a directory of your own"
    return f"{directory} holds no whole image set ({fault}); {remedy}"


def not_permitted(path: Path) -> str:
    """What is said of a file that may not be read."""
    return f"no permission to read {path}; ask its owner, or set download_dir to a directory of your own"


def _map(path: Path, shape: tuple[int, ...], data_type: type) -> np.ndarray:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except PermissionError:
        raise UserError(not_permitted(path)) from None
    except FileNotFoundError:
        raise UserError(refusal(path.parent, f"{path} is missing")) from None
    except (OSError, ValueError, TypeError, SyntaxError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise UserError(refusal(path.parent, f"{path} holds no array: {reason}")) from None
    if array.shape != shape or array.dtype != data_type:
        fault = f"{path} is {array.dtype} {array.shape}, its provenance says {np.dtype(data_type)} {shape}"
        raise UserError(refusal(path.parent, fault))
    return array
