"""Which records may be compared: only those that were measured alike."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.report.records import order
from scripts.report.records.record import Records

Pools = Mapping[str, str]
"""The pool that each node's records belong to, by the names of nodes; see `scripts.report.records.nodes`."""
Label = tuple[Any, ...]
"""Records with the same label are alike in what it is made of."""
Identity = tuple[Label, ...]
"""What must be equal for two records to be comparable: a label for each entry of SHARED."""

NODE, FILE_SYSTEM = "node", "file system"
SHARED: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "machine": (None, ("machine",)),
    NODE: (None, ("pool",)),
    FILE_SYSTEM: (None, ("file_system", "mount_point")),
    "image set": (None, ("image_set_digest",)),
    "measuring code": (None, ("measuring_digest",)),
    "threads allowed": (None, ("threads",)),
    "backend code, options or library versions": ("backend", ("backend_digest",)),
    "way of emptying the page cache, images drawn or size of a batch": (
        "operation",
        ("eviction", "random_images", "batch_size"),
    ),
}
"""What comparable records share, by how the page names it: columns of the table `selection`. The last two count only
between records of one backend, and of one operation."""


def identity(row: Mapping[str, Any]) -> Identity:
    """Return what must be equal for this record and another, given its columns."""
    return tuple((of and row[of], *(row[name] for name in names)) for of, names in SHARED.values())


def comparison_groups(records: Records, pools: Pools) -> dict[Path, int]:
    """Number the groups of comparable records: 1 is the largest (of equals the latest), the others stand apart.

    Within a group there is one version of each backend and one manner of each operation: the one that has most records
    (of equals the latest).
    """
    identities = {
        path: identity(record.columns | {"pool": pools[record.host.node]}) for path, record in records.items()
    }
    groups: dict[Path, Label] = {path: own[:-2] for path, own in identities.items()}
    for place in (-2, -1):
        labels = {path: (own[:-2], *own[place]) for path, own in identities.items()}
        kept = {label[:2]: label for label in _smallest_first(labels, records)}
        for path, label in labels.items():
            if kept[label[:2]] != label:
                groups[path] += label
    number = {label: position for position, label in enumerate(reversed(_smallest_first(groups, records)), start=1)}
    return {path: number[label] for path, label in groups.items()}


def differences(own: Identity, main: Iterable[Identity]) -> list[str]:
    """Return what sets a record apart from the records of the main group, in words."""
    apart = []
    for words, label, known in zip(SHARED, own, zip(*main, strict=True), strict=True):
        alike = {other for other in known if other[0] == label[0]}
        if alike and label not in alike:
            apart.append(words)
    return apart


def _smallest_first(labels: Mapping[Path, Label], records: Records) -> list[Label]:
    """The labels by the number of records that carry them; of equals, the latest start of such a record decides."""
    counts = Counter(labels.values())
    spans = order.spans(records)
    latest: dict[Label, float] = {}
    for path, label in labels.items():
        latest[label] = max(latest.get(label, 0.0), spans[path][0])
    return sorted(counts, key=lambda label: (counts[label], latest[label], str(label)))
