"""Archives in the CIFAR python layout, also hostile ones: the only place that knows the layout.

The layout (https://www.cs.toronto.edu/~kriz/cifar.html): an archive or a folder of pickled dicts, of

- batches: `data_batch_1`, `data_batch_2`, ... of CIFAR-10, `train` of CIFAR-100, `train_data_batch_1`, ... of
  ImageNet32 and 64 (https://arxiv.org/abs/1707.08819). They have `data`, (rows, 3 * side * side) uint8, a row being the
  red, green and blue plane of an image, and `labels` or `fine_labels`, a list of ints. Batches for tests are left out.
- `batches.meta` or `meta`, where there is one, with `label_names` or `fine_label_names`.

Nothing is ever extracted to disk. One batch at a time is in memory.
"""

import math
import pickle
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scripts.common.errors import UserError
from scripts.dataset import pickles
from scripts.dataset.sources import Sample
from scripts.dataset.sources.shared import places
from scripts.dataset.sources.shared.members import MOST_MEMBER_BYTES, REMEDY, Members, first_members, opened

has_originals = False
packages: dict[str, str] = {}
looks_for = "an archive or a folder of batches in the CIFAR python layout"

_NUMBERED = re.compile(r"(.*batch.*?)(0|[1-9][0-9]{0,8})")
_WHOLE = "train"
_META = ("batches.meta", "meta")
_FOR_TESTS = re.compile(r"test|val")
_ANY = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
_PICKLE = b"\x80"
"""How pickles begin, of protocol 2 and above."""


def fits(path: Path) -> bool:
    """Say whether a path is an archive or a folder with batches in it."""
    if path.is_dir():
        names = [file.name for file in places.files_that_begin(places.inner(path), _PICKLE)]
        return any(map(_is_batch, names))
    return any(content.startswith(_PICKLE) and _is_batch(_last(name)) for name, content in first_members(path))


def identity(path: Path, _most: int) -> str:
    """Return a text that changes when the archive or one of the batches does."""
    folder = places.inner(path)
    return places.identity(_files(folder) if folder.is_dir() else [path])


@contextmanager
def open_source(path: Path) -> Iterator["Batches"]:
    """Open an archive or a folder, each batch read once for its labels. Raises UserError for anything hostile."""
    if path.is_dir():
        yield Batches(path, _Folder(places.inner(path)))
        return
    with opened(path) as members:
        yield Batches(path, members)


