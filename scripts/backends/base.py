"""The contract of every backend: what writing and reading a store mean, and the checks that all backends share.

A backend is one file beside this one that defines `class Backend(base.Backend)`; `memmap.py` is a short one to copy. At
its top it imports the standard library, NumPy, the codecs, this module and `scripts.backends.shared`. It imports its
own library only inside the functions that need it.
"""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np

from scripts.backends.shared.arrays import LABEL, LABEL_BYTES, PIXEL, Source, blocks, check, rows_per_block
from scripts.backends.shared.declarations import CODEC, Footprint, Native, Option
from scripts.backends.shared.file_access import announce, closing_on_error, read_into, write_all
from scripts.backends.shared.whole_process import refuse_after_fork, threads
from scripts.common import full_disk
from scripts.common.errors import UserError
from scripts.system.disk.durability import sync_directory, sync_file, sync_file_system, sync_tree

__all__ = [
    "CODEC",
    "LABEL_BYTES",
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
    native: ClassVar[Native | None] = None
    """The library that must be built for it first, if any."""
    options: ClassVar[dict[str, Option]] = {}
    """The options that the config may set, by name."""
    thread_variables: ClassVar[tuple[str, ...]] = ()
    """The environment variables in which its libraries look for the number of threads that they compute with, beside
    those of `scripts.system.process`."""
    fork_safe: ClassVar[bool]
    """Whether a reader opened before a fork may be used after it, in the child. Where it isn't, the library may refuse
    to work there at all."""
    several_readers: ClassVar[bool]
    """Whether several processes may read one store at a time."""
    opens_without_writing: ClassVar[bool]
    """Whether opening and reading leave every file as it was, and work where nothing may be written."""
    takes: ClassVar[Footprint] = Footprint()
    """What a store takes on a disk beside images and labels."""

    def write(self, path: Path, images: Source, labels: Source, *, durable: bool, options: dict[str, Any]) -> None:
        """Write a new store into the directory `path`, which is created; its parent must exist.

        `images` is (n, height, width, 3) uint8 and `labels` is (n,) int64, n at least 1. Both are read once, in order,
        a block at a time, so they may be larger than memory. `options` is complete, as `backends.resolve` returns it.

        With `durable`, returns once data, metadata and directory entries are on the disk, the entry of `path` in its
        parent included; without, bytes may be left in the page cache.

        Raises FileExistsError if `path` is there, and ValueError for other shapes and types. A full disk and a quota
        that is used up are an OSError, whatever the library makes of it (`scripts.common.full_disk`). After any error
        no file is open and no `path` is left.
        """
        count, *image_shape = images.shape if len(images.shape) == 4 else (0, 0, 0, 3)
        if min(count, *image_shape) < 1 or image_shape[2] != 3:
            raise ValueError(f"images must be (n, height, width, 3) with at least one image, not {images.shape}")
        check("images", images, PIXEL, images.shape)
        check("labels", labels, LABEL, (count,))
        path = Path(path)
        path.mkdir()
        try:
            self._write(path, images, labels, durable, options)
            if durable:
                sync_directory(path.parent)
        except BaseException as error:
            # What was written is removed afterwards, since that makes room.
            full = _full_disk(error, path)
            shutil.rmtree(path, ignore_errors=True)
            if full:
                raise full from error
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(path)
            raise

    @abstractmethod
    def _write(self, path: Path, images: Source, labels: Source, durable: bool, options: dict[str, Any]) -> None:
        """Do `write` into the new directory `path`, after its checks. `durable` covers `path` and what is in it."""

    @abstractmethod
    def open(self, path: Path, options: dict[str, Any]) -> "Reader":
        """Open the store in the directory `path`, written with the same `options`, for reading.

        Raises FileNotFoundError where there is none.
        """

    def check(self, options: dict[str, Any]) -> None:  # noqa: B027
        """Raise UserError where complete `options`, each good in itself, can't be combined."""

    def versions(self) -> dict[str, str]:
        """Return versions of what it uses that is neither a distribution nor in `native`, by name."""
        return {}

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> Footprint:
        """Return what a store of images of `image_shape`, (height, width, 3), takes beside them with these options."""
        return self.takes


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
        # A minimum and a maximum of one id would take longer than to read its image.
        lowest, highest = (ids[0], ids[0]) if count == 1 else (ids.min(), ids.max())
        if lowest < 0 or highest >= self._count:
            raise IndexError(f"ids must be from 0 to {self._count - 1}, not {lowest} to {highest}")
        self._read(ids.astype(np.int64, copy=False), images, labels)

    def close(self) -> None:
        """Give back files and memory maps. Closing twice is no error; reading afterwards is a ValueError."""
        if not self._closed:
            self._closed = True
            self._close()

    @abstractmethod
    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Do `read_all`, after its checks."""

    @abstractmethod
    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        """Do `read`, after its checks; `ids` are int64, at least one, and in range."""

    @abstractmethod
    def _close(self) -> None:
        """Do `close`; called once."""

    def load_all(self) -> tuple[np.ndarray, np.ndarray]:
        """Return every image and label in new arrays, as `read_all` does for the caller's."""
        images, labels = self._new_arrays(self._count)
        self.read_all(images, labels)
        return images, labels

    def load(self, ids: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images and labels of `ids` in new arrays, as `read` does for the caller's."""
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

    def _new_arrays(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        return np.empty((count, *self.image_shape), np.uint8), np.empty(count, np.int64)

    def _check_destination(self, count: int, images: np.ndarray, labels: np.ndarray) -> None:
        if self._closed:
            raise ValueError("the reader is closed")
        check("images", images, PIXEL, (count, *self.image_shape))
        check("labels", labels, LABEL, (count,))
        if not (images.flags.carray and labels.flags.carray):
            raise ValueError("images and labels must be C-contiguous and writeable")


def _full_disk(error: BaseException, path: Path) -> OSError | None:
    """Return the error of a full disk, where that stopped a write: some libraries have no words for it."""
    if isinstance(error, UserError) or not isinstance(error, Exception):
        return None
    return full_disk.recognised(error, path) or full_disk.met(path)
