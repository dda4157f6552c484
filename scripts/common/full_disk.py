"""A full disk: recognised among the errors of all libraries, and reported with a remedy.

A disk is full in three ways: no space is left, no inode is left for another file, or the user's quota is used up. Most
libraries have errors of their own for it. In many the system's words are left, some say `I/O error` and no more.
"""

import errno
import os
import re
import uuid
from contextlib import suppress
from pathlib import Path

QUOTA = getattr(errno, "EDQUOT", errno.ENOSPC)
NUMBERS = (errno.ENOSPC, QUOTA)
NO_INODES = "No inode left for another file"
"""What the error says if inodes are missing. The system's own words are about missing space."""
FEW_INODES = 64
"""Most free inodes that count as none, since a write that failed may have removed files again."""
LITTLE_SPACE_BYTES = 1 << 20
PROBE_BYTES = 4 << 20
"""Bytes that are written to see whether a disk is full: as many as a backend writes at a time."""
TEXTS = {
    QUOTA: re.compile(r"disk quota exceeded|\berrno = 122\b|\bos error 122\b", re.IGNORECASE),
    errno.ENOSPC: re.compile(
        r"no space left on device|database or disk is full|\berrno = 28\b|\bos error 28\b", re.IGNORECASE
    ),
}
"""What libraries say: the system's words in any case, SQLite's own, and the numbers in which HDF5 and Rust say it."""
ROOM = "leave out the largest cutoffs, or set store_dir, download_dir or scratch_dir to a larger disk"
NO_SPACE, NO_QUOTA = os.strerror(errno.ENOSPC), os.strerror(QUOTA)
REMEDIES = {
    NO_SPACE: f"free some space, {ROOM}",
    NO_INODES: "delete files (`df -i` counts them), leave out the largest cutoffs or the backends that make a file for "
    "each image, or set store_dir, download_dir or scratch_dir to a file system with more inodes",
    NO_QUOTA: f"your quota of bytes or of files is used up (`quota -s` shows both): delete some of yours, {ROOM}",
}


def recognised(error: BaseException, place: Path | None = None) -> OSError | None:
    """Return the error of a full disk that `error`, or what caused it, speaks of; None where it's another fault.

    `place` is where it was written, where the error doesn't name it. It's looked at now: call before anything is
    removed from it.
    """
    found: BaseException | None = error
    while found is not None:
        number = found.errno if isinstance(found, OSError) else None
        if number not in NUMBERS:
            number = next((number for number, text in TEXTS.items() if text.search(str(found))), None)
        if number is not None:
            named = getattr(found, "filename", None) or place
            said = getattr(found, "strerror", None)
            words = said if said in REMEDIES else os.strerror(number)
            if number == errno.ENOSPC and named and _lacks_inodes(Path(os.fsdecode(named))):
                words = NO_INODES
            return OSError(number, words, *([str(named)] if named else []))
        found = found.__cause__ or found.__context__
    return None


def met(place: Path) -> OSError | None:
    """Return the error of a full disk that writing to the directory `place` meets now, None where it meets none."""
    probe = place / f".probe-{uuid.uuid4().hex}"
    try:
        with open(probe, "xb", buffering=0) as file:
            content = memoryview(bytes(PROBE_BYTES))
            while content:
                content = content[file.write(content) :]
    except OSError as error:
        error.filename = str(place)
        return recognised(error)
    finally:
        with suppress(OSError):
            probe.unlink()
    return None


def lacking(place: Path) -> OSError | None:
    """Return the error of a full disk that the next write in a directory will meet, as the system tells it, or None."""
    there = os.statvfs(place)
    # The administrator may write where for others there is no space.
    free = (there.f_bavail if os.geteuid() else there.f_bfree) * there.f_frsize
    # A file system that has no limit, or doesn't tell it, says that it has 0 blocks in all.
    if there.f_blocks > 0 and free < LITTLE_SPACE_BYTES:
        return OSError(errno.ENOSPC, NO_SPACE, str(place))
    return OSError(errno.ENOSPC, NO_INODES, str(place)) if _lacks_inodes(place) else None


def line(error: OSError) -> str:
    """Return the message for an error that `recognised` or `met` has returned: what, where, and the remedy."""
    place = f": {error.filename}" if error.filename else ""
    return f"{error.strerror}{place}; {REMEDIES[str(error.strerror)]}"


def _lacks_inodes(named: Path) -> bool:
    """Whether a file system has room for bytes and none for another file."""
    for place in (named, *named.absolute().parents):
        with suppress(OSError):
            there = os.statvfs(place)
            # A file system that makes inodes as it needs them, as btrfs does, says that it has 0 in all.
            few = there.f_files > 0 and there.f_favail < FEW_INODES
            return few and there.f_bavail * there.f_frsize > LITTLE_SPACE_BYTES
    return False
