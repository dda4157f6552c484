"""The file system that a path is on: its type, its kind, and what no program can evict or sync there."""

import os
import re
from pathlib import Path

LOCAL, MEMORY, NETWORK, UNKNOWN = "local", "memory", "network", "unknown"
KINDS = {
    **dict.fromkeys(("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "jfs", "zfs", "overlay"), LOCAL),
    **dict.fromkeys(("tmpfs", "ramfs"), MEMORY),
    **dict.fromkeys(("nfs", "nfs4", "cifs", "smb3", "afs", "9p", "virtiofs", "ceph", "fuse.sshfs"), NETWORK),
    **dict.fromkeys(("lustre", "gpfs", "beegfs", "pvfs2", "wekafs", "panfs", "fuse.glusterfs", "glusterfs"), NETWORK),
}
"""By the names that mounts have in /proc/self/mountinfo."""
OWN_CACHE = ("gpfs", "zfs", "pvfs2", "wekafs")
"""These keep data in a memory of their own, beside the page cache: GPFS in its page pool, ZFS in its ARC."""

EVICTED_HERE_ALONE = (
    "{type}: what its servers keep in their memory can't be evicted from a node, so cold means that the node holds "
    "nothing, not that a disk was read"
)
SYNCED_BY_WORD = (
    "{type}: durable means that the servers said that they have the bytes; whether these are on a disk then is up to "
    "the servers' own settings"
)
OWN_CACHE_STAYS = (
    "{type}: it keeps data in a memory of its own, which can't be evicted or looked into, so nothing can be read cold "
    "and warm reads are those that no device was asked for"
)
NEVER_ON_A_DISK = "{type}: it is memory, so nothing can be evicted from it or synced to a disk"
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
    said = {
        LOCAL: [],
        MEMORY: [NEVER_ON_A_DISK],
        NETWORK: [EVICTED_HERE_ALONE, SYNCED_BY_WORD],
        UNKNOWN: [NOT_KNOWN],
    }[kind]
    if keeps_own_cache(type_):
        said = [OWN_CACHE_STAYS, *said]
    limits = [sentence.format(type=type_) for sentence in said]
    return {"type": type_, "kind": kind, "mount_point": mount_point, "options": options, "limits": limits}


def keeps_own_cache(file_system_type: str) -> bool:
    """Say whether data stays in a memory of the file system's own when it leaves the page cache."""
    return file_system_type in OWN_CACHE


def type_of(path: Path) -> str:
    """Return the type of the file system that a path is on or would be made on, `unknown` where nothing says it."""
    return _mount(path)[0]


def mount_of(place: Path, mountinfo: str) -> tuple[str, str, str]:
    """Return type, mount point and mount options of the nearest mount above a real path, given what
    /proc/self/mountinfo says (proc(5))."""
    best = (UNKNOWN, "", UNKNOWN)
    for line in mountinfo.splitlines():
        before, after = line.split(" - ", 1)
        mount_point, options = before.split()[4:6]
        mount_point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), mount_point)
        inside = place == Path(mount_point) or Path(mount_point) in place.parents
        if inside and len(mount_point) >= len(best[1]):
            type_, _, own = after.split(maxsplit=2)
            # The mount's options, and the file system's own: how a server is spoken to, what a journal holds.
            best = (type_, mount_point, ",".join(dict.fromkeys([*options.split(","), *own.split(",")])))
    return best


def _mount(path: Path) -> tuple[str, str, str]:
    place = Path(os.path.realpath(path))
    while not place.exists():
        place = place.parent
    try:
        return mount_of(place, Path("/proc/self/mountinfo").read_text())
    except OSError:
        return UNKNOWN, UNKNOWN, UNKNOWN
