"""From a source to its good images: which ones are measured, in which order, with the files that they came from.

Files are read in a seeded order over the whole source, no more than are needed, and decoded on all cores. What was done
stays where the step is killed, and the next one goes on from there.
"""

import json
import math
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scripts.common import digests
from scripts.common.atomic import replacing
from scripts.common.cells import image_size, shape_of
from scripts.common.errors import UserError, shown
from scripts.common.progress import Progress
from scripts.dataset import decoding, gathered, obtain, sources
from scripts.dataset.gathered import (
    FOLDER,
    GATHERED,
    LABELS,
    NAMES,
    OFFSETS,
    ORIGINALS,
    OWN,
    SIZES,
    USUAL_SIZE,
    fitting,
    header,
    square,
)
from scripts.system import lock, process
from scripts.system.machine import usable_cores

LOOKED_AT = 64
"""So many files tell whether all have one size; decoding tells in the end."""
FEWEST_BAD = 5
"""So many bad images are taken, whatever their share."""
FEWEST_JUDGED = 100
"""So many images are looked at, if there are so many, before bad ones stop the step: its message names several."""
MOST_NAMED, MOST_KEPT = 20, 100
"""The bad images that a message, and `gathered.json`, name at most."""
IMAGES_PER_TASK, BYTES_PER_TASK = 8, 4 << 20
"""The most files, and bytes of them, that a process decodes at a time, at least one file: a few tasks of each process
wait in memory."""
JOURNAL = "journal"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is gathered, and how.

    - `bad_share`: the share of bad images that stops the step.
    - `most`: the number of images, None for all.
    - `image_sizes`: sides in pixels, or `own`, to decode to in the same go; None for what suits the source.
    - `most_bytes`: bytes of pixels that are kept of an image size at most; None for no limit. Files are kept all.
    - `cores`: the processes that decode; None for as many as there are cores.
    """

    bad_share: float
    most: int | None = None
    image_sizes: Sequence[str | int] | None = None
    most_bytes: int | None = None
    cores: int | None = None


def gather(source_json: Path, directory: Path, wanted: Wanted) -> None:
    """Gather the images of the source that `source_json` (by the step `download`) names into `directory`.

    Raises UserError where the source isn't what it should be, or too many of its images are bad.
    """
    record = obtain.read(source_json)
    with obtain.opened(record) as source:
        write(source, directory, record, wanted)


def write(source: sources.Source, directory: Path, record: dict[str, Any], wanted: Wanted) -> None:
    """Gather the images of an open source, with what `record` says of it. `gathered.json` is written last."""
    order = sources.order(source.count, source.has_order)
    most = min(wanted.most or len(order), len(order))
    gatherer = _Files if source.has_originals else _Pixels
    directory.mkdir(parents=True, exist_ok=True)
    with _alone(directory):
        (directory / GATHERED).unlink(missing_ok=True)
        facts = gatherer(source, directory, record, wanted).gather(order, most)
        gathered.write(
            directory,
            {
                **{key: record[key] for key in ("name", "label", "synthetic", "note", "origin")},
                "most": wanted.most,
                "root": sources.root(record["kind"], record["path"]),
                "listed": source.count,
                "label_names": source.label_names,
                "has_originals": source.has_originals,
                **facts,
            },
        )


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold a directory that other checkouts may share."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        lock.hold(descriptor, f"is gathering images in {directory}")
        yield
    finally:
        os.close(descriptor)


class _Pixels:
    """Gathers a source whose samples are pixels, all of one size."""

    def __init__(self, source: sources.Source, directory: Path, record: dict[str, Any], wanted: Wanted) -> None:
        self._source, self._directory, self._record = source, directory, record

    def gather(self, order: np.ndarray, most: int) -> dict[str, Any]:
        """Write pixels and labels of the first `most` images of the order; return what `gathered.json` says of them."""
        chosen = order[:most]
        places = np.empty(self._source.count, np.int64)
        places[chosen] = np.arange(most)
        labels = np.empty(most, np.int64)
        shape: tuple[int, ...] = ()
        folder = self._directory / FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with ExitStack() as opened, Progress(f"reading {self._record['name']}", most) as progress:
            file: Any = None
            for sample in progress.counted(self._source.read(chosen)):
                pixels = np.asarray(sample.content)
                if file is None:
                    shape = (*pixels.shape[:2], 3)
                    file = opened.enter_context(replacing(folder / f"{image_size(shape)}.npy"))
                    file.write(header((most, *shape)))
                    start = file.tell()
                if pixels.shape[:2] != shape[:2] or pixels.dtype != np.uint8:
                    raise UserError(
                        f"images: {self._record['label']} has images of {image_size(shape)}, and "
                        f"{shown(sample.name)} is {pixels.dtype} {pixels.shape}; give images of one size, or files"
                    )
                if pixels.ndim == 2:
                    pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2)
                place = int(places[sample.number])
                file.seek(start + place * pixels.nbytes)
                file.write(np.ascontiguousarray(pixels).data)
                labels[place] = sample.label
        np.save(folder / LABELS, labels)
        return {"images": most, "own_size": image_size(shape), "original_bytes": None, "bad_images": _named([])}


@dataclass(frozen=True)
class _Read:
    """One file that was looked at, as a line of the journal has it: in the order of reading, bad ones included."""

    number: int
    name: str
    label: int
    bytes: int = 0
    height: int = 0
    width: int = 0
    bad: str | None = None


@dataclass(frozen=True)
class _Rows:
    """A file of pixels of one image size that is being written: its row i is the image of rank i, below `count`.

    The rank of an image is its place in the order of all, bad ones included.
    """

    path: str
    size: str
    count: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of an image."""
        return shape_of(self.size)

    def place(self, rank: int) -> int:
        """Return where a row begins in the file."""
        return len(header((self.count, *self.shape))) + rank * math.prod(self.shape)


