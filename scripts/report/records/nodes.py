"""The nodes of one machine: compared with each other before their records are pooled, from the records alone.

Each is compared with the node that has most records, by three things that no backend has a part in: the reference file,
the probe of a fixed computation, and the probe of writing to the disk. Probes of memory and of creating files change
too much on one and the same node to tell two apart. A node that surely differs is a pool of its own, and so is a node
of other hardware, whatever was measured.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from scripts.report import estimates, wording
from scripts.report.records.record import BASELINE, Host, Record, Records, identity
from scripts.report.ties import DIFFERENT, INTERVAL, RANGE, Ratio

FEWEST = 3
"""The fewest pairs of reference files, or jobs with a probe, from which anything is concluded."""
DISK_WITHIN = {INTERVAL: 2.0, RANGE: 3.0}
"""The practical thresholds for writing to the disk, as ratios, by kind.

They are wider than those of `ties.WITHIN`: many jobs in a row may meet a busy disk or network, which an interval
that takes jobs for independent doesn't show."""
ALIKE, ALIKE_BY_PROBES = "no sure difference", "no sure difference, by the probes alone"
DIFFERS, TOO_FEW = "differs, kept apart", "too few to tell"
OTHER_MACHINE = "another machine, kept apart"
HARDWARE: tuple[tuple[Callable[[Host], Any], Callable[[Any], str]], ...] = (
    (lambda host: host.cpu, str),
    (lambda host: host.node_cores, lambda count: f"{count} core{'' if count == 1 else 's'}"),
    (lambda host: "all cores" if host.cpu_limit is None else f"{host.cpu_limit:.3g} CPUs", "the time of {}".format),
    (lambda host: round(host.memory_bytes / 2**30), "{} GiB of memory".format),
    (lambda host: ".".join(host.kernel.split(".")[:2]), "kernel {}".format),
)
"""What nodes of one machine share, each value with how it is said in words: memory in whole GiB, and the kernel with
its major and minor version, as in names of machines."""


@dataclass(frozen=True)
class Node:
    """A node, and how many records were taken on it.

    `baseline`, `computation` and `disk` are how many times as long the reference file, the fixed computation and
    writing to the disk take on it as on the first node, where that is known. `hardware` says in words what sets its
    hardware apart from the first node's: `64 cores, not 2`.
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
        """What the node is to the first one.

        - OTHER_MACHINE: it has other hardware, whatever the comparisons say.
        - DIFFERS: it surely differs in a comparison, by the rule for stores or, in writing to the disk, by DISK_WITHIN.
        - ALIKE or ALIKE_BY_PROBES: it surely differs in none.
        - TOO_FEW: there is no comparison.
        """
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
    """Return all nodes, the one with most records first, each compared with it."""
    by_node: dict[str, list[Record]] = defaultdict(list)
    for record in records.values():
        by_node[record.host.node].append(record)
    names = sorted(by_node, key=lambda name: (-len(by_node[name]), name))
    return [_compared(name, by_node[name], by_node[names[0]]) for name in names]


def pools(nodes: list[Node]) -> dict[str, str]:
    """The pool of each node: its own name where it surely differs from the first one, and otherwise the first's."""
    return {node.name: node.name if node.apart else nodes[0].name for node in nodes}


def _compared(name: str, own: list[Record], first: list[Record]) -> Node:
    """A node by its own records, compared with the records of the first node."""
    if own is first:
        return Node(name, len(own))
    # Writing to the disk elsewhere is writing to another disk.
    main, _ = Counter(map(_file_system, first)).most_common(1)[0]
    there = ([record for record in side if _file_system(record) == main] for side in (own, first))
    return Node(
        name,
        len(own),
        baseline=_baseline(own, first),
        computation=_probe("cpu_seconds", own, first),
        disk=_probe("disk_seconds", *there),
        hardware=_other_hardware(own, first),
    )


def _other_hardware(own: list[Record], first: list[Record]) -> tuple[str, ...]:
    """What no record of the first node names alike; a node may change, as by an update of its kernel."""
    found = []
    for value, words in HARDWARE:
        mine, theirs = (dict.fromkeys(value(record.host) for record in side) for side in (own, first))
        if mine.keys().isdisjoint(theirs):
            found.append(f"{wording.join(map(words, mine), 'or')}, not {wording.join(map(str, theirs), 'or')}")
    return tuple(found)


def _baseline(own: list[Record], first: list[Record]) -> Ratio | None:
    """The median, with its interval, over what both have timed the reference file for; medians of each node's jobs."""
    mine, theirs = _plain_files(own), _plain_files(first)
    ratios = [mine[what] / theirs[what] for what in mine.keys() & theirs.keys()]
    if len(ratios) < FEWEST:
        return None
    return Ratio(**vars(estimates.estimate(ratios)))


def _probe(name: str, own: list[Record], first: list[Record]) -> Ratio | None:
    """The ratio of a probe, by the shorter of the two before and after each job: a disturbance only makes it longer."""
    if min(len(own), len(first)) < FEWEST:
        return None
    mine, theirs = (
        [min(getattr(record.noise.before, name), getattr(record.noise.after, name)) for record in side]
        for side in (own, first)
    )
    return estimates.ratio(mine, theirs)


def _file_system(record: Record) -> tuple[str, str]:
    return record.file_system.type, record.file_system.mount_point


def _plain_files(records: list[Record]) -> dict[tuple[Any, ...], float]:
    """Seconds of the reference file, by what sets its time: cutoff, operation, and all that records of one operation
    must share, whatever their backend."""
    found = defaultdict(list)
    for record in records:
        # Some backends don't allow forking, so that only some jobs have a file for forked processes.
        taken = [
            sample.seconds
            for sample in record.samples_of(BASELINE)
            if sample.state_verified and sample.processes == 1 and sample.start_method != "fork"
        ]
        if taken:
            *shared, _, manner = identity(record.columns | {"pool": None})
            found[record.cell.cutoff, *shared, manner].append(median(taken))
    return {what: median(jobs) for what, jobs in found.items()}
