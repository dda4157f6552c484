"""What a plan knows of its images: before a run only what a quick look tells, and the rest once they are gathered."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from scripts.common import sealed
from scripts.common.cells import image_size
from scripts.common.errors import UserError
from scripts.dataset import obtain, sources
from scripts.dataset.gathered import GATHERED, GATHERED_VERSION
from scripts.dataset.image_set import PROVENANCE, read_provenance
from scripts.dataset.sources import synthetic

SOURCE = "source.json"
"""The record of a source, in the directory of the dataset."""
FILES, PIXELS = "files", "pixels"
"""What a source has: encoded image files, or pixels."""
CIFAR_SHAPE = (synthetic.SIDE, synthetic.SIDE, 3)
NAMED = (obtain.CIFAR10_NAME, *obtain.GENERATED)
"""The sources that have a name in the config; all others are paths."""
REPEATED = (obtain.CIFAR10_NAME, obtain.SYNTHETIC)
"""The sources that are repeated where a cutoff is larger."""
CIFAR_KIND = "cifar"
"""The kind of source that CIFAR-10's archive is."""
MOST_BY_DEFAULT = 10_000
"""The largest cutoff of a source that isn't repeated, where the config names none."""


@dataclass(frozen=True)
class Images:
    """The images of a source: how many there are, None where they are repeated; the size that all of them have, None
    where they have several; the mean bytes of a file, 0 without files."""

    count: int | None
    own_size: str | None
    file_bytes: float = 0


def is_path(images: str) -> bool:
    """Say whether the key `images` of the config is a path."""
    return images not in NAMED


_kinds: dict[str, str | None] = {}
"""The kinds that the start of a run has told its jobs on nodes, which may not see the images."""


def tell_kind(images: str, kind: str | None) -> None:
    """Have this process know the kind of source of a path."""
    _kinds[images] = kind


@cache
def kind(images: str) -> str | None:
    """Return the kind of source that a path is, None for what isn't a path. Raises UserError where it is none."""
    if images in _kinds:
        return _kinds[images]
    return sources.recognise(Path(images)) if is_path(images) else None


def module(images: str) -> str:
    """Return the name of the file in `scripts/dataset/sources` that reads a source."""
    return CIFAR_KIND if images == obtain.CIFAR10_NAME else kind(images) or images


@cache
def has(images: str) -> str:
    """Return what a source has: FILES or PIXELS."""
    name = kind(images)
    if name is None:
        return FILES if images == obtain.SYNTHETIC_PHOTOGRAPHS else PIXELS
    return FILES if sources.load(name).has_originals else PIXELS


def needs_packages(images: str) -> bool:
    """Say whether reading a source takes more packages than the core's."""
    name = kind(images)
    return name is not None and bool(sources.load(name).packages)


@cache
def identity(images: str, most: int) -> str:
    """Return what decides whether a source must be looked at again: its name, or the identity of a path."""
    name = kind(images)
    return images if name is None else sources.load(name).identity(Path(images), most)


def folder(images: str, told_by: str) -> str:
    """Return the name of the directory for what is gathered of a source; of a path, `told_by` sets it apart."""
    if not is_path(images):
        return images
    own = re.sub(r"[^\w-]+", "-", Path(images).name.split(".")[0], flags=re.ASCII).strip("-") or "images"
    return f"{own[:40]}-{hashlib.sha256(told_by.encode(errors='surrogateescape')).hexdigest()[:8]}"


def known(images: str, dataset: str, most: int | None, identity: str) -> Images | None:
    """Return what is known of the images of a source, None where they must be gathered first.

    What was gathered of another state of the source (its `identity`), or for fewer images than `most`, tells nothing.
    """
    if images in REPEATED:
        return Images(None, image_size(CIFAR_SHAPE))
    facts = _facts(dataset)
    if facts is None or facts["most"] != most or (facts["origin"] and facts["origin"]["identity"] != identity):
        return None
    count = facts["images"]
    return Images(count, facts["own_size"], (facts["original_bytes"] or 0) / count)


def _facts(dataset: str) -> dict[str, Any] | None:
    path = Path(dataset, GATHERED)
    try:
        status = path.stat()
    except OSError:
        return None
    return _gathered(path, status.st_mtime_ns, status.st_size)


@cache
def _gathered(path: Path, mtime_ns: int, size: int) -> dict[str, Any] | None:
    """The content of gathered.json, read once as long as it stays as it is; None where it is damaged."""
    try:
        return sealed.read(path, gathered_version=GATHERED_VERSION)
    except (OSError, sealed.Damaged):
        return None


def read_before(dataset: str) -> int:
    """Return how many images of a source were asked for when it was last looked at, 0 where it wasn't."""
    try:
        most: int = obtain.read(Path(dataset, SOURCE))["most"]
    except UserError:
        return 0
    return most


def unpacked_before(image_set: str) -> int:
    """Return how many images an image set has on the disk, 0 where there is none."""
    try:
        count: int = read_provenance(Path(image_set, PROVENANCE))["images"]
    except UserError:
        return 0
    return count


def location(images: str) -> str:
    """Return a path as it names a directory: a copy of a checkout has its images at the same place."""
    return os.path.realpath(images).removeprefix(f"{os.path.realpath(os.curdir)}/")