class _Files:
    """Gathers a source of files: reads, decodes on all cores, and keeps a journal by which a killed step goes on."""

    def __init__(self, source: sources.Source, directory: Path, record: dict[str, Any], wanted: Wanted) -> None:
        self._source, self._directory, self._record, self._wanted = source, directory, record, wanted
        self._cores = wanted.cores or usable_cores()
        self._read: list[_Read] = []
        self._bad: list[_Read] = []

    def gather(self, order: np.ndarray, most: int) -> dict[str, Any]:
        """Write files, pixels and labels of the first `most` good images of the order, and return what `gathered.json`
        says of them. Raises UserError where too many are bad."""
        self._rank = np.argsort(order)
        asked, own = self._sizes(order)
        sizes = {size: self._rows_of(size, most) for size in dict.fromkeys([*asked, *own])}
        name = digests.digest([self._record["origin"], sizes, digests.code_digest([Path(__file__)])])
        place = self._directory / f".gathering-{name}"
        for other in self._directory.glob(".gathering-*"):
            if other != place:
                shutil.rmtree(other)
        place.mkdir(parents=True, exist_ok=True)
        self._go_on(place)
        all_rows = [_Rows(str(place / f"{size}.npy"), size, count) for size, count in sizes.items()]
        done = {read.number for read in self._read}
        while (missing := most - len(self._read) + len(self._bad)) > 0:
            numbers = list(islice((number for number in order.tolist() if number not in done), missing))
            if not numbers:
                break
            done.update(numbers)
            self._take(numbers, place, all_rows)
            self._refuse_bad(len(self._read))
        good = sorted((slot for slot, read in enumerate(self._read) if not read.bad), key=self._rank_of)[:most]
        if not good:
            raise UserError(f"images: {shown(self._record['path'])} has no image that can be read{self._named_bad()}")
        return self._arrange(place, good, all_rows, asked)

    def _rank_of(self, slot: int) -> int:
        """The place in the order of all images of the one that was read in a slot."""
        return int(self._rank[self._read[slot].number])

    def _rows_of(self, size: str, most: int) -> int:
        """How many images of a size are kept as pixels."""
        most_bytes = self._wanted.most_bytes
        return most if most_bytes is None else min(most, fitting(size, most_bytes))

    def _sizes(self, order: np.ndarray) -> tuple[list[str], list[str]]:
        """The image sizes that are decoded to in the same go: those asked for, and the one that all files seem to have,
        if it is wanted. What only the whole source tells is left to later."""
        asked = self._wanted.image_sizes
        squares = [square(int(size)) for size in asked or () if size != OWN]
        if asked is not None and OWN not in asked:
            return squares, []
        looked_at = set()
        for sample in self._source.read(np.sort(order[:LOOKED_AT])):
            try:
                looked_at.add(decoding.size_of(sample.content))
            except decoding.BadImage:
                continue
        own = [f"{height}x{width}" for height, width in looked_at] if len(looked_at) == 1 else []
        return [square(USUAL_SIZE)] if asked is None and not own else squares, own

    def _go_on(self, place: Path) -> None:
        """Take up what a killed step has left: lines of the journal whose bytes are all there."""
        journal, originals = place / JOURNAL, place / ORIGINALS
        kept, length = [], originals.stat().st_size if originals.exists() else 0
        end = 0
        for line in journal.read_bytes().splitlines(keepends=True) if journal.exists() else ():
            try:
                read = _Read(**json.loads(line))
            except (ValueError, TypeError):
                break
            if not line.endswith(b"\n") or end + read.bytes > length:
                break
            end += read.bytes
            kept.append(line)
            self._note(read)
        journal.write_bytes(b"".join(kept))
        if originals.exists():
            os.truncate(originals, end)

    def _note(self, read: _Read) -> None:
        self._read.append(read)
        if read.bad:
            self._bad.append(read)

    def _take(self, numbers: Sequence[int], place: Path, all_rows: Sequence[_Rows]) -> None:
        """Read and decode the files of these numbers; each appears in the journal once all of it is written."""
        for rows in all_rows:
            Path(rows.path).touch()
        before = len(self._read)
        waiting: deque[list[sources.Sample]] = deque()

        def tasks() -> Iterator[tuple[Any, ...]]:
            for batch in _batches(self._source.read(np.asarray(numbers))):
                waiting.append(batch)
                ranks = self._rank[[sample.number for sample in batch]].tolist()
                yield ranks, [sample.content for sample in batch], all_rows

        with (
            (place / ORIGINALS).open("ab") as originals,
            (place / JOURNAL).open("ab") as journal,
            Progress(f"reading {self._record['name']}", before + len(numbers), done=before) as progress,
        ):
            for found in process.share(_decode, tasks(), self._cores):
                self._keep(waiting.popleft(), found, originals, journal)
                progress.update(len(self._read))
                if len(self._read) >= FEWEST_JUDGED:
                    self._refuse_bad(before + len(numbers))

    def _keep(
        self,
        samples: Sequence[sources.Sample],
        all_found: Sequence[tuple[int, int] | str],
        originals: BinaryIO,
        journal: BinaryIO,
    ) -> None:
        """Append what came of a task: bytes first, then the lines of the journal that tell of them."""
        lines = []
        for sample, found in zip(samples, all_found, strict=True):
            read = _Read(sample.number, sample.name, sample.label)
            if isinstance(found, str):
                read = replace(read, bad=found)
            else:
                read = replace(read, bytes=len(sample.content), height=found[0], width=found[1])
                originals.write(sample.content)
            lines.append(json.dumps(asdict(read)).encode() + b"\n")
            self._note(read)
        originals.flush()
        journal.write(b"".join(lines))
        journal.flush()

    def _refuse_bad(self, count: int) -> None:
        """Raise UserError where more images are bad than may be of `count`, which are read or being read."""
        bad = len(self._bad)
        if bad > max(FEWEST_BAD, self._wanted.bad_share * count):
            raise UserError(
                f"images: {bad} of {len(self._read)} images of {shown(self._record['path'])} are bad, more than "
                f"bad_images_limit ({self._wanted.bad_share:.0%}) allows; remove them, or raise it{self._named_bad()}"
            )

    def _named_bad(self) -> str:
        """The bad images with their reasons, at the end of a message."""
        first = [f"{shown(read.name)} ({read.bad})" for read in self._bad[:MOST_NAMED]]
        more = f" and {len(self._bad) - MOST_NAMED} more" if len(self._bad) > MOST_NAMED else ""
        return f": {', '.join(first)}{more}" if first else ""

    def _arrange(
        self, place: Path, good: Sequence[int], all_rows: Sequence[_Rows], asked: Sequence[str]
    ) -> dict[str, Any]:
        """Put what was read in the slots `good` into their order, in the folder of what is gathered."""
        folder = self._directory / FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        chosen = [self._read[slot] for slot in good]
        lengths = np.array([read.bytes for read in self._read])
        starts = np.cumsum(lengths) - lengths
        heights = np.array([(read.height, read.width) for read in chosen], np.int64)
        own = {f"{height}x{width}" for height, width in heights.tolist()}
        offsets = np.concatenate(([0], np.cumsum(lengths[list(good)])))
        whole = []  # the files that are as they should be
        for rows in all_rows:
            # A size that only some of the files have, those that were looked at first, is no image size.
            if len(own) == 1 or rows.size in asked:
                kept = good[: rows.count]
                if [self._rank_of(slot) for slot in kept] == list(range(len(kept))):
                    _finish(rows, len(kept))
                    whole.append(Path(rows.path))
                else:
                    self._close_gaps(rows, folder, kept, _parts(place / ORIGINALS, starts, lengths))
        if list(good) == list(range(len(self._read))):
            whole.append(place / ORIGINALS)
        else:
            with (folder / ORIGINALS).open("wb") as file:
                file.writelines(_parts(place / ORIGINALS, starts, lengths)(good))
        np.save(folder / LABELS, np.array([read.label for read in chosen], np.int64))
        np.save(folder / OFFSETS, offsets.astype(np.int64))
        np.save(folder / SIZES, heights)
        with replacing(folder / NAMES) as file:
            file.write(b"".join(os.fsencode(read.name) + b"\0" for read in chosen))
        (place / JOURNAL).unlink()  # what it tells of is taken away now
        for path in whole:
            os.replace(path, folder / path.name)
        shutil.rmtree(place)
        return {
            "images": len(good),
            "own_size": own.pop() if len(own) == 1 else None,
            "original_bytes": int(offsets[-1]),
            "bad_images": _named(self._bad),
        }

    def _close_gaps(
        self, rows: _Rows, folder: Path, good: Sequence[int], contents: Callable[[Iterable[int]], Iterator[bytes]]
    ) -> None:
        """Copy the rows of the images that were read in the slots `good`, and decode those that no row was kept for:
        they stand in for bad ones. `contents` gives the bytes of slots."""
        kept = [rank for rank in map(self._rank_of, good) if rank < rows.count]
        closed = _Rows(str(folder / f"{rows.size}.npy"), rows.size, len(good))
        with open(rows.path, "rb") as read, open(closed.path, "wb") as written:
            written.seek(closed.place(0))
            for rank in kept:
                read.seek(rows.place(rank))
                written.write(read.read(math.prod(rows.shape)))
        late = enumerate(contents(good[len(kept) :]), len(kept))
        for _ in process.share(_decode, (([rank], [content], [closed]) for rank, content in late), self._cores):
            pass
        _finish(closed, len(good))


