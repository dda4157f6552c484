"""The comparable cells of a run with the samples behind them: their times, and how any two of them compare."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

from scripts.measure.operations import catalogue
from scripts.report import corrections
from scripts.report.corrections import Job, Timed
from scripts.report.rows import CellName, MeasuredRow, TimingRow, Way
from scripts.report.tables import MAIN_GROUP, Tables
from scripts.report.ties import NOTICEABLE_SECONDS, Ratio

LONGER = 4
"""What is undecided is to be sampled for this many times as long as before, which makes an interval half as wide."""


@dataclass(frozen=True)
class Results:
    """The tables of one image size of a run, and the samples of the run. All cells are those of the main group that
    were measured at this size."""

    tables: Tables
    timings: list[TimingRow]

    @cached_property
    def by_size(self) -> dict[str, "Results"]:
        """The results of each image size of the run, the smallest first."""
        return {size: Results(own, self.timings) for size, own in self.tables.by_size.items()}

    @cached_property
    def jobs(self) -> dict[CellName, Job]:
        """What the timing job of each cell sampled, in the cell's own way of sharing the work among processes."""
        return {name: self._jobs[name, way] for name, way in self._own_ways.items()}

    @cached_property
    def times(self) -> dict[CellName, Timed]:
        """The time of each cell, corrected where it must be."""
        timed = corrections.correct(self._jobs, alike=lambda job: (job[0][1:], job[1]))
        return {name: timed[name, way] for name, way in self._own_ways.items()}

    def row(self, name: CellName) -> MeasuredRow:
        """The row of a cell. Raises KeyError where it wasn't measured."""
        row = self.tables.cell(*name)
        if row is None:
            raise KeyError(name)
        return row

    def ratio(self, operation: str, cutoff: int, one: str, other: str) -> Ratio:
        """How many times as long `one` takes as `other`. Raises KeyError where either wasn't measured."""
        return corrections.ratio(self.times[one, cutoff, operation], self.times[other, cutoff, operation])

    def ratio_if_measured(self, operation: str, cutoff: int, one: str, other: str) -> Ratio | None:
        """How many times as long `one` takes as `other`, None where either wasn't measured."""
        measured = all((backend, cutoff, operation) in self.times for backend in (one, other))
        return self.ratio(operation, cutoff, one, other) if measured else None

    def noticeable(self, operation: str, cutoff: int, among: Collection[str] | None = None) -> bool:
        """Whether anybody notices which store (of some) is fastest: the slowest needs `NOTICEABLE_SECONDS` for all
        images."""
        return self.slowest(operation, cutoff, among) >= NOTICEABLE_SECONDS

    def slowest(self, operation: str, cutoff: int, among: Collection[str] | None = None) -> float:
        """The time (s) of the slowest store (of some) for all images, or for the one image that an operation handles; 0
        where no store was measured."""
        rows = [row for row in self.tables.measured(operation, cutoff) if among is None or row.backend in among]
        times = [row.median_seconds * (1 if one_image(operation) else cutoff / row.images) for row in rows]
        return max(times, default=0.0)

    def time_of_all(self, backend: str, cutoff: int, operation: str) -> Timed | None:
        """A cell's time, scaled from the images that a sample handles to all of the cutoff; None where it wasn't
        measured."""
        name = (backend, cutoff, operation)
        if name not in self.times:
            return None
        scale = cutoff / self.row(name).images
        time = self.times[name]
        return replace(time, seconds=[scale * seconds for seconds in time.seconds])

    @cached_property
    def _jobs(self) -> dict[tuple[CellName, Way], Job]:
        """What was sampled of each cell, in each way of sharing the work."""
        found = defaultdict(list)
        for row in self.timings:
            of_size = row.comparison_group == MAIN_GROUP and row.image_size == self.tables.image_size
            if of_size and self.tables.cell(*row.cell):
                found[row.cell, row.way].append(row)
        jobs = {key: Job.of(rows) for key, rows in found.items()}
        return {key: job for key, job in jobs.items() if job.seconds}

    @cached_property
    def _own_ways(self) -> dict[CellName, Way]:
        """The cell's own way of sharing the work, by cell."""
        return {name: way for name, way in self._jobs if way == self.row(name).way}


def one_image(operation: str) -> bool:
    """Whether an operation handles one image, however many there are."""
    entry = catalogue.get(operation)
    return entry is not None and entry.one_image
