"""What is kept beside a store's files: its manifest, and the digest of the files, which tells damage from a defect.

Nothing heavy is imported here: the process that waits for a timing asks as well.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from scripts.common import sealed
from scripts.common.atomic import replacing, writable
from scripts.common.errors import UserError
from scripts.system.disk.disk_usage import SNAKEMAKE_MARKER

MANIFEST_VERSION = 3
MANIFEST = "manifest.json"
DATA = "data"
CHECKSUMS = "data.crc32"
"""The file with the checksum of each image and label (`scripts.stores.content`)."""
ASK = "ask its owner, or set store_dir to a directory of your own"
FILES_DIGEST = "data.sha256"
"""Not in the manifest: some libraries write the time into a store, and the same store is to have the same manifest."""


def write(directory: Path, content: dict[str, Any]) -> None:
    """Write the manifest of the store in `directory`, and the digest of its files."""
    with replacing(directory / FILES_DIGEST) as file:
        file.write(files_digest(directory / DATA).encode())
    sealed.write(directory / MANIFEST, {"manifest_version": MANIFEST_VERSION, **content})


def read(directory: Path) -> dict[str, Any]:
    """Return the manifest of the store in `directory`. Raises UserError where there is none as it was written."""
    try:
        return sealed.read(directory / MANIFEST, manifest_version=MANIFEST_VERSION)
    except FileNotFoundError:
        raise UserError(f"the store {directory} has no {MANIFEST}; {remedy(directory)}") from None
    except PermissionError as error:
        raise UserError(f"no permission to read {error.filename}; {ASK}") from None
    except sealed.Damaged as fault:
        raise UserError(f"the manifest {directory / MANIFEST} {fault}; {remedy(directory)}") from None


def remedy(directory: Path) -> str:
    """Return what to do about a store that can't be used."""
    if directory.exists() and not writable(directory.parent):
        return "it isn't yours to delete, so set store_dir to a directory of your own"
    return f"delete {directory} and run again"


def files_digest(directory: Path) -> str:
    """Return the SHA-256 over the names and contents of all files and directories in a directory."""
    found = hashlib.sha256()
    for place, directories, files in os.walk(directory, onerror=_raise):
        directories.sort()
        inside = os.fsencode(os.path.relpath(place, directory))
        found.update(b"%s\0" % inside)
        for name in sorted(files):
            if name != SNAKEMAKE_MARKER:
                with open(os.path.join(place, name), "rb") as file:
                    content = hashlib.file_digest(file, "sha256").digest()
                found.update(b"%s\0%s" % (os.fsencode(name), content))
    return found.hexdigest()


def _raise(error: OSError) -> None:
    raise error
