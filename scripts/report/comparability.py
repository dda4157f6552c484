"""Which records may be compared: none that were timed at the same moment, and only those that measured alike."""

import json
from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from scripts.errors import UserError

Records = dict[Path, dict]

SHARED = {
    "machine": "machine",
    "image_set": "image set",
    "measuring": "measuring code",
    "threads": "threads allowed",
    "backend": "backend code, options or library versions",
}
"""What comparable records share, and how the page names it."""


def refuse_overlaps(records: Records) -> None:
    """Raise UserError where two records of one node were timed at the same moment: neither was alone on the machine."""
    by_node = defaultdict(list)
    for path, record in records.items():
        span = (datetime.fromisoformat(record["started"]), datetime.fromisoformat(record["ended"]))
        by_node[record["machine"]["node"]].append((*span, path))
    for node, spans in by_node.items():
        for (_, end, path), (start, _, next_path) in pairwise(sorted(spans)):
            if start < end:
                raise UserError(
                    f"{path} and {next_path} were timed at the same moment on node {node}, so neither job was alone; "
                    "remove both files and run the workflow again"
                )


def identity(record: dict) -> dict[str, str]:
    """What must be equal for two records to be comparable (`backend` only between records of one backend)."""
    backend = record["backend"]
    return {
        "machine": record["cell"]["machine"],
        "image_set": record["image_set"]["digest"],
        "measuring": record["measuring_digest"],
        "threads": str(record["process"]["threads"]),
        "backend": json.dumps([backend["digest"], backend["options"], backend["versions"]], sort_keys=True),
    }


def comparison_groups(records: Records) -> dict[Path, int]:
    """Number the groups of comparable records: 1 is the largest (of equals the latest), the others stand apart.

    Within a group there is one version of each backend, the one with most records (of equals the latest).
    """
    common, version = {}, {}
    for path, record in records.items():
        *shared, backend = identity(record).values()
        common[path] = tuple(shared)
        version[path] = (*shared, record["cell"]["backend"], backend)
    kept = {label[:-1]: label for label in _smallest_first(version, records)}
    group = {path: common[path] if kept[label[:-1]] == label else label for path, label in version.items()}
    number = {label: position for position, label in enumerate(reversed(_smallest_first(group, records)), start=1)}
    return {path: number[label] for path, label in group.items()}


def differences(record: dict, main: list[dict]) -> list[str]:
    """What sets a record apart from the records of the main group, in words."""
    own = identity(record)
    same_backend = [other for other in main if other["cell"]["backend"] == record["cell"]["backend"]]
    apart = []
    for name, words in SHARED.items():
        others = {identity(other)[name] for other in (same_backend if name == "backend" else main)}
        if others and own[name] not in others:
            apart.append(words)
    return apart


def _smallest_first(labels: dict[Path, tuple[str, ...]], records: Records) -> list[tuple[str, ...]]:
    """The labels by how many records carry them, and of equals by when the last of those started."""
    counts = Counter(labels.values())
    latest: dict[tuple[str, ...], str] = {}
    for path, label in labels.items():
        latest[label] = max(latest.get(label, ""), records[path]["started"])
    return sorted(counts, key=lambda label: (counts[label], latest[label], label))
