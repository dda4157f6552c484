"""Refusing a store that isn't the one asked for, has lost files, or is damaged.

Nothing heavy is imported here: the process that waits for a timing asks as well.
"""

from pathlib import Path
from typing import Any

from scripts.common.errors import UserError
from scripts.stores import manifest
from scripts.system.disk import disk_usage


def check_key(directory: Path, expected_key: str) -> dict[str, Any]:
    """Return the manifest of a store. Raises UserError where there is none, or one of another store."""
    content = manifest.read(directory)
    if content["key"] != expected_key:
        raise UserError(
            f"the store {directory} was made from other images, code, options or versions; {manifest.remedy(directory)}"
        )
    return content


def check_files(directory: Path, expected_key: str) -> dict[str, Any]:
    """Return the manifest of a store. Raises UserError as `check_key` does, and for other files on the disk."""
    content = check_key(directory, expected_key)
    remedy = manifest.remedy(directory)
    if not (directory / manifest.DATA).is_dir():
        raise UserError(f"the store {directory} has lost its {manifest.DATA} directory; {remedy}")
    for name, there in disk_usage.contents(directory / manifest.DATA).items():
        if there != content[name]:
            raise UserError(f"the store {directory} has {name} {there}, its manifest says {content[name]}; {remedy}")
    return content


def refuse_damaged(directory: Path, error: Exception | None = None) -> None:
    """Raise UserError where the files of a store have changed since it was built; all of them are read.

    `error` is the failure that gave reason to look: libraries fail on damaged files in ways of their own, with any
    error, by a signal, or never ending.
    """
    try:
        expected = (directory / manifest.FILES_DIGEST).read_bytes()
        if manifest.files_digest(directory / manifest.DATA).encode() == expected:
            return
        fault = "its files have changed since it was built"
    except PermissionError as unreadable:
        raise UserError(f"no permission to read {unreadable.filename}; {manifest.ASK}") from error
    except OSError as unreadable:
        fault = f"{unreadable.filename or directory / manifest.DATA}: {unreadable.strerror}"
    raise UserError(f"the store {directory} is damaged ({fault}); {manifest.remedy(directory)}") from error
