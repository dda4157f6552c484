"""From an archive to an image set: plain arrays that can be memory-mapped, and their provenance."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scripts.common import sealed
from scripts.common.atomic import replacing
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.dataset.image_set import PROVENANCE, PROVENANCE_VERSION, SYNTHETIC_LABEL, provenance_digests
from scripts.dataset.sources.cifar10 import ARCHIVE_VERSION, IMAGE_SHAPE, Batch, open_archive

PUBLISHED_ROWS = 10_000
"""Rows in each batch of the published archive (https://www.cs.toronto.edu/~kriz/cifar.html)."""


def unpack(archive_json: Path, directory: Path) -> None:
    """Write the image set of the archive that `archive_json` (by the step `download`) names into `directory`.

    One batch is in memory at a time. `provenance.json` is written last: where it is, the arrays are whole. Raises
    UserError where the archive is missing, has changed since it was recorded, or is not what it should be.
    """
    record = _record(archive_json)
    path = Path(record["path"])
    _check_unchanged(path, record, archive_json)
    provenance_path = directory / PROVENANCE
    provenance_path.unlink(missing_ok=True)
    with open_archive(path, PUBLISHED_ROWS if record["name"] == "cifar10" else None) as archive:
        with Progress(f"unpacking {path.name}", archive.training_batch_count + 1, "batches") as progress:

            def counted(batch: Batch) -> Batch:
                progress.update(progress.done + 1)
                return batch

            count = _save(directory, "", map(counted, archive.training_batches()))
            test_count = _save(directory, "test_", [counted(archive.test_batch())])
        label_names = archive.label_names
        synthetic = record["synthetic"] or archive.synthetic
    images = np.load(directory / "images.npy", mmap_mode="r")
    labels = np.load(directory / "labels.npy", mmap_mode="r")
    sealed.write(
        provenance_path,
        {
            "provenance_version": PROVENANCE_VERSION,
            "name": record["name"],
            "label": SYNTHETIC_LABEL if synthetic else record["label"],
            "synthetic": synthetic,
            "note": record["note"],
            "archive": {key: record[key] for key in ("file_name", "bytes", "sha256", "source")},
            "train_images": count,
            "test_images": test_count,
            "image_shape": list(IMAGE_SHAPE),
            "label_names": label_names,
            **provenance_digests(images, labels),
        },
    )


def _record(archive_json: Path) -> dict[str, Any]:
    """What the step `download` recorded of the archive."""
    try:
        return sealed.read(archive_json, archive_version=ARCHIVE_VERSION)
    except FileNotFoundError:
        raise UserError(f"{archive_json} is missing: run the workflow again") from None
    except sealed.Damaged as fault:
        raise UserError(f"{archive_json} {fault}: delete it and run the workflow again") from None


def _check_unchanged(path: Path, record: dict[str, Any], archive_json: Path) -> None:
    remedy = f"delete {archive_json} and run the workflow again"
    if not path.is_file():
        raise UserError(f"the archive {path} is gone: {remedy}")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != record["sha256"]:
            raise UserError(f"the archive {path} has changed since {archive_json} recorded it: {remedy}")


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
