"""Which records of a run count: computed once, and written as the table `selection`, a row for each record."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.common.cells import Cell, Store
from scripts.report import wording
from scripts.report.records import comparability, disturbances, nodes
from scripts.report.records.comparability import SHARED, Identity
from scripts.report.records.nodes import Node
from scripts.report.records.record import Records
from scripts.report.rows import SelectionRow
from scripts.report.tables import MAIN_GROUP

RECORDS = "records"
"""The directory of all records, beside the tables."""
FEWER_RECORDS = "backend version of fewer records"
"""Why a record stands apart that differs in nothing from all of the main group."""


@dataclass(frozen=True)
class Selection:
    """The comparison group of each record, what disturbed it, and the nodes compared with each other.

    `disturbed` names only the records that were disturbed.
    """

    groups: Mapping[Path, int]
    disturbed: Mapping[Path, list[str]]
    nodes: list[Node]

    def main(self, records: Records) -> Records:
        """The records of the main group."""
        return {path: record for path, record in records.items() if self.groups[path] == MAIN_GROUP}

    def rows(self, records: Records) -> list[SelectionRow]:
        """A row for each of the records that were selected from."""
        pools = nodes.pools(self.nodes)
        identities = {path: comparability.identity(record, pools) for path, record in records.items()}
        main = {identities[path] for path in self.main(records)}
        apart = {path for path, group in self.groups.items() if group != MAIN_GROUP}
        return [
            SelectionRow(
                record=place(record.cell),
                machine=record.cell.machine,
                node=record.host.node,
                pool=identities[path].node,
                backend=record.cell.backend,
                image_size=record.cell.image_size,
                cutoff_images=record.cell.cutoff,
                operation=record.cell.operation,
                started=record.started,
                budget_seconds=record.budget_seconds,
                file_system=record.file_system.type,
                mount_point=record.file_system.mount_point,
                image_set_digest=record.image_set.digest,
                measuring_digest=record.measuring_digest,
                threads=record.threads,
                backend_digest=identities[path].backend,
                eviction=record.eviction,
                random_images=record.random_images,
                batch_size=record.batch_size,
                comparison_group=self.groups[path],
                differs_in=_apart(identities[path], main, record.host.node) if path in apart else None,
                disturbances="; ".join(self.disturbed.get(path, [])) or None,
            )
            for path, record in records.items()
        ]


def select(records: Records, files: Mapping[Store, int | None]) -> Selection:
    """Decide which records count: compare the nodes, group comparable records, and judge what disturbed each.

    `files` is the number of files of each store.
    """
    compared = nodes.compare(records)
    groups = comparability.comparison_groups(records, nodes.pools(compared))
    return Selection(groups, disturbances.judge(records, files), compared)


def identity(row: SelectionRow) -> Identity:
    """Return what must be equal for the record of this row and another record, as `comparability.identity` does."""
    return Identity(
        of_backend=row.backend,
        of_operation=row.operation,
        machine=row.machine,
        node=row.pool,
        file_system_type=row.file_system,
        mount_point=row.mount_point,
        image_set=row.image_set_digest,
        measuring=row.measuring_digest,
        threads=row.threads,
        backend=row.backend_digest,
        eviction=row.eviction,
        random_images=row.random_images,
        batch_size=row.batch_size,
    )


def place(cell: Cell) -> str:
    """Return where the record of a cell is, from the directory of the tables."""
    return cell.record(RECORDS).as_posix()


def _apart(own: Identity, main: set[Identity], node: str) -> str:
    """What sets a record apart from the main group, in words."""
    names = comparability.differences(own, main)
    return wording.join(f"node ({node})" if name == "node" else SHARED[name] for name in names) or FEWER_RECORDS
