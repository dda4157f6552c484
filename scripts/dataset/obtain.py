"""Which archive the image set comes from: the published one, the user's own, or none where images are synthetic."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.common import sealed
from scripts.common.digests import file_sha256
from scripts.common.errors import UserError
from scripts.common.progress import report
from scripts.dataset.download import Patience, Published, Unavailable, fetch
from scripts.dataset.image_set import SYNTHETIC_LABEL
from scripts.dataset.sources.cifar10 import open_archive

CIFAR10 = Published(
    address="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    file_name="cifar-10-python.tar.gz",
    size_bytes=170_498_071,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    start=b"\x1f\x8b",
)
"""The archive of https://www.cs.toronto.edu/~kriz/cifar.html, of the MD5 that the page gives."""

ARCHIVE_VERSION = 3
"""Of `archive.json`, the record of an archive."""


def obtain(
    images: str,
    output: Path,
    *,
    directory: Path,
    addresses: Sequence[str] = (CIFAR10.address,),
    offline_fallback: bool = True,
    published: Published = CIFAR10,
    patience: Patience | None = None,
) -> None:
    """Find or download the archive that `images` names, and record in `output` (JSON) which one it is.

    `images` is `cifar10`, `synthetic` or the path of an archive, which is used where it lies. The published archive is
    kept in `directory`; once there, no address is asked. Where none gives it, `offline_fallback` decides between
    synthetic images, which need no archive, and a UserError.
    """
    if images == "synthetic":
        record = _synthetic("for the real images, set `images: cifar10` in config.yaml")
    elif images == "cifar10":
        by_hand = f"save {published.address} in {directory} by hand"
        try:
            source = fetch(published, directory, addresses, patience) or published.address
            record = _record(directory / published.file_name, "cifar10", "CIFAR-10", source)
        except Unavailable as reasons:
            if not offline_fallback:
                raise UserError(
                    f"{published.file_name} could not be downloaded ({reasons}): {by_hand}, "
                    "or set `offline_fallback: true` or `images: synthetic` in config.yaml"
                ) from None
            report(f"{published.file_name} could not be downloaded: going on with {SYNTHETIC_LABEL}")
            record = _synthetic(f"for the real images, {by_hand} and run: snakemake --cores 4 --forcerun download")
    else:
        path = Path(images)
        if not path.is_file():
            raise UserError(f"images: {str(path)!r} is no archive: give the path of one, cifar10 or synthetic")
        # A damaged archive is refused here, before the image set of another one makes way for it.
        with open_archive(path):
            record = _record(path, path.name, path.name, "local file")
    sealed.write(output, {"archive_version": ARCHIVE_VERSION, **record})


def _synthetic(note: str) -> dict[str, Any]:
    return {"name": "synthetic", "label": SYNTHETIC_LABEL, "synthetic": True, "note": note, "archive": None}


def _record(path: Path, name: str, label: str, source: str) -> dict[str, Any]:
    archive = {
        "path": str(path),
        "file_name": path.name,
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
        "source": source,
    }
    return {"name": name, "label": label, "synthetic": False, "note": None, "archive": archive}
