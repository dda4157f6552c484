"""Operation write: a new store of all images and labels, in a place where nothing was."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from scripts.backends.shared import file_access
from scripts.common.errors import UserError
from scripts.measure.operations.base import Inputs, Operation, Sample, Subject, clocked, in_memory
from scripts.measure.operations.catalogue import Declaration
from scripts.stores.content import checksums
from scripts.system import page_cache
from scripts.system.aligned import copy_on_page
from scripts.system.disk import scratch

IMAGES_CHECKED, IMAGES_CHECKED_AT_ONCE = 1000, 32
OVERWRITTEN_BYTES = 1_000_000
"""With less than this, making a file takes as long as filling it."""
OVERWRITES = 3


@Declaration(kind="write", state="fresh", position=1, purpose="import", first_answer=False)
class Write(Operation):
    """Write.

    A new store of all images and labels, in a fresh place; bytes may still be in the page cache at the end.

    Adds: How fast a store is made where the system may put it on the disk later.
    """

    def __init__(self, inputs: Inputs, backend: Subject, baseline: Subject) -> None:
        super().__init__(inputs, backend, baseline)
        self._runs = 0
        self._last_written: dict[str, Path] = {}

    def prepare(self) -> None:
        """Copy images and originals into memory: preparing the input isn't what is timed."""
        self.images, self.labels = in_memory(self.inputs.images, self.count), copy_on_page(self.inputs.labels)
        self.meter.rest()

    def run(self, subject: Subject, *, counts: bool = True) -> list[Sample]:
        """Write once, on the part of the disk that the subject's last run had. Afterwards, off the clock, the bytes are
        synced and evicted, so that the next run starts with a clean page cache and memory that the system has at hand.

        Raises UserError where a durable write returned before its bytes were on the disk.
        """
        if subject.name in self._last_written:
            scratch.give_back(self._last_written[subject.name])
        self._runs += 1
        path = self.inputs.scratch / f"{subject.name}-{self._runs}"
        durable = self.declared.durable
        with clocked(self.meter, subject.name) as taken:
            subject.storage.write(path, self.images, self.labels, durable=durable, options=subject.options)
        unsynced = page_cache.unsynced_fraction(path) if durable else None
        if unsynced:
            raise UserError(f"{path}: a durable write returned with {unsynced:.1%} not on the disk; fix the backend")
        page_cache.evict(path)
        self._last_written[subject.name] = path
        return [self.sample(subject, taken, images=self.count, unsynced_fraction=unsynced)]

    def check(self) -> None:
        """Read images back, a thousand at most, spread evenly, and compare."""
        written = self._last_written[self.backend.name]
        ids = np.unique(np.linspace(0, self.count - 1, min(self.count, IMAGES_CHECKED)).astype(np.int64))
        parts = [ids[start : start + IMAGES_CHECKED_AT_ONCE] for start in range(0, len(ids), IMAGES_CHECKED_AT_ONCE)]
        with self.backend.storage.open(written, self.backend.options) as reader:
            complete = len(reader) == self.count and all(
                np.array_equal(checksums(*reader.load(part)), self.inputs.checksums[part]) for part in parts
            )
        if not complete:
            raise UserError(f"{written}: what was written isn't what should have been; fix the backend")

    def facts(self) -> dict[str, Any]:
        """Add the least time of a few to write the last reference file again in its place, durably, if it is large."""
        if not self.declared.durable or self.images[:].nbytes < OVERWRITTEN_BYTES:
            return super().facts()
        path = self._last_written[self.baseline.name]
        seconds = []
        for _ in range(OVERWRITES):
            start = time.perf_counter()
            with open(path, "r+b", buffering=0) as file:
                for array in (self.images[:], self.labels):
                    file_access.write_all(file, array)
                os.fsync(file.fileno())
            seconds.append(time.perf_counter() - start)
            page_cache.evict(path)
        return super().facts() | {"overwrite_seconds": min(seconds)}


@Declaration(kind="write", state="fresh", durable=True, position=2, purpose="import", quick=True)
class WriteDurable(Write):
    """Write, durable.

    A new store in a fresh place, until data, metadata and directory entries are on the disk.

    Adds: How long an import takes until a loss of power can't undo it.
    """
