"""The order of records in time, and which were taken at the same moment, by clocks that can't be set.

A record says how long after its node's last start, its boot, it began and ended. Between records of one node and boot
these seconds decide. The wall clock only says when each boot was, by the median over its records.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from scripts.common.cells import Cell
from scripts.report.records.record import Record, Records

Span = tuple[float, float]
"""Start and end in seconds since 1970."""
Boot = tuple[str, str | None, int]
"""A node, one of its boots, and a number that sets records without a boot apart from all others."""
LEAST_JUMP_SECONDS = 0.1
"""The smallest difference (s) between wall clock and clock since boot, from one record to the next, that counts as a
jump. ntpd sets the wall clock for 0.128 s or more (its tinker step). For less it makes the clock faster or slower, and
both clocks show this alike."""


@dataclass(frozen=True)
class Jump:
    """A wall clock was set: while the record of a cell was taken if `within`, and otherwise between the record before
    it on its node and this one.

    `seconds` is how far it was set, negative if back. `started` is when the record began, in seconds since 1970.
    """

    node: str
    seconds: float
    within: bool
    started: float
    cell: Cell


def spans(records: Records) -> dict[Path, Span]:
    """Return when each record started and ended, as if no wall clock had ever been set."""
    found = {}
    for paths in _by_boot(records).values():
        began = median(_ahead(records[path].started, records[path].clock.started_seconds) for path in paths)
        for path in paths:
            clock = records[path].clock
            found[path] = began + clock.started_seconds, began + clock.ended_seconds
    return found


def overlapping(records: Records) -> dict[str, list[Path]]:
    """Return the records that were taken at the same moment as another of their node and boot, in order, by node."""
    found: dict[str, list[Path]] = defaultdict(list)
    for (node, *_), paths in _by_boot(records).items():
        beside: set[Path] = set()
        latest, *others = paths
        for path in others:
            if records[path].clock.started_seconds < records[latest].clock.ended_seconds:
                beside |= {latest, path}
            latest = max(latest, path, key=lambda each: records[each].clock.ended_seconds)
        found[node] += [path for path in paths if path in beside]
    return {node: paths for node, paths in found.items() if paths}


def meet(one: Record, other: Record, spans_of: tuple[Span, Span]) -> bool:
    """Say whether two records were taken at the same moment, given their spans as `spans` has them.

    Containers of one host have names of their own and the boot of the host, whose clock decides between them.
    """
    if one.clock.boot is not None and one.clock.boot == other.clock.boot:
        spans_of = one.clock.span, other.clock.span
    (start, end), (its_start, its_end) = spans_of
    return start < its_end and its_start < end


def jumps(records: Records) -> list[Jump]:
    """Return how often and how far wall clocks were set, in the order of the records."""
    began = {path: start for path, (start, _) in spans(records).items()}
    found = []
    for (node, *_), paths in _by_boot(records).items():
        jumped = [(path, records[path].clock.jump_seconds, True) for path in paths]
        for before, path in pairwise(paths):
            then, now = records[before], records[path]
            set_by = _ahead(now.started, now.clock.started_seconds) - _ahead(then.ended, then.clock.ended_seconds)
            jumped.append((path, set_by, False))
        found += [
            Jump(node, seconds, within, began[path], records[path].cell)
            for path, seconds, within in jumped
            if abs(seconds) >= LEAST_JUMP_SECONDS
        ]
    return sorted(found, key=lambda jump: (jump.started, jump.within))


def moment(seconds: float) -> str:
    """Return a moment, given in seconds since 1970, in words: UTC, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _ahead(wall: str, seconds: float) -> float:
    """How many seconds a moment by the wall clock is ahead of the same by the clock since boot."""
    return datetime.fromisoformat(wall).timestamp() - seconds


def _by_boot(records: Records) -> dict[Boot, list[Path]]:
    """The records whose clocks since boot are one and the same, by their start; a record without a boot is alone."""
    found = defaultdict(list)
    for path, record in sorted(records.items(), key=lambda item: item[1].clock.span):
        boot = record.clock.boot
        found[record.host.node, boot, 0 if boot else id(record)].append(path)
    return found
