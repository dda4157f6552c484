"""Backend files: one file per image by any codec, and one file of labels.

Layout of a store:

    00000000.raw, 00000001.raw, ...    the images, numbered in order; the ending is the codec's name
    labels.bin                         height, width and channels of every image, then the labels, int64, little-endian

    With a codec that keeps originals:

    files/NAME, ...                    the images, each under its own name and in its own folders, as in their source
    names.bin                          where each name begins and the last one ends, int64, little-endian; the names
    labels.bin                         as above

With option `in_place`, the originals stay in the folder where they lie, which is never written to, and the store has
only the names and the labels. The path of that folder follows the names, with zero bytes up to 4,096.
"""

import mmap
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import Any, cast

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import file_access, values
from scripts.backends.shared.labels import Labels
from scripts.common.errors import UserError, shown

FILES, NAMES, LABELS = "files", "names.bin", "labels.bin"
NUMBER = np.dtype("<i8")
SHAPE_NUMBERS, CHANNELS = 3, 3
ROOT_BYTES = 4096
"""The bytes for the path of a folder, which is no longer (PATH_MAX in Linux, include/uapi/linux/limits.h): stores of
the same files in folders of different names have one size."""
FILES_OPEN = 64
"""How many files are open at a time, so that the kernel fetches them together."""


class Reader(base.Reader):
    """Opens each image's file when it is asked for."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._path = path
        self._buffer = memoryview(bytearray(file_access.READ_BYTES))
        self._name: Callable[[int], str | bytes] = _Numbered(path, options["codec"])
        with open(path / LABELS, "rb", buffering=0) as file:
            height, width, channels = np.frombuffer(file.read(SHAPE_NUMBERS * NUMBER.itemsize), NUMBER).tolist()
            count = (path / LABELS).stat().st_size // NUMBER.itemsize - SHAPE_NUMBERS
        if channels != CHANNELS:
            raise ValueError(f"{path / LABELS} says that images have {channels} channels")
        if self._codec.keeps_originals:
            self._name = _Named(path)
        self._labels = Labels(count, self._fill_labels)
        return count, (height, width, channels)

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._read(np.arange(len(self)), images, labels)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        for start in range(0, len(ids), FILES_OPEN):
            self._read_some(ids[start : start + FILES_OPEN], images[start : start + FILES_OPEN])
        self._labels.fill(ids, labels)

    def _fill_labels(self, first: int, labels: np.ndarray) -> None:
        offset = (SHAPE_NUMBERS + first) * NUMBER.itemsize
        labels[:] = np.fromfile(self._path / LABELS, NUMBER, len(labels), offset=offset)

    def _read_some(self, ids: np.ndarray, images: np.ndarray) -> None:
        names = list(map(self._name, ids.tolist()))
        # To announce files that are in the page cache takes a fifth of the time to read them.
        cached = self._read_cached(names, images) if len(names) > 1 else 0
        with ExitStack() as opened:
            files = [opened.enter_context(open(name, "rb", buffering=0)) for name in names[cached:]]
            if len(files) > 1:
                for file in files:
                    file_access.announce(file.fileno(), [0], 0)
            for file, image in zip(files, images[cached:], strict=True):
                content = self._room(file, image)
                file_access.read_into(file, content, 0)
                self._decode(content, image)

    def _read_cached(self, names: list[str | bytes], images: np.ndarray) -> int:
        """Read files in order, up to the first that isn't in the page cache, and return how many those are."""
        for number, (name, image) in enumerate(zip(names, images, strict=True)):
            with open(name, "rb", buffering=0) as file:
                content = self._room(file, image)
                if not file_access.read_cached(file, content):
                    return number
            self._decode(content, image)
        return len(names)

    def _room(self, file: FileIO, image: np.ndarray) -> memoryview:
        """Return where the bytes of a file go: into the image, or into memory that is valid until the next call."""
        if self._codec.is_identity:
            return memoryview(image).cast("B")
        size = os.fstat(file.fileno()).st_size
        if size > len(self._buffer):
            self._buffer = memoryview(bytearray(size))
        return self._buffer[:size]

    def _decode(self, content: memoryview, image: np.ndarray) -> None:
        if not self._codec.is_identity:
            self._codec.decode(content, image)


