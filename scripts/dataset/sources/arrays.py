"""NumPy's arrays of images and labels: an .npy, an .npz, or a folder of .npy files. No pickle in them is read.

Images are (N, height, width), (N, height, width, 1) or (N, height, width, 3) uint8, labels are (N,) or (N, 1), numbers
or texts. Arrays are known by their names (`IMAGES`, `LABELS`), or as the only one that may be images or labels.
"""

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from scripts.common.errors import UserError, shown
from scripts.dataset.sources import Sample
from scripts.dataset.sources.shared import labels, places
from scripts.dataset.sources.shared.members import first_members, refuse_bomb

has_originals = False
packages: dict[str, str] = {}
looks_for = "NumPy's arrays of images: .npy, .npz or a folder of .npy files"

IMAGES = ("x_train", "train_images", "train_x", "train_data", "images", "x", "image", "imgs", "img", "data", "arr_0")
"""Names of arrays that are images, in lower case, the likeliest first."""
LABELS = ("y_train", "train_labels", "train_y", "train_targets", "labels", "y", "label", "targets", "classes", "arr_1")
"""Names of arrays that are labels, in lower case, the likeliest first."""
_MAGIC = b"\x93NUMPY"
_SUFFIX = ".npy"
_MOST_LABEL_BYTES = 1 << 30
_REMEDY = "save images as (N, height, width, 3) uint8 and labels as (N,) integers"
_FAULTS = (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


class _Array(NamedTuple):
    """An array by its header."""

    name: str
    shape: tuple[int, ...]
    data_type: np.dtype
    is_column_major: bool
    open: Callable[[], IO[bytes]]
    """Opens it, so that its values can be read after its header."""
    file: Path | None
    """The file that it's alone in, uncompressed."""

    @property
    def may_be_images(self) -> bool:
        is_shape = len(self.shape) == 3 or (len(self.shape) == 4 and self.shape[3] in (1, 3))
        return self.data_type == np.uint8 and is_shape and 0 < math.prod(self.shape[1:]) <= places.MOST_IMAGE_BYTES


def fits(path: Path) -> bool:
    """Say whether a path is an .npy, an .npz or a folder of .npy files."""
    if path.is_dir():
        return bool(places.files_that_begin(places.inner(path), _MAGIC))
    if not path.is_file():
        return False
    inside = first_members(path)
    return places.head(path).startswith(_MAGIC) or (
        bool(inside) and all(name.endswith(_SUFFIX) and start.startswith(_MAGIC) for name, start in inside)
    )


def identity(path: Path, _most: int) -> str:
    """Return a text that changes when an array does."""
    folder = places.inner(path)
    return places.identity(places.files_that_begin(folder, _MAGIC) if folder.is_dir() else [path])


@contextmanager
def open_source(path: Path) -> Iterator["Arrays"]:
    """Open arrays. Raises UserError where they aren't images, or labels that fit them."""
    with ExitStack() as stack:
        try:
            arrays = list(_arrays(path, stack))
        except _FAULTS as error:
            raise UserError(f"{shown(path)} is damaged or holds no plain arrays ({error}): {_REMEDY}") from None
        yield Arrays(path, arrays)


class Arrays:
    """The images of an array, in their order."""

    has_originals, has_order = False, True

    def __init__(self, path: Path, arrays: Sequence[_Array]) -> None:
        self._path = path
        self._images = _choose(arrays, IMAGES, lambda array: array.may_be_images)
        if self._images is None:
            found = ", ".join(f"{array.name} {array.shape} {array.data_type}" for array in arrays[:3]) or "none"
            raise UserError(f"{shown(path)} has no array of images, but {found}: {_REMEDY}")
        if self._images.is_column_major and self._images.file is None:
            raise UserError(f"{shown(path)} has its images in column-major order: save np.ascontiguousarray of them")
        self.count = count = self._images.shape[0]
        of_labels = _choose(
            arrays, LABELS, lambda array: not array.may_be_images and array.shape in ((count,), (count, 1))
        )
        if of_labels is None and (named := _choose(arrays, LABELS, lambda array: array.name.lower() in LABELS)):
            raise UserError(f"{shown(path)} has {count:,} images, but {named.name} of shape {named.shape}: {_REMEDY}")
        self._labels, self.label_names = np.zeros(count, np.int64), list[str]()
        if of_labels:
            self._labels, self.label_names = self._numbered(of_labels)

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Yield the images of these numbers, in the order of the array. Raises UserError where it's damaged."""
        assert self._images is not None
        shape = self._images.shape[1:] if self._images.shape[3:] == (3,) else self._images.shape[1:3]
        ordered = np.sort(np.asarray(numbers, np.int64)).tolist()
        try:
            for number, pixels in self._values(self._images, ordered):
                name = f"{self._images.name}/{number}"
                yield Sample(number, name, int(self._labels[number]), pixels.reshape(shape))
        except _FAULTS as error:
            raise UserError(f"{shown(self._path)} is damaged or cut short ({error}): {_REMEDY}") from None

    def _numbered(self, array: _Array) -> tuple[np.ndarray, list[str]]:
        if array.data_type.kind not in "iuSU" or math.prod(array.shape) * array.data_type.itemsize > _MOST_LABEL_BYTES:
            raise UserError(f"{shown(self._path)} has {array.name} of type {array.data_type}: {_REMEDY}")
        try:
            with array.open() as file:
                content = file.read(math.prod(array.shape) * array.data_type.itemsize)
            return labels.numbered(np.frombuffer(content, array.data_type).reshape(self.count).tolist())
        except _FAULTS as error:
            raise UserError(f"{shown(self._path)} is damaged or cut short ({error}): {_REMEDY}") from None

    @staticmethod
    def _values(array: _Array, ordered: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield number and pixels of images, read from a mapped file or from a stream."""
        if array.file:
            mapped = np.load(array.file, mmap_mode="r", allow_pickle=False)
            for number in ordered:
                yield number, np.array(mapped[number], order="C")
            return
        size = math.prod(array.shape[1:])
        with array.open() as file:
            place = 0
            for number in ordered:
                for _ in range(number - place):
                    file.read(size)
                content = file.read(size)
                if len(content) != size:
                    raise EOFError("it ends too early")
                place = number + 1
                yield number, np.frombuffer(content, np.uint8)


def _choose(arrays: Sequence[_Array], names: Sequence[str], may_be: Callable[[_Array], bool]) -> _Array | None:
    """The array of the likeliest name among those that may be it, or the only one that may be it."""
    possible = {array.name: array for array in arrays if may_be(array)}
    name = labels.first_of(possible, names)
    return possible[name] if name is not None else next(iter(possible.values())) if len(possible) == 1 else None


def _arrays(path: Path, stack: ExitStack) -> Iterator[_Array]:
    """Yield the header of each array at a path."""
    if path.is_dir() or places.head(path).startswith(_MAGIC):
        files = places.files_that_begin(places.inner(path), _MAGIC) if path.is_dir() else [path]
        for file in files:
            yield _header(file.stem, lambda file=file: file.open("rb"), file.stat().st_size, file)  # type: ignore[misc]
        return
    archive = stack.enter_context(zipfile.ZipFile(path))
    refuse_bomb(path, sum(info.file_size for info in archive.infolist()))
    for info in archive.infolist():
        if info.filename.endswith(_SUFFIX):
            name = info.filename.removesuffix(_SUFFIX)
            yield _header(name, lambda info=info: archive.open(info), info.file_size, None)  # type: ignore[misc]


def _header(name: str, opens: Callable[[], IO[bytes]], size: int, file: Path | None) -> _Array:
    """An array of so many bytes with its header. Raises ValueError where it has another number of bytes."""
    with opens() as stream:
        shape, column_major, data_type = _read_header(stream)
        start = stream.tell()
    if not data_type.hasobject and size != start + math.prod(shape) * data_type.itemsize:
        raise ValueError(f"{name} has not as many bytes as it says")

    def opened() -> IO[bytes]:
        stream = opens()
        stream.read(start)
        return stream

    return _Array(name, shape, data_type, column_major, opened, file)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type of an array. Raises ValueError where that isn't said."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} of its format")
    header: tuple[tuple[int, ...], bool, np.dtype] = read(stream)
    return header
