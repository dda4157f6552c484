"""Which archive the image set comes from: the published one, one the user has, or a synthetic one; and its record."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

from scripts.common import sealed
from scripts.common.atomic import replacing
from scripts.common.errors import UserError
from scripts.common.progress import Progress, report
from scripts.dataset.download import Patience, Published, Unavailable, fetch
from scripts.dataset.image_set import SYNTHETIC_LABEL
from scripts.dataset.sources import synthetic
from scripts.dataset.sources.cifar10 import ARCHIVE_VERSION, Batch, open_archive, write_archive

CIFAR10 = Published(
    address="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    file_name="cifar-10-python.tar.gz",
    size_bytes=170_498_071,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    start=b"\x1f\x8b",
)
"""The archive of https://www.cs.toronto.edu/~kriz/cifar.html, of the MD5 that the page gives."""

SYNTHETIC_FILE_NAME = "synthetic-10-python.tar.gz"
SYNTHETIC_TRAINING_BATCHES = 5
SYNTHETIC_ROWS = 10_000


def obtain(
    images: str,
    output: Path,
    *,
    directory: Path,
    addresses: Sequence[str] = (CIFAR10.address,),
    offline_fallback: bool = True,
    published: Published = CIFAR10,
    synthetic_rows: int = SYNTHETIC_ROWS,
    patience: Patience | None = None,
) -> None:
    """Find, download or generate the archive that `images` names, and record in `output` (JSON) which one it is.

    `images` is `cifar10`, `synthetic` or the path of an archive, which is used where it lies. The published archive is
    kept in `directory`; once there, no address is asked. Where none gives it, `offline_fallback` decides between a
    synthetic archive, under a name of its own in `directory`, and a UserError. `synthetic_rows` is the number of rows
    of each of its batches.
    """
    if images == "cifar10":
        record = _published(directory, addresses, published, offline_fallback, synthetic_rows, patience)
    elif images == "synthetic":
        record = _synthetic(directory, synthetic_rows, "for the real images, set `images: cifar10` in config.yaml")
    else:
        record = _local(Path(images))
    sealed.write(output, {"archive_version": ARCHIVE_VERSION, **record})


def _published(
    directory: Path,
    addresses: Sequence[str],
    published: Published,
    offline_fallback: bool,
    synthetic_rows: int,
    patience: Patience | None,
) -> dict[str, Any]:
    by_hand = f"save {published.address} in {directory} by hand"
    try:
        address = fetch(published, directory, addresses, patience)
    except Unavailable as reasons:
        if not offline_fallback:
            raise UserError(
                f"{published.file_name} could not be downloaded ({reasons}): {by_hand}, "
                "or set `offline_fallback: true` or `images: synthetic` in config.yaml"
            ) from None
        report(f"{published.file_name} could not be downloaded: going on with {SYNTHETIC_LABEL}")
        note = f"for the real images, {by_hand} and run: snakemake --cores 4 --forcerun download"
        return _synthetic(directory, synthetic_rows, note)
    source = address or published.address
    return _record(directory / published.file_name, "cifar10", "CIFAR-10", source)


def _local(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"images: {str(path)!r} is no archive: give the path of one, cifar10 or synthetic")
    with open_archive(path):
        # A damaged archive is refused here, before the image set of another one makes way for it.
        return _record(path, path.name, path.name, "local file")


def _synthetic(directory: Path, rows: int, note: str) -> dict[str, Any]:
    path = directory / SYNTHETIC_FILE_NAME
    total = (SYNTHETIC_TRAINING_BATCHES + 1) * rows
    test_first = [SYNTHETIC_TRAINING_BATCHES, *range(SYNTHETIC_TRAINING_BATCHES)]
    with (
        replacing(path) as file,
        Progress("generating synthetic images", total) as progress,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):

        def counted(batch: Batch) -> Batch:
            progress.update(progress.done + rows)
            return batch

        test, *training = map(counted, pool.map(_synthetic_batch, test_first, repeat(rows)))
        write_archive(file, synthetic.LABEL_NAMES, training, test, synthetic=True)
    return _record(path, "synthetic", SYNTHETIC_LABEL, "generated", note, synthetic=True)


def _synthetic_batch(index: int, rows: int) -> Batch:
    first = index * rows
    return Batch(synthetic.generate(rows, first=first), synthetic.generate_labels(rows, first=first))


def _record(
    path: Path, name: str, label: str, source: str, note: str | None = None, *, synthetic: bool = False
) -> dict[str, Any]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "path": str(path),
        "file_name": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256,
        "source": source,
        "name": name,
        "label": label,
        "synthetic": synthetic,
        "note": note,
    }
