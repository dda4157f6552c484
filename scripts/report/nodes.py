"""The nodes of one machine: compared with each other before their records are pooled, from the records alone.

Nodes of one kind should tie. Each is compared with the one that has most records, by two things that no backend has a
part in: the plain file, and the fixed computation of the probes. Probes of memory and of creating files change too much
on one and the same node to tell two apart. A node that surely differs is a pool of its own.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from scripts.measure.sampling import median
from scripts.report import comparability, statistics
from scripts.report.comparability import Pools, Records
from scripts.report.statistics import Ratio

FEWEST = 3
"""With fewer pairs of plain files, or probes of fewer jobs, nothing is concluded."""
TIE, TIE_ALONE = "tie", "tie, by the computation alone"
DIFFERS, TOO_FEW = "differs, kept apart", "too few to tell"


@dataclass(frozen=True)
class Node:
    """A node, how many records it took, and how many times as long the plain file and the fixed computation take on it
    as on the first node; None for the first, and where there is too little to tell."""

    name: str
    records: int
    baseline: Ratio | None = None
    computation: Ratio | None = None

    @property
    def verdict(self) -> str:
        """Whether it ties with the first node, by the rule for ties of stores; both comparisons must."""
        known = [ratio for ratio in (self.baseline, self.computation) if ratio]
        if not known:
            return TOO_FEW
        if not all(ratio.tie for ratio in known):
            return DIFFERS
        return TIE if self.baseline else TIE_ALONE


def compare(records: Records) -> list[Node]:
    """The nodes that took records of one machine, the one with most first and of equals by name."""
    by_node = defaultdict(list)
    for record in records.values():
        by_node[record["machine"]["node"]].append(record)
    names = sorted(by_node, key=lambda name: (-len(by_node[name]), name))
    first = by_node[names[0]] if names else []
    return [
        Node(name, len(own), *((_baseline(own, first), _computation(own, first)) if own is not first else ()))
        for name, own in ((name, by_node[name]) for name in names)
    ]


def pools(nodes: list[Node]) -> Pools:
    """The pool of each node: its own name where it surely differs from the first one, and otherwise the first's."""
    return {node.name: node.name if node.verdict == DIFFERS else nodes[0].name for node in nodes}


def _baseline(own: list[dict], first: list[dict]) -> Ratio | None:
    """The median, with its interval, over what both have timed a plain file for; medians of a node's jobs each."""
    mine, theirs = _plain_files(own), _plain_files(first)
    ratios = [mine[what] / theirs[what] for what in mine.keys() & theirs.keys()]
    if len(ratios) < FEWEST:
        return None
    found = statistics.estimate(ratios)
    return Ratio(found.median, found.low, found.high, found.kind)


def _computation(own: list[dict], first: list[dict]) -> Ratio | None:
    if min(len(own), len(first)) < FEWEST:
        return None
    return statistics.ratio(*([_probe(record) for record in records] for records in (own, first)))


def _probe(record: dict) -> float:
    """The shorter of the two before and after a job: what disturbs a computation only makes it longer."""
    return min(record["noise"][moment]["cpu_seconds"] for moment in ("before", "after"))


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
