"""Backend tar: tar archives in WebDataset's way, and an index of where the images are in them.

Layout of a store:

    shard-000000.tar, ...    of every image, numbered in order, two members, one after the other:
        00000000.cls         the label, as decimal text
        00000000.CODEC       the image's bytes by the codec; the extension is the codec's name
    index.bin                int64 of the machine: height and width, then of every image its place in its shard and size
"""

import itertools
import mmap
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scripts import codecs
from scripts.backends import base
from scripts.backends.shared import file_access, values

INDEX = "index.bin"
NUMBER = np.dtype(np.int64)
BLOCK = tarfile.BLOCKSIZE
HEAD = 3 * BLOCK
"""The bytes before each image: the header of its label, the label in a block of its own, the header of the image."""
LABEL = 2 * BLOCK
"""A label begins so many bytes before its image."""
LABEL_DIGITS = len(str(-(2**63)))
NAME_DIGITS = 8
SIZE, CHECKSUM = slice(124, 135), slice(148, 154)
"""The places of both numbers' octal digits in a header. Source: POSIX, pax, ustar interchange format."""
END = 2 * BLOCK
SHARDS_OPEN = 64


class Reader(base.Reader):
    """Holds the map of the index, and the files and maps of the shards opened last."""

    def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, Sequence[int]]:
        self._path = path
        self._per_shard = options["images_per_shard"]
        self._shards: dict[int, _Shard] = {}
        with open(path / INDEX, "rb", buffering=0) as file:
            height, width, first_place = np.frombuffer(file.read(3 * NUMBER.itemsize), NUMBER).tolist()
            if first_place != HEAD:
                raise ValueError(f"{path / INDEX} has the first image at byte {first_place}, not {HEAD}")
            places = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), NUMBER)[2:].reshape(-1, 2)
        # To take one number from a view costs less than to take it from an array.
        self._index = memoryview(places)
        self._resources.callback(self._close_shards)
        return len(self._index), (height, width, 3)

    def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
        rows = max(1, file_access.READ_BYTES // (HEAD + int(np.asarray(self._index)[:, 1].max()) + BLOCK))
        for first in range(0, len(self), self._per_shard):
            end = min(first + self._per_shard, len(self))
            shard = self._shard(first)
            if self._codec.is_identity:
                self._read_pixels(shard, rows, images[first:end], labels[first:end])
                continue
            for start in range(first, end, rows):
                stop = min(start + rows, end)
                place = self._index[start, 0] - LABEL
                end_of_last = self._index[stop - 1, 0] + self._index[stop - 1, 1]
                file_access.announce(shard.file.fileno(), [place], end_of_last + file_access.READ_BYTES - place)
                stored = self._stored(range(start, stop))
                values.decode_pairs(stored, images[start:stop], labels[start:stop], self._codec)

    def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
        numbers = ids.tolist()
        for number in numbers:
            place, size = self._index[number, 0], self._index[number, 1]
            file_access.announce(self._shard(number).file.fileno(), [place - LABEL], LABEL + size)
        values.decode_pairs(self._stored(numbers), images, labels, self._codec)

    def _close_shards(self) -> None:
        for shard in self._shards.values():
            shard.file.close()

    def _shard(self, number: int) -> "_Shard":
        """Return the shard of an image, opened if it isn't open. No more than SHARDS_OPEN are open at a time."""
        key = number // self._per_shard
        shard = self._shards.get(key)
        if shard is None:
            if len(self._shards) == SHARDS_OPEN:
                self._shards.pop(next(iter(self._shards))).file.close()
            with ExitStack() as opened:
                file = opened.enter_context(open(_shard_name(self._path, key), "rb", buffering=0))
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                opened.pop_all()
            with suppress(OSError):
                content.madvise(mmap.MADV_RANDOM)
            shard = self._shards[key] = _Shard(file, content, memoryview(content))
        return shard

    def _stored(self, numbers: Iterable[int]) -> Iterator[tuple[int, memoryview]]:
        """Yield label and image of each of `numbers`, from the maps."""
        for number in numbers:
            shard, place = self._shard(number), self._index[number, 0]
            label = int(shard.content[place - LABEL : place - LABEL + LABEL_DIGITS].rstrip(b"\0"))
            yield label, shard.view[place : place + self._index[number, 1]]

    def _read_pixels(self, shard: "_Shard", rows: int, images: np.ndarray, labels: np.ndarray) -> None:
        """Fill the arrays from a shard of codec raw, `rows` images at a time, and a large image without a copy."""
        size = images[0].nbytes
        step = HEAD + size + -size % BLOCK
        buffer = np.empty((rows, step if rows > 1 else HEAD), np.uint8)
        for start in range(0, len(images), rows):
            members = buffer[: len(images) - start]
            file_access.read_into(shard.file, members, start * step)
            if rows > 1:
                images[start : start + rows].reshape(len(members), size)[:] = members[:, HEAD : HEAD + size]
            else:
                file_access.read_into(shard.file, images[start], start * step + HEAD)
            text = members[:, BLOCK : BLOCK + LABEL_DIGITS].copy().view(f"S{LABEL_DIGITS}").ravel().tolist()
            labels[start : start + rows] = list(map(int, text))


class Backend(base.Backend):
    """Tar archives, which the standard library and every system's tools read."""

    options = {
        "codec": base.CODEC,
        "images_per_shard": base.Option(100_000, "how many images share one archive", minimum=1),
    }
    fork_safe = True
    several_readers = True
    opens_without_writing = True
    takes = base.Footprint(files=3, bytes_per_image=1552)
    reader = Reader

    def footprint(self, options: dict[str, Any], image_shape: Sequence[int]) -> base.Footprint:
        """Count the files of the shards as well."""
        per_shard = options["images_per_shard"]
        beside = self.takes.bytes_per_image + tarfile.RECORDSIZE // per_shard
        return replace(self.takes, files_per_image=1 / per_shard, bytes_per_image=beside)

    def _write(self, path: Path, images: base.Source, labels: base.Source, options: dict[str, Any]) -> None:
        codec, per_shard = codecs.load(options["codec"]), options["images_per_shard"]
        count, height, width, _ = images.shape
        name_digits = max(NAME_DIGITS, len(str(count - 1)))
        parts = _parts(images, labels, codec, per_shard)
        zeros = memoryview(bytes(BLOCK))
        with open(path / INDEX, "xb", buffering=0) as index_file:
            file_access.write_all(index_file, np.array([height, width], NUMBER))
            for shard, parts_of_shard in itertools.groupby(parts, lambda part: part[0] // per_shard):
                with open(_shard_name(path, shard), "xb", buffering=0) as file:
                    end = 0
                    for start, block, label_block in parts_of_shard:
                        stored = values.encode(block, codec)
                        sizes = np.fromiter(map(len, stored), np.int64, len(stored))
                        names = _digits(np.arange(start, start + len(stored)), 10, name_digits)
                        heads = _heads(names, label_block, options["codec"], sizes)
                        paddings = -sizes % BLOCK
                        tails = [zeros[:padding] for padding in paddings.tolist()]
                        members = zip(values.slices(heads), stored, tails, strict=True)
                        file_access.write_all(file, b"".join(itertools.chain.from_iterable(members)))
                        ends = end + np.cumsum(HEAD + sizes + paddings)
                        file_access.write_all(index_file, np.stack((ends - paddings - sizes, sizes), 1).astype(NUMBER))
                        end = int(ends[-1])
                    file_access.write_all(file, np.zeros(END + -(end + END) % tarfile.RECORDSIZE, np.uint8))


class _Shard(NamedTuple):
    file: FileIO
    """The open file, to announce parts of it and to read in order."""
    content: mmap.mmap
    view: memoryview
    """The same bytes; a part of it is no copy."""


def _parts(
    images: base.Source, labels: base.Source, codec: codecs.Codec, per_shard: int
) -> Iterator[tuple[int, values.Block, np.ndarray]]:
    """Yield what values.blocks does, in parts that lie in one shard each and count what is before each image."""
    rows = values.rows_per_block(images, codec, beside=HEAD)
    for start, block, label_block in values.blocks(images, labels, codec, rows):
        stop, first = start + len(label_block), start
        while first < stop:
            last = min(stop, (first // per_shard + 1) * per_shard)
            yield first, block[first - start : last - start], label_block[first - start : last - start]
            first = last


def _heads(names: np.ndarray, labels: np.ndarray, extension: str, sizes: np.ndarray) -> np.ndarray:
    """Return the bytes before each image, (n, HEAD) uint8; `names` are digits, `sizes` are the images' in bytes."""
    text = labels.astype(f"S{LABEL_DIGITS}").view(np.uint8).reshape(len(labels), LABEL_DIGITS)
    heads = np.zeros((len(labels), 3, BLOCK), np.uint8)
    heads[:, 0] = _headers(names, "cls", np.count_nonzero(text, axis=1))
    heads[:, 1, :LABEL_DIGITS] = text
    heads[:, 2] = _headers(names, extension, sizes)
    return heads.reshape(len(labels), HEAD)


def _headers(names: np.ndarray, extension: str, sizes: np.ndarray) -> np.ndarray:
    """Return headers, (n, BLOCK) uint8: tarfile makes one with name and size 0, to which other digits are added."""
    info = tarfile.TarInfo(f"{0:0{names.shape[1]}d}.{extension}")
    info.mode = 0o444
    header = np.frombuffer(info.tobuf(tarfile.USTAR_FORMAT), np.uint8)
    headers = np.tile(header, (len(names), 1))
    size_digits = _digits(sizes, 8, SIZE.stop - SIZE.start)
    headers[:, : names.shape[1]] += names
    headers[:, SIZE] += size_digits
    checksums = int(bytes(header[CHECKSUM]), 8) + names.sum(1, np.int64) + size_digits.sum(1, np.int64)
    headers[:, CHECKSUM] = ord("0") + _digits(checksums, 8, CHECKSUM.stop - CHECKSUM.start)
    return headers


def _digits(numbers: np.ndarray, radix: int, count: int) -> np.ndarray:
    """Return the digits of numbers, (n, count) uint8, the highest first."""
    digits = np.empty((len(numbers), count), np.uint8)
    for place in range(count - 1, -1, -1):
        numbers, digits[:, place] = np.divmod(numbers, radix)
    return digits


def _shard_name(path: Path, number: int) -> str:
    return f"{path}/shard-{number:06d}.tar"
