"""The contract of every backend: what writing and reading a store mean, the checks that all share, and durability.

A backend is one file beside this one that defines `class Backend(base.Backend)`. At its top it imports the standard
library, NumPy and what this project has for backends: this module, the codecs and `scripts.backends.shared`. It imports
its own library only inside the functions that need it.
"""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from scripts import codecs
from scripts.common import full_disk
from scripts.common.errors import UserError
from scripts.system.disk.durability import sync_directory, sync_file, sync_file_system, sync_tree

__all__ = [
    "BLOCK_BYTES",
    "CODEC",
    "LABEL_BYTES",
    "READ_BYTES",
    "Backend",
    "Footprint",
    "Native",
    "Option",
    "Reader",
    "Source",
    "announce",
    "blocks",
    "closing_on_error",
    "read_into",
    "refuse_after_fork",
    "rows_per_block",
    "sync_directory",
    "sync_file",
    "sync_file_system",
    "sync_tree",
    "threads",
    "write_all",
]

PIXEL, LABEL = np.dtype(np.uint8), np.dtype(np.int64)
LABEL_BYTES = LABEL.itemsize
BLOCK_BYTES = 4 << 20
"""Pixels that a backend holds at a time while it writes: large enough to hide the cost of a call, small enough for
any machine."""

READ_BYTES = 256 << 10
"""How much one call of pread(2) asks for: from a cold cache, 30 MB in one call took 1.6 times as long (measured)."""


class Source(Protocol):
    """What `write` takes: an array, a memory map larger than memory, or anything whose slices are arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, 3) of images, (n,) of labels."""

    @property
    def dtype(self) -> np.dtype:
        """uint8 of images, int64 of labels."""

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Those rows, as an array."""


@dataclass(frozen=True)
class Footprint:
    """What a store takes on a disk beside its pixels and labels, for the forecast of a run's room.

    The figures of each backend are those of 20,000 images of 32x32 on ext4 (`test_all_backends.py` measures fewer). The
    defaults are for a backend that says nothing.
    """

    files: int = 16
    """Files and directories of a store of a few images."""
    files_per_image: float = 0
    """Further files and directories; from 1 on each image has a file, which takes whole blocks of the file system."""
    bytes_per_image: int = 64
    """Bytes beside an image's own and its label's."""
    page_bytes: int = 1
    """Bytes of which an image and its label take a multiple."""


@dataclass(frozen=True)
class Native:
    """A library that backends need and that is built from sources in this repository, before their first store."""

    directory: str
    """Of the sources, in `scripts`."""
    suffixes: tuple[str, ...]
    """The endings of the files in it that are sources."""
    tool: str
    """The program that builds it, which must be on the PATH."""
    command: tuple[str, ...]
    """What builds it, run in that directory; `{output}` stands for the file that it must write."""
    remedy: str
    """What to do where the tool is missing, as in `install Go 1.25 or newer`."""
    modules: tuple[str, ...] = ()
    """Of the modules that the sources require, those that this backend uses."""


@dataclass(frozen=True)
class Option:
    """One option of a backend, as the config may set it for a variant."""

    default: int | str | bool | None
    meaning: str
    """One sentence, shown to the user."""
    choices: tuple = ()
    """The values allowed; empty: any value of the default's type."""
    minimum: int = 0
    """The smallest value allowed, where the default is a number."""


CODEC = Option("raw", "how one image becomes bytes", tuple(codecs.names()))
"""The option `codec` of every backend that keeps one value per image."""


