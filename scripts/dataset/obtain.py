"""Which source the images come from: the published archive, the user's own, or none where images are synthetic."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.common import sealed
from scripts.common.errors import UserError, shown
from scripts.common.progress import report
from scripts.dataset import sources
from scripts.dataset.download import Patience, Published, Unavailable, fetch
from scripts.dataset.image_set import PHOTOGRAPHS_LABEL, SYNTHETIC_LABEL

CIFAR10 = Published(
    address="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    file_name="cifar-10-python.tar.gz",
    size_bytes=170_498_071,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    start=b"\x1f\x8b",
)
"""The archive of https://www.cs.toronto.edu/~kriz/cifar.html, of the MD5 that the page gives."""

SOURCE_VERSION = 4
"""Of `source.json`, the record of a source."""
CIFAR10_NAME, SYNTHETIC, SYNTHETIC_PHOTOGRAPHS = "cifar10", "synthetic", "synthetic-photographs"
GENERATED = (SYNTHETIC, SYNTHETIC_PHOTOGRAPHS)
"""The sources that need no file."""
NOTES = {
    SYNTHETIC: "for the real images, set `images: cifar10` in config.yaml",
    SYNTHETIC_PHOTOGRAPHS: "for your own, set `images:` in config.yaml to their path",
}
"""How to get real images in the place of generated ones."""


def obtain(
    images: str,
    output: Path,
    *,
    directory: Path,
    addresses: Sequence[str] = (CIFAR10.address,),
    offline_fallback: bool = True,
    most: int = 0,
    published: Published = CIFAR10,
    patience: Patience | None = None,
) -> None:
    """Find or download the source that `images` names, and record in `output` (JSON) which one it is.

    `images` is `cifar10`, the name of a generated source, or a path, which is used where it lies. The published archive
    is kept in `directory`; once there, no address is asked. Where none gives it, `offline_fallback` decides between
    synthetic images and a UserError. `most` is the number of images that will be read of a path.
    """
    if images in GENERATED:
        record = _generated(images, most, NOTES[images])
    elif images == CIFAR10_NAME:
        by_hand = f"save {published.address} in {directory} by hand"
        try:
            address = fetch(published, directory, addresses, patience) or published.address
            record = _recorded(directory / published.file_name, CIFAR10_NAME, "CIFAR-10", address, most)
        except Unavailable as reasons:
            if not offline_fallback:
                raise UserError(
                    f"{published.file_name} could not be downloaded ({reasons}): {by_hand}, "
                    "or set `offline_fallback: true` or `images: synthetic` in config.yaml"
                ) from None
            report(f"{published.file_name} could not be downloaded: going on with {SYNTHETIC_LABEL}")
            record = _generated(
                SYNTHETIC, most, f"for the real images, {by_hand} and run: snakemake --cores 4 --forcerun download"
            )
    else:
        path = Path(images)
        record = _recorded(path, path.name, path.name, None, most)
    sealed.write(output, {"source_version": SOURCE_VERSION, **record})


def read(source_json: Path) -> dict[str, Any]:
    """Return the record of a source. Raises UserError where there is none as it was written."""
    try:
        return sealed.read(source_json, source_version=SOURCE_VERSION)
    except FileNotFoundError:
        raise UserError(f"{source_json} is missing: run the workflow again") from None
    except sealed.Damaged as fault:
        raise UserError(f"{source_json} {fault}: delete it and run the workflow again") from None


@contextmanager
def opened(record: dict[str, Any]) -> Iterator[sources.Source]:
    """Open the source that was recorded. Raises UserError where it is gone, has changed since, or isn't usable."""
    if record["kind"] in GENERATED:
        yield sources.generated(record["kind"])
        return
    path, origin, kind = Path(record["path"]), record["origin"], sources.load(record["kind"])
    try:
        identity = kind.identity(path, record["most"])
    except FileNotFoundError:
        raise UserError(f"{shown(path)} is gone: put it back, or give other images") from None
    if identity != origin["identity"]:
        raise UserError(f"{shown(path)} has changed since the run began: run the workflow again")
    with kind.open_source(path) as source:
        yield source


def _generated(kind: str, most: int, note: str) -> dict[str, Any]:
    label = SYNTHETIC_LABEL if kind == SYNTHETIC else PHOTOGRAPHS_LABEL
    return {
        "name": kind,
        "label": label,
        "synthetic": True,
        "note": note,
        "kind": kind,
        "most": most,
        "path": None,
        "origin": None,
    }


def _recorded(path: Path, name: str, label: str, address: str | None, most: int) -> dict[str, Any]:
    kind = sources.recognise(path)
    identity = sources.load(kind).identity(path, most)
    origin: dict[str, Any] = {"kind": kind, "address": address, "identity": identity}
    if path.is_file():
        origin |= {"bytes": path.stat().st_size}
    return {
        "name": name,
        "label": label,
        "synthetic": False,
        "note": None,
        "kind": kind,
        "most": most,
        "path": os.path.abspath(path),
        "origin": origin,
    }
