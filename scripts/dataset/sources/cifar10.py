"""Archives in the CIFAR-10 python layout, also hostile ones: the only place that knows the layout.

The layout (https://www.cs.toronto.edu/~kriz/cifar.html): a gzip-compressed tar with pickled dicts. `data_batch_1`,
`data_batch_2`, ... and `test_batch` have `data`, (rows, 3072) uint8, a row being the red, green and blue plane of
32 x 32 pixels, and `labels`, a list of ints; `batches.meta` has `label_names`. Nothing is ever extracted to disk.
"""

import gzip
import pickle
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from scripts.common.errors import UserError
from scripts.dataset import pickles

IMAGE_SHAPE = (32, 32, 3)

MOST_MEMBER_BYTES = 1 << 30
"""Largest member that is read into memory: 300,000 images in one batch, thirty times the published batches."""

MOST_ARCHIVE_BYTES = 1 << 36
"""Largest archive, decompressed: 20 million images. A gzip bomb of 64 MB would reach it."""

MOST_MEMBERS = 100_000
"""Largest number of members, so that a list of them fits into memory."""

_REMEDY = "get this archive again, or name another one with `images:` in config.yaml"
_TRAINING_MEMBER = re.compile(r"data_batch_([1-9][0-9]{0,8})")
_TEST_MEMBER, _META_MEMBER = "test_batch", "batches.meta"


class Batch(NamedTuple):
    """Some images, (rows, 32, 32, 3) uint8, with their labels, (rows,) int64."""

    images: np.ndarray
    labels: np.ndarray


class Archive:
    """An archive that is open for reading, its members listed and its layout checked; made by `open_archive`."""

    def __init__(self, content: "_Bounded", members: dict[str, tarfile.TarInfo], rows: int | None) -> None:
        self._path, self._content, self._members, self._rows = content.name, content, members, rows
        count = max(1, sum(_TRAINING_MEMBER.fullmatch(name) is not None for name in members))
        self._batches = [*(f"data_batch_{number}" for number in range(1, count + 1)), _TEST_MEMBER]
        for name in (*self._batches, _META_MEMBER):
            if name not in members:
                raise UserError(f"{self._path} has no member {name}: {_REMEDY}")
        self.batch_count = len(self._batches)
        """The number of batches."""
        self.label_names = self._label_names()

    def batches(self) -> Iterator[Batch]:
        """Read one by one the training batches, in the order of their numbers, and the test batch. Raises UserError for
        a bad one."""
        return map(self._batch, self._batches)

    def _label_names(self) -> list[str]:
        names = self._load(_META_MEMBER).get("label_names")
        if not isinstance(names, list) or not names or not all(isinstance(name, str | bytes) for name in names):
            raise UserError(f"{_META_MEMBER} in {self._path} has no list of label_names: {_REMEDY}")
        return [name.decode(errors="replace") if isinstance(name, bytes) else name for name in names]

    def _batch(self, name: str) -> Batch:
        content, place = self._load(name), f"{name} in {self._path}"
        data, labels = content.get("data"), content.get("labels")
        width = int(np.prod(IMAGE_SHAPE))
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != width:
            raise UserError(f"{place} has no `data` in rows of {width:,} bytes: {_REMEDY}")
        labels = labels.tolist() if isinstance(labels, np.ndarray) else labels
        if not isinstance(labels, list) or len(labels) != len(data):
            count = len(labels) if isinstance(labels, list) else "no"
            raise UserError(f"{place} has {len(data):,} rows but {count} labels: {_REMEDY}")
        if not len(data) or len(data) != (self._rows or len(data)):
            expected = f"{self._rows:,}" if self._rows else "at least one"
            raise UserError(f"{place} has {len(data):,} rows where {expected} are expected: {_REMEDY}")
        if not all(type(label) is int and 0 <= label < len(self.label_names) for label in labels):
            raise UserError(f"{place} has labels that are not from 0 to {len(self.label_names) - 1}: {_REMEDY}")
        height, width, channels = IMAGE_SHAPE
        planes = data.reshape(-1, channels, height, width)
        return Batch(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.array(labels, np.int64))

    def _load(self, name: str) -> dict[str, Any]:
        member = self._members[name]
        with _readable(self._path):
            self._content.seek(member.offset_data)
            content = self._content.read(member.size)
        try:
            return pickles.load(content)
        except pickle.UnpicklingError as error:
            raise UserError(f"{name} in {self._path} is refused, {error}: {_REMEDY}") from None


@contextmanager
def open_archive(path: Path, rows: int | None = None) -> Iterator[Archive]:
    """Open an archive for reading, having read it through once: it is whole, and holds files of sane names and sizes.

    `rows` is the number of rows that each batch must have, None for any number. Raises UserError for anything else,
    here or while batches are read: not a gzip-compressed tar, cut short, absolute or `..` paths, links, devices,
    duplicates, absurd sizes, missing batches, pickles that are more than data.
    """
    with _Bounded(path) as content:
        with _readable(path), tarfile.open(fileobj=content, mode="r:") as tar:
            members = _list_members(path, tar)
            _check_end(tar, content)
        yield Archive(content, members, rows)


@contextmanager
def _readable(path: Path | str) -> Iterator[None]:
    """Turn what `tarfile` and `gzip` raise for a file that they can't make sense of into one line."""
    try:
        yield
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged, cut short or no .tar.gz ({error}): {_REMEDY}") from None


def _list_members(path: Path, tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    members: dict[str, tarfile.TarInfo] = {}
    for number, member in enumerate(tar):
        place = PurePosixPath(member.name)
        fault = None
        if place.is_absolute() or ".." in place.parts:
            fault = "a path that leads outside"
        elif not (member.isdir() or (member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse())):
            fault = "a link, a device or another thing that is no plain file"
        elif place.name in members:
            fault = "a second member of that name"
        elif not 0 <= member.size <= MOST_MEMBER_BYTES or number >= MOST_MEMBERS:
            fault = "more than a batch of images needs"
        if fault:
            raise UserError(f"{path} holds {member.name[:100]!r}, {fault}: don't trust this archive, {_REMEDY}")
        if not member.isdir():
            members[place.name] = member
    return members


def _check_end(tar: tarfile.TarFile, content: "_Bounded") -> None:
    """Read the rest, which is zeros: `tarfile` takes damage between two members for the end of the archive.

    Reading to the end of the file makes `gzip` compare its checksum too.
    """
    content.seek(tar.offset)
    marked = False
    while chunk := content.read(1 << 20):
        marked = True
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("unexpected bytes between its members")
    if not marked:
        raise tarfile.ReadError("no end mark")


class _Bounded(gzip.GzipFile):
    """The decompressed bytes of an archive, refusing to be led beyond `MOST_ARCHIVE_BYTES` by any header."""

    def read(self, size: int | None = -1) -> bytes:
        self._check(size is not None and 0 <= size <= MOST_MEMBER_BYTES)
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._check(offset <= MOST_ARCHIVE_BYTES)
        return super().seek(offset, whence)

    def _check(self, sane: bool) -> None:
        if not sane:
            raise UserError(f"{self.name} is absurdly large when decompressed: don't trust this archive, {_REMEDY}")
