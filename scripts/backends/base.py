"""The contract of every backend: what writing and reading a store mean, and the checks that all backends share.

A backend is one file beside this one that defines `class Reader(base.Reader)` and `class Backend(base.Backend)`;
`memmap.py` is a short one to copy. At its top it imports the standard library, NumPy, the codecs, this module and
`scripts.backends.shared`. It imports its own library only inside the functions that need it.
"""

import math
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from scripts import codecs
from scripts.common import full_disk
from scripts.common.errors import UserError
from scripts.system.disk.durability import sync, sync_file_system, sync_tree

PIXEL, LABEL = np.dtype(np.uint8), np.dtype(np.int64)
LABEL_BYTES = LABEL.itemsize
BLOCK_BYTES = 4 << 20
"""The pixels that a backend holds at a time while it writes, in bytes. A block is large enough to hide the cost of a
call, and small enough for any machine."""


_first_users: dict[str, int] = {}
"""The process that used a library first, by the library's name. A fork copies it, and so tells parent from child."""


class Source(Protocol):
    """What `write` takes: an array, a memory map larger than memory, or anything whose slices are arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, 3) of images, (n,) of labels."""

    @property
    def dtype(self) -> np.dtype:
        """The type uint8 of images, int64 of labels."""

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Return these rows as an array."""


class FileSource(Source, Protocol):
    """Images that came from files: what `write` needs with a codec that keeps originals."""

    @property
    def original_bytes(self) -> int:
        """The bytes of all files together."""

    @property
    def root(self) -> str | None:
        """The folder in which the files lie under their names, relative to where the run was started if it is below;
        None where they lie in no folder, as those of an archive."""

    def originals(self, rows: slice, /) -> list[memoryview]:
        """Return the bytes of the file of each of these rows."""

    def names(self, rows: slice, /) -> list[bytes]:
        """Return the path in the source of the file of each of these rows, as the file system has it: each once."""


@dataclass(frozen=True)
class Option:
    """One option of a backend, as the config may set it for a variant."""

    default: int | str | bool | None
    meaning: str
    """One sentence, shown to the user."""
    choices: tuple[int | str | bool, ...] = ()
    """The values allowed; where it is empty, any value of the default's type is."""
    minimum: int = 0
    """The smallest value allowed, where the default is a number."""


IN_PLACE = "in_place"
"""The option by which the files of images are read in the folder where they lie (`FileSource.root`)."""
CODEC = Option("raw", "how one image becomes bytes", tuple(codecs.names()))
"""The option `codec` of every backend that keeps one value per image."""


def compression(what: str, *kinds: str) -> Option:
    """Return the option `compression` of a backend whose library compresses `what` in one of these ways."""
    level = f"; zstd at level {codecs.ZSTD_LEVEL}" if "zstd" in kinds else ""
    return Option(kinds[0], f"how {what} compressed{level}", kinds)


@dataclass(frozen=True)
class Footprint:
    """What a store takes on a disk beside its pixels and labels, for the forecast of a run's room.

    Each backend's figures were counted in stores of 20,000 images of 32x32 on ext4 (`test_all_backends.py` counts
    smaller ones). The defaults are for a backend that declares nothing.
    """

    files: int = 16
    """Files and directories of a store of a few images."""
    files_per_image: float = 0
    """Further files and directories for each image; from 1 on each image has a file, which takes whole blocks of the
    file system."""
    bytes_per_image: int = 64
    """Bytes for each image beside its own and its label's."""
    page_bytes: int = 1
    """An image and its label take a multiple of so many bytes."""
    holds_images: bool = True
    """Whether the images' bytes are in the store, rather than in files that were there before."""


