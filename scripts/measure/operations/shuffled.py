"""Operations random and batch: images drawn from the whole store, in shuffled order, as training reads them."""

import time
from collections import defaultdict
from contextlib import ExitStack
from typing import Any

import numpy as np

from scripts.measure.operations.base import PROBABILITIES, QUANTILES, Inputs, Sample, Subject, clocked, quantiles
from scripts.measure.operations.catalogue import Declaration
from scripts.measure.operations.reading import Reading, calls


class Random(Reading):
    """One call for each image. Warm, the reader is open before the clock starts, as it is in training; cold, opening is
    timed too, as it brings in all of a small store and a part of a large one.

    Each run draws other images, the untimed ones as well: the same ones would be in the processor's caches.
    """

    def __init__(self, inputs: Inputs, backend: Subject, baseline: Subject) -> None:
        super().__init__(inputs, backend, baseline)
        self._last: dict[str, np.ndarray] = {}
        self._kept: dict[str, list[np.ndarray]] = defaultdict(list)

    def prepare(self) -> None:
        """Write the baseline's file and allocate the arrays."""
        super().prepare()
        self.allocate(min(self.count, self.inputs.settings.random_images))
        self.prepare_decoding()

    @property
    def images_per_call(self) -> int:
        """How many images one call asks for."""
        return 1

    def run(self, subject: Subject, *, counts: bool = True) -> list[Sample]:
        """Read images that are drawn for this run, and compare each with the one that was asked for."""
        path = self.paths[subject.name]
        self.images.fill(0xAA)
        self.labels.fill(-1)
        ids = self.next_generator(subject).choice(self.count, len(self.labels), replace=False)
        asked = calls(ids, self.images, self.labels, self.images_per_call)
        moments = np.empty(len(asked) + 1, np.int64)
        clock = time.perf_counter_ns
        resident = self.cache.bring_about(*self.places[subject.name]) if counts else None
        # What opening reads ahead would be missing from the bytes of the device, so the costs always include it.
        with ExitStack() as closed_afterwards, clocked(self.meter, subject.name) as taken:
            start = clock()
            reader = subject.storage.open(path, subject.options)
            closed_afterwards.enter_context(reader)
            read = reader.read
            moments[0] = clock()
            for number, call in enumerate(asked, start=1):
                read(*call)
                moments[number] = clock()
        self.compare(subject, self.images, self.labels, ids)
        self._last[subject.name] = seconds = np.diff(moments) / 1e9
        taken.seconds = int(moments[-1] - (start if self.cold else moments[0])) / 1e9
        latency = dict(zip(QUANTILES, quantiles(seconds, tuple(QUANTILES.values())), strict=True))
        opening = int(moments[0] - start) / 1e9
        return [self.sample_of(subject, taken, resident, len(ids), open_seconds=opening, latency_seconds=latency)]

    def keep(self, samples: list[Sample], started: float) -> None:
        """Keep the sample of the last run, and the time of each of its calls if the sample counts."""
        super().keep(samples, started)
        for sample in samples:
            if sample.state_verified and sample.subject in self._last:
                self._kept[sample.subject].append(self._last[sample.subject])

    def facts(self) -> dict[str, Any]:
        """Add the quantiles of the time of one call, where samples of both subjects count."""
        if len(self._kept) < len(self.paths):
            return super().facts()
        found = {name: quantiles(np.concatenate(self._kept[name]), PROBABILITIES) for name in self.paths}
        return super().facts() | {"latencies": {"probabilities": list(PROBABILITIES), **found}}


class Batch(Random):
    """One call for each batch, as a data loader asks; the last one may be smaller."""

    @property
    def images_per_call(self) -> int:
        """The size of a batch."""
        return self.inputs.settings.batch_size


@Declaration(
    kind="random", state="warm", position=5, purpose="shuffle", first_answer=False, draws=1, settings=("random_images",)
)
class RandomWarm(Random):
    """Random, warm.

    Reading images one by one, one call for each, drawn over the whole store in shuffled order, from a reader that is
    open already; the store is in the page cache.

    Adds: What one image at a time costs in shuffled order, and how long the slowest take.
    """


@Declaration(
    kind="random", state="cold", position=6, purpose="shuffle", first_answer=False, draws=1, settings=("random_images",)
)
class RandomCold(Random):
    """Random, cold.

    Opening the store, evicted from the page cache before, and reading images one by one, drawn over the whole store in
    shuffled order. Opening reads from the disk as well, of a small store all there is.
    """


@Declaration(
    kind="batch",
    state="warm",
    position=7,
    purpose="shuffle",
    quick=True,
    draws=1,
    settings=("random_images", "batch_size"),
)
class BatchWarm(Batch):
    """Batch, warm.

    Reading images drawn in the same way in batches, one call for each batch, as a training does, from a reader that is
    open already; the store is in the page cache.

    Adds: What a training waits for that shuffles its images.
    """


@Declaration(
    kind="batch", state="cold", position=8, purpose="shuffle", draws=1, settings=("random_images", "batch_size")
)
class BatchCold(Batch):
    """Batch, cold.

    Opening the store, evicted from the page cache before, and reading images in such batches.
    """
