"""The section with gaps and doubts: what has no number, what was disturbed, and what doesn't count."""

from dataclasses import dataclass

from scripts.report.page import facts
from scripts.report.page.run import Run
from scripts.report.rows import GAP, BuiltRow, CellName, SelectionRow, SummaryRow
from scripts.report.tables import MAIN_GROUP, Tables

MANY_DISTURBED = 0.25
"""Where more than this share of the cells was disturbed, the page says so at its top."""


@dataclass(frozen=True)
class Gap:
    """Cells or stores without a number, of one backend and operation and for the same reason."""

    backend: str
    operation: str
    reason: str
    cutoffs: list[int]


@dataclass(frozen=True)
class Flagged:
    """A cell with samples that are outliers, or whose state wasn't verified."""

    backend: str
    cutoff: int
    operation: str
    samples: int
    outliers: int
    unverified: int


@dataclass(frozen=True)
class DoubtsSection:
    """What the section with gaps and doubts shows.

    `cells` is the number of all cells. `apart` are the records that are compared with no others. `clock_notes` and
    `limits` are sentences.
    """

    cells: int
    apart: list[SelectionRow]
    gaps: list[Gap]
    disturbed: list[SummaryRow]
    flagged: list[Flagged]
    clock_notes: list[str]
    limits: tuple[str, ...]

    @property
    def many_disturbed(self) -> bool:
        """Whether so many cells were disturbed that the page says so at its top."""
        return len(self.disturbed) > MANY_DISTURBED * self.cells

    @property
    def outliers(self) -> int:
        """The number of samples that are outliers."""
        return sum(cell.outliers for cell in self.flagged)

    @property
    def unverified(self) -> int:
        """The number of samples whose state wasn't verified."""
        return sum(cell.unverified for cell in self.flagged)


def section(run: Run) -> DoubtsSection:
    """Make the section of a run."""
    return DoubtsSection(
        len(run.selected),
        [row for row in run.selected if row.comparison_group != MAIN_GROUP],
        _gaps(run.tables),
        run.disturbed,
        _flagged(run),
        facts.clock_notes(run.conditions.jumps),
        run.conditions.limits,
    )


def _gaps(tables: Tables) -> list[Gap]:
    found: dict[tuple[str, str, str], list[int]] = {}
    for row in tables.summary:
        if row.status == GAP:
            reason = row.gap_reason or "no reason recorded"
            found.setdefault((row.backend, row.operation, reason), []).append(row.cutoff_images)
    for store in tables.disk_usage:
        if not isinstance(store, BuiltRow):
            reason = "the store was not built"
            found.setdefault((store.backend, "disk usage", reason), []).append(store.cutoff_images)
    return [Gap(*key, cutoffs) for key, cutoffs in found.items()]


def _flagged(run: Run) -> list[Flagged]:
    counts: dict[CellName, list[int]] = {}
    for row in run.results.timings:
        if row.subject == "backend":
            counted = counts.setdefault(row.cell, [0, 0, 0])
            counted[0] += 1
            counted[1] += row.outlier and row.state_verified
            counted[2] += not row.state_verified
    found = [Flagged(*cell, *counted) for cell, counted in counts.items()]
    return [cell for cell in found if cell.outliers or cell.unverified]
