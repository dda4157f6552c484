"""The nodes of one machine: compared with each other before their records are pooled, from the records alone.

Nodes of one kind should not differ. Each is compared with the one that has most records, by three things that no
backend has a part in: the plain file, and of the probes the fixed computation and the writing to the disk. Probes of
memory and of creating files change too much on one and the same node to tell two apart. A node that surely differs is a
pool of its own, and so is one of other hardware, whatever was measured.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scripts.measure.stopping import median
from scripts.report import estimates, wording
from scripts.report.estimates import DIFFERENT, INTERVAL, RANGE, Ratio
from scripts.report.records import comparability
from scripts.report.records.comparability import Pools, Records

FEWEST = 3
"""With fewer pairs of plain files, or probes of fewer jobs, nothing is concluded."""
DISK_WITHIN = {INTERVAL: 2.0, RANGE: 3.0}
"""The practical thresholds for writing to the disk, by kind. They are wider than those of `statistics.WITHIN`
because writes are moody: many jobs in a row may meet a busy disk or network, which an interval that takes jobs for
independent doesn't show. With its 192 records dealt to two made-up nodes by cutoff, one disk differed from itself by an
interval up to 1.8 to 3.2 (measured on a shared virtual machine)."""
ALIKE, ALIKE_BY_PROBES = "no sure difference", "no sure difference, by the probes alone"
DIFFERS, TOO_FEW = "differs, kept apart", "too few to tell"
OTHER_MACHINE = "another machine, kept apart"
HARDWARE: dict[str, Callable[[Any], str]] = {
    "cpu": str,
    "cores": lambda count: f"{count} core{'' if count == 1 else 's'}",
    "limit": "the time of {}".format,
    "memory": "{} GiB of memory".format,
    "kernel": "kernel {}".format,
}
"""What nodes of one machine share, in words."""


@dataclass(frozen=True)
class Node:
    """A node, how many records it took, and how many times as long the plain file, the fixed computation and writing to
    the disk take on it as on the first node; None for the first, and where there is too little to tell.

    `hardware` says in words what other hardware than the first node's its records name: `64 cores, not 2`.
    """

    name: str
    records: int
    baseline: Ratio | None = None
    computation: Ratio | None = None
    disk: Ratio | None = None
    hardware: tuple[str, ...] = ()

    @property
    def apart(self) -> bool:
        """Whether its records are a pool of their own."""
        return self.verdict in (DIFFERS, OTHER_MACHINE)

    @property
    def verdict(self) -> str:
        """Whether it surely differs from the first node in any comparison, by the rule for stores; in writing to the
        disk by its own thresholds. With other hardware it's another machine, whatever they say."""
        if self.hardware:
            return OTHER_MACHINE
        differs = [ratio.outcome == DIFFERENT for ratio in (self.baseline, self.computation) if ratio]
        if self.disk:
            within = DISK_WITHIN[self.disk.kind]
            differs.append(self.disk.low > within or self.disk.high < 1 / within)
        if not differs:
            return TOO_FEW
        if any(differs):
            return DIFFERS
        return ALIKE if self.baseline else ALIKE_BY_PROBES


def compare(records: Records) -> list[Node]:
    """The nodes that took records of one machine, the one with most first and of equals by name."""
    by_node = defaultdict(list)
    for record in records.values():
        by_node[record["machine"]["node"]].append(record)
    names = sorted(by_node, key=lambda name: (-len(by_node[name]), name))
    first = by_node[names[0]] if names else []
    return [
        Node(name, len(own), *(_compared(own, first) if own is not first else ()))
        for name, own in ((name, by_node[name]) for name in names)
    ]


def pools(nodes: list[Node]) -> Pools:
    """The pool of each node: its own name where it surely differs from the first one, and otherwise the first's."""
    return {node.name: node.name if node.apart else nodes[0].name for node in nodes}


def _compared(own: list[dict], first: list[dict]) -> tuple[Any, ...]:
    disks = (_on_file_system(_main_file_system(first), records) for records in (own, first))
    ratios = _baseline(own, first), _probe("cpu_seconds", own, first), _probe("disk_seconds", *disks)
    return *ratios, _other_hardware(own, first)


def _other_hardware(own: list[dict], first: list[dict]) -> tuple[str, ...]:
    """What no record of the first node names alike; a node may change, as by an update of its kernel."""
    found = []
    for name, words in HARDWARE.items():
        mine, theirs = (dict.fromkeys(_hardware(record)[name] for record in side) for side in (own, first))
        if mine.keys().isdisjoint(theirs):
            found.append(f"{wording.join(map(words, mine), 'or')}, not {wording.join(map(str, theirs), 'or')}")
    return tuple(found)


def _hardware(record: dict) -> dict[str, Any]:
    """Memory in whole GiB, and the kernel with its major and minor version, as in names of machines."""
    machine = record["machine"]
    return {
        "cpu": machine["cpu"],
        "cores": machine["node_cores"],
        "limit": "all cores" if machine["cpu_limit"] is None else f"{machine['cpu_limit']:.3g} CPUs",
        "memory": round(machine["memory_bytes"] / 2**30),
        "kernel": ".".join(machine["kernel"].split(".")[:2]),
    }


def _baseline(own: list[dict], first: list[dict]) -> Ratio | None:
    """The median, with its interval, over what both have timed a plain file for; medians of a node's jobs each."""
    mine, theirs = _plain_files(own), _plain_files(first)
    ratios = [mine[what] / theirs[what] for what in mine.keys() & theirs.keys()]
    if len(ratios) < FEWEST:
        return None
    found = estimates.estimate(ratios)
    return Ratio(found.median, found.low, found.high, found.kind)


def _probe(name: str, own: list[dict], first: list[dict]) -> Ratio | None:
    """By the shorter of the two before and after each job: what disturbs a probe only makes it longer."""
    if min(len(own), len(first)) < FEWEST:
        return None
    moments = ("before", "after")
    taken = ([min(record["noise"][moment][name] for moment in moments) for record in side] for side in (own, first))
    return estimates.ratio(*taken)


def _main_file_system(records: list[dict]) -> str:
    """The one that most of them were timed on: elsewhere, writing to the disk is writing to another."""
    return Counter(map(_file_system, records)).most_common(1)[0][0]


def _on_file_system(name: str, records: list[dict]) -> list[dict]:
    return [record for record in records if _file_system(record) == name]


def _file_system(record: dict) -> str:
    return comparability.identity(record, pools={})["file_system"]


def _plain_files(records: list[dict]) -> dict[tuple[Any, ...], float]:
    """Seconds of the plain file, by what sets its time: cutoff, operation, and all that records must share."""
    found = defaultdict(list)
    for record in records:
        taken = [sample["seconds"] for sample in record["samples"] if _alone(sample)]
        if taken:
            shared = comparability.identity(record, pools={})
            del shared["backend"]
            what = (record["cell"]["cutoff"], record["cell"]["operation"], *shared.values())
            found[what].append(median(taken))
    return {what: median(jobs) for what, jobs in found.items()}


def _alone(sample: dict) -> bool:
    """Whether it's a plain file that one process read or wrote, not forked, which some backends don't allow."""
    one = sample["processes"] == 1 and sample["start_method"] != "fork"
    return sample["subject"] == "baseline" and sample["state_verified"] and one