class Batches:
    """The training images of an archive that is open for reading, in the order of the numbers of its batches."""

    has_originals, has_order = False, True

    def __init__(self, path: Path, members: Members) -> None:
        self._path, self._members = path, members
        self._places: dict[str, int] = {}
        for place, name in enumerate(map(_last, members.names)):
            if (_is_batch(name) or name in _META) and self._places.setdefault(name, place) != place:
                fault = f"holds {members.names[place][:100]!r}, a second member of that name"
                raise UserError(f"{path} {fault}: don't trust this archive, {REMEDY}")
        self._batches = self._ordered()
        self.label_names = self._label_names()
        labels = dict(self._loaded_labels())
        self._labels = [labels[name] for name in self._batches]
        self._starts = np.cumsum([0, *map(len, self._labels)])
        self.count = int(self._starts[-1])
        self._number_labels_from_zero()

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Yield the images of these numbers, batch after batch. Raises UserError where a batch is damaged."""
        ordered = np.sort(np.asarray(numbers, np.int64))
        bounds = np.searchsorted(ordered, self._starts)
        wanted = {
            self._places[name]: (batch, ordered[bounds[batch] : bounds[batch + 1]])
            for batch, name in enumerate(self._batches)
            if bounds[batch] < bounds[batch + 1]
        }
        for place, content in self._members.read(wanted):
            batch, of_batch = wanted[place]
            name = self._batches[batch]
            planes = _planes(self._load(name, content), f"{name} in {self._path}")
            del content
            for number in of_batch.tolist():
                row = number - int(self._starts[batch])
                if row >= len(planes):
                    raise UserError(f"{name} in {self._path} has changed while it was read: run the workflow again")
                pixels = np.ascontiguousarray(planes[row].transpose(1, 2, 0))
                yield Sample(number, f"{name}/{row}", int(self._labels[batch][row]), pixels)
            del planes

    def _ordered(self) -> list[str]:
        """The names of the batches by their numbers."""
        names = [name for name in self._places if _is_batch(name) and not _FOR_TESTS.match(name)]
        if names == [_WHOLE]:
            return names
        prefix, first = "data_batch_", 1
        if names:
            prefix, lowest = min(match.groups() for name in names if (match := _NUMBERED.fullmatch(name)))
            first = 0 if lowest == "0" else 1
        ordered = [f"{prefix}{number}" for number in range(first, first + max(1, len(names)))]
        for name in ordered:
            if name not in self._places:
                raise UserError(f"{self._path} has no member {name}: {REMEDY}")
        return ordered

    def _label_names(self) -> list[str]:
        place = next((self._places[name] for name in _META if name in self._places), None)
        if place is None:
            return []
        ((_, content),) = self._members.read([place])
        meta = _last(self._members.names[place])
        loaded = self._load(meta, content)
        names = loaded.get("label_names", loaded.get("fine_label_names"))
        names = names.tolist() if isinstance(names, np.ndarray) else names
        if not isinstance(names, list) or not names or not all(isinstance(name, str | bytes) for name in names):
            raise UserError(f"{meta} in {self._path} has no list of label_names: {REMEDY}")
        return [name.decode(errors="replace") if isinstance(name, bytes) else name for name in names]

    def _loaded_labels(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield name and labels of each batch, as they lie in the archive, each batch held against the layout."""
        side = None
        places_of = {self._places[name]: name for name in self._batches}
        for place, content in self._members.read(places_of):
            name, where = places_of[place], f"{places_of[place]} in {self._path}"
            loaded = self._load(name, content)
            del content
            planes = _planes(loaded, where)
            labels = loaded.get("labels", loaded.get("fine_labels"))
            labels = labels.tolist() if isinstance(labels, np.ndarray) else labels
            if not isinstance(labels, list) or len(labels) != len(planes):
                count = len(labels) if isinstance(labels, list) else "no"
                raise UserError(f"{where} has {len(planes):,} rows but {count} labels: {REMEDY}")
            if not labels:
                raise UserError(f"{where} has 0 rows where at least one is expected: {REMEDY}")
            if side not in (None, planes.shape[2]):
                raise UserError(f"{where} has images of another size than the batches before it: {REMEDY}")
            side = planes.shape[2]
            # Where the archive counts from 1, the last class has as its number how many there are.
            limits = (0, len(self.label_names)) if self.label_names else _ANY
            if not all(type(label) is int and limits[0] <= label <= limits[1] for label in labels):
                raise UserError(f"{where} has {self._wrong_labels()}: {REMEDY}")
            del planes, loaded
            yield name, np.array(labels, np.int64)

    def _number_labels_from_zero(self) -> None:
        """Count labels that have names from 0, where the archive counts them from 1."""
        if not self.label_names or max(int(labels.max()) for labels in self._labels) < len(self.label_names):
            return
        if min(int(labels.min()) for labels in self._labels) == 0:
            worst = self._batches[int(np.argmax([labels.max() for labels in self._labels]))]
            raise UserError(f"{worst} in {self._path} has {self._wrong_labels()}: {REMEDY}")
        self._labels = [labels - 1 for labels in self._labels]

    def _wrong_labels(self) -> str:
        limits = f"from 0 to {len(self.label_names) - 1}" if self.label_names else "numbers of 64 bits"
        return f"labels that are not {limits}"

    def _load(self, name: str, content: bytes) -> dict[str, Any]:
        try:
            return pickles.load(content)
        except pickle.UnpicklingError as error:
            raise UserError(f"{name} in {self._path} is refused, {error}: {REMEDY}") from None


class _Folder:
    """The files of an unpacked archive, in the way of an archive's members."""

    def __init__(self, folder: Path) -> None:
        self._files = _files(folder)
        self.names = [file.name for file in self._files]
        self.sizes = [file.stat().st_size for file in self._files]

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        for number in sorted(numbers):
            if self.sizes[number] > MOST_MEMBER_BYTES:
                raise UserError(f"{self._files[number]} is larger than a batch of images needs: {REMEDY}")
            yield number, self._files[number].read_bytes()


def _files(folder: Path) -> list[Path]:
    """The files of a folder that may be batches, or say what their labels are."""
    return sorted(file for file in folder.iterdir() if file.is_file() and (_is_batch(file.name) or file.name in _META))


def _planes(content: dict[str, Any], where: str) -> np.ndarray:
    """The images of a batch, (rows, 3, side, side) uint8. Raises UserError where it has none."""
    data = content.get("data")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2:
        raise UserError(f"{where} has no `data` in rows of bytes: {REMEDY}")
    side = math.isqrt(data.shape[1] // 3)
    if side == 0 or data.shape[1] != 3 * side * side:
        raise UserError(f"{where} has `data` in rows of {data.shape[1]:,} bytes, no three planes of a square: {REMEDY}")
    return data.reshape(-1, 3, side, side)


def _is_batch(name: str) -> bool:
    """Whether a member is a batch by its name."""
    return name == _WHOLE or _NUMBERED.fullmatch(name) is not None


def _last(name: str) -> str:
    return name.rpartition("/")[2]
