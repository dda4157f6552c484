"""Operation read: open the store and read all images and labels, in order, into arrays that are there already."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from scripts.common.errors import UserError
from scripts.dataset.image_set import content_digest
from scripts.measure.operations.base import Inputs, Operation, Sample, Subject
from scripts.measure.operations.catalogue import Declaration
from scripts.measure.operations.state import CacheState
from scripts.system.aligned import copy_on_page, empty_on_page

IMAGES_COMPARED_AT_ONCE = 32


class Read(Operation):
    """Reads the built store, and as baseline a plain file of the same bytes; the base of all that reads."""

    def __init__(self, inputs: Inputs, backend: Subject, baseline: Subject, *, cold: bool) -> None:
        super().__init__(inputs, backend, baseline)
        self.cache = CacheState(cold=cold, drop_caches=inputs.settings.drop_caches)
        self.needs_identical_run_first = not cold
        # A cold run waits for the disk, and finds the memory at hand that the eviction has just freed.
        self.repeats_short_runs = not cold
        self.state = self.cache.name
        self.eviction = self.cache.eviction

    def prepare(self) -> None:
        """Write the baseline's file, allocate the arrays, and try whether the store can be evicted."""
        self.write_baseline()
        del self.stored_images, self.stored_labels
        self.allocate(len(self.inputs.labels))

    def allocate(self, count: int) -> None:
        """Allocate and touch the caller's arrays for `count` images; memory beyond them is what reading takes."""
        self.images = empty_on_page((count, *self.inputs.images.shape[1:]), np.uint8)
        self.labels = empty_on_page((count,), np.int64)
        self.images.fill(0)
        self.labels.fill(0)
        self.meter.rest()

    def write_baseline(self) -> None:
        """Write the baseline's file, and try on both whether they can be evicted.

        The copy in memory stays, to compare with: pages of the image set that get mapped meanwhile would count as
        memory that the backend takes.
        """
        self.paths = {self.backend.name: self.inputs.store, self.baseline.name: self.inputs.scratch / "baseline"}
        self.stored_images, self.stored_labels = copy_on_page(self.inputs.images), copy_on_page(self.inputs.labels)
        self.baseline.storage.write(
            self.paths[self.baseline.name],
            self.stored_images,
            self.stored_labels,
            durable=True,
            options=self.baseline.options,
        )
        for path in self.paths.values():
            self.cache.try_on(path)

    def run(self, subject: Subject) -> list[Sample]:
        """Read once, after evicting the store from the page cache or loading it into that."""
        return self.read(subject, self.cache.bring_about)

    def run_untimed(self, subject: Subject) -> None:
        """Read once from whatever state: to look what of a store of many files is in the page cache takes long."""
        self.read(subject, lambda path: None)

    def read(self, subject: Subject, bring_about: Callable[[Path], float | None]) -> list[Sample]:
        """Bring about the state of the store, which says how much of it is resident, and read under the clock.

        The arrays are overwritten first, which touches their memory and leaves nothing of another run in them.
        """
        path = self.paths[subject.name]
        self.images.fill(0xAA)
        self.labels.fill(-1)
        resident = bring_about(path)
        with ExitStack() as closed_after_the_clock, self.clocked(subject) as clocked:
            start = time.perf_counter_ns()
            reader = subject.storage.open(path, subject.options)
            opened = time.perf_counter_ns()
            closed_after_the_clock.enter_context(reader)
            reader.read_all(self.images, self.labels)
        return [
            self.sample(
                subject,
                clocked,
                images=len(self.labels),
                open_seconds=(opened - start) / 1e9,
                resident_fraction=resident,
                state_verified=self.verified(subject, resident, clocked.costs.device_read_bytes, 1.0),
            )
        ]

    def verified(self, subject: Subject, resident: float | None, device_read_bytes: int | None, share: float) -> bool:
        """Say whether a run of a subject, over that share of the images, started from the state."""
        path = self.paths[subject.name]
        return self.cache.verified(path, resident, device_read_bytes, share, is_baseline=subject is self.baseline)

    def device_share(self) -> float | None:
        """Return which part of the plain file's bytes came from the device in cold runs, at most, None without such."""
        return self.cache.device_share

    def compare(self, images: np.ndarray, labels: np.ndarray, ids: np.ndarray) -> None:
        """Raise UserError where images or labels aren't those of `ids`, in that order.

        In small steps: memory that comparing takes and keeps would count as the next run's.
        """
        for start in range(0, len(ids), IMAGES_COMPARED_AT_ONCE):
            rows = slice(start, start + IMAGES_COMPARED_AT_ONCE)
            same_images = np.array_equal(images[rows], self.stored_images[ids[rows]])
            if not same_images or not np.array_equal(labels[rows], self.stored_labels[ids[rows]]):
                self.refuse()

    def check(self) -> None:
        """Compare the digest of all that was read with the store's."""
        if content_digest([(0, self.images, self.labels)]) != self.inputs.store_digest:
            self.refuse()

    def refuse(self) -> None:
        """Raise UserError: the backend doesn't give back what was stored; a damaged store is told apart elsewhere."""
        raise UserError(
            f"{self.inputs.store}: what was read isn't what was stored, and neither the store's files nor the images "
            "have changed; mend the backend"
        )


@Declaration(kind="read", state="warm", position=3, purpose="read-all", quick=True)
def read_warm(inputs: Inputs, backend: Subject, baseline: Subject) -> Operation:
    """Read, warm.

    Opening the store and reading all images and labels in order; the store is in the page cache.

    Adds: How long one pass over all images takes, in order.
    """
    return Read(inputs, backend, baseline, cold=False)


@Declaration(kind="read", state="cold", position=4, purpose="read-all")
def read_cold(inputs: Inputs, backend: Subject, baseline: Subject) -> Operation:
    """Read, cold.

    Opening the store and reading all images and labels in order, evicted from the page cache before.
    """
    return Read(inputs, backend, baseline, cold=True)
