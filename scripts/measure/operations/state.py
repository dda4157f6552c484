"""The state of the page cache that a read starts from: brought about and verified."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from scripts.measure.operations.base import Unmeasurable
from scripts.system import page_cache
from scripts.system.disk import disk_usage, file_system

FEWEST_DEVICE_SHARE = 0.25
"""A cold reader that gets less than this share of its images' bytes from the device had them from elsewhere. Where the
file system compresses, fewer bytes are expected, in the ratio that the reference file shows."""
SLACK_BYTES = 4 * 4096
"""Pages at the edges of images and of the store make up so many bytes at most."""
FADVISE, DROP_CACHES = "posix_fadvise", "drop_caches"


class CacheState:
    """Warm: in the page cache, as found by mincore. Cold: evicted from it, and read from the device."""

    def __init__(self, *, cold: bool, drop_caches: bool) -> None:
        self.cold = cold
        self._drops = cold and drop_caches and page_cache.drop_all()
        self.eviction = (DROP_CACHES if self._drops else FADVISE) if cold else None
        """How the page cache is emptied."""
        self.device_share: float | None = None
        """The largest part of the reference file's bytes that came from the device in a cold run, None where no
        read was ever counted: below 1 where the file system compresses and doesn't tell the bytes on the disk."""
        self._hidden = False
        self._usage_of = cache(disk_usage.measure)

    def try_on(self, *places: Path) -> None:
        """Evict all that a store consists of. Raises Unmeasurable where reads start cold and some of it stays resident,
        or may do so."""
        kind = file_system.type_of(places[0])
        self._hidden = kind in file_system.OWN_CACHE
        if not self.cold:
            # A store that came in as it was written, or by another job's reading, lies in larger or smaller pieces of
            # memory, and is faster or slower to read. So all of it is loaded again in one way.
            page_cache.evict(*places)
            return
        if self._hidden:
            raise Unmeasurable(f"file system {kind} keeps data in a memory of its own, which can't be evicted")
        resident = self.bring_about(*places)
        if resident is None:
            raise Unmeasurable("this system doesn't tell whether the store is in the page cache")
        if resident > page_cache.COLD_RESIDENT_FRACTION:
            raise Unmeasurable(
                f"the store can't be evicted from the page cache of file system {kind}: {resident:.0%} stayed resident"
            )
        usage = self._usage_of(*places)
        inline = usage.inline_bytes / max(1, usage.apparent_bytes)
        if inline > page_cache.COLD_RESIDENT_FRACTION and not self._drops:
            raise Unmeasurable(
                f"file system {kind} keeps {inline:.0%} of what is to be read, in small files, among its metadata, "
                "which can't be evicted; as root, with drop_caches: true, it can"
            )

    def bring_about(self, *places: Path) -> float | None:
        """Evict the store or load it, and return the part of it that is resident then, None if it can't be known."""
        if not self.cold:
            loaded = page_cache.load(*places)
            return None if self._hidden else loaded
        if self._drops:
            page_cache.drop_all()
            resident = page_cache.resident_fraction(*places)
            # Looking has put names and places of the files back; what is resident can only become less.
            page_cache.drop_all()
            return resident
        page_cache.evict(*places)
        return page_cache.resident_fraction(*places)

    def verified(
        self,
        places: Sequence[Path],
        resident: float | None,
        device_read_bytes: int | None,
        share: float,
        *,
        is_baseline: bool,
    ) -> bool:
        """Say whether a run started from the state, given what was resident before it and read from devices in it.

        `places` are what the store consists of, `share` is the part of its images that was read. A cold read must have
        come from the device, as far as the reads of the reference file did: some file systems don't count them, and
        where one compresses, fewer bytes come than are read. A warm read mustn't, beyond what may not be resident.
        """
        if not self.cold:
            # Where residency is unknown, a run that read nothing from a device has shown that the store was in memory.
            if resident is None:
                return device_read_bytes == 0
            missing = self._bytes(places) * share * (1 - page_cache.WARM_RESIDENT_FRACTION) + SLACK_BYTES
            return resident >= page_cache.WARM_RESIDENT_FRACTION and (device_read_bytes or 0) <= missing
        if resident is None or resident > page_cache.COLD_RESIDENT_FRACTION:
            return False
        bytes_on_disk = self._bytes(places) * share
        if is_baseline and device_read_bytes:
            self.device_share = max(self.device_share or 0.0, min(1.0, device_read_bytes / max(1.0, bytes_on_disk)))
        if self.device_share is None or device_read_bytes is None:
            return True
        return device_read_bytes >= max(1, bytes_on_disk * self.device_share * FEWEST_DEVICE_SHARE - SLACK_BYTES)

    def _bytes(self, places: Sequence[Path]) -> int:
        """The bytes of the store's files that can come from the device: holes in files can't."""
        usage = self._usage_of(*places)
        known = usage.apparent_bytes if usage.allocated_bytes is None else usage.allocated_bytes
        return min(usage.apparent_bytes, known)
