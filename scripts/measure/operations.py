"""The operations that are timed: what one sample of each does, and the state that it starts from.

Each operation is a class; `OPERATIONS` names them, cache state and durability included. A sample is taken of a subject:
the backend, or the baseline that alternates with it.
"""

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scripts.dataset.image_set import content_digest
from scripts.errors import UserError
from scripts.measure import machine, page_cache
from scripts.measure.memory import copy_on_page, empty_on_page

IMAGES_CHECKED_AFTER_WRITE = 1000


class Storage(Protocol):
    """What a backend and the baseline have in common."""

    def write(self, path: Path, images: Any, labels: Any, *, durable: bool, options: dict[str, Any]) -> None:
        """Write a new store at `path`."""

    def open(self, path: Path, options: dict[str, Any]) -> Any:
        """Return a reader of the store at `path`, usable with `with`."""


@dataclass(frozen=True)
class Subject:
    """What a sample is taken of: `backend` or `baseline`, with its options."""

    name: str
    storage: Storage
    options: dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """One timed run. Seconds by `perf_counter_ns`; `open_seconds` is the part of a read until the reader is there.

    `resident_fraction` is the part of the store in the page cache right before the run, None where it can't be known;
    `state_verified` says whether that is what the state's name promises. The bytes are those that the process had read
    from, and sent towards, devices during the run; None where the system doesn't count them.
    """

    subject: str
    order: int
    seconds: float
    open_seconds: float | None
    state: str
    state_verified: bool
    resident_fraction: float | None
    device_read_bytes: int | None
    device_written_bytes: int | None


class Unmeasurable(Exception):
    """The operation can't be measured here; the message is the reason that the results show."""


@dataclass(frozen=True)
class Inputs:
    """What the operations of one cell work on.

    `images` (n, height, width, 3) uint8 and `labels` (n,) int64 are the cutoff's, of which writing takes copies in
    memory; `store` is the data directory of the built store, `store_digest` the digest of its content; `scratch` is an
    empty directory on the same file system.
    """

    images: Any
    labels: Any
    store: Path
    store_digest: str
    scratch: Path


class Operation(ABC):
    """Takes samples of subjects. The first run of the backend checks that the work was really done."""

    state: str
    needs_identical_run_first = False
    """Whether the state is only reached by an identical untimed run."""

    def __init__(self, inputs: Inputs, backend: Subject, baseline: Subject) -> None:
        self.inputs = inputs
        self.backend = backend
        self.baseline = baseline
        self.samples: list[Sample] = []

    @abstractmethod
    def prepare(self) -> None:
        """Make what the samples need, and touch the memory they use. Raises Unmeasurable."""

    @abstractmethod
    def run(self, subject: Subject) -> Sample:
        """Bring about the state, run once under the clock, and return the sample."""

    @abstractmethod
    def check(self) -> None:
        """Check what the backend's last run did. Raises UserError where it isn't the whole work."""

    def rehearse(self, subject: Subject) -> None:
        """Write and read one image, so that every library is imported before the clock starts."""
        path = self.inputs.scratch / f"rehearsal-{subject.name}"
        images, labels = np.array(self.inputs.images[:1]), np.array(self.inputs.labels[:1])
        subject.storage.write(path, images, labels, durable=True, options=subject.options)
        with subject.storage.open(path, subject.options) as reader:
            reader.read_all(images, labels)

    def _clocked(
        self,
        subject: Subject,
        run: Callable[[], float | None],
        resident_fraction: float | None,
        verified: Callable[[int | None], bool],
    ) -> Sample:
        """Run under the clock, without garbage collection (as timeit does); `run` returns the seconds of opening.

        The sample's order is its place among those that are kept.
        """
        before = machine.device_bytes()
        gc.collect()
        gc.disable()
        try:
            start = time.perf_counter_ns()
            open_seconds = run()
            end = time.perf_counter_ns()
        finally:
            gc.enable()
        after = machine.device_bytes()
        read = after.read - before.read if before and after else None
        return Sample(
            subject=subject.name,
            order=len(self.samples),
            seconds=(end - start) / 1e9,
            open_seconds=open_seconds,
            state=self.state,
            state_verified=verified(read),
            resident_fraction=resident_fraction,
            device_read_bytes=read,
            device_written_bytes=after.written - before.written if before and after else None,
        )


