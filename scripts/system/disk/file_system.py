"""The file system that a path is on: its type, its kind, and what no program can evict or sync there."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.system import ask

LOCAL, MEMORY, NETWORK, UNKNOWN = "local", "memory", "network", "unknown"
KINDS = {
    **dict.fromkeys(("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "jfs", "ntfs3"), LOCAL),
    **dict.fromkeys(("zfs", "overlay"), LOCAL),
    **dict.fromkeys(("tmpfs", "ramfs"), MEMORY),
    **dict.fromkeys(("nfs", "nfs4", "cifs", "smb3", "afs", "9p", "virtiofs", "ceph", "fuse.sshfs"), NETWORK),
    **dict.fromkeys(("lustre", "gpfs", "beegfs", "pvfs2", "wekafs", "panfs", "fuse.glusterfs", "glusterfs"), NETWORK),
}
"""The kind of each type of file system. Types are named as in /proc/self/mountinfo."""
OWN_CACHE = ("gpfs", "zfs", "pvfs2", "wekafs")
"""File systems with a cache of their own beside the page cache, such as the page pool of GPFS and the ARC of ZFS."""
HIDES_COMPRESSION = ("btrfs", "bcachefs", "overlay", UNKNOWN)
"""File systems that may count the blocks of a compressed file as they were before compression. An overlay counts as the
file system below does. ZFS, NTFS and EROFS count the blocks on the disk, and F2FS counts the reserved ones."""
INLINES = (*HIDES_COMPRESSION, "f2fs", "ntfs3")
"""File systems that may keep small files among their metadata and still count blocks. On ext4 such a file has none."""
ALLOCATES_LATE = {"zfs": Path("/sys/module/zfs/parameters/zfs_txg_timeout")}
"""File systems that sync into a log first. The file gets its blocks with the next transaction group; the path holds the
seconds between two groups."""
LATE_SECONDS = 5
"""Seconds between two transaction groups of ZFS by default."""
COMPRESSION = "compress"
"""Start of the mount options that say whether and how new files are compressed."""

EVICTED_HERE_ALONE = (
    "{type}: what its servers keep in their memory can't be evicted from a node, so cold means that the node holds "
    "nothing, not that a disk was read"
)
SYNCED_BY_SERVERS = (
    "{type}: durable means that the servers said that they have the bytes; whether these are on a disk then is up to "
    "the servers' own settings"
)
OWN_CACHE_STAYS = (
    "{type}: it keeps data in a memory of its own, which can't be evicted or looked into, so nothing can be read cold "
    "and a warm read is one that no device was asked for"
)
NEVER_ON_A_DISK = "{type}: it is memory, so nothing can be evicted from it or synced to a disk"
COMPRESSES = (
    "{type}: it may compress what is written ({how}), so cold means that nothing was in the page cache and that "
    "the device gave as large a part as of the reference file, not all bytes"
)
SMALL_FILES_STAY = (
    "{type}: small files lie among its metadata, which posix_fadvise can't evict, so a store of such files is read "
    "cold with drop_caches alone"
)
LIES_BELOW = (
    "{type}: the files lie on another file system below this one, which doesn't say how, or whether, that one "
    "compresses and caches them"
)
NOT_KNOWN = "{type}: it isn't known to this workflow, nor whether what is evicted from the page cache leaves its memory"


def describe(path: Path) -> dict[str, object]:
    """Return what a record says of the file system that a path is on or would be made on: see `description`."""
    return description(*_mount(path))


def description(type_: str, mount_point: str, options: str) -> dict[str, object]:
    """Return what a record says of a file system, given its type, mount point and mount options.

    That is these three, its kind (`local`, `memory`, `network` or `unknown`), and `limits`, sentences on what can't be
    evicted or synced there.
    """
    kind = KINDS.get(type_, UNKNOWN)
    how = [option for option in options.split(",") if option.startswith(COMPRESSION)]
    found = {
        OWN_CACHE_STAYS: type_ in OWN_CACHE,
        LIES_BELOW: type_ == "overlay",
        COMPRESSES: how and type_ not in OWN_CACHE,
        SMALL_FILES_STAY: type_ in INLINES and kind == LOCAL and type_ != "overlay",
        NEVER_ON_A_DISK: kind == MEMORY,
        EVICTED_HERE_ALONE: kind == NETWORK,
        SYNCED_BY_SERVERS: kind == NETWORK,
        NOT_KNOWN: kind == UNKNOWN,
    }
    limits = [sentence.format(type=type_, how=", ".join(how)) for sentence, holds in found.items() if holds]
    return {"type": type_, "kind": kind, "mount_point": mount_point, "options": options, "limits": limits}


def may_hide_compression(file_system_type: str) -> bool:
    """Say whether the blocks of a file may be more than it takes on the disk, compressed."""
    return file_system_type in HIDES_COMPRESSION or file_system_type not in KINDS


def seconds_to_allocate(path: Path) -> float:
    """Return how long (s) after a sync the file system that a path is on may give blocks to what was synced."""
    setting = ALLOCATES_LATE.get(type_of(path))
    return float(ask.file(setting) or LATE_SECONDS) if setting else 0.0


def never_cold(path: Path) -> str | None:
    """Say why nothing on the file system that a path is on can be read cold, None where it can, for all that is known
    beforehand."""
    type_ = type_of(path)
    why = NEVER_ON_A_DISK if KINDS.get(type_) == MEMORY else OWN_CACHE_STAYS if type_ in OWN_CACHE else None
    return why and why.format(type=type_)


def type_of(path: Path) -> str:
    """Return the type of the file system that a path is on or would be made on, `unknown` where nothing says it."""
    return _mount(path)[0]


def mount_of(place: Path, mountinfo: str) -> tuple[str, str, str]:
    """Return type, mount point and mount options of the nearest mount above a real path, given what
    /proc/self/mountinfo says (proc(5))."""
    above = [mount for mount in mounts(mountinfo) if place.is_relative_to(mount.point)]
    if not above:
        return UNKNOWN, UNKNOWN, UNKNOWN
    # Of several mounts at one place the last one is seen.
    nearest = max(reversed(above), key=lambda mount: len(mount.point))
    # The mount's options, and the file system's own: how a server is spoken to, what a journal holds.
    options = dict.fromkeys([*nearest.options.split(","), *nearest.own_options.split(",")])
    return nearest.type, nearest.point, ",".join(options)


class Mount(NamedTuple):
    """One mount: which directory of the file system is where, and the options of the mount and of the file system."""

    root: str
    point: str
    options: str
    type: str
    own_options: str


def mounts(mountinfo: str) -> Iterator[Mount]:
    """Yield each mount that a process's mountinfo file tells (proc_pid_mountinfo(5))."""
    for line in mountinfo.splitlines():
        before, after = line.split(" - ", 1)
        root, point, options = before.split()[3:6]
        type_, _, own_options = after.split(maxsplit=2)
        yield Mount(_unescaped(root), _unescaped(point), options, type_, own_options)


def _mount(path: Path) -> tuple[str, str, str]:
    place = Path(os.path.realpath(path))
    while not place.exists():
        place = place.parent
    return mount_of(place, ask.file("/proc/self/mountinfo"))


def _unescaped(path: str) -> str:
    """A path in mountinfo with the spaces and the like that stand there as octal numbers."""
    return re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), path)