class Backend(base.Backend):
    """Files on a file system, which needs no library but the codec's."""

    options = {
        "codec": base.CODEC,
        base.IN_PLACE: base.Option(
            False, "whether the originals of a folder are read where they lie, and not copied; not with other codecs"
        ),
    }
    fork_safe = True
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=3, files_per_image=1, bytes_per_image=40)
    has_many_files = True
    reader = Reader

    def check(self, options: dict[str, Any]) -> None:
        """Refuse to leave files in their place where the codec makes files of its own."""
        if options.get(base.IN_PLACE) and not codecs.load(options["codec"]).keeps_originals:
            raise UserError(
                f"backend files reads only originals where they lie: with codec {options['codec']}, leave in_place out"
            )

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> base.Footprint:
        """Count neither files nor images where the originals stay in their folder."""
        if options.get(base.IN_PLACE):
            return base.Footprint(files=3, bytes_per_image=100, holds_images=False)
        return self.takes

    def places(self, path: Path, options: dict[str, Any]) -> list[Path]:
        """Return the store, and the originals where these stay in their folder."""
        if not options.get(base.IN_PLACE):
            return [path]
        name = _Named(path)
        return [path, *(Path(os.fsdecode(name(number))) for number in range(len(name)))]

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        codec = codecs.load(options["codec"])
        if codec.keeps_originals:
            _write_originals(path, cast(base.FileSource, images), labels, codec, in_place=options[base.IN_PLACE])
        else:
            write_files(path, images, labels, codec.encode, options["codec"])


def write_files(
    path: Path,
    images: base.Source,
    labels: base.Source,
    encode: Callable[[np.ndarray], bytes | memoryview],
    ending: str,
) -> None:
    """Write a store into the existing directory `path`, as `Backend.write` does: `encode` makes each image's file."""
    name = _Numbered(path, ending)
    with open(path / LABELS, "xb") as label_file:
        label_file.write(np.array(images.shape[1:], NUMBER))
        for start, image_block, label_block in base.blocks(images, labels):
            for number, image in enumerate(image_block, start):
                with open(name(number), "xb", buffering=0) as file:
                    file_access.write_all(file, encode(image))
            label_file.write(label_block.astype(NUMBER, copy=False))


def _write_originals(
    path: Path, images: base.FileSource, labels: base.Source, codec: codecs.Codec, *, in_place: bool
) -> None:
    """Write a store of originals; in place, of their names and labels only, and see that the originals are there."""
    if in_place and images.root is None:
        raise UserError("backend files: these images come from no folder, so no file lies in place; leave in_place out")
    root = os.fsencode(images.root or "") if in_place else b""
    folder, keep = root or os.fsencode(path / FILES), _refuse_another if in_place else _Folders().write
    names: list[bytes] = []
    with open(path / LABELS, "xb") as label_file:
        label_file.write(np.array(images.shape[1:], NUMBER))
        for start, contents, label_block in values.blocks(images, labels, codec):
            some = images.names(slice(start, start + len(contents)))
            for name, content in zip(some, values.encode(contents, codec), strict=True):
                keep(_place(folder, name), content)
            names += some
            label_file.write(label_block.astype(NUMBER, copy=False))
    ends = np.cumsum([NUMBER.itemsize * (len(names) + 1), *map(len, names)], dtype=NUMBER)
    with open(path / NAMES, "xb") as name_file:
        name_file.write(ends)
        name_file.writelines(names)
        if in_place:
            name_file.write(root.ljust(ROOT_BYTES, b"\0"))


class _Numbered:
    """The path of the file of each image, by its number."""

    def __init__(self, path: Path, ending: str) -> None:
        self._path = path
        self._ending = ending

    def __call__(self, number: int) -> str:
        return f"{self._path}/{number:08d}.{self._ending}"


class _Named:
    """The path of the file of each image, by its own name in a folder."""

    def __init__(self, path: Path) -> None:
        with open(path / NAMES, "rb", buffering=0) as file:
            self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # The first name begins where these numbers end.
        (first,) = np.frombuffer(self._content, NUMBER, 1).tolist()
        self._ends = memoryview(np.frombuffer(self._content, NUMBER, first // NUMBER.itemsize))
        self._folder = self._content[self._ends[-1] :].rstrip(b"\0") or os.fsencode(path / FILES)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __call__(self, number: int) -> bytes:
        return b"%s/%s" % (self._folder, self._content[self._ends[number] : self._ends[number + 1]])


class _Folders:
    """Writes files into folders, which are made when they are needed."""

    def __init__(self) -> None:
        self._made: set[bytes] = set()

    def write(self, place: bytes, content: bytes | memoryview) -> None:
        """Write a new file."""
        folder = os.path.dirname(place)
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)
            self._made.add(folder)
        with open(place, "xb", buffering=0) as file:
            file_access.write_all(file, content)


def _refuse_another(place: bytes, content: bytes | memoryview) -> None:
    """Raise UserError where a file isn't there, or hasn't the length of the original."""
    try:
        size = os.stat(place).st_size
    except FileNotFoundError:
        size = None
    if size != len(content):
        found = "is gone" if size is None else f"has {size} bytes, not {len(content)}"
        raise UserError(
            f"{shown(os.fsdecode(place))} {found} since the images were read from it; put it back as it was, or delete "
            "the image set and run again"
        )


def _place(folder: bytes, name: bytes) -> bytes:
    """Return the path of a file in a folder. Raises UserError for a name that leads out of it, or to none in it."""
    if b"\0" in name or not {b"", b".", b".."}.isdisjoint(name.split(b"/")):
        raise UserError(f"an image named {shown(os.fsdecode(name))} can't be a file in a folder; give it another name")
    return folder + b"/" + name
