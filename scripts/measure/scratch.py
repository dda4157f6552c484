"""Where a timing job writes: a fresh directory on the stores' file system, which outlives the job.

Deleting many files makes creating files slow for minutes on some file systems: without a journal, ext4 passes one by
one over inodes that were deleted in the last 60 s, or 300 s (`recently_deleted` in Linux, fs/ext4/ialloc.c). A job that
deleted its files would disturb the next ones. So it only empties its large files, and the run removes all at its end.
"""

import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from scripts.backends.base import sync_file_system
from scripts.progress import report

LARGE_FILE_BYTES = 1 << 20


@contextmanager
def directory(stores: Path) -> Iterator[Path]:
    """Make a new directory among the stores; afterwards give back the space of its large files, and leave the rest."""
    made = stores / f"{_prefix()}{os.getpid()}-{uuid.uuid4().hex[:8]}"
    made.mkdir(parents=True)
    try:
        yield made
    finally:
        for folder, _, names in os.walk(made):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.getsize(path) >= LARGE_FILE_BYTES:
                    os.truncate(path, 0)


def put_off(unwanted: Path, stores: Path) -> None:
    """Rename an unwanted directory so that it is removed at the end of the run."""
    os.rename(unwanted, stores / f"{_prefix()}{os.getpid()}-{uuid.uuid4().hex[:8]}")


def remove_all(stores: Path) -> None:
    """Remove every such directory of this host. The caller sees to it that no timing runs (`scripts.measure.lock`)."""
    made = list(stores.glob(f"{_prefix()}*"))
    if not made:
        return
    report("removing what the timings wrote")
    with ThreadPoolExecutor() as pool:
        pool.map(partial(shutil.rmtree, ignore_errors=True), [entry for place in made for entry in place.iterdir()])
    for place in made:
        shutil.rmtree(place, ignore_errors=True)
    sync_file_system(stores)


def _prefix() -> str:
    return f".timing-{socket.gethostname()}-"
