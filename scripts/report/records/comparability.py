"""Which records may be compared: only those that measured alike."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from scripts.report.records import order
from scripts.report.records.order import Records

Pools = dict[str, str]
"""The pool that each node's records belong to, by the names of nodes; see `scripts.report.records.nodes`."""

SHARED = {
    "machine": "machine",
    "node": "node",
    "file_system": "file system",
    "image_set": "image set",
    "measuring": "measuring code",
    "threads": "threads allowed",
    "backend": "backend code, options or library versions",
    "manner": "way of emptying the page cache, images drawn or size of a batch",
}
"""What comparable records share, and how the page names it."""


def identity(record: dict, pools: Pools) -> dict[str, str]:
    """What must be equal for two records to be comparable (`backend` only between records of one backend, `manner` only
    between those of one operation). Nodes that `pools` doesn't know are all of one pool."""
    backend, settings, file_system = record["backend"], record["settings"], record["file_system"]
    return {
        "machine": record["cell"]["machine"],
        "node": pools.get(record["machine"]["node"], ""),
        "file_system": json.dumps([file_system["type"], file_system["mount_point"]]),
        "image_set": record["image_set"]["digest"],
        "measuring": record["measuring_digest"],
        "threads": str(record["process"]["threads"]),
        "backend": json.dumps([backend["digest"], backend["options"], backend["versions"]], sort_keys=True),
        "manner": json.dumps([record["eviction"], settings.get("random_images"), settings.get("batch_size")]),
    }


def comparison_groups(records: Records, pools: Pools) -> dict[Path, int]:
    """Number the groups of comparable records: 1 is the largest (of equals the latest), the others stand apart.

    Within a group there is one version of each backend and one manner of each operation, the one with most records (of
    equals the latest).
    """
    group, versions, manners = {}, {}, {}
    for path, record in records.items():
        *shared, backend, manner = identity(record, pools).values()
        group[path] = tuple(shared)
        versions[path] = (*shared, record["cell"]["backend"], backend)
        manners[path] = (*shared, record["cell"]["operation"], manner)
    for labels in (versions, manners):
        kept = {label[:-1]: label for label in _smallest_first(labels, records)}
        for path, label in labels.items():
            if kept[label[:-1]] != label:
                group[path] += label
    number = {label: position for position, label in enumerate(reversed(_smallest_first(group, records)), start=1)}
    return {path: number[label] for path, label in group.items()}


def differences(record: dict, main: Iterable[dict], pools: Pools) -> list[str]:
    """What sets a record apart from the records of the main group: names of `SHARED`."""
    own = identity(record, pools)
    others = [(other, identity(other, pools)) for other in main]
    alike = {"backend": "backend", "manner": "operation"}
    apart = []
    for name in SHARED:
        known = {its[name] for other, its in others if name not in alike or _share(record, other, alike[name])}
        if known and own[name] not in known:
            apart.append(name)
    return apart


def _share(record: dict, other: dict, part: str) -> bool:
    return record["cell"][part] == other["cell"][part]


def _smallest_first(labels: dict[Path, tuple[str, ...]], records: Records) -> list[tuple[str, ...]]:
    """The labels by how many records carry them, and of equals by when the last of those started."""
    counts = Counter(labels.values())
    spans = order.spans(records)
    latest: dict[tuple[str, ...], float] = {}
    for path, label in labels.items():
        latest[label] = max(latest.get(label, 0.0), spans[path][0])
    return sorted(counts, key=lambda label: (counts[label], latest[label], label))