class Reader(ABC):
    """A read-only view of one store. Use it with `with`; `len()` is the number of images.

    A reader belongs to the process that opened it, unless the backend says `fork_safe`, and to one thread at a time.
    """

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        """Open the store in the directory `path`, written with the same complete `options`."""
        if codecs.OPTION in options:
            self._codec = codecs.load(options[codecs.OPTION])
        with ExitStack() as self._resources:
            count, (height, width, channels) = self._open(path, options)
            self.image_shape: tuple[int, int, int] = (int(height), int(width), int(channels))
            self._count = int(count)
            self._closed = False
            self._resources = self._resources.pop_all()

    def read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Fill the caller's arrays with every image and label, in the order in which they were written.

        `images` is (len(self), height, width, 3) uint8 and `labels` is (len(self),) int64; both C-contiguous and
        writeable. Nothing in them refers to the store afterwards. Raises ValueError for other arrays and for a closed
        reader.
        """
        self._check_destination(self._count, images, labels)
        self._read_all(images, labels)

    def read(self, ids: Sequence[int] | np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        """Fill the caller's arrays with the images and labels of `ids`, in that order; an id may come repeatedly.

        `ids` is one-dimensional, integers from 0 to len(self) - 1; `images` is (len(ids), height, width, 3) uint8 and
        `labels` is (len(ids),) int64; both C-contiguous and writeable. Raises IndexError for an id out of that range
        (a negative id is out of it), before anything is read, and ValueError for other arrays and for a closed reader.
        """
        ids = np.asarray(ids)
        count = ids.size
        if ids.ndim != 1 or (count and ids.dtype.kind not in "iu"):
            raise ValueError(f"ids must be one row of integers, not {ids.dtype} of shape {ids.shape}")
        self._check_destination(count, images, labels)
        if not count:
            return
        # A minimum and a maximum of one id would take longer than to read its image.
        lowest, highest = (ids[0], ids[0]) if count == 1 else (ids.min(), ids.max())
        if lowest < 0 or highest >= self._count:
            raise IndexError(f"ids must be from 0 to {self._count - 1}, not {lowest} to {highest}")
        self._read(ids.astype(np.int64, copy=False), images, labels)

    def close(self) -> None:
        """Give back files and memory maps. Closing twice is no error; reading afterwards is a ValueError."""
        if not self._closed:
            self._closed = True
            self._resources.close()
            # Maps, arrays and sessions go with the last reference to them.
            for name in vars(self).keys() - {"image_shape", "_count", "_closed"}:
                delattr(self, name)

    @abstractmethod
    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        """Open the store; return the number of images, and height, width and channels of each.

        `self._codec` is the codec that `options` name, where they do. Enter into `self._resources` what must be closed,
        here and when reading: it is closed in reverse order, also after an error in this method.
        """

    @abstractmethod
    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Do `read_all`, after its checks."""

    @abstractmethod
    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        """Do `read`, after its checks; `ids` are int64, at least one, and in range."""

    def load(self, ids: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images and labels of `ids` in new arrays, as `read` does for the caller's."""
        images, labels = np.empty((len(ids), *self.image_shape), np.uint8), np.empty(len(ids), np.int64)
        self.read(ids, images, labels)
        return images, labels

    @property
    def codec(self) -> codecs.Codec | None:
        """The codec that made each image's bytes; None where the store has no value of bytes for each image."""
        found: codecs.Codec | None = vars(self).get("_codec")
        return found

    def values(self, ids: Sequence[int] | np.ndarray) -> list[bytes]:
        """Return the bytes by the codec of each of `ids`, in that order, as the store has them, not decoded.

        The store must have a codec that isn't the identity. Raises as `read` does.
        """
        images, labels = np.empty((len(ids), *self.image_shape), np.uint8), np.empty(len(ids), np.int64)
        codec, kept = self._codec, _Kept(images)
        self._codec = kept
        try:
            self.read(ids, images, labels)
        finally:
            self._codec = codec
        return kept.values

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check_destination(self, count: int, images: np.ndarray, labels: np.ndarray) -> None:
        if self._closed:
            raise ValueError("the reader is closed")
        _check("images", images, PIXEL, (count, *self.image_shape))
        _check("labels", labels, LABEL, (count,))
        if not (images.flags.carray and labels.flags.carray):
            raise ValueError("images and labels must be C-contiguous and writeable")


class _Kept:
    """Stands for a codec, and keeps the values that it was to decode, each in the place of its image."""

    packages: dict[str, str] = {}
    is_identity = is_lossless = keeps_originals = False

    def __init__(self, images: np.ndarray) -> None:
        self.values = [b""] * len(images)
        self._start, self._size = images.ctypes.data, images[:1].nbytes

    def encode(self, image: np.ndarray) -> bytes:
        raise TypeError("there is nothing to encode")

    def decode(self, value: bytes | memoryview, out: np.ndarray) -> None:
        # A reader may take the images in another order than they were asked for in.
        self.values[(out.ctypes.data - self._start) // self._size] = bytes(value)


class Backend(ABC):
    """A way to store images. It declares what it can't do, and the results show a gap there."""

    packages: ClassVar[dict[str, str]] = {}
    """The libraries that it needs: import name to requirement, as in {"PIL": "pillow==13.0.0"}.

    A marker in the requirement says where the package is published. `python scripts pins` makes all pins from these.
    """
    standard_modules: ClassVar[tuple[str, ...]] = ()
    """The modules of the standard library that it needs and a Python may have been built without."""
    built_with: ClassVar[str] = ""
    """What building its library's package takes where that has no wheel; empty where it has no source either."""
    go_modules: ClassVar[tuple[str, ...]] = ()
    """The Go modules that it uses, through the library that is built from `scripts/backends/go` before its first
    store."""
    options: ClassVar[dict[str, Option]] = {}
    """The options that the config may set, by name."""
    thread_variables: ClassVar[tuple[str, ...]] = ()
    """The environment variables in which its libraries look for the number of threads that they compute with, beside
    the variables of `scripts.system.process`."""
    fork_safe: ClassVar[bool]
    """Whether a reader opened before a fork may be used after it, in the child. Where it isn't, the library may refuse
    to work there at all."""
    several_readers: ClassVar[bool]
    """Whether several processes may read one store at a time."""
    opens_without_writing: ClassVar[bool]
    """Whether opening and reading leave every file as it was, and work where nothing may be written."""
    takes: ClassVar[Footprint] = Footprint()
    """What a store takes on a disk beside images and labels."""
    has_many_files: ClassVar[bool] = False
    """Whether flushing the whole file system costs less than flushing each file of a store."""
    file: ClassVar[str] = ""
    """A file or directory that every store has: libraries differ in what they make of a store that is missing."""
    reader: ClassVar[type[Reader]]

    def write(self, path: Path, images: Source, labels: Source, *, durable: bool, options: dict[str, Any]) -> None:
        """Write a new store into the directory `path`, which is created; its parent must exist.

        `images` is (n, height, width, 3) uint8 and `labels` is (n,) int64, n at least 1. Both are read once, in order,
        a block at a time, so they may be larger than memory. `options` is complete, as `backends.resolve` returns it.
        With a codec that keeps originals, `images` is a `FileSource`, of which the files are read in place of pixels.

        With `durable`, returns once data, metadata and directory entries are on the disk, the entry of `path` in its
        parent included; without, bytes may be left in the page cache.

        Raises FileExistsError if `path` is there, and ValueError for other shapes and types, and for images without
        originals where the codec keeps these. A full disk and a quota
        that is used up are an OSError, whatever the library makes of it (`scripts.common.full_disk`). After any error
        no file is open and no `path` is left.
        """
        count, *image_shape = images.shape if len(images.shape) == 4 else (0, 0, 0, 3)
        if min(count, *image_shape) < 1 or image_shape[2] != 3:
            raise ValueError(f"images must be (n, height, width, 3) with at least one image, not {images.shape}")
        _check("images", images, PIXEL, (count, *image_shape))
        _check("labels", labels, LABEL, (count,))
        codec = options.get(codecs.OPTION)
        if codec and codecs.load(codec).keeps_originals and not hasattr(images, "originals"):
            raise ValueError(f"images must have originals, which codec {codec} keeps")
        path = Path(path)
        path.mkdir()
        try:
            self._write(path, images, labels, options)
            if durable:
                (sync_file_system if self.has_many_files else sync_tree)(path)
                sync(path.parent)
        except BaseException as error:
            full = None
            # Some libraries have no words for a full disk. What was written is removed afterwards: that makes room.
            if isinstance(error, Exception) and not isinstance(error, UserError):
                full = full_disk.recognised(error, path) or full_disk.met(path)
            shutil.rmtree(path, ignore_errors=True)
            if full:
                raise full from error
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(path)
            raise

    @abstractmethod
    def _write(self, path: Path, images: Source, labels: Source, options: dict[str, Any]) -> None:
        """Do `write` into the new directory `path`, after its checks; bytes may be left in the page cache."""

    def open(self, path: Path, options: dict[str, Any]) -> Reader:
        """Open the store in the directory `path`, written with the same `options`, for reading.

        Raises FileNotFoundError where there is none.
        """
        os.stat(Path(path, self.file))
        return self.reader_of(options)(path, options)

    def reader_of(self, options: dict[str, Any]) -> type[Reader]:
        """Return what reads stores that were written with these options."""
        return self.reader

    def check(self, options: dict[str, Any]) -> None:  # noqa: B027
        """Raise UserError where complete `options`, each good in itself, can't be combined."""

    def versions(self) -> dict[str, str]:
        """Return versions of what it uses that is neither a distribution nor a Go module, by name."""
        return {}

    def places(self, path: Path, options: dict[str, Any]) -> list[Path]:
        """Return all files and directories with what the store in the directory `path` consists of, `path` first.

        What is beside `path` was there before the store, belongs to the user, and is never written to.
        """
        return [path]

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> Footprint:
        """Return what a store of images of `image_shape`, (height, width, 3), takes beside them with these options."""
        return self.takes


def rows_per_block(shape: Sequence[int], of: int = 1, value_bytes: int = 0) -> int:
    """Return the number of images of `shape`, (n, height, width, 3), in BLOCK_BYTES: a multiple of `of`, and at least
    `of`. `value_bytes` is what an image takes where that may be more than its pixels."""
    return max(1, BLOCK_BYTES // max(value_bytes, math.prod(shape[1:])) // of) * of


def blocks(images: Source, labels: Source, rows: int | None = None) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (start, images[start:stop], labels[start:stop]) over all rows, in order, as C-contiguous arrays.

    `rows` is the number of rows in a block, by default as many as take about 4 MiB of pixels. Raises ValueError where a
    slice of the source hasn't the source's shape and type.
    """
    count, *image_shape = images.shape
    rows = rows or rows_per_block(images.shape)
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        image_block = np.ascontiguousarray(images[start:stop])
        _check("images", image_block, PIXEL, (stop - start, *image_shape))
        yield start, image_block, label_rows(labels, start, stop)


def label_rows(labels: Source, start: int, stop: int) -> np.ndarray:
    """Return labels[start:stop] as a C-contiguous array. Raises ValueError where they aren't so many, or not int64."""
    found = np.ascontiguousarray(labels[start:stop])
    _check("labels", found, LABEL, (stop - start,))
    return found


def refuse_after_fork(library: str) -> None:
    """Raise UserError in a process that was forked from one that has used a library which crashes or hangs there.

    Call it whenever the library is used. The process of the first call may go on, and so may processes that it spawns.
    """
    if _first_users.setdefault(library, os.getpid()) != os.getpid():
        raise UserError(
            f"{library} can't be used in a process that was forked from one that has used it; start processes with "
            "`spawn` or `forkserver`"
        )


def threads() -> int:
    """Return the number of threads that a library may use: as many as OpenMP may, which a timing sets, and otherwise
    as many as there are cores. A library that keeps it for the whole process is told once, when it is first used."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or os.cpu_count() or 1))


def _check(name: str, array: Source, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} must be {dtype} of shape {shape}, not {array.dtype} {array.shape}")
