"""Where the bytes of a file lie, as its file system tells: compressed, among its metadata, how many on the disk.

FIEMAP (Linux, Documentation/filesystems/fiemap.rst) tells any user whether an extent is compressed, but not its size
on the disk. Btrfs tells that size to root, who may search its trees: BTRFS_IOC_TREE_SEARCH (btrfs-ioctl(2)).
"""

import fcntl
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice

from scripts.system.disk.durability import opened

FIEMAP = 0xC020660B
"""FS_IOC_FIEMAP, include/uapi/linux/fs.h; structures and flags are in fiemap.h there."""
FIEMAP_HEAD, FIEMAP_EXTENT = struct.Struct("=QQIIII"), struct.Struct("=QQQ16xI12x")
FIEMAP_EXTENTS = 64
"""Extents that one call asks for."""
WHOLE_FILE = 2**64 - 1
LAST, ENCODED, INLINE = 0x1, 0x8, 0x200

TREE_SEARCH = 0xD0009411
"""BTRFS_IOC_TREE_SEARCH, include/uapi/linux/btrfs.h; the items are in btrfs_tree.h there."""
SEARCH_BYTES = 4096
SEARCH_KEY, SEARCH_HEAD = struct.Struct("=7Q4I32x"), struct.Struct("=QQQII")
EXTENT_DATA = 108
ITEM_HEAD, ITEM_PLACE = struct.Struct("<QQBBHB"), struct.Struct("<QQ")
"""Generation, bytes in memory, compression, encryption, other encoding and type; place and bytes on the disk."""
ITEM_INLINE = 0


def kinds(path: str) -> tuple[bool, int]:
    """Return whether any extent of a file is compressed, and how many of its bytes lie among the metadata.

    Where the file system doesn't tell, none is and none do.
    """
    with opened(path) as descriptor:
        try:
            found = _extents(descriptor)
        except OSError:
            return False, 0
        length = os.fstat(descriptor).st_size
    inline = sum(max(0, min(start + size, length) - start) for start, size, flags in found if flags & INLINE)
    return any(flags & ENCODED for _, _, flags in found), inline


def bytes_on_btrfs(paths: Iterable[str]) -> int | None:
    """Return the bytes that files take on the disk of a btrfs, compressed, with the bytes among its metadata.

    Data that several files share counts once. None on another file system, and for all users but root.
    """
    inline = 0
    sizes: dict[int, int] = {}
    with suppress(OSError):
        for path in paths:
            for content in _items(path):
                *_, type_ = ITEM_HEAD.unpack_from(content)
                if type_ == ITEM_INLINE:
                    inline += len(content) - ITEM_HEAD.size
                else:
                    place, size = ITEM_PLACE.unpack_from(content, ITEM_HEAD.size)
                    sizes[place] = size if place else 0  # a hole is nowhere
        return inline + sum(sizes.values())
    return None


def _extents(descriptor: int) -> list[tuple[int, int, int]]:
    """Return (start, bytes, flags) of each extent of an open file. Raises OSError where that isn't told."""
    found: list[tuple[int, int, int]] = []
    start = 0
    while not found or not found[-1][2] & LAST:
        buffer = bytearray(FIEMAP_HEAD.size + FIEMAP_EXTENTS * FIEMAP_EXTENT.size)
        FIEMAP_HEAD.pack_into(buffer, 0, start, WHOLE_FILE - start, 0, 0, FIEMAP_EXTENTS, 0)
        fcntl.ioctl(descriptor, FIEMAP, buffer)
        count = FIEMAP_HEAD.unpack_from(buffer)[3]
        if not count:
            break
        extents = FIEMAP_EXTENT.iter_unpack(buffer[FIEMAP_HEAD.size :])
        found += [(logical, size, flags) for logical, _, size, flags in islice(extents, count)]
        start = found[-1][0] + found[-1][1]
    return found


def _items(path: str) -> list[bytes]:
    """Return what the tree of a btrfs says of each extent of a file. Raises OSError where that isn't told."""
    start = 0
    found: list[bytes] = []
    with opened(path) as descriptor:
        number = os.fstat(descriptor).st_ino
        while True:
            buffer = bytearray(SEARCH_BYTES)
            # Tree (0: that of the open file), from and to: object, offset, transaction, type; how many items.
            key = (0, number, number, start, WHOLE_FILE, 0, WHOLE_FILE, EXTENT_DATA, EXTENT_DATA, 2**32 - 1, 0)
            SEARCH_KEY.pack_into(buffer, 0, *key)
            fcntl.ioctl(descriptor, TREE_SEARCH, buffer)
            count = SEARCH_KEY.unpack_from(buffer)[9]
            if not count:
                return found
            place = SEARCH_KEY.size
            for _ in range(count):
                _, _, offset, _, size = SEARCH_HEAD.unpack_from(buffer, place)
                place += SEARCH_HEAD.size
                found.append(bytes(buffer[place : place + size]))
                place += size
            start = offset + 1
