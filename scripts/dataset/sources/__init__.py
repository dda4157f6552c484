"""The kinds of sources of images: every file in this folder is one, under its file name, and found by its place.

A source lists its images without reading them, and then reads those that are asked for. What kind a path is, is told by
its content, never by its name.
"""

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from scripts.common.errors import UserError, shown
from scripts.dataset.sources.shared import places


@dataclass(frozen=True)
class Sample:
    """One image as a source has it.

    - `number`: its place among all images of the source, from 0.
    - `name`: what the source calls it, as a relative path with slashes. Bytes that are no UTF-8 are escaped as
      `os.fsdecode` does.
    - `label`: its class, an index of the source's `label_names` where there are any; 0 in a source without labels.
    - `content`: the bytes of the encoded file, untouched, or pixels, (height, width, 3) or (height, width) uint8.
    """

    number: int
    name: str
    label: int
    content: bytes | np.ndarray


class Source(Protocol):
    """A source that is open for reading."""

    count: int
    """How many images are listed; some of them may turn out to be bad."""
    label_names: list[str]
    """The names of the classes; empty where labels have no names, or there are no labels."""
    has_originals: bool
    """Whether the content of its samples is the bytes of encoded files."""
    has_order: bool
    """Whether the images have an order of their own, as published sets have, in which they are measured."""

    def read(self, numbers: Sequence[int] | np.ndarray) -> Iterator[Sample]:
        """Yield the images of these numbers, each once, in the order that suits the source.

        Holds a few images at a time. Ask for all numbers in one call: each call reads a compressed source through.
        Raises UserError where the source has changed or is damaged as a whole. An image whose own bytes are bad is
        yielded as it is.
        """


NO_KINDS = ("__init__", "synthetic", "synthetic_photographs")
"""The modules here that are no kind of path."""


FOLDER = "folder"
"""The kind whose files can be read where they lie."""
GENERAL = ("archive", FOLDER)
"""The kinds that take any files. They are asked last what a path is, as the files may be those of another kind.

The other kinds exclude each other: each looks for files, or members of an archive, that begin in a way of their own.
"""
SEED = 0
"""Of the order in which images are measured that have no order of their own."""


class Kind(Protocol):
    """What the module of a kind of source defines. It imports its library only inside its functions.

    A path may also be a pattern (`shared.places.expand`), which isn't there itself.
    """

    has_originals: bool
    """Whether sources of the kind have the bytes of encoded files."""
    packages: dict[str, str]
    """The libraries that it needs beside the core's: import name to requirement, as backends declare them."""
    looks_for: str
    """What the kind is, in words that complete `looked for ...`: `a folder of image files`."""

    def fits(self, path: Path) -> bool:
        """Say whether a path is of this kind, by a quick look at its content. Raises nothing for any path."""

    def identity(self, path: Path, most: int) -> str:
        """Return a short text that changes when the source does, without reading much of it: by names, sizes and times.

        `most` is the number of images that will be read at most.
        """

    def open_source(self, path: Path) -> AbstractContextManager[Source]:
        """Open a path of this kind. Raises UserError, in one line with a remedy, for anything hostile or unusable."""


def names() -> list[str]:
    """Return the name of every kind, sorted, and those of `GENERAL` last."""
    stems = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted((stem for stem in stems if stem not in NO_KINDS), key=lambda name: (name in GENERAL, name))


def load(name: str) -> Kind:
    """Return the kind of that name, without importing its library."""
    return cast(Kind, importlib.import_module(f"{__name__}.{name}"))


def file(name: str) -> Path:
    """Return the file of a kind or of a generated source."""
    return Path(__file__).with_name(f"{name.replace('-', '_')}.py")


def generated(name: str) -> Source:
    """Return the source of that name that is generated: `synthetic` or `synthetic-photographs`."""
    return cast(Source, importlib.import_module(f"{__name__}.{name.replace('-', '_')}").source())


def order(count: int, has_order: bool) -> np.ndarray:
    """Return the numbers of all images of a source, (count,) int64, in the order in which they are measured.

    Images without an order of their own are shuffled, so that the first of them stand for all.
    """
    return np.arange(count) if has_order else np.random.default_rng(SEED).permutation(count)


def root(kind: str | None, path: str) -> str | None:
    """Return the folder in which the files of a source lie as they are, None where its kind has none.

    A folder below the directory of the run is relative to that, so that a copy of a checkout has its own.
    """
    return os.path.abspath(path).removeprefix(f"{os.path.abspath(os.curdir)}/") if kind == FOLDER else None


def recognise(path: Path) -> str:
    """Return the name of the kind that a path is. Raises UserError where it is none: what was looked for, and found."""
    for name in names():
        if load(name).fits(path):
            return name
    looked_for = "; ".join(load(name).looks_for for name in names())
    raise UserError(f"images: {shown(path)} is {_found(path)}; looked for: {looked_for}")


def _found(path: Path) -> str:
    """What lies at a path, in a few words."""
    if places.is_pattern(path):
        matches = places.expand(path)
        return (
            f"a pattern of {len(matches):,} paths, of which {matches[0].name!r} is {_found(matches[0])}"
            if matches
            else ("a pattern under which nothing lies")
        )
    try:
        if path.is_dir():
            inside = sorted(each.name for each in path.iterdir())[:3]
            return f"a folder with {', '.join(map(shown, inside))}" if inside else "an empty folder"
        if not path.exists():
            return "not there"
        if not path.is_file():
            return "no file and no folder"
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        return f"not readable ({error.strerror})"
    return f"a file that begins with {start!r}" if start else "an empty file"
