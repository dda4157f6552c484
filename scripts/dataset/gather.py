"""From a source to its good images: which ones are measured, in which order, with the files that they came from.

Files are read in a seeded order over the whole source, no more than are needed, and decoded on all cores. What was done
stays where the step is killed, and the next one goes on from there.
"""

import json
import os
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
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
    square,
    write_header,
)
from scripts.system import process
from scripts.system.machine import usable_cores

LOOKED_AT = 64
"""So many files tell whether all have one size; decoding tells in the end."""
FEWEST_BAD, BAD_SHARE = 5, 0.01
"""So many bad images, or this share of those looked at if that is more, stop the step."""
MOST_NAMED = 20
"""The bad images that a message names at most."""
IMAGES_PER_TASK = 8


@dataclass(frozen=True)
class Wanted:
    """What is gathered, and how.

    - `most`: the number of images, None for all.
    - `image_sizes`: sides in pixels, or `own`, to decode to in the same go; None for what suits the source.
    - `bad_share`: the share of bad images that stops the step.
    - `cores`: the processes that decode; None for as many as there are cores.
    """

    most: int | None = None
    image_sizes: Sequence[str | int] | None = None
    bad_share: float = BAD_SHARE
    cores: int | None = None


def gather(source_json: Path, directory: Path, wanted: Wanted) -> None:
    """Gather the images of the source that `source_json` (by the step `download`) names into `directory`.

    Raises UserError where the source isn't what it should be, or too many of its images are bad.
    """
    record = obtain.read(source_json)
    (directory / GATHERED).unlink(missing_ok=True)
    with obtain.opened(record) as source:
        write(source, directory, record, wanted)


def write(source: sources.Source, directory: Path, record: dict[str, Any], wanted: Wanted) -> None:
    """Gather the images of an open source, with what `record` says of it. `gathered.json` is written last."""
    order = sources.order(source.count, source.has_order)
    most = min(wanted.most or len(order), len(order))
    gatherer = _Files if source.has_originals else _Pixels
    facts = gatherer(source, directory, record, wanted).gather(order, most)
    gathered.write(
        directory,
        {
            **{key: record[key] for key in ("name", "label", "synthetic", "note", "origin")},
            "root": sources.root(record["kind"], record["path"]),
            "listed": source.count,
            "label_names": source.label_names,
            "has_originals": source.has_originals,
            **facts,
        },
    )


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
                    write_header(file, (most, *shape))
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
        return {"images": most, "own_size": image_size(shape), "original_bytes": None, "bad_images": []}


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


