"""How much disk a store takes: apparent and allocated bytes, and files."""

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.system.disk import extents, file_system
from scripts.system.disk.durability import sync_file_systems

SNAKEMAKE_MARKER = ".snakemake_timestamp"
BYTES_PER_BLOCK = 512
BLOCKS, EXTENTS, UNKNOWN = "blocks", "extents", "unknown"
SMALL_FILE_BYTES = 4096
"""Size of the largest files that a known file system keeps among its metadata."""

MOST_COUNTS = 10


@dataclass(frozen=True)
class DiskUsage:
    """What a directory or file takes on the disk, in bytes, and its number of regular files.

    `allocation` says where `allocated_bytes` are from:

    - `blocks`: the blocks that the file system says the files have.
    - `extents`: the file system compresses, and was asked for what lies on the disk.
    - `unknown`: it compresses, and counts blocks as they were before compression; `allocated_bytes` is None.

    `inline_bytes` are the bytes that the file system keeps among its metadata, where the names of small files are.
    """

    apparent_bytes: int
    allocated_bytes: int | None
    files: int
    allocation: str
    inline_bytes: int


def measure(*places: Path) -> DiskUsage:
    """Measure directories with all that is in them, and files. Much that was just written has no place yet: sync first.

    Apparent bytes are the lengths of the files, holes included. Allocated bytes are the blocks (of 512 bytes: POSIX
    `st_blocks` on Linux and macOS) of files and directories, as `du` counts: without holes, inodes and the file
    system's trees. A file with several links counts once; data that several files share counts for each of them,
    unless the extents were asked. Snakemake's marker files don't count.
    """
    found: dict[int, list[tuple[str, os.stat_result]]] = {}
    for place, status in _walk(*places):
        found.setdefault(status.st_dev, []).append((place, status))
    parts = [_measure_on_one(file_system.type_of(Path(items[0][0])), items) for items in found.values()]
    allocated = [part.allocated_bytes for part in parts if part.allocated_bytes is not None]
    return DiskUsage(
        sum(part.apparent_bytes for part in parts),
        sum(allocated) if len(allocated) == len(parts) else None,
        sum(part.files for part in parts),
        max((part.allocation for part in parts), key=(BLOCKS, EXTENTS, UNKNOWN).index),
        sum(part.inline_bytes for part in parts),
    )


def _measure_on_one(type_: str, items: Iterable[tuple[str, os.stat_result]]) -> DiskUsage:
    """Measure files and directories, given by path and status, on a file system of that type."""
    may_hide_compression = file_system.may_hide_compression(type_)
    apparent = files = blocks = inline = 0
    compressed = False
    data: list[str] = []
    for place, status in items:
        blocks += status.st_blocks * BYTES_PER_BLOCK
        if stat.S_ISDIR(status.st_mode):
            continue
        apparent += status.st_size
        files += 1
        data.append(place)
        inside = status.st_size <= SMALL_FILE_BYTES and (not status.st_blocks or type_ in file_system.INLINES)
        if status.st_size and (inside or may_hide_compression):
            any_compressed, inline_bytes = extents.kinds(place)
            inline += inline_bytes
            compressed |= any_compressed
    if not (compressed and may_hide_compression):
        return DiskUsage(apparent, blocks, files, BLOCKS, inline)
    allocated = extents.bytes_on_btrfs(data)
    return DiskUsage(apparent, allocated, files, UNKNOWN if allocated is None else EXTENTS, inline)


def contents(*places: Path) -> dict[str, int]:
    """Return `files` and `apparent_bytes` as `measure` counts them; no file is opened for that."""
    lengths = [status.st_size for _, status in _walk(*places) if not stat.S_ISDIR(status.st_mode)]
    return {"files": len(lengths), "apparent_bytes": sum(lengths)}


def settled(*places: Path) -> DiskUsage:
    """Sync directories and files, and measure them once all in them has its place on the disk: ext4 gives one to what
    is synced, ZFS to what its next transaction group holds. `places[0]` is what was just written."""
    sync_file_systems(*places)
    wait = file_system.seconds_to_allocate(places[0])
    return until_unchanged(lambda: measure(*places), wait + 1) if wait else measure(*places)


def until_unchanged(count: Callable[[], DiskUsage], seconds: float) -> DiskUsage:
    """Count again and again, so many seconds apart, until two counts are the same, a few times at most."""
    usage = count()
    for _ in range(MOST_COUNTS):
        time.sleep(seconds)
        before, usage = usage, count()
        if usage == before:
            break
    return usage


def _walk(*places: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield path and status of files, and of directories and all in them, each file once. A place itself may be a
    link."""
    seen: set[tuple[int, int]] = set()
    pending = [(os.fspath(place), True) for place in places]
    while pending:
        place, follows = pending.pop()
        status = os.stat(place, follow_symlinks=follows)
        if stat.S_ISDIR(status.st_mode):
            inside = (name for name in os.listdir(place) if name != SNAKEMAKE_MARKER)
            pending += [(os.path.join(place, name), False) for name in inside]
        elif status.st_nlink > 1:
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        yield place, status
