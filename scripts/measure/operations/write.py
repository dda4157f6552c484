"""Operation write: a new store of all images and labels, in a place where nothing was."""

from pathlib import Path

import numpy as np

from scripts.errors import UserError
from scripts.measure import page_cache
from scripts.measure.memory import copy_on_page
from scripts.measure.operations.base import Inputs, Operation, Sample, Subject

IMAGES_CHECKED = 1000


class Write(Operation):
    """Writes from memory, durably or not; what a durable write left unsynced is found out afterwards."""

    state = "fresh"

    def __init__(self, inputs: Inputs, backend: Subject, baseline: Subject, *, durable: bool) -> None:
        super().__init__(inputs, backend, baseline)
        self.durable = durable
        self._runs = 0
        self._last_written: Path | None = None

    def prepare(self) -> None:
        """Copy the images into memory: preparing the input isn't what is timed."""
        self.images, self.labels = copy_on_page(self.inputs.images), copy_on_page(self.inputs.labels)
        self.meter.rest()

    def run(self, subject: Subject) -> list[Sample]:
        """Write once. Afterwards, off the clock, the bytes are synced and evicted, so that the next run starts with a
        clean page cache and memory that the system has at hand.

        Raises UserError where a durable write returned before its bytes were on the disk.
        """
        self._runs += 1
        path = self.inputs.scratch / f"{subject.name}-{self._runs}"
        with self.clocked() as clocked:
            subject.storage.write(path, self.images, self.labels, durable=self.durable, options=subject.options)
        unsynced = page_cache.unsynced_fraction(path) if self.durable else None
        if unsynced:
            raise UserError(f"{path}: a durable write returned with {unsynced:.1%} not on the disk; mend the backend")
        page_cache.evict(path)
        if subject is self.backend:
            self._last_written = path
        return [self.sample(subject, clocked, images=len(self.labels), unsynced_fraction=unsynced)]

    def check(self) -> None:
        """Read images back, a thousand at most, spread evenly, and compare."""
        assert self._last_written is not None
        count = len(self.labels)
        ids = np.unique(np.linspace(0, count - 1, min(count, IMAGES_CHECKED)).astype(np.int64))
        with self.backend.storage.open(self._last_written, self.backend.options) as reader:
            complete = len(reader) == count
            if complete:
                images, labels = reader.load(ids)
                complete = np.array_equal(images, self.images[ids]) and np.array_equal(labels, self.labels[ids])
        if not complete:
            raise UserError(f"{self._last_written}: what was written isn't what should have been; mend the backend")
