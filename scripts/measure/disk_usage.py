"""How much disk a store takes: apparent and allocated bytes, and files."""

import os
from dataclasses import dataclass
from pathlib import Path

SNAKEMAKE_MARKER = ".snakemake_timestamp"
BYTES_PER_BLOCK = 512


@dataclass(frozen=True)
class DiskUsage:
    """What a directory takes on the disk, in bytes, and its number of regular files."""

    apparent_bytes: int
    allocated_bytes: int
    files: int


def measure(directory: Path) -> DiskUsage:
    """Measure a directory with all that is in it.

    Apparent bytes are the lengths of the files; allocated bytes are the blocks (of 512 bytes: POSIX `st_blocks` on
    Linux and macOS) of files and directories, as `du` counts. A file with several links counts once; Snakemake's
    marker files don't count.
    """
    apparent = files = 0
    allocated = os.stat(directory).st_blocks * BYTES_PER_BLOCK
    seen: set[tuple[int, int]] = set()
    pending = [os.fspath(directory)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.name == SNAKEMAKE_MARKER:
                    continue
                status = entry.stat(follow_symlinks=False)
                if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                    if (status.st_dev, status.st_ino) in seen:
                        continue
                    seen.add((status.st_dev, status.st_ino))
                allocated += status.st_blocks * BYTES_PER_BLOCK
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    apparent += status.st_size
                    files += 1
    return DiskUsage(apparent, allocated, files)
