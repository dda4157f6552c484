"""What may be compared with what, and how: the cells of a run, their samples, and the rule for two cells.

From that rule come, for the page, who overtakes whom, how times grow with the number of images, and after how many
epochs it pays to convert one store into another.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, permutations
from typing import Any

from scripts.measure.sampling import block_medians, median
from scripts.report import statistics, wording
from scripts.report.statistics import EXACT, RATIOS, SIZE, Ratio
from scripts.report.tables import Row, Tables

CellName = tuple[str, int, str]
"""Backend, cutoff (images) and operation."""

SUBJECTS = ("backend", "baseline")
FIRST_IMAGE = "first-image"
EPOCHS = ("batch-warm", "random-warm", "read-warm")
"""What stands for an epoch: the first of these that both stores have."""
READ_OLD = "read-warm"
WRITE_NEW = ("write-durable", "write")
"""What converting a store takes: reading all of the old one, and the first of these that the new one has."""


@dataclass(frozen=True)
class Job:
    """The samples (s) of one timing job that count, their state verified, as medians of blocks: those of the backend,
    those of the baseline, and each of the backend's over the baseline's of its round, where both count."""

    seconds: list[float]
    baseline: list[float]
    ratios: list[float]

    @classmethod
    def of(cls, samples: Sequence[Mapping[str, Any]]) -> "Job":
        """From the samples of one job and one way of sharing the work, in the order they were taken: rows of the table
        of timings, or what they are made of.

        Baseline and backend take turns, so the n-th of the one and the n-th of the other are of one round.
        """
        backend, baseline = ([sample for sample in samples if sample["subject"] == name] for name in SUBJECTS)
        rounds = zip(backend, baseline, strict=True)
        ratios = [(own, own["seconds"] / plain["seconds"]) for own, plain in rounds if _count(own, plain)]
        return cls(
            *(_medians([(own, own["seconds"]) for own in taken if _count(own)]) for taken in (backend, baseline)),
            _medians(ratios),
        )


def compare(one: Job, other: Job) -> Ratio:
    """How many times as long `one` takes as `other`: two jobs of the same operation and number of images.

    By times, where the baselines of the two jobs agree: the interval of their ratio lies within 5 % of 1, or ranges
    come within 20 % of each other. Otherwise it isn't certain that the machine was in the same state in both, and they
    are compared by their ratios to the baseline, round by round. A job without a baseline is compared by times. Raises
    ValueError where a job has no samples.
    """
    if one.ratios and other.ratios and not statistics.ratio(one.baseline, other.baseline).agreement:
        return compare_by_ratios(one, other)
    return statistics.ratio(one.seconds, other.seconds)


def compare_by_ratios(one: Job, other: Job) -> Ratio:
    """The same by ratios to the baseline alone, as jobs of two machines compare. Raises ValueError without any."""
    return replace(statistics.ratio(one.ratios, other.ratios), by=RATIOS)


@dataclass(frozen=True)
class Crossover:
    """`overtaking` is slower than `overtaken` below `cutoff` (images), which lies between `low` and `high`, and faster
    above it. `by` is RATIOS where ratios to the baseline decided at any of the cutoffs that it was found from."""

    operation: str
    overtaking: str
    overtaken: str
    cutoff: float
    low: float
    high: float
    by: str

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

    All three are None where an epoch with `target` isn't shorter; `high` is infinite where the noise leaves that open.
    `conversion` are the two operations whose times make the cost, `epoch` is the one that stands for an epoch.
    """

    cutoff: int
    source: str
    target: str
    epochs: float | None
    low: float | None
    high: float | None
    conversion: tuple[str, str]
    epoch: str


