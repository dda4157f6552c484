"""What every operation is made of: subjects, samples, the clock, and the order in which a job calls it.

A sample is taken of a subject: the backend, or the baseline that alternates with it.
"""

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from scripts.backends.base import Backend, Source
from scripts.dataset.image_set import Originals
from scripts.measure.baseline import Baseline
from scripts.measure.operations.catalogue import Declaration
from scripts.measure.settings import Settings
from scripts.system.aligned import copy_on_page, empty_on_page
from scripts.system.costs import Costs, Meter

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
PROBABILITIES = tuple(
    share / 1000
    for share in (0, 10, 50, 100, 200, 250, 300, 400, 500, 600, 700, 750, 800, 900, 950, 980, 990, 995, 999, 1000)
)
"""The quantiles of the time of one call that a record keeps."""


@dataclass(frozen=True)
class Subject:
    """What a sample is taken of: `backend`, `baseline` or `decoding`, with its options."""

    name: str
    storage: Backend | Baseline
    options: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sample(Costs):
    """One timed run with its costs, as the record keeps it. Seconds are by `perf_counter_ns`."""

    subject: str
    order: int = 0
    """The place of the sample among all samples of its job; `Operation.keep` sets it."""
    started_seconds: float = 0.0
    """How long after the start of sampling the round of this sample began; `Operation.keep` sets it."""
    processes: int = 1
    """How many processes shared the work."""
    start_method: str | None = None
    """How the processes were started; None for the timing process itself."""
    images: int
    """How many images were written or read."""
    seconds: float
    open_seconds: float | None = None
    """The time until the reader was there."""
    latency_seconds: dict[str, float] | None = None
    """Quantiles of the time of one call; None where one call is all there is."""
    state: str
    state_verified: bool = True
    """Whether the run started from the state that its operation names. Otherwise the sample doesn't count."""
    resident_fraction: float | None = None
    """The part of the store in the page cache right before the run; None where it isn't asked for or can't be known."""
    unsynced_fraction: float | None = None
    """The part of a durable write that wasn't on the disk right after the write; None as above."""


class Unmeasurable(Exception):
    """The operation can't be measured here; the message is the reason that the results show."""


@dataclass(frozen=True)
class Inputs:
    """What the operations of one cell work on.

    `images` (n, height, width, 3) uint8 and `labels` (n,) int64 are the cutoff's, of which writing takes copies in
    memory; the images are `Originals` where the store's codec keeps originals. `store` is the data directory of the
    built store, `store_digest` the digest of what must come out of it, and `checksums` (n,) uint32 are those of
    `scripts.stores.content`; what must come out of a store that isn't `lossless` aren't `images`. `scratch` is an empty
    directory on the same file system.
    """

    images: Any
    labels: Any
    store: Path
    store_digest: str
    checksums: np.ndarray
    lossless: bool
    scratch: Path
    settings: Settings


@dataclass
class Clocked:
    """What one run took: its seconds by the clock, and its costs by the meter. Both are nothing until the run ends."""

    seconds: float = 0.0
    costs: Costs = field(default_factory=Costs)


NO_FACTS: dict[str, Any] = dict.fromkeys(("eviction", "device_share", "latencies", "overwrite_seconds"))


