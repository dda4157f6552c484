"""Which records may be compared: only those that were measured alike."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.common import digests
from scripts.report.records import order
from scripts.report.records.record import Record, Records

Pools = Mapping[str, str]
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
"""What comparable records share, by the fields of `Identity`, and how the page names it."""

Label = tuple[str, ...]
"""Records with the same label are alike in what it is made of."""


@dataclass(frozen=True)
class Identity:
    """What must be equal for two records to be comparable.

    `backend`, a digest of code, options and library versions, counts only between records of one backend, whose name is
    `of_backend`. `manner` counts only between records of one operation, `of_operation`. `node` is a pool of nodes.
    """

    of_backend: str
    of_operation: str
    machine: str
    node: str
    file_system_type: str
    mount_point: str
    image_set: str
    measuring: str
    threads: int
    backend: str
    eviction: str | None
    random_images: int | None
    batch_size: int | None

    @property
    def file_system(self) -> str:
        """Type and mount point of the file system, as text."""
        return json.dumps([self.file_system_type, self.mount_point])

    @property
    def manner(self) -> str:
        """How the samples of an operation were taken, as text."""
        return json.dumps([self.eviction, self.random_images, self.batch_size])

    @property
    def shared(self) -> Label:
        """What all comparable records share, whatever their backend and operation."""
        return self.machine, self.node, self.file_system, self.image_set, self.measuring, str(self.threads)

    @property
    def version(self) -> Label:
        """The shared part, the name of the backend, and the version of it."""
        return *self.shared, self.of_backend, self.backend

    @property
    def way(self) -> Label:
        """The shared part, the operation, and the manner in which it was timed."""
        return *self.shared, self.of_operation, self.manner


def identity(record: Record, pools: Pools) -> Identity:
    """Return what must be equal for this record and another. Nodes that `pools` doesn't know are all of one pool."""
    code = record.backend
    return Identity(
        of_backend=record.cell.backend,
        of_operation=record.cell.operation,
        machine=record.cell.machine,
        node=pools.get(record.host.node, ""),
        file_system_type=record.file_system.type,
        mount_point=record.file_system.mount_point,
        image_set=record.image_set.digest,
        measuring=record.measuring_digest,
        threads=record.threads,
        backend=digests.digest([code.digest, code.options, code.versions]),
        eviction=record.eviction,
        random_images=record.random_images,
        batch_size=record.batch_size,
    )


def comparison_groups(records: Records, pools: Pools) -> dict[Path, int]:
    """Number the groups of comparable records: 1 is the largest (of equals the latest), the others stand apart.

    Within a group there is one version of each backend and one manner of each operation: the one that has most records
    (of equals the latest).
    """
    identities = {path: identity(record, pools) for path, record in records.items()}
    groups: dict[Path, Label] = {path: own.shared for path, own in identities.items()}
    versions = {path: own.version for path, own in identities.items()}
    ways = {path: own.way for path, own in identities.items()}
    for labels in (versions, ways):
        kept = {label[:-1]: label for label in _smallest_first(labels, records)}
        for path, label in labels.items():
            if kept[label[:-1]] != label:
                groups[path] += label
    number = {label: position for position, label in enumerate(reversed(_smallest_first(groups, records)), start=1)}
    return {path: number[label] for path, label in groups.items()}


def differences(own: Identity, main: Iterable[Identity]) -> list[str]:
    """Return what sets a record apart from the records of the main group: keys of `SHARED`."""
    apart = []
    others = list(main)
    for name in SHARED:
        known = {getattr(other, name) for other in others if _compared(name, own, other)}
        if known and getattr(own, name) not in known:
            apart.append(name)
    return apart


def _compared(name: str, own: Identity, other: Identity) -> bool:
    """Whether a field of `Identity` counts between two records."""
    if name == "backend":
        return own.of_backend == other.of_backend
    return name != "manner" or own.of_operation == other.of_operation


def _smallest_first(labels: Mapping[Path, Label], records: Records) -> list[Label]:
    """The labels by the number of records that carry them; of equals, the latest start of such a record decides."""
    counts = Counter(labels.values())
    spans = order.spans(records)
    latest: dict[Label, float] = {}
    for path, label in labels.items():
        latest[label] = max(latest.get(label, 0.0), spans[path][0])
    return sorted(counts, key=lambda label: (counts[label], latest[label], label))
