"""Other machines: what their records in the same results say, beside this machine's and never merged with them.

Records with a fault are left out, and the page says so. They never stop the page of this machine.
"""

from dataclasses import dataclass, field
from pathlib import Path

from scripts.common.cells import Cell, place_of_record
from scripts.common.errors import UserError
from scripts.measure.operations import catalogue
from scripts.report import from_records
from scripts.report.records import comparability, disturbances, order, reading, selection
from scripts.report.records.comparability import FILE_SYSTEM, NODE, SHARED
from scripts.report.records.record import Records
from scripts.report.rows import BuiltRow, MeasuredRow, SelectionRow, SummaryRow
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
    """A machine by its comparable records: its cells, nodes, and the types of the file systems that were timed on.

    `otherwise` says in words what else than the machine its records differ in from this machine's. `left_out` are those
    of its records that count for nothing, by the reason.
    """

    name: str
    tables: Tables
    nodes: int
    file_systems: tuple[str, ...]
    otherwise: tuple[str, ...] = ()
    left_out: dict[str, list[Path]] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """One operation at one cutoff: the row of each machine, None where it has no value, by backend."""

    operation: str
    cutoff: int
    rows: dict[str, list[MeasuredRow | None]]


@dataclass(frozen=True)
class SideBySide:
    """The other machines; this machine and the others that have a cell in common with it; and blocks by kind of
    operation, such as `read`."""

    others: list[Machine]
    shown: list[Machine]
    blocks: dict[str, list[Block]]

    @property
    def notes(self) -> list[str]:
        """Sentences: what else the others differ in, which have no cell in common, and what was left out and why."""
        found = []
        for other in self.others:
            if other.otherwise:
                found.append(f"{other.name} also differs in: {'; '.join(other.otherwise)}.")
            if other not in self.shown:
                found.append(f"{other.name} has no cell in common with this machine.")
            for reason, paths in other.left_out.items():
                one = len(paths) == 1
                place = f"{'' if one else 'the first: '}{Path('records', place_of_record(paths[0]))}"
                found.append(f"Left out: {len(paths)} record{'' if one else 's'} of {other.name}, {reason} ({place}).")
        return found


def record_files(records: Path, tables: Tables) -> list[Path]:
    """The record files of other machines, beside the directory of this machine's, of backends and operations that the
    tables have."""
    return sorted(
        path
        for path in records.parent.glob("*/*/*/*/*.json")
        if (cell := Cell.of_record(path)).machine != records.name
        and cell.backend in tables.backends
        and cell.operation in tables.operations
    )


def beside(tables: Tables, main: list[SelectionRow], others: list[Path]) -> SideBySide | None:
    """Put the machine of the tables and of the main group of records beside the machines of the other record files,
    each `<machine>/<backend>/<size>/<cutoff>/<operation>.json`; None without any."""
    by_machine: dict[str, list[Path]] = {}
    for path in others:
        by_machine.setdefault(Cell.of_record(path).machine, []).append(path)
    if not by_machine:
        return None
    file_systems = tuple(dict.fromkeys(row.file_system for row in main))
    this = Machine(main[0].machine, tables, len({row.node for row in main}), file_systems)
    found = [_other(machine, paths, tables, main) for machine, paths in by_machine.items()]
    shown = [this, *(other for other in found if any(_shared(this, other, each) for each in tables.operations))]
    kinds: dict[str, list[Block]] = {}
    for operation in tables.operations:
        entry = catalogue.get(operation)
        for block in _blocks(operation, shown):
            kinds.setdefault(entry.kind if entry else operation, []).append(block)
    return SideBySide(found, shown, kinds)


def _other(name: str, paths: list[Path], of_this: Tables, main: list[SelectionRow]) -> Machine:
    kept, left_out = _readable(paths)
    images = {row.image_set_digest for row in main}
    _leave_out(kept, left_out, OTHER_IMAGES, [path for path in kept if kept[path].image_set.digest not in images])
    overlapping = order.overlapping(kept)
    _leave_out(kept, left_out, OVERLAPPING, [path for paths in overlapping.values() for path in paths])
    files = {row.full_store: row.files for row in of_this.disk_usage if isinstance(row, BuiltRow)}
    groups = selection.select(kept, files).groups
    _leave_out(kept, left_out, APART, [path for path, group in groups.items() if group != MAIN_GROUP])
    disturbed = disturbances.judge(kept, files)
    summary = from_records.summary(kept, dict.fromkeys(kept, MAIN_GROUP), disturbed)
    tables = Tables([SummaryRow.of(values) for values in summary], [], [])
    known = {comparability.identity(vars(row)) for row in main}
    identities = {comparability.identity(comparability.columns(record, pools={})) for record in kept.values()}
    differing = {words for own in identities for words in comparability.differences(own, known)}
    otherwise = tuple(words for words in SHARED if words in differing and words not in OF_COURSE)
    return Machine(name, tables, _nodes(kept), _file_systems(kept), otherwise, left_out)


def _readable(paths: list[Path]) -> tuple[Records, dict[str, list[Path]]]:
    """The records that can be read and are of the cell whose place they are in; the other paths, by the reason."""
    kept: Records = {}
    left_out: dict[str, list[Path]] = {}
    for path in paths:
        try:
            record = reading.read(path)
        except (UserError, OSError):
            left_out.setdefault(UNREADABLE, []).append(path)
            continue
        if record.cell == Cell.of_record(path):
            kept[path] = record
        else:
            left_out.setdefault(MISPLACED, []).append(path)
    return kept, left_out


def _leave_out(kept: Records, left_out: dict[str, list[Path]], reason: str, paths: list[Path]) -> None:
    for path in paths:
        del kept[path]
    if paths:
        left_out[reason] = paths


def _blocks(operation: str, machines: list[Machine]) -> list[Block]:
    """An operation at the largest cutoff that this machine and another have; at several, where it differs."""
    this, *others = machines
    largest = {max(cutoffs) for other in others if (cutoffs := _shared(this, other, operation))}
    found = []
    for cutoff in sorted(largest, reverse=True):
        cells = {
            name: [each.tables.cell(name, cutoff, operation) for each in machines] for name in this.tables.backends
        }
        found.append(Block(operation, cutoff, {name: values for name, values in cells.items() if any(values)}))
    return found


def _shared(this: Machine, other: Machine, operation: str) -> list[int]:
    """The cutoffs at which both have the operation of some backend."""
    cells = [(name, cutoff) for name in this.tables.backends for cutoff in this.tables.cutoffs]
    both = (this.tables, other.tables)
    return [cutoff for name, cutoff in cells if all(tables.cell(name, cutoff, operation) for tables in both)]


def _nodes(records: Records) -> int:
    return len({record.host.node for record in records.values()})


def _file_systems(records: Records) -> tuple[str, ...]:
    return tuple(dict.fromkeys(record.file_system.type for record in records.values()))
