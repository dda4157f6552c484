"""Operation read: open the store and read all images and labels, in order, into arrays that are there already."""

import time
from contextlib import ExitStack

from scripts.dataset.image_set import content_digest
from scripts.measure.operations.base import Sample, Subject, clocked
from scripts.measure.operations.catalogue import Declaration
from scripts.measure.operations.reading import Reading


class Read(Reading):
    """One call for all images; the last run's are compared, by their digest, once the samples are taken."""

    def prepare(self) -> None:
        """Write the baseline's file, try whether the store can be evicted, and allocate the arrays."""
        super().prepare()
        self.allocate(self.count)
        self.prepare_decoding()

    def run(self, subject: Subject, *, counts: bool = True) -> list[Sample]:
        """Open the store and read it once."""
        path = self.paths[subject.name]
        # Overwriting touches the memory of the arrays, and leaves nothing of another run in them.
        self.images.fill(0xAA)
        self.labels.fill(-1)
        # To look which of many files are in the page cache takes long, so a run that doesn't count goes without.
        resident = self.cache.bring_about(*self.places[subject.name]) if counts else None
        with ExitStack() as closed_after_the_clock, clocked(self.meter, subject.name) as taken:
            start = time.perf_counter_ns()
            reader = subject.storage.open(path, subject.options)
            opened = time.perf_counter_ns()
            closed_after_the_clock.enter_context(reader)
            reader.read_all(self.images, self.labels)
        return [self.sample_of(subject, taken, resident, self.count, open_seconds=(opened - start) / 1e9)]

    def check(self) -> None:
        """Compare the digest of all that was read with the store's."""
        if content_digest([(0, self.images, self.labels)]) != self.inputs.store_digest:
            self.refuse()


@Declaration(kind="read", state="warm", position=3, purpose="read-all", quick=True)
class ReadWarm(Read):
    """Read, warm.

    Opening the store and reading all images and labels in order; the store is in the page cache.

    Adds: How long one pass over all images takes, in order.
    """


@Declaration(kind="read", state="cold", position=4, purpose="read-all")
class ReadCold(Read):
    """Read, cold.

    Opening the store and reading all images and labels in order, evicted from the page cache before.
    """
