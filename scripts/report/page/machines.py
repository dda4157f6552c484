"""Other machines: what their records in the same results say, beside this machine's and never merged with them.

Records with a fault are left out, and the page says so. They never stop the page of this machine.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from scripts.common.cells import Cell, place_of_record
from scripts.common.errors import UserError
from scripts.measure.operations import catalogue
from scripts.report import make_rows
from scripts.report.page.run import Run
from scripts.report.records import disturbances, order, reading, selection
from scripts.report.records.record import FILE_SYSTEM, NODE, SHARED, Records, identity
from scripts.report.rows import BuiltRow, CellName, MeasuredRow, SummaryRow
from scripts.report.tables import MAIN_GROUP, Tables

UNREADABLE = "unreadable or of another version"
MISPLACED = "in the place of another cell"
OTHER_IMAGES = "made from other images"
OVERLAPPING = "timed at the same moment as another one on their node"
APART = "not measured like the others of that machine"
OF_COURSE = ("machine", NODE, FILE_SYSTEM)
"""What records of two machines differ in anyway, or what stands under their names."""


@dataclass(frozen=True)
class Machine:
    """A machine by its comparable records: its tables, the number of its nodes, and the types of its file systems.

    - `otherwise`: what else its records differ in from this machine's, in words.
    - `left_out`: its records that count for nothing, by the reason.
    """

    name: str
    tables: Tables
    nodes: int
    file_systems: list[str]
    otherwise: list[str] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=dict)

    @cached_property
    def cells(self) -> set[CellName]:
        """The cells that have a number."""
        return {row.cell for row in self.tables.measured_rows}


@dataclass(frozen=True)
class SideBySide:
    """The other machines, and those that are shown: this one and the others that have a cell in common with it.

    `blocks` are operations and cutoffs, by the kind of operation. Each has a row of each machine shown, by backend; the
    row is None where the machine has no value.
    """

    others: list[Machine]
    shown: list[Machine]
    blocks: dict[str, list[tuple[str, int, dict[str, list[MeasuredRow | None]]]]]

    @property
    def notes(self) -> Iterator[str]:
        """Sentences: what else the others differ in, which have no cell in common, and what was left out and why."""
        for other in self.others:
            if other.otherwise:
                yield f"{other.name} also differs in: {'; '.join(other.otherwise)}."
            if other not in self.shown:
                yield f"{other.name} has no cell in common with this machine."
            for reason, paths in other.left_out.items():
                one = len(paths) == 1
                place = f"{'' if one else 'the first: '}{Path('records', place_of_record(paths[0]))}"
                yield f"Left out: {len(paths)} record{'' if one else 's'} of {other.name}, {reason} ({place})."


def beside(run: Run) -> SideBySide | None:
    """Put the machine of a run beside the other machines that have records of the run's backends and operations in the
    same results, at the image size that the page shows. None without any."""
    tables, own = run.tables, run.records.name
    by_machine = defaultdict(list)
    for path in sorted(run.records.parent.glob("*/*/*/*/*.json")):
        cell = Cell.of_record(path)
        asked = cell.backend in tables.backends and cell.operation in tables.operations
        if cell.machine != own and cell.image_size == tables.image_size and asked:
            by_machine[cell.machine].append(path)
    if not by_machine:
        return None
    file_systems = dict.fromkeys(row.file_system for row in run.main)
    this = Machine(own, tables, len({row.node for row in run.main}), list(file_systems))
    others = [_other(machine, paths, run) for machine, paths in by_machine.items()]
    shown = [this, *(other for other in others if this.cells & other.cells)]
    blocks = defaultdict(list)
    for operation in tables.operations:
        common = ([cell for cell in this.cells & other.cells if cell[2] == operation] for other in shown[1:])
        # The largest cutoff that this machine and another have; several, where it differs.
        largest = {max(cutoff for _, cutoff, _ in cells) for cells in common if cells}
        for cutoff in sorted(largest, reverse=True):
            cells = {name: [each.tables.cell(name, cutoff, operation) for each in shown] for name in tables.backends}
            rows = {name: values for name, values in cells.items() if any(values)}
            blocks[catalogue.entry(operation).kind].append((operation, cutoff, rows))
    return SideBySide(others, shown, blocks)


def _other(name: str, paths: list[Path], run: Run) -> Machine:
    kept: Records = {}
    left_out = defaultdict(list)
    for path in paths:
        try:
            kept[path] = reading.read(path)
        except (UserError, OSError):
            left_out[UNREADABLE].append(path)

    def leave_out(reason: str, paths: Iterable[Path]) -> None:
        for path in paths:
            del kept[path]
            left_out[reason].append(path)

    leave_out(MISPLACED, [path for path, record in kept.items() if record.cell != Cell.of_record(path)])
    images = {row.image_set_digest for row in run.main}
    leave_out(OTHER_IMAGES, [path for path, record in kept.items() if record.image_set.digest not in images])
    leave_out(OVERLAPPING, chain.from_iterable(order.overlapping(kept).values()))
    files = {row.full_store: row.files for row in run.tables.disk_usage if isinstance(row, BuiltRow)}
    groups = selection.select(kept, files).groups
    leave_out(APART, [path for path, group in groups.items() if group != MAIN_GROUP])
    disturbed = disturbances.judge(kept, files)
    summary = make_rows.summary(kept, dict.fromkeys(kept, MAIN_GROUP), disturbed)
    tables = Tables([SummaryRow.of(values) for values in summary], [], [])
    known = {identity(vars(row)) for row in run.main}
    identities = {identity(record.columns | {"pool": None}) for record in kept.values()}
    differing = {words for own in identities for words in selection.differences(own, known)}
    otherwise = [words for words in SHARED if words in differing and words not in OF_COURSE]
    nodes = {record.host.node for record in kept.values()}
    file_systems = dict.fromkeys(record.file_system.type for record in kept.values())
    return Machine(name, tables, len(nodes), list(file_systems), otherwise, left_out)