@dataclass(frozen=True)
class Results:
    """The comparable cells of a run: summary, disk usage and the samples behind them."""

    tables: Tables
    timings: list[Row]

    @cached_property
    def jobs(self) -> dict[CellName, Job]:
        """The samples of each measured cell of the main group; of operations with several ways of sharing the work
        among processes, those of the cell's own way."""
        found = defaultdict(list)
        for row in self.timings:
            name = (row["backend"], row["cutoff_images"], row["operation"])
            cell = self.tables.cell(*name)
            if cell and _way(row) == _way(cell):
                found[name].append(row)
        jobs = {name: Job.of(rows) for name, rows in found.items()}
        return {name: job for name, job in jobs.items() if job.seconds}

    def seconds(self, backend: str, cutoff: int, operation: str) -> float | None:
        """Median time (s) of a cell, None for a gap."""
        row = self.tables.cell(backend, cutoff, operation)
        return row and row["median_seconds"]

    def ratio(self, operation: str, cutoff: int, one: str, other: str) -> Ratio | None:
        """How many times as long `one` takes as `other`, by `compare`; None where either wasn't measured."""
        first, second = (self.jobs.get((backend, cutoff, operation)) for backend in (one, other))
        return compare(first, second) if first and second else None

    def size_ratio(self, measure: str, cutoff: int, one: str, other: str) -> Ratio | None:
        """How many times as many bytes (`apparent_bytes` or `allocated_bytes`) `one` takes as `other`."""
        first, second = (self.tables.store(backend, cutoff) for backend in (one, other))
        if not (first and second and first[measure] and second[measure]):
            return None
        value = first[measure] / second[measure]
        return Ratio(value, value, value, EXACT, SIZE)

    def seconds_of_all(self, backend: str, cutoff: int, operation: str) -> list[float] | None:
        """A cell's samples (s), scaled from the images that it reads to all of the cutoff; None where not measured."""
        job = self.jobs.get((backend, cutoff, operation))
        if not job:
            return None
        scale = cutoff / self.tables.cell(backend, cutoff, operation)["images"]
        return [scale * seconds for seconds in job.seconds]

    def crossovers(self) -> list[Crossover]:
        """Where one backend overtakes another, for each operation and pair, by ascending cutoff; see
        `scripts.report.statistics.crossovers`."""
        return [
            crossover
            for operation in self.tables.operations
            for pair in combinations(self.tables.backends, 2)
            for crossover in self.crossovers_of(operation, *pair)
        ]

    def crossovers_of(self, operation: str, one: str, other: str) -> list[Crossover]:
        """Where one of two backends overtakes the other in an operation, by ascending cutoff."""
        compared = [(cutoff, self.ratio(operation, cutoff, one, other)) for cutoff in self.tables.cutoffs]
        points = [(cutoff, ratio) for cutoff, ratio in compared if ratio]
        found = []
        for crossing in statistics.crossovers(points):
            pair = (other, one) if crossing.rising else (one, other)
            found.append(Crossover(operation, *pair, crossing.cutoff, crossing.low, crossing.high, crossing.by))
        return found

    def growths(self) -> list[Growth]:
        """How the time for all images grows with their number, for each operation and backend with three cutoffs.

        An operation that reads only some of the images is scaled to all; opening a store and reading one image isn't.
        See `scripts.report.statistics.growth`.
        """
        found = []
        for operation in self.tables.operations:
            if operation.startswith(FIRST_IMAGE):
                continue
            for backend in self.tables.backends:
                timed = {cutoff: self.seconds_of_all(backend, cutoff, operation) for cutoff in self.tables.cutoffs}
                timed = {cutoff: samples for cutoff, samples in timed.items() if samples}
                grown = statistics.growth(timed)
                if grown:
                    cutoffs = tuple(statistics.growing(timed))
                    found.append(Growth(backend, operation, grown.value, grown.low, grown.high, cutoffs))
        return found

    def break_evens(self, most_targets: int | None = None) -> list[BreakEven]:
        """After how many epochs converting pays, for each cutoff and pair of backends for which all that it needs was
        measured; into the `most_targets` with the shortest epochs alone, if given. See
        `scripts.report.statistics.break_even`."""
        found = []
        for cutoff in self.tables.cutoffs:
            measured = (self.tables.by_time(operation, cutoff) for operation in EPOCHS)
            shortest = next(filter(None, measured), [])[:most_targets]
            for source, target in permutations(self.tables.backends, 2):
                if most_targets is not None and target not in shortest:
                    continue
                epoch = self._first_of(EPOCHS, cutoff, source, target)
                write = self._first_of(WRITE_NEW, cutoff, target)
                read = self._first_of((READ_OLD,), cutoff, source)
                if epoch and write and read:
                    found.append(self._break_even(cutoff, source, target, (read, write), epoch))
        return found

    def _break_even(self, cutoff: int, source: str, target: str, conversion: tuple[str, str], epoch: str) -> BreakEven:
        shorter = self.ratio(epoch, cutoff, target, source)
        read, write = conversion
        paid = None
        if not shorter.tie and shorter.value < 1:
            paid = statistics.break_even(
                [self._usual_seconds(source, cutoff, read), self._usual_seconds(target, cutoff, write)],
                self._usual_seconds(source, cutoff, epoch),
                self._usual_seconds(target, cutoff, epoch),
            )
        epochs = (paid.value, paid.low, paid.high) if paid else (None, None, None)
        return BreakEven(cutoff, source, target, *epochs, conversion, epoch)

    def _usual_seconds(self, backend: str, cutoff: int, operation: str) -> list[float]:
        """A cell's samples (s) of all images, as in a job in which the machine was in its usual state: the ratios to
        the baseline, times what that took in the median job of the operation and cutoff."""
        job = self.jobs[backend, cutoff, operation]
        if not job.ratios:
            return self.seconds_of_all(backend, cutoff, operation) or []
        others = (self.jobs.get((name, cutoff, operation)) for name in self.tables.backends)
        usual = median([median(other.baseline) for other in others if other and other.baseline])
        scale = cutoff / self.tables.cell(backend, cutoff, operation)["images"]
        return [scale * usual * ratio for ratio in job.ratios]

    def _first_of(self, operations: Sequence[str], cutoff: int, *backends: str) -> str | None:
        """The first operation that all of these backends were measured in."""
        for operation in operations:
            if all((backend, cutoff, operation) in self.jobs for backend in backends):
                return operation
        return None


def _count(*samples: Mapping[str, Any]) -> bool:
    return all(sample["state_verified"] for sample in samples)


def _medians(values: list[tuple[Mapping[str, Any], float]]) -> list[float]:
    """The medians of values in the blocks of the samples that they belong to."""
    return block_medians([value for _, value in values], [sample["block"] for sample, _ in values])


def _way(row: Row) -> tuple[int, str | None]:
    """How the work was shared among processes."""
    return row["processes"], row["start_method"]


def _about(images: float) -> int:
    """A number of images to two digits."""
    return max(1, int(round(images, min(0, 1 - math.floor(math.log10(images))))))
