"""Which records of a run count: only those that were measured alike are compared."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.common.cells import Store
from scripts.report.records import disturbances, nodes, order
from scripts.report.records.nodes import Node
from scripts.report.records.record import SHARED, Identity, Label, Records, identity
from scripts.report.tables import MAIN_GROUP


@dataclass(frozen=True)
class Selection:
    """The comparison group of each record, what disturbed those that were, and the nodes compared with each other."""

    groups: Mapping[Path, int]
    disturbed: Mapping[Path, list[str]]
    nodes: list[Node]

    def main(self, records: Records) -> Records:
        """The records of the main group."""
        return {path: record for path, record in records.items() if self.groups[path] == MAIN_GROUP}


def select(records: Records, files: Mapping[Store, int]) -> Selection:
    """Compare the nodes, group comparable records, and judge what disturbed each; `files` are each store's number of
    files."""
    compared = nodes.compare(records)
    groups = _comparison_groups(records, nodes.pools(compared))
    return Selection(groups, disturbances.judge(records, files), compared)


def differences(own: Identity, main: Iterable[Identity]) -> list[str]:
    """Return what sets a record apart from the records of the main group, in words."""
    apart = []
    for words, label, known in zip(SHARED, own, zip(*main, strict=True), strict=True):
        alike = {other for other in known if other[0] == label[0]}
        if alike and label not in alike:
            apart.append(words)
    return apart


def _comparison_groups(records: Records, pools: Mapping[str, str]) -> dict[Path, int]:
    """The number of each record's group: 1 is the largest (of equals the latest), the others stand apart.

    A group has one image set of each size, one version of each backend and one manner of each operation, that of most
    records.
    """
    identities = {
        path: identity(record.columns | {"pool": pools[record.host.node]}) for path, record in records.items()
    }
    groups: dict[Path, Label] = {path: own[:-3] for path, own in identities.items()}
    for places in ((-3,), (-2, -1)):
        shared = dict(groups)
        for place in places:
            labels = {path: (shared[path], *own[place]) for path, own in identities.items()}
            kept = {label[:2]: label for label in _smallest_first(labels, records)}
            for path, label in labels.items():
                if kept[label[:2]] != label:
                    groups[path] += label
    number = {label: position for position, label in enumerate(reversed(_smallest_first(groups, records)), start=1)}
    return {path: number[label] for path, label in groups.items()}


def _smallest_first(labels: Mapping[Path, Label], records: Records) -> list[Label]:
    """The labels by the number of records that carry them; of equals, the latest start of such a record decides."""
    counts = Counter(labels.values())
    spans = order.spans(records)
    latest: dict[Label, float] = {}
    for path, label in labels.items():
        latest[label] = max(latest.get(label, 0.0), spans[path][0])
    return sorted(counts, key=lambda label: (counts[label], latest[label], str(label)))
