"""The order of records in time, and which were taken at the same moment, by clocks that can't be set.

A record says how long after its node's last start, its boot, it began and ended. Between records of one node and boot
that decides. The wall clock only says when each boot was, by the median over its records.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from scripts.measure.stopping import median

Records = dict[Path, dict]
Span = tuple[float, float]
"""Start and end in seconds since 1970."""
LEAST_JUMP_SECONDS = 0.1
"""What a wall clock may differ from one record to the next: ntpd sets it for 0.128 s or more (its tinker step), and
makes it faster or slower for less, which both clocks show alike."""


@dataclass(frozen=True)
class Jump:
    """The wall clock of a node was set by so many seconds, back if negative: while a record was taken, or between the
    one before it on that node and it."""

    node: str
    seconds: float
    path: Path
    within: bool


def spans(records: Records) -> dict[Path, Span]:
    """Return when each record started and ended, as if no wall clock had ever been set."""
    found = {}
    for paths in _by_boot(records).values():
        began = median([_wall(records[path]["started"]) - records[path]["clock"]["started_seconds"] for path in paths])
        for path in paths:
            clock = records[path]["clock"]
            found[path] = began + clock["started_seconds"], began + clock["ended_seconds"]
    return found


def overlapping(records: Records) -> dict[str, list[Path]]:
    """Return the records that were taken at the same moment as another of their node and boot, in order, by node."""
    found = defaultdict(list)
    for (node, *_), paths in _by_boot(records).items():
        beside = set()
        latest = None
        for path in sorted(paths, key=lambda path: _since_boot(records[path])):
            if latest and _since_boot(records[path])[0] < _since_boot(records[latest])[1]:
                beside |= {latest, path}
            if latest is None or _since_boot(records[path])[1] > _since_boot(records[latest])[1]:
                latest = path
        found[node] += [path for path in paths if path in beside]
    return {node: paths for node, paths in found.items() if paths}


def meet(one: dict, other: dict, spans_of: tuple[Span, Span]) -> bool:
    """Say whether two records were taken at the same moment, given their spans as `spans` has them.

    Containers of one host have names of their own and its boot, whose clock decides between them.
    """
    boots = {record["clock"]["boot"] for record in (one, other)}
    if len(boots) == 1 and None not in boots:
        spans_of = _since_boot(one), _since_boot(other)
    (start, end), (its_start, its_end) = spans_of
    return start < its_end and its_start < end


def jumps(records: Records) -> list[Jump]:
    """Return how often and how far wall clocks were set, in the order of the records."""
    found = []
    for (node, *_), paths in _by_boot(records).items():
        ordered = sorted(paths, key=lambda path: _since_boot(records[path]))
        found += [Jump(node, seconds, path, within=True) for path, seconds in _within(records, ordered)]
        found += [Jump(node, seconds, path, within=False) for path, seconds in _between(records, ordered)]
    place = {path: number for number, path in enumerate(sorted(records, key=spans(records).get))}
    return sorted(found, key=lambda jump: (place[jump.path], jump.within))


def moment(seconds: float) -> str:
    """Return a moment in UTC, to the minute, in words."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def boot_of(record: dict) -> tuple[Hashable, ...]:
    """What two records share whose clocks since boot are one: node and boot. A record without a boot is alone."""
    boot = record["clock"]["boot"]
    return (record["machine"]["node"], boot) if boot else (record["machine"]["node"], None, id(record))


def _within(records: Records, ordered: list[Path]) -> Iterator[tuple[Path, float]]:
    for path in ordered:
        seconds = records[path]["clock"]["jump_seconds"]
        if abs(seconds) >= LEAST_JUMP_SECONDS:
            yield path, seconds


def _between(records: Records, ordered: list[Path]) -> Iterator[tuple[Path, float]]:
    for before, path in pairwise(ordered):
        seconds = _apart(records[path], "started") - _apart(records[before], "ended")
        if abs(seconds) >= LEAST_JUMP_SECONDS:
            yield path, seconds


def _apart(record: dict, name: str) -> float:
    """How far the wall clock is from that since boot."""
    return _wall(record[name]) - record["clock"][f"{name}_seconds"]


def _since_boot(record: dict) -> Span:
    return record["clock"]["started_seconds"], record["clock"]["ended_seconds"]


def _wall(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _by_boot(records: Records) -> dict[tuple[Hashable, ...], list[Path]]:
    found = defaultdict(list)
    for path, record in records.items():
        found[boot_of(record)].append(path)
    return found
