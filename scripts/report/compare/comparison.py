"""What may be compared with what, and how: the cells of a run, their times, and how two cells compare.

From that come, for the page, who overtakes whom, how times grow with the number of images, and after how many epochs it
pays to convert one store into another.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, permutations

from scripts.measure.operations import catalogue
from scripts.report import estimates, wording
from scripts.report.compare import corrections
from scripts.report.compare.corrections import Job, Timed
from scripts.report.estimates import EXACT, NOTICEABLE_SECONDS, Ratio
from scripts.report.rows import CellName, TimingRow, Way
from scripts.report.tables import MAIN_GROUP, Tables

READ_OLD = catalogue.answering("read-all", catalogue.WARM)
WRITE_NEW = catalogue.answering("import", catalogue.FRESH)
"""Converting a store takes the first of each that was measured: reading all of the old one, writing the new one."""
EPOCHS = (*catalogue.answering("shuffle", catalogue.WARM), *READ_OLD)
"""The first of these that both stores have stands for an epoch."""


@dataclass(frozen=True)
class Crossover:
    """`overtaking` is slower than `overtaken` below `cutoff` (images), which lies between `low` and `high`, and faster
    above it."""

    operation: str
    overtaking: str
    overtaken: str
    cutoff: float
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """As in `Read, warm: hdf5 overtakes lmdb at about 340 images (between 210 and 900).`, to two digits."""
        low, high = _about(self.low), _about(self.high)
        return (
            f"{wording.operation(self.operation)}: {self.overtaking} overtakes {self.overtaken} at about "
            f"{wording.images(_about(self.cutoff))} (between {low:,} and {high:,})."
        )


@dataclass(frozen=True)
class Growth:
    """Time grows with the number of images to the power of `exponent`, between `low` and `high`; 1 is linear.

    `cutoffs` are those that it was taken over, ascending.
    """

    backend: str
    operation: str
    exponent: float
    low: float
    high: float
    cutoffs: tuple[int, ...]


@dataclass(frozen=True)
class BreakEven:
    """After `epochs`, between `low` and `high`, converting the store of `source` into one of `target` has paid.

    All three are None where an epoch with `target` isn't surely shorter; `high` is infinite where the noise leaves that
    open. `conversion` are the two operations whose times make the cost, `epoch` is the one that stands for an epoch,
    `outcome` what the epochs with the two stores are to each other.
    """

    cutoff: int
    source: str
    target: str
    epochs: float | None
    low: float | None
    high: float | None
    conversion: tuple[str, str]
    epoch: str
    outcome: str


@dataclass(frozen=True)
class Results:
    """The comparable cells of a run: summary, disk usage and the samples behind them."""

    tables: Tables
    timings: list[TimingRow]

    @cached_property
    def jobs(self) -> dict[CellName, Job]:
        """What the timing job of each measured cell of the main group sampled; of operations with several ways of
        sharing the work among processes, in the cell's own way."""
        return {name: self._jobs[name, way] for name, way in self._own_ways.items()}

    @cached_property
    def times(self) -> dict[CellName, Timed]:
        """The time of each of these cells, corrected where it must be."""
        alike = defaultdict(dict)
        for (name, way), job in self._jobs.items():
            alike[name[1:], way][name] = job
        timed = {
            (name, way): time for (_, way), jobs in alike.items() for name, time in corrections.correct(jobs).items()
        }
        return {name: timed[name, way] for name, way in self._own_ways.items()}

    def seconds(self, backend: str, cutoff: int, operation: str) -> float | None:
        """Median time (s) of a cell, None for a gap."""
        row = self.tables.cell(backend, cutoff, operation)
        return row and row.median_seconds

    def ratio(self, operation: str, cutoff: int, one: str, other: str) -> Ratio | None:
        """How many times as long `one` takes as `other`; None where either wasn't measured."""
        first, second = (self.times.get((backend, cutoff, operation)) for backend in (one, other))
        return corrections.compare(first, second) if first and second else None

    def noticeable(self, operation: str, cutoff: int) -> bool:
        """Whether anybody notices who is fastest: whether the slowest store needs `NOTICEABLE_SECONDS` for all images.

        The first image is one image, however many there are.
        """
        slowest = self.slowest(operation, cutoff)
        return slowest is not None and slowest >= NOTICEABLE_SECONDS

    def slowest(self, operation: str, cutoff: int) -> float | None:
        """The time (s) for all images of the slowest store; None where nobody was measured."""
        rows = [row for name in self.tables.backends if (row := self.tables.cell(name, cutoff, operation))]
        times = [row.median_seconds * (1 if one_image(operation) else cutoff / row.images) for row in rows]
        return max(times, default=None)

    def size_ratio(self, measure: str, cutoff: int, one: str, other: str) -> Ratio | None:
        """How many times as many bytes (`apparent_bytes` or `allocated_bytes`) `one` takes as `other`."""
        first, second = (self.tables.store(backend, cutoff) for backend in (one, other))
        sizes = [store.size(measure) if store else None for store in (first, second)]
        if not all(sizes):
            return None
        value = sizes[0] / sizes[1]
        return Ratio(value, value, value, EXACT)

    def seconds_of_all(self, backend: str, cutoff: int, operation: str) -> list[float] | None:
        """A cell's time as medians of blocks (s), scaled from the images that it reads to all of the cutoff; None where
        not measured."""
        time = self.time_of_all(backend, cutoff, operation)
        return time and time.seconds

    def time_of_all(self, backend: str, cutoff: int, operation: str) -> Timed | None:
        """The same with what the machine's state leaves open."""
        time = self.times.get((backend, cutoff, operation))
        if not time:
            return None
        scale = cutoff / self.tables.cell(backend, cutoff, operation).images
        return replace(time, seconds=[scale * seconds for seconds in time.seconds])

    def crossovers(self) -> list[Crossover]:
        """Where one backend overtakes another, for each operation and pair, by ascending cutoff; see
        `scripts.report.estimates.crossovers`."""
        return [
            crossover
            for operation in self.tables.operations
            for pair in combinations(self.tables.backends, 2)
            for crossover in self.crossovers_of(operation, *pair)
        ]

    def crossovers_of(self, operation: str, one: str, other: str) -> list[Crossover]:
        """Where one of two backends overtakes the other in an operation, by ascending cutoff, of the cutoffs at which
        anybody notices who is fastest."""
        cutoffs = [cutoff for cutoff in self.tables.cutoffs if self.noticeable(operation, cutoff)]
        compared = [(cutoff, self.ratio(operation, cutoff, one, other)) for cutoff in cutoffs]
        points = [(cutoff, ratio) for cutoff, ratio in compared if ratio]
        found = []
        for crossing in estimates.crossovers(points):
            pair = (other, one) if crossing.rising else (one, other)
            found.append(Crossover(operation, *pair, crossing.cutoff, crossing.low, crossing.high))
        return found

    def growths(self) -> list[Growth]:
        """How the time for all images grows with their number, for each operation and backend with three cutoffs.

        An operation that reads only some of the images is scaled to all; opening a store and reading one image isn't.
        See `scripts.report.estimates.growth`.
        """
        found = []
        for operation in self.tables.operations:
            if one_image(operation):
                continue
            for backend in self.tables.backends:
                timed = {cutoff: self.seconds_of_all(backend, cutoff, operation) for cutoff in self.tables.cutoffs}
                timed = {cutoff: samples for cutoff, samples in timed.items() if samples}
                grown = estimates.growth(timed)
                if grown:
                    cutoffs = tuple(estimates.growing(timed))
                    found.append(Growth(backend, operation, grown.value, grown.low, grown.high, cutoffs))
        return found

    def break_evens(self, most_targets: int | None = None) -> list[BreakEven]:
        """After how many epochs converting pays, for each cutoff at which anybody notices how long an epoch takes,
        and each pair of backends for which all that it needs was measured; into the `most_targets` with the shortest
        epochs alone, if given. See `scripts.report.estimates.break_even`."""
        found = []
        for cutoff in self.tables.cutoffs:
            measured = (self.tables.by_time(operation, cutoff) for operation in EPOCHS)
            shortest = next(filter(None, measured), [])[:most_targets]
            for source, target in permutations(self.tables.backends, 2):
                if most_targets is not None and target not in shortest:
                    continue
                epoch = self._first_of(EPOCHS, cutoff, source, target)
                write = self._first_of(WRITE_NEW, cutoff, target)
                read = self._first_of(READ_OLD, cutoff, source)
                if epoch and write and read and self.noticeable(epoch, cutoff):
                    found.append(self._break_even(cutoff, source, target, (read, write), epoch))
        return found

    def _break_even(self, cutoff: int, source: str, target: str, conversion: tuple[str, str], epoch: str) -> BreakEven:
        shorter = self.ratio(epoch, cutoff, target, source)
        read, write = conversion
        paid = None
        if shorter.shorter:
            paid = estimates.break_even(
                [self.seconds_of_all(source, cutoff, read), self.seconds_of_all(target, cutoff, write)],
                self.seconds_of_all(source, cutoff, epoch),
                self.seconds_of_all(target, cutoff, epoch),
            )
        epochs = (paid.value, paid.low, paid.high) if paid else (None, None, None)
        return BreakEven(cutoff, source, target, *epochs, conversion, epoch, shorter.outcome)

    def _first_of(self, operations: Sequence[str], cutoff: int, *backends: str) -> str | None:
        """The first operation that all of these backends were measured in."""
        for operation in operations:
            if all((backend, cutoff, operation) in self.times for backend in backends):
                return operation
        return None

    @cached_property
    def _jobs(self) -> dict[tuple[CellName, Way], Job]:
        """What was sampled of each cell of the main group, in each way of sharing the work."""
        found = defaultdict(list)
        for row in self.timings:
            if row.comparison_group == MAIN_GROUP and self.tables.cell(*row.cell):
                found[row.cell, row.way].append(row)
        jobs = {key: Job.of(rows) for key, rows in found.items()}
        return {key: job for key, job in jobs.items() if job.seconds}

    @cached_property
    def _own_ways(self) -> dict[CellName, Way]:
        """Each of these cells, with its own way of sharing the work."""
        return {name: way for name, way in self._jobs if way == self.tables.cell(*name).way}


def one_image(operation: str) -> bool:
    """Whether an operation handles one image, however many there are."""
    return catalogue.entry(operation).one_image


def _about(images: float) -> int:
    """A number of images to two digits."""
    return max(1, int(round(images, min(0, 1 - math.floor(math.log10(images))))))
