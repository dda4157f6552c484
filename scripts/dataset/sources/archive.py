"""A folder of image files packed as a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz, also a hostile one.

Nothing is ever extracted to disk. What is compressed as a whole is read through once, in its own order.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from scripts.common.errors import UserError, shown
from scripts.dataset.sources import Sample
from scripts.dataset.sources.shared import image_names, labels, places
from scripts.dataset.sources.shared.members import Members, first_members, opened

has_originals = True
packages: dict[str, str] = {}
looks_for = "a .zip or .tar of such a folder, compressed or not"


def fits(path: Path) -> bool:
    """Say whether a path is an archive in which a file may be an image, by its name."""
    return any(image_names.is_candidate(name) for name, _start in first_members(path))


def identity(path: Path, _most: int) -> str:
    """Return a text that changes when the archive does."""
    return places.identity([path])


@contextmanager
def open_source(path: Path) -> Iterator["Packed"]:
    """Open an archive, its members listed and checked. Raises UserError for anything hostile, and without images."""
    with opened(path) as members:
        yield Packed(path, members)


class Packed:
    """The image files of an archive, in the order in which they lie."""

    has_originals, has_order = True, False

    def __init__(self, path: Path, members: Members) -> None:
        self._members = members
        self._places = [place for place, name in enumerate(members.names) if image_names.is_candidate(name)]
        if not self._places:
            raise UserError(f"images: {shown(path)} holds no file that may be an image; give an archive of images")
        self.names = [members.names[place] for place in self._places]
        """The relative path of each image."""
        of_folder, self.label_names = image_names.classes({name.rpartition("/")[0] for name in self.names})
        of_each = (of_folder[name.rpartition("/")[0]] for name in self.names)
        self.labels = np.fromiter(of_each, np.int64, len(self.names))
        """The label of each image, (count,) int64."""
        if len(self.label_names) < 2 and (found := labels.from_tables(self.names, self._tables())):
            self.labels, self.label_names = found
        self.count = len(self.names)

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Yield the files of these numbers, in the order in which they lie. Raises UserError for a damaged archive."""
        number_at = {self._places[number]: number for number in np.asarray(numbers, np.int64).tolist()}
        for place, content in self._members.read(number_at):
            number = number_at[place]
            yield Sample(number, self.names[number], int(self.labels[number]), content)

    def _tables(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of the tables, where they are so few that they may be of labels."""
        names = self._members.names
        tables = [place for place, name in enumerate(names) if image_names.is_table(name)]
        if len(tables) <= labels.MOST_TABLES:
            yield from ((names[place], content) for place, content in self._members.read(tables))
