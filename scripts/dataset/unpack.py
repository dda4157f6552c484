"""From a source to an image set: plain arrays that can be memory-mapped, and their provenance."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scripts.common import sealed
from scripts.common.atomic import replacing
from scripts.common.digests import file_sha256
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.dataset.image_set import PROVENANCE, PROVENANCE_VERSION, provenance_digests
from scripts.dataset.obtain import ARCHIVE_VERSION
from scripts.dataset.sources.cifar10 import IMAGE_SHAPE, Archive, Batch, open_archive
from scripts.dataset.sources.synthetic import Synthetic

PUBLISHED_ROWS = 10_000
"""Rows in each batch of the published archive (https://www.cs.toronto.edu/~kriz/cifar.html)."""


def unpack(archive_json: Path, directory: Path) -> None:
    """Write the image set that `archive_json` (by the step `download`) names into `directory`.

    Raises UserError where the archive is missing, has changed since it was recorded, or is not what it should be.
    """
    record = _record(archive_json)
    archive = record["archive"]
    (directory / PROVENANCE).unlink(missing_ok=True)
    if archive is None:
        write(Synthetic(), directory, record)
        return
    path, remedy = Path(archive["path"]), f"delete {archive_json} and run the workflow again"
    if not path.is_file():
        raise UserError(f"the archive {path} is gone: {remedy}")
    if file_sha256(path) != archive["sha256"]:
        raise UserError(f"the archive {path} has changed since {archive_json} recorded it: {remedy}")
    with open_archive(path, PUBLISHED_ROWS if record["name"] == "cifar10" else None) as source:
        write(source, directory, record)


def write(source: Archive | Synthetic, directory: Path, record: dict[str, Any]) -> None:
    """Write the image set of a source, one batch in memory at a time, with what `record` says of it.

    The last batch is the test batch. `provenance.json` is written last: where it is, the arrays are whole.
    """
    with Progress(f"unpacking {record['name']}", source.batch_count, "batches") as progress:
        batches = progress.counted(source.batches())
        count = _save(directory, "", islice(batches, source.batch_count - 1))
        test_count = _save(directory, "test_", batches)
    images = np.load(directory / "images.npy", mmap_mode="r")
    labels = np.load(directory / "labels.npy", mmap_mode="r")
    sealed.write(
        directory / PROVENANCE,
        {
            "provenance_version": PROVENANCE_VERSION,
            **{key: record[key] for key in ("name", "label", "synthetic", "note", "archive")},
            "train_images": count,
            "test_images": test_count,
            "image_shape": list(IMAGE_SHAPE),
            "label_names": source.label_names,
            **provenance_digests(images, labels),
        },
    )


def _record(archive_json: Path) -> dict[str, Any]:
    """What the step `download` recorded."""
    try:
        return sealed.read(archive_json, archive_version=ARCHIVE_VERSION)
    except FileNotFoundError:
        raise UserError(f"{archive_json} is missing: run the workflow again") from None
    except sealed.Damaged as fault:
        raise UserError(f"{archive_json} {fault}: delete it and run the workflow again") from None


def _save(directory: Path, prefix: str, batches: Iterable[Batch]) -> int:
    """Write images and labels of all batches as two arrays; returns the number of images."""
    labels = []
    count = 0
    with replacing(directory / f"{prefix}images.npy") as file:
        _write_header(file, count)
        for batch in batches:
            file.write(batch.images.data)
            labels.append(batch.labels)
            count += len(batch.labels)
        file.seek(0)
        _write_header(file, count)
    with replacing(directory / f"{prefix}labels.npy") as file:
        np.save(file, np.concatenate(labels))
    return count


def _write_header(file: BinaryIO, count: int) -> None:
    """Write the start of a .npy file; NumPy pads it so that its length doesn't depend on the count."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *IMAGE_SHAPE)}
    np.lib.format.write_array_header_1_0(file, header)
