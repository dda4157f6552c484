"""What every operation that reads has: a store in a known state, the reference file, a comparison, decoding alone."""

from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar, NoReturn

import numpy as np

from scripts.backends.base import blocks
from scripts.common.errors import UserError
from scripts.measure.operations.base import Clocked, Inputs, Operation, Sample, Subject, clocked
from scripts.measure.operations.catalogue import COLD, WARM
from scripts.measure.operations.decoding import BUDGET_SHARE, DECODING, Decoding
from scripts.measure.operations.state import CacheState
from scripts.stores.content import checksums
from scripts.system.aligned import empty_on_page

IMAGES_COMPARED_AT_ONCE = 32
SEED = 20190101


def calls(ids: np.ndarray, images: np.ndarray, labels: np.ndarray, step: int) -> list[tuple[np.ndarray, ...]]:
    """Return the arguments of each call that reads `step` of the images `ids` into its part of the caller's arrays."""
    parts = [slice(start, start + step) for start in range(0, len(ids), step)]
    return [(ids[part], images[part], labels[part]) for part in parts]


class Reading(Operation):
    """Reads the built store, and as baseline the reference file."""

    in_other_processes: ClassVar[bool] = False
    """Whether other processes than this one read."""

    def __init__(self, inputs: Inputs, backend: Subject, baseline: Subject) -> None:
        super().__init__(inputs, backend, baseline)
        self.cold = self.declared.state == COLD
        self.cache = CacheState(cold=self.cold, drop_caches=inputs.settings.drop_caches)
        # A cold run waits for the disk, and finds the memory at hand that the eviction has just freed.
        self.needs_identical_run_first = self.repeats_short_runs = not self.cold and not self.in_other_processes
        self.paths = {backend.name: inputs.store, baseline.name: inputs.scratch / "baseline"}
        self.places = {
            backend.name: backend.storage.places(inputs.store, backend.options),
            baseline.name: [self.paths[baseline.name]],
        }
        self.checksums = {backend.name: inputs.checksums, baseline.name: inputs.checksums}
        self._runs: Counter[str] = Counter()
        self.images, self.labels = self.empty_arrays(0)

    def empty_arrays(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return untouched arrays for images (count, height, width, 3) uint8 and labels (count,) int64."""
        return empty_on_page((count, *self.inputs.images.shape[1:]), np.uint8), empty_on_page((count,), np.int64)

    def allocate(self, count: int) -> None:
        """Allocate and touch the caller's arrays for `count` images; memory beyond them is what reading takes."""
        self.images, self.labels = self.empty_arrays(count)
        self.images.fill(0)
        self.labels.fill(0)
        self.meter.rest()

    def prepare(self) -> None:
        """Write the baseline's file, and try on both subjects whether they can be evicted.

        Raises Unmeasurable where reads start cold and a file can't be evicted.
        """
        inputs, path = self.inputs, self.paths[self.baseline.name]
        self.baseline.storage.write(path, inputs.images, inputs.labels, durable=True, options=self.baseline.options)
        if not inputs.lossless:
            parts = [checksums(*block) for _, *block in blocks(inputs.images, inputs.labels)]
            self.checksums[self.baseline.name] = np.concatenate(parts)
        for places in self.places.values():
            self.cache.try_on(*places)

    def prepare_decoding(self) -> None:
        """Take the values that are decoded alone into memory, where the store has a codec that decodes.

        The caller's arrays must be there. Raises UserError where what is decoded isn't what is stored.
        """
        budget, storage = self.inputs.settings.budget_seconds, self.backend.storage
        with storage.open(self.inputs.store, self.backend.options) as reader:
            if reader.codec is None or reader.codec.is_identity:
                return
            self._decoding = Decoding(reader, self.images, BUDGET_SHARE * budget)
        ids = self._decoding.ids
        self.compare(self.backend, self.images[: len(ids)], self.inputs.labels[ids], ids)
        self.decoding = Subject(DECODING, storage, self.backend.options)
        # What was read has come in piece by piece; all of the store is loaded again in one way.
        self.cache.try_on(*self.places[self.backend.name])
        self.meter.rest()

    def decode(self) -> list[Sample]:
        """Decode values that are in memory, whatever the state in which reads start."""
        images, run = self._decoding.next_run()
        with clocked(self.meter, DECODING) as taken:
            run()
        assert self.decoding
        return [replace(self.sample(self.decoding, taken, images=images), state=WARM)]

    def sample_of(self, subject: Subject, taken: Clocked, resident: float | None, images: int, **known: Any) -> Sample:
        """Make the sample of a run that read so many images, and before which that part of the store was resident."""
        places, share = self.places[subject.name], images / self.count
        read, is_baseline = taken.costs.device_read_bytes, subject is self.baseline
        verified = self.cache.verified(places, resident, read, share, is_baseline=is_baseline)
        known |= {"images": images, "resident_fraction": resident, "state_verified": verified}
        return self.sample(subject, taken, **known)

    def next_generator(self, subject: Subject) -> np.random.Generator:
        """Return the generator of a subject's next run: runs draw different images, and jobs draw the same ones."""
        self._runs[subject.name] += 1
        return np.random.default_rng([SEED, self._runs[subject.name]])

    def facts(self) -> dict[str, Any]:
        """Add how the page cache is emptied, and what came from the device."""
        return super().facts() | {"eviction": self.cache.eviction, "device_share": self.cache.device_share}

    def check(self) -> None:
        """Check nothing more: each run compares what it read, unless a subclass compares the last run here."""

    def compare(self, subject: Subject, images: np.ndarray, labels: np.ndarray, ids: np.ndarray) -> None:
        """Raise UserError where images or labels aren't what must come out of a subject for `ids`, in that order."""
        # In small steps: memory that comparing takes and keeps would count as the next run's.
        for start in range(0, len(ids), IMAGES_COMPARED_AT_ONCE):
            rows = slice(start, start + IMAGES_COMPARED_AT_ONCE)
            if not np.array_equal(checksums(images[rows], labels[rows]), self.checksums[subject.name][ids[rows]]):
                self.refuse()

    def refuse(self) -> NoReturn:
        """Raise UserError: the backend doesn't give back what was stored; a damaged store is told apart elsewhere.

        Files that a store reads where they lie may have changed, and nothing else tells that.
        """
        if len(self.places[self.backend.name]) > 1:
            raise UserError(
                f"{self.inputs.store}: what was read isn't what was stored; the files that it reads where they lie "
                "have changed, so delete the image set and run again"
            )
        raise UserError(
            f"{self.inputs.store}: what was read isn't what was stored, and neither the store's files nor the images "
            "have changed; fix the backend"
        )
