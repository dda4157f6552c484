"""Which records of a run count: computed once, and written as the table `selection`, a row for each record."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.common.cells import Store
from scripts.report import wording
from scripts.report.records import comparability, disturbances, nodes
from scripts.report.records.comparability import NODE, Identity
from scripts.report.records.nodes import Node
from scripts.report.records.record import Records
from scripts.report.rows import Values
from scripts.report.tables import MAIN_GROUP

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

    def rows(self, records: Records) -> list[Values]:
        """A row for each of the records that were selected from."""
        pools = nodes.pools(self.nodes)
        rows = {path: record.columns | {"pool": pools[record.host.node]} for path, record in records.items()}
        main = {comparability.identity(rows[path]) for path in self.main(records)}
        return [
            {
                **own,
                "comparison_group": self.groups[path],
                "differs_in": None if self.groups[path] == MAIN_GROUP else _apart(own, main),
                "disturbances": "; ".join(self.disturbed.get(path, [])) or None,
            }
            for path, own in rows.items()
        ]


def select(records: Records, files: Mapping[Store, int]) -> Selection:
    """Decide which records count: compare the nodes, group comparable records, and judge what disturbed each.

    `files` is the number of files of each store.
    """
    compared = nodes.compare(records)
    groups = comparability.comparison_groups(records, nodes.pools(compared))
    return Selection(groups, disturbances.judge(records, files), compared)


def _apart(own: Values, main: set[Identity]) -> str:
    """What sets a record apart from the main group, in words."""
    words = comparability.differences(comparability.identity(own), main)
    return wording.join(f"{NODE} ({own['node']})" if name == NODE else name for name in words) or FEWER_RECORDS