class Write(Operation):
    """Write a new store of all images and labels, in a place where nothing was."""

    state = "fresh"

    def __init__(self, inputs: Inputs, backend: Subject, baseline: Subject, *, durable: bool) -> None:
        super().__init__(inputs, backend, baseline)
        self.durable = durable
        self._runs = 0
        self._last_written: Path | None = None

    def prepare(self) -> None:
        """Copy the images into memory: preparing the input isn't what is timed."""
        self.images, self.labels = copy_on_page(self.inputs.images), copy_on_page(self.inputs.labels)

    def run(self, subject: Subject) -> Sample:
        """Write once. Afterwards, off the clock, the bytes are synced and evicted, so that the next run starts with a
        clean page cache and memory that the system has at hand."""
        self._runs += 1
        path = self.inputs.scratch / f"{subject.name}-{self._runs}"

        def write() -> None:
            subject.storage.write(path, self.images, self.labels, durable=self.durable, options=subject.options)

        sample = self._clocked(subject, write, None, lambda _: True)
        page_cache.evict(path)
        if subject is self.backend:
            self._last_written = path
        return sample

    def check(self) -> None:
        """Read images back, a thousand at most, spread evenly, and compare."""
        assert self._last_written is not None
        count = len(self.labels)
        ids = np.unique(np.linspace(0, count - 1, min(count, IMAGES_CHECKED_AFTER_WRITE)).astype(np.int64))
        with self.backend.storage.open(self._last_written, self.backend.options) as reader:
            complete = len(reader) == count
            if complete:
                images, labels = reader.load(ids)
                complete = np.array_equal(images, self.images[ids]) and np.array_equal(labels, self.labels[ids])
        if not complete:
            raise UserError(f"{self._last_written}: what was written isn't what should have been; mend the backend")


class Read(Operation):
    """Open the store and read all images and labels, in order, into arrays that are there already."""

    def __init__(self, inputs: Inputs, backend: Subject, baseline: Subject, *, cold: bool) -> None:
        super().__init__(inputs, backend, baseline)
        self.cold = cold
        self.needs_identical_run_first = not cold
        self.state = "cold" if cold else "warm"

    def prepare(self) -> None:
        """Write the baseline's file, allocate the arrays, and try whether the store can be evicted."""
        shape = self.inputs.images.shape
        self.images, self.labels = empty_on_page(shape, np.uint8), empty_on_page(shape[:1], np.int64)
        self.paths = {self.backend.name: self.inputs.store, self.baseline.name: self.inputs.scratch / "baseline"}
        self.images[:], self.labels[:] = self.inputs.images[:], self.inputs.labels[:]
        self.baseline.storage.write(self.paths[self.baseline.name], self.images, self.labels, durable=True, options={})
        if self.cold:
            for path in self.paths.values():
                page_cache.evict(path)
                resident = page_cache.resident_fraction(path)
                if resident is None:
                    raise Unmeasurable("this system doesn't tell whether the store is in the page cache")
                if resident > page_cache.COLD_RESIDENT_FRACTION:
                    kind = machine.file_system(path)["type"]
                    raise Unmeasurable(
                        f"the store can't be evicted from the page cache of file system {kind}: "
                        f"{resident:.0%} stayed resident"
                    )

    def run(self, subject: Subject) -> Sample:
        """Read once, after evicting the store from the page cache or loading it into that.

        The arrays are overwritten first, which touches their memory and leaves nothing of another run in them.
        """
        path = self.paths[subject.name]
        self.images.fill(0xAA)
        self.labels.fill(-1)
        if self.cold:
            page_cache.evict(path)
        else:
            page_cache.load(path)
        resident = page_cache.resident_fraction(path)

        def verified(device_read_bytes: int | None) -> bool:
            if self.cold:
                return resident is not None and resident <= page_cache.COLD_RESIDENT_FRACTION
            # Where residency is unknown, a run that read nothing from a device has shown that the store was in memory.
            return device_read_bytes == 0 if resident is None else resident >= page_cache.WARM_RESIDENT_FRACTION

        with ExitStack() as closed_after_the_clock:

            def read() -> float:
                start = time.perf_counter_ns()
                reader = subject.storage.open(path, subject.options)
                opened = time.perf_counter_ns()
                closed_after_the_clock.enter_context(reader)
                reader.read_all(self.images, self.labels)
                return (opened - start) / 1e9

            return self._clocked(subject, read, resident, verified)

    def check(self) -> None:
        """Compare the digest of all that was read with the store's."""
        if content_digest([(0, self.images, self.labels)]) != self.inputs.store_digest:
            raise UserError(
                f"{self.inputs.store}: what was read isn't what was stored; delete this store and run again"
            )


OPERATIONS: dict[str, Callable[[Inputs, Subject, Subject], Operation]] = {
    "write": lambda *given: Write(*given, durable=False),
    "write-durable": lambda *given: Write(*given, durable=True),
    "read-warm": lambda *given: Read(*given, cold=False),
    "read-cold": lambda *given: Read(*given, cold=True),
}