def _batches(samples: Iterable[sources.Sample]) -> Iterator[list[sources.Sample]]:
    """Yield files as many at a time as make a task."""
    batch: list[sources.Sample] = []
    length = 0
    for sample in samples:
        length += len(sample.content)
        if batch and (len(batch) == IMAGES_PER_TASK or length > BYTES_PER_TASK):
            yield batch
            batch, length = [], len(sample.content)
        batch.append(sample)
    if batch:
        yield batch


def _named(bad: Sequence[_Read]) -> dict[str, Any]:
    """How many images are bad, and the first of them."""
    first = [{"name": shown(read.name), "reason": read.bad} for read in bad[:MOST_KEPT]]
    return {"count": len(bad), "first": first}


def _decode(
    ranks: Sequence[int], contents: Sequence[bytes | np.ndarray], all_rows: Sequence[_Rows]
) -> list[tuple[int, int] | str]:
    """Decode images of these ranks to each image size that has a row for them; in a process of the pool.

    Returns of each height and width of the image, or why it is bad.
    """
    found: list[tuple[int, int] | str] = []
    with ExitStack() as opened:
        files = [(os.open(rows.path, os.O_WRONLY), rows, np.empty(rows.shape, np.uint8)) for rows in all_rows]
        for descriptor, _, _ in files:
            opened.callback(os.close, descriptor)
        for rank, content in zip(ranks, contents, strict=True):
            wanted = [file for file in files if rank < file[1].count]
            try:
                for descriptor, rows, pixels in wanted:
                    size = decoding.decode(content, pixels)
                    os.pwrite(descriptor, pixels.data, rows.place(rank))
                if not wanted:
                    size = decoding.decode(content, np.empty((1, 1, 3), np.uint8))
                found.append(size)
            except decoding.BadImage as fault:
                found.append(str(fault))
    return found


def _finish(rows: _Rows, count: int) -> None:
    """Make a file of `count` rows a whole .npy file."""
    with open(rows.path, "r+b") as file:
        file.write(header((count, *rows.shape)))
        file.truncate(rows.place(count))


def _parts(path: Path, starts: np.ndarray, lengths: np.ndarray) -> Callable[[Iterable[int]], Iterator[bytes]]:
    """Return what yields parts of a file by their numbers."""

    def parts(numbers: Iterable[int]) -> Iterator[bytes]:
        with path.open("rb") as file:
            for number in numbers:
                file.seek(int(starts[number]))
                yield file.read(int(lengths[number]))

    return parts