class Operation(ABC):
    """Takes samples of subjects. A job calls rehearse, prepare, and then run and check as often as it needs."""

    declared: ClassVar[Declaration]
    """What the operation says of itself to the catalogue."""
    needs_identical_run_first = False
    """Whether the state is only reached by an identical untimed run."""
    repeats_short_runs = True
    """Whether a short sample follows an untimed run of the same kind."""
    decoding: Subject | None = None
    """The subject of decoding alone, where that is told apart; `prepare` makes it, and `decode` is its run."""

    def __init__(self, inputs: Inputs, backend: Subject, baseline: Subject) -> None:
        self.inputs = inputs
        self.count = inputs.images.shape[0]
        self.backend = backend
        self.baseline = baseline
        self.samples: list[Sample] = []
        self.rehearsals: dict[str, Path] = {}
        self.meter = Meter()

    @abstractmethod
    def prepare(self) -> None:
        """Make what the samples need, and touch the memory they use. Raises Unmeasurable."""

    @abstractmethod
    def run(self, subject: Subject, *, counts: bool = True) -> list[Sample]:
        """Bring about the state and run once under the clock; return the sample.

        Where work can be shared in several ways there is one sample for each; the last one stands for all. A run that
        doesn't count may start from another state.
        """

    def decode(self) -> list[Sample]:
        """Decode once under the clock, from memory; return the sample."""
        raise NotImplementedError

    @abstractmethod
    def check(self) -> None:
        """Check what the backend's last run did. Raises UserError where it isn't the whole work."""

    def keep(self, samples: list[Sample], started: float) -> None:
        """Keep what a run returned, whose round began so long (s) after the start of sampling."""
        for sample in samples:
            self.samples.append(replace(sample, order=len(self.samples), started_seconds=started))

    def finish(self) -> None:  # noqa: B027
        """Give back what must not outlive the samples."""

    def facts(self) -> dict[str, Any]:
        """Return what the record says beside samples, with None for what the operation doesn't know.

        - `eviction`: how the page cache is emptied, for what starts cold.
        - `device_share`: which part of the reference file's bytes came from the device in cold runs, at most.
        - `latencies`: quantiles of the time (s) of one call over all samples that count.
        - `overwrite_seconds`: how long it takes to write again where the reference file was just written, durably.
        """
        return NO_FACTS

    def rehearse(self, subject: Subject) -> None:
        """Write and read one image, so that every library is imported before the clock starts."""
        path = self.inputs.scratch / f"rehearsal-{subject.name}"
        images, labels = in_memory(self.inputs.images, 1), np.array(self.inputs.labels[:1])
        subject.storage.write(path, images, labels, durable=True, options=subject.options)
        read_one(subject, path, np.array(images[:]), labels)
        self.rehearsals[subject.name] = path

    def sample(self, subject: Subject, taken: Clocked, **known: Any) -> Sample:
        """Make a sample of a run; `known` are the fields of the sample that clock and meter don't tell."""
        known |= {"subject": subject.name, "state": self.declared.state, "seconds": taken.seconds}
        return Sample(**known, **asdict(taken.costs))


def in_memory(images: Source, count: int) -> Source:
    """Return a copy of the first `count` images in memory, on a page: an array, or `Originals` with all their bytes."""
    pixels = copy_on_page(images[:count])
    if not isinstance(images, Originals):
        return pixels
    originals = images.originals(slice(count))
    offsets = np.cumsum([0, *map(len, originals)], dtype=np.int64)
    content = empty_on_page((int(offsets[-1]),), np.uint8)
    for original, start, stop in zip(originals, offsets[:-1], offsets[1:], strict=True):
        content[start:stop] = original
    return Originals(pixels, content, offsets, images.names(slice(count)), images.root)


@contextmanager
def clocked(meter: Meter, kind: str | None = None) -> Iterator[Clocked]:
    """Run the block, work of some kind, under the clock."""
    taken = Clocked()
    with without_garbage_collection():
        meter.start(kind)
        start = time.perf_counter_ns()
        yield taken
        taken.seconds = (time.perf_counter_ns() - start) / 1e9
    taken.costs = meter.stop()


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Collect garbage now, and not within the block, as timeit does."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def read_one(subject: Subject, path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Read a store of one image in both ways."""
    with subject.storage.open(path, subject.options) as reader:
        reader.read_all(images, labels)
        reader.read(np.zeros(1, np.int64), images, labels)


def quantiles(seconds: np.ndarray, probabilities: tuple[float, ...]) -> list[float]:
    """Return quantiles of times (s), each one of them: no value in between is made up (Hyndman and Fan's type 1)."""
    found: list[float] = np.quantile(seconds, probabilities, method="inverted_cdf").tolist()
    return found
