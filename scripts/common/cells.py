"""Stores and cells: what names one, the image size (height x width in pixels) included, and where its files lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS_OF_A_RECORD = 5
"""How many parts of a record's path name its cell: machine, backend, image size, cutoff and operation."""


@dataclass(frozen=True)
class Store:
    """One backend's or variant's files holding one cutoff at one image size."""

    backend: str
    image_size: str
    cutoff: int

    def directory(self, stores: Path | str) -> Path:
        """Return where the store is below the directory of all stores."""
        return Path(stores, self.backend, self.image_size, str(self.cutoff))


@dataclass(frozen=True)
class Cell:
    """One backend x image size x cutoff x operation on one machine: one timing job, one record."""

    machine: str
    backend: str
    image_size: str
    cutoff: int
    operation: str

    @property
    def store(self) -> Store:
        """The store that the operation works on."""
        return Store(self.backend, self.image_size, self.cutoff)

    @property
    def name(self) -> str:
        """What a command calls the cell, on its machine: BACKEND/SIZE/CUTOFF/OPERATION."""
        return f"{self.backend}/{self.image_size}/{self.cutoff}/{self.operation}"

    def record(self, records: Path | str) -> Path:
        """Return the path of the cell's record below the directory of all machines' records."""
        return Path(records, self.machine, f"{self.name}.json")

    @classmethod
    def of_record(cls, path: Path) -> "Cell":
        """Return the cell whose record has that path. Raises ValueError where the path is none of a record."""
        machine, backend, image_size, cutoff, _ = path.parts[-PARTS_OF_A_RECORD:]
        return cls(machine, backend, image_size, int(cutoff), path.stem)


def place_of_record(path: Path) -> Path:
    """Return the part of a record's path that names its cell, from the machine on."""
    return Path(*path.parts[-PARTS_OF_A_RECORD:])


def image_size(shape: Sequence[int]) -> str:
    """Return the image size of images of that shape (height, width, channels)."""
    height, width, _ = shape
    return f"{height}x{width}"


def shape_of(image_size: str) -> tuple[int, int, int]:
    """Return the shape (height, width, channels) of images of an image size."""
    height, width = map(int, image_size.split("x"))
    return height, width, 3