class _Files:
    """Gathers a source of files: reads, decodes on all cores, and keeps a journal by which a killed step goes on."""

    def __init__(self, source: sources.Source, directory: Path, record: dict[str, Any], wanted: Wanted) -> None:
        self._source, self._directory, self._record, self._wanted = source, directory, record, wanted
        self._read: list[_Read] = []

    def gather(self, order: np.ndarray, most: int) -> dict[str, Any]:
        """Write files, pixels and labels of the first `most` good images of the order, and return what `gathered.json`
        says of them. Raises UserError where too many are bad."""
        sizes = self._sizes(order)
        name = digests.digest([self._record["origin"], sizes, digests.code_digest([Path(__file__)])])
        place = self._directory / f".gathering-{name}"
        for other in self._directory.glob(".gathering-*"):
            if other != place:
                shutil.rmtree(other)
        place.mkdir(parents=True, exist_ok=True)
        self._go_on(place)
        done = {read.number for read in self._read}
        while (missing := most - sum(not read.bad for read in self._read)) > 0:
            numbers = list(islice((number for number in order.tolist() if number not in done), missing))
            if not numbers:
                break
            done.update(numbers)
            self._take(numbers, place, sizes)
            self._refuse_bad()
        rank = {int(number): place for place, number in enumerate(order)}
        good = sorted(
            (slot for slot, read in enumerate(self._read) if not read.bad),
            key=lambda slot: rank[self._read[slot].number],
        )[:most]
        if not good:
            raise UserError(f"images: {shown(self._record['path'])} has no image that can be read{self._named_bad()}")
        return self._arrange(place, good, sizes)

    def _sizes(self, order: np.ndarray) -> list[str]:
        """The image sizes that are decoded to in the same go; what only the whole source tells is left to later."""
        looked_at = set()
        for sample in self._source.read(np.sort(order[:LOOKED_AT])):
            try:
                looked_at.add(decoding.size_of(sample.content))
            except decoding.BadImage:
                continue
        own = [f"{height}x{width}" for height, width in looked_at] if len(looked_at) == 1 else []
        asked = self._wanted.image_sizes
        if asked is None:
            return own or [square(USUAL_SIZE)]
        return [*dict.fromkeys(one for size in asked for one in (own if size == OWN else [square(int(size))]))]

    def _go_on(self, place: Path) -> None:
        """Take up what a killed step has left: lines of the journal whose bytes are all there."""
        journal, originals = place / "journal", place / ORIGINALS
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
            self._read.append(read)
        journal.write_bytes(b"".join(kept))
        if originals.exists():
            os.truncate(originals, end)

    def _take(self, numbers: Sequence[int], place: Path, sizes: Sequence[str]) -> None:
        """Read and decode the files of these numbers; each appears in the journal once all of it is written."""
        files = [(str(place / size), shape_of(size)) for size in sizes]
        for path, _ in files:
            Path(path).touch()
        before = len(self._read)
        waiting: deque[list[sources.Sample]] = deque()

        def tasks() -> Iterator[tuple[Any, ...]]:
            slot = before
            samples = iter(self._source.read(np.asarray(numbers)))
            while batch := list(islice(samples, IMAGES_PER_TASK)):
                waiting.append(batch)
                yield slot, [sample.content for sample in batch], files
                slot += len(batch)

        with (
            (place / ORIGINALS).open("ab") as originals,
            (place / "journal").open("ab") as journal,
            Progress(f"reading {self._record['name']}", before + len(numbers), done=before) as progress,
        ):
            for found in process.share(_decode, tasks(), self._wanted.cores or usable_cores()):
                self._keep(waiting.popleft(), found, originals, journal)
                progress.update(len(self._read))

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
            self._read.append(read)
        originals.flush()
        journal.write(b"".join(lines))
        journal.flush()

    def _refuse_bad(self) -> None:
        """Raise UserError where too many images are bad."""
        bad = sum(bool(read.bad) for read in self._read)
        if bad > max(FEWEST_BAD, self._wanted.bad_share * len(self._read)):
            raise UserError(
                f"images: {bad} of {len(self._read)} images of {shown(self._record['path'])} are bad, more than "
                f"bad_images_limit ({self._wanted.bad_share:.0%}) allows; remove them, or raise it{self._named_bad()}"
            )

    def _named_bad(self) -> str:
        """The bad images with their reasons, at the end of a message."""
        bad = [f"{shown(read.name)} ({read.bad})" for read in self._read if read.bad]
        more = f" and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
        return f": {', '.join(bad[:MOST_NAMED])}{more}" if bad else ""

    def _arrange(self, place: Path, good: Sequence[int], sizes: Sequence[str]) -> dict[str, Any]:
        """Put what was read in the slots `good` into their order, in the folder of what is gathered."""
        folder = self._directory / FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        chosen = [self._read[slot] for slot in good]
        lengths = np.array([read.bytes for read in self._read])
        starts = np.cumsum(lengths) - lengths
        offsets = np.concatenate(([0], np.cumsum(lengths[list(good)])))
        in_order = list(good) == list(range(len(self._read)))
        if in_order:
            os.replace(place / ORIGINALS, folder / ORIGINALS)
        else:
            _copy_parts(place / ORIGINALS, folder / ORIGINALS, starts[list(good)], lengths[list(good)])
        heights = np.array([(read.height, read.width) for read in chosen], np.int64)
        own = {f"{height}x{width}" for height, width in heights.tolist()}
        for size in sizes:
            # A size that only some of the files have, those that were looked at first, is no image size.
            if len(own) == 1 or size in map(square, _asked(self._wanted.image_sizes)):
                shape = shape_of(size)
                row = int(np.prod(shape))
                with replacing(folder / f"{size}.npy") as file:
                    write_header(file, (len(good), *shape))
                    _copy_rows(place / size, file, good, row)
        np.save(folder / LABELS, np.array([read.label for read in chosen], np.int64))
        np.save(folder / OFFSETS, offsets.astype(np.int64))
        np.save(folder / SIZES, heights)
        with replacing(folder / NAMES) as file:
            file.write(b"".join(os.fsencode(read.name) + b"\0" for read in chosen))
        shutil.rmtree(place)
        return {
            "images": len(good),
            "own_size": own.pop() if len(own) == 1 else None,
            "original_bytes": int(offsets[-1]),
            "bad_images": [{"name": shown(read.name), "reason": read.bad} for read in self._read if read.bad],
        }


def _asked(image_sizes: Sequence[str | int] | None) -> list[int]:
    """The sides (pixels) of the square image sizes asked for."""
    return [USUAL_SIZE] if image_sizes is None else [int(size) for size in image_sizes if size != OWN]


def _decode(
    slot: int, contents: Sequence[bytes | np.ndarray], files: Sequence[tuple[str, tuple[int, int, int]]]
) -> list[tuple[int, int] | str]:
    """Decode files to each image size, into rows of these files of pixels from `slot` on; in a process of the pool.

    Returns of each height and width of the image, or why it is bad.
    """
    found: list[tuple[int, int] | str] = []
    with ExitStack() as opened:
        places = [(os.open(path, os.O_WRONLY), shape) for path, shape in files]
        for descriptor, _ in places:
            opened.callback(os.close, descriptor)
        for row, content in enumerate(contents, slot):
            try:
                for descriptor, shape in places:
                    pixels = np.empty(shape, np.uint8)
                    decoding.decode(content, pixels)
                    os.pwrite(descriptor, pixels.data, row * pixels.nbytes)
                if not places:
                    decoding.decode(content, np.empty((1, 1, 3), np.uint8))
                found.append(decoding.size_of(content))
            except decoding.BadImage as fault:
                found.append(str(fault))
    return found


def _copy_parts(source: Path, target: Path, starts: np.ndarray, lengths: np.ndarray) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
            read.seek(start)
            written.write(read.read(length))


def _copy_rows(source: Path, written: BinaryIO, rows: Sequence[int], row_bytes: int) -> None:
    with source.open("rb") as read:
        for row in rows:
            read.seek(row * row_bytes)
            written.write(read.read(row_bytes))
