"""Which files a timing job works on: the built store where it lies, or a copy, and where the job writes.

A copy is read in three cases:

- The node's own scratch is to be measured. There a job leaves nothing, as no later step runs on that node. What its
  deletions do to the next job (`scripts.system.disk.scratch`) the probe of creating files tells.
- Opening changes the store.
- The store belongs to another user, so the kernel doesn't tell what of it is in the page cache.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.common.atomic import neighbour
from scripts.common.errors import UserError
from scripts.system import machine, page_cache
from scripts.system.disk import scratch

NAME = "image-storage-benchmark"
PIECE = 2**24
"""Bytes copied at a time."""


@dataclass(frozen=True)
class Ground:
    """What a job works on: the directory of the store, the one to write in, and whether the store is a copy."""

    store: Path
    writes: Path
    copied: bool


@contextmanager
def prepared(store: Path, writes: Path, node_scratch: str | None, *, reads: bool, on_a_copy: bool) -> Iterator[Ground]:
    """Yield what a timing job works on.

    `store` is the directory of the built store; `writes` one on the same file system to write in; `reads` says whether
    the store is read at all, `on_a_copy` whether it mustn't be opened itself. With `node_scratch`, whose variables are
    expanded here and now, both are on the node's own disk, and gone afterwards. Raises UserError where a variable isn't
    set.
    """
    if node_scratch:
        with neighbour(expanded(node_scratch) / NAME, one_writer=False) as own:
            own.mkdir()
            yield Ground(_copy(store, own), own, True) if reads else Ground(store, own, False)
    elif on_a_copy or (reads and not page_cache.tells(store)):
        with scratch.directory(writes) as own:
            yield Ground(_copy(store, own), writes, True)
    else:
        yield Ground(store, writes, False)


def expanded(path: str) -> Path:
    """Return a path with its variables and `~` expanded. Raises UserError where one isn't set, or for a file."""
    found = os.path.expanduser(os.path.expandvars(path))
    if "$" in found:
        raise UserError(
            f"scratch_dir {path}: not every variable in it is set on node {machine.node()}; name a directory that is "
            "there on every node"
        )
    if os.path.exists(found) and not os.path.isdir(found):
        raise UserError(f"scratch_dir {path}: {found} is a file on node {machine.node()}; name a directory")
    return Path(found)


def _copy(store: Path, own: Path) -> Path:
    """Copy a store to a new directory; it may be read-only, which its copy mustn't be, or it couldn't be removed."""
    copy = own / store.parent.name / store.name
    shutil.copytree(store, copy, copy_function=_copy_file)
    for directory, _, _ in os.walk(copy):
        os.chmod(directory, 0o755)
    return copy


def _copy_file(source: str, target: str) -> None:
    """Copy a file and leave out its holes, of which nothing is ever read from the device (lseek(2), SEEK_DATA)."""
    # Unbuffered, as looking for holes moves the file's position.
    with open(source, "rb", buffering=0) as read, open(target, "xb") as written:
        length = os.fstat(read.fileno()).st_size
        written.truncate(length)
        hole = 0
        while hole < length:
            try:
                data = os.lseek(read.fileno(), hole, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                return  # all that is left is a hole
            hole = os.lseek(read.fileno(), data, os.SEEK_HOLE)
            read.seek(data)
            written.seek(data)
            while piece := read.read(min(PIECE, hole - read.tell())):
                written.write(piece)