class Reader(ABC):
    """A read-only view of one store. Use it with `with`; `len()` is the number of images.

    A reader belongs to the process that opened it, unless the backend says `fork_safe`, and to one thread at a time.
    """

    def __init__(self, count: int, image_shape: Sequence[int]) -> None:
        height, width, channels = map(int, image_shape)
        self.image_shape: tuple[int, int, int] = (height, width, channels)
        self._count = int(count)
        self._closed = False

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
        # One id is looked at as it is: a minimum and a maximum of it would take longer than the reading can.
        lowest, highest = (ids[0], ids[0]) if count == 1 else (ids.min(), ids.max())
        if lowest < 0 or highest >= self._count:
            raise IndexError(f"ids must be from 0 to {self._count - 1}, not {lowest} to {highest}")
        self._read(ids.astype(np.int64, copy=False), images, labels)

    def close(self) -> None:
        """Give back files and memory maps. Closing twice is no error; reading afterwards is a ValueError."""
        if not self._closed:
            self._closed = True
            self._close()

    def load_all(self) -> tuple[np.ndarray, np.ndarray]:
        """Return every image and label in new arrays: `read_all` for those who don't time it."""
        images, labels = self._new_arrays(self._count)
        self.read_all(images, labels)
        return images, labels

    def load(self, ids: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images and labels of `ids` in new arrays: `read` for those who don't time it."""
        images, labels = self._new_arrays(len(ids))
        self.read(ids, images, labels)
        return images, labels

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        """`read_all`, after its checks."""

    @abstractmethod
    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        """`read`, after its checks; `ids` are int64, at least one, and in range."""

    @abstractmethod
    def _close(self) -> None:
        """`close`, called once."""

    def _new_arrays(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        return np.empty((count, *self.image_shape), np.uint8), np.empty(count, np.int64)

    def _check_destination(self, count: int, images: np.ndarray, labels: np.ndarray) -> None:
        if self._closed:
            raise ValueError("the reader is closed")
        _check("images", images, PIXEL, (count, *self.image_shape))
        _check("labels", labels, LABEL, (count,))
        if not (images.flags.carray and labels.flags.carray):
            raise ValueError("images and labels must be C-contiguous and writeable")


class Backend(ABC):
    """A way to store images. What it can't do it declares, and the results show a gap."""

    packages: ClassVar[dict[str, str]] = {}
    """The libraries that it needs: import name to requirement, as in {"PIL": "pillow==13.0.0"}.

    A marker in the requirement says where the package is published. `python scripts pins` makes all pins from these.
    """
    standard_modules: ClassVar[tuple[str, ...]] = ()
    """The modules of the standard library that it needs and a Python may have been built without."""
    built_with: ClassVar[str] = ""
    """What building its library's package takes where that has no wheel; empty where it has no source either."""
    native: ClassVar[Native | None] = None
    """The library that must be built for it first, if any."""
    options: ClassVar[dict[str, Option]] = {}
    thread_variables: ClassVar[tuple[str, ...]] = ()
    """The environment variables, beside those of `scripts.system.process`, in which its libraries look for the number
    of threads that they compute with."""
    fork_safe: ClassVar[bool]
    """Whether a reader opened before a fork may be used after it, in the child. Where it isn't, the library may refuse
    to work there at all."""
    several_readers: ClassVar[bool]
    """Whether several processes may read one store at a time."""
    opens_without_writing: ClassVar[bool]
    """Whether opening and reading leave every file as it was, and work where nothing may be written."""
    takes: ClassVar[Footprint] = Footprint()

    def write(self, path: Path, images: Source, labels: Source, *, durable: bool, options: dict[str, Any]) -> None:
        """Write a new store into the directory `path`, which is created; its parent must exist.

        `images` is (n, height, width, 3) uint8 and `labels` is (n,) int64, n at least 1; read once, in order, a block
        at a time, so they may be larger than memory. `options` is complete, as `backends.resolve` returns it.
        With `durable`, returns once data, metadata and directory entries are on the disk, the entry of `path` in its
        parent included; without, bytes may be left in the page cache. Raises FileExistsError if `path` is there, and
        ValueError for other shapes and types. A full disk and a quota that is used up are an OSError, whatever the
        library makes of it (`full_disk`). Whatever stops it, it leaves no open file and no `path` behind.
        """
        count, *image_shape = images.shape if len(images.shape) == 4 else (0, 0, 0, 3)
        if min(count, *image_shape) < 1 or image_shape[2] != 3:
            raise ValueError(f"images must be (n, height, width, 3) with at least one image, not {images.shape}")
        _check("images", images, PIXEL, images.shape)
        _check("labels", labels, LABEL, (count,))
        path = Path(path)
        path.mkdir()
        try:
            self._write(path, images, labels, durable, options)
            if durable:
                sync_directory(path.parent)
        except BaseException as error:
            # Looked at before what was written is removed, which makes room.
            full = _full_disk(error, path)
            shutil.rmtree(path, ignore_errors=True)
            if full:
                raise full from error
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(path)
            raise

    def versions(self) -> dict[str, str]:
        """Return versions of what it uses that is neither a distribution nor in `native`, by name."""
        return {}

    def check(self, options: dict[str, Any]) -> None:  # noqa: B027
        """Raise UserError where complete `options`, each good in itself, don't go together."""

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> Footprint:
        """Return what a store of such images takes on a disk beside them, by complete `options`."""
        return self.takes

    @abstractmethod
    def open(self, path: Path, options: dict[str, Any]) -> Reader:
        """Open the store in the directory `path`, written with the same `options`, for reading."""

    @abstractmethod
    def _write(self, path: Path, images: Source, labels: Source, durable: bool, options: dict[str, Any]) -> None:
        """`write` into the new directory `path`, after its checks. `durable` covers `path` and what is in it."""


def _full_disk(error: BaseException, path: Path) -> OSError | None:
    """The error of a full disk, where that is what stopped a write: some libraries don't say so, in any words."""
    if isinstance(error, UserError) or not isinstance(error, Exception):
        return None
    return full_disk.recognised(error, path) or full_disk.met(path)


def blocks(images: Source, labels: Source, rows: int | None = None) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (start, images[start:stop], labels[start:stop]) over all rows, in order, as C-contiguous arrays.

    `rows` is the number in a block, by default about 4 MiB of pixels. Raises ValueError where a slice of the source
    isn't what its shape and type promise.
    """
    count, *image_shape = images.shape
    rows = rows or rows_per_block(images.shape)
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        image_block = np.ascontiguousarray(images[start:stop])
        label_block = np.ascontiguousarray(labels[start:stop])
        _check("images", image_block, PIXEL, (stop - start, *image_shape))
        _check("labels", label_block, LABEL, (stop - start,))
        yield start, image_block, label_block


def read_into(file: RawIOBase, array: np.ndarray, offset: int) -> None:
    """Fill a C-contiguous array from an unbuffered file, from the byte `offset` on.

    The file's own position, which forked processes share, is left alone. Raises EOFError where the file ends early.
    """
    descriptor, view = file.fileno(), memoryview(array).cast("B")
    while len(view):
        read = os.preadv(descriptor, [view[:READ_BYTES]], offset)
        if not read:
            raise EOFError(f"{file.name} is too short")
        view, offset = view[read:], offset + read


def write_all(file: RawIOBase, content: np.ndarray | bytes | memoryview) -> None:
    """Write bytes or a C-contiguous array to an unbuffered file: one call of write(2) may take only a part, and does
    where the disk gets full, and takes 2 GiB at most."""
    view = memoryview(content).cast("B")
    while len(view):
        view = view[file.write(view) :]


def announce(descriptor: int, places: Iterable[int], size: int) -> None:
    """Let the kernel fetch parts of a file, `size` bytes at each of these places (0: to its end), all at a time.

    One after the other, as they are read, takes several times as long from a cold cache. Does nothing where the system
    has no such call. Source: posix_fadvise(2), POSIX_FADV_WILLNEED.
    """
    if hasattr(os, "posix_fadvise"):
        for place in places:
            os.posix_fadvise(descriptor, place, size, os.POSIX_FADV_WILLNEED)


@contextmanager
def closing_on_error(close: Callable[[], None]) -> Iterator[None]:
    """Call `close` where the block raises: for what is open already when a reader can't be made."""
    try:
        yield
    except BaseException:
        with suppress(Exception):
            close()
        raise


_first_users: dict[str, int] = {}


def refuse_after_fork(library: str) -> None:
    """Raise UserError in a process that was forked from one that has used a library which crashes or hangs there.

    Called whenever that library is used; the first caller's process, and those that it spawns, may go on.
    """
    if _first_users.setdefault(library, os.getpid()) != os.getpid():
        raise UserError(
            f"{library} can't be used in a process that was forked from one that has used it; start processes with "
            "`spawn` or `forkserver`"
        )


def threads() -> int:
    """The number of threads for a library that is told how many it may use: as many as OpenMP may, which a timing
    pins, and otherwise as there are cores."""
    return int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or os.cpu_count() or 1)


def rows_per_block(shape: Sequence[int]) -> int:
    """The number of images, at least one, in BLOCK_BYTES; `shape` is that of all images, (n, height, width, 3)."""
    _, height, width, channels = shape
    return max(1, BLOCK_BYTES // (height * width * channels))


def _check(name: str, array: Source, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} must be {dtype} of shape {shape}, not {array.dtype} {array.shape}")
