"""What disturbed a timing job, judged from what its record says of the machine meanwhile and right before and after.

A mark is for the reader: a disturbed cell counts like the others. Judging here, and not in the job, leaves the limits
open to change without timing anything anew.
"""

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from scripts.measure.operations import catalogue
from scripts.measure.stopping import block, block_medians, median
from scripts.report import wording
from scripts.report.compare.corrections import Timed
from scripts.report.estimates import DIFFERENT, TIED
from scripts.report.records import order
from scripts.report.records.comparability import Records
from scripts.system.disk.file_system import NETWORK, UNKNOWN

Store = tuple[str, int]
"""The backend and cutoff of a store."""
STOLEN_SHARE = 0.02
"""Of the time of the cores that the job may run on: a hypervisor that takes more gave them to others meanwhile."""
OTHERS_SHARE = 0.1
"""Of one core: more than this by other processes isn't the idle machine that a timing wants."""
LEAST_STOLEN = 0.15
"""Seconds: the kernel counts in ticks of a hundredth."""
LEAST_ASLEEP = 0.1
"""Seconds: two clocks aren't read at the same moment."""
SNAKEMAKE_SECONDS = 0.2
"""What Snakemake may spend right after it has started a job, on another core and mostly before the first sample: less
than 0.08 s in 860 of 864 jobs of a run of all backends (measured)."""
PROBE_FACTOR = 1.5
"""How much slower a probe may be than it typically is in this run."""
CORES_FACTOR = 1.2
"""How much CPU time beyond that of its threads a process may use: time in the kernel is counted in ticks."""
LEAST_SECONDS = 0.05
"""Runs shorter than this say nothing of the cores used."""
NEW_SPACE_FACTOR = 3
"""How much longer the plain file may take than writing it again in its place: 1.4 to 2 times as long where the disk had
been written to before, 6 where it hadn't (3 to 307 MB on a virtual disk that grows as it's used, measured)."""
NEW_SPACE_SHARE = 0.25
"""The part of a cell's plain files that may take longer than that."""
JUMP_FACTOR = 2
"""How many times its median the plain file may take in a block."""
PROBES = {"cpu_seconds": "a fixed computation", "memory_seconds": "the first touch of memory"}
CREATION = "file_seconds"
CREATION_SHARE = 0.05
"""Of the time of a write: slower creation of its files that takes less isn't worth a mark. Between jobs of 300 MB on an
otherwise idle virtual machine creating a file took up to ten times as long as usual for a minute (200 and 18
microseconds, measured): much to a file per image, nothing to one file of 300 MB."""


def judge(records: Records, files: Mapping[Store, int | None]) -> dict[Path, list[str]]:
    """Say, of each record that was disturbed, by what; a typical probe is the median over all records of its node.

    `files` is the number of files of each store, by backend and cutoff.
    """
    by_node = defaultdict(list)
    for record in records.values():
        by_node[record["machine"]["node"]].append(record)
    typical = {node: _typical(own) for node, own in by_node.items()}
    found = {path: _of(record, typical[record["machine"]["node"]], files) for path, record in records.items()}
    for (path, what), others in _beside(records).items():
        found[path].append(f"{wording.join(sorted(others))} timed something on the same {what} meanwhile")
    return {path: reasons for path, reasons in found.items() if reasons}


def effect(timed: Timed | None) -> list[str]:
    """What a disturbance did to a time, as far as the plain file shows it, in words."""
    if not timed or not timed.pace:
        return []
    pace = timed.pace
    between = f"{pace.kind} {wording.times_between(pace.low, pace.high)}"
    said = f"in this job the plain file took {wording.times(pace.value)} as long as usual ({between})"
    if pace.outcome == TIED:
        return [f"effect: none that shows, as {said}"]
    if pace.outcome == DIFFERENT:
        return [f"effect: {said}, so the time is corrected"]
    done = "the time is corrected round by round" if timed.corrected else "the time stays as it was measured"
    return [f"effect: {said}, which leaves it open; {done}"]


def _typical(records: list[dict]) -> dict[str, float]:
    return {
        name: median([record["noise"][moment][name] for record in records for moment in ("before", "after")])
        for name in (*PROBES, CREATION)
    }


def _beside(records: Records) -> dict[tuple[Path, str], set[str]]:
    """The nodes that were timing something while a record was taken on another, by what they share: a file system of a
    network or of an unknown kind, or the host, where nodes are its containers."""
    sharing = defaultdict(list)
    for path, record in records.items():
        file_system = record["file_system"]
        if file_system["kind"] in (NETWORK, UNKNOWN):
            sharing["file system", file_system["type"], file_system["mount_point"]].append(path)
        if record["clock"]["boot"]:
            sharing["host", record["clock"]["boot"]].append(path)
    spans = order.spans(records)
    found = defaultdict(set)
    for (what, *_), paths in sharing.items():
        nodes = {path: records[path]["machine"]["node"] for path in paths}
        for one, other in combinations(paths, 2) if len(set(nodes.values())) > 1 else ():
            if nodes[one] != nodes[other] and order.meet(records[one], records[other], (spans[one], spans[other])):
                found[one, what].add(nodes[other])
                found[other, what].add(nodes[one])
    return found


def _of(record: dict, typical: dict[str, float], files: Mapping[Store, int | None]) -> list[str]:
    noise = record["noise"]
    wall = max(noise["wall_seconds"], 1e-9)
    reasons = []
    stolen = (noise["stolen_seconds"] or 0) / wall / record["machine"]["cores"]
    if stolen > STOLEN_SHARE and noise["stolen_seconds"] > LEAST_STOLEN:
        reasons.append(f"a hypervisor took {100 * stolen:.0f} % of the cores' time")
    others = ((noise["other_user_seconds"] or 0) - SNAKEMAKE_SECONDS) / wall
    if others > OTHERS_SHARE:
        reasons.append(f"other processes used {100 * others:.0f} % of a core")
    if record["clock"]["asleep_seconds"] > LEAST_ASLEEP:
        reasons.append(f"the machine slept for {record['clock']['asleep_seconds']:.1f} s")
    if noise["throttle_events"]:
        reasons.append(f"cores were throttled {noise['throttle_events']} times")
    if noise["limit_waits"]:
        limit = f"the limit of {record['machine']['cpu_limit']:.3g} CPUs"
        waited = wording.seconds(noise["limit_wait_seconds"])
        reasons.append(f"{limit} made it wait {noise['limit_waits']} times, {waited} in all")
    for name, words in PROBES.items():
        moment = max(("before", "after"), key=lambda moment: noise[moment][name])
        slower = noise[moment][name] / typical[name] if typical[name] else 1.0
        if slower > PROBE_FACTOR:
            reasons.append(f"{words} took {wording.times(slower)} as long as usual {moment} it")
    reasons += [*_slow_creation(record, typical[CREATION], files), *_new_space(record), *_cores_used(record)]
    return [*reasons, *_jumps(record)]


def _jumps(record: dict) -> list[str]:
    """Whether the plain file took much longer in some blocks than in others."""
    taken = [s for s in record["samples"] if s["subject"] == "baseline" and s["state_verified"] and s["processes"] == 1]
    budget = record["settings"]["budget_seconds"]
    blocks = [block(sample["started_seconds"], budget) for sample in taken]
    found = block_medians([sample["seconds"] for sample in taken], blocks)
    longest = max(found, default=0) / median(found) if found else 0
    if longest <= JUMP_FACTOR:
        return []
    count = sum(seconds > JUMP_FACTOR * median(found) for seconds in found)
    return [f"the plain file took up to {wording.times(longest)} as long as usual in {count} of {len(found)} blocks"]


def _slow_creation(record: dict, usual: float, files: Mapping[Store, int | None]) -> list[str]:
    """Whether creating files took so long before a write that its own files, or the plain one, must have felt it.

    After a write it says nothing of others: one that writes many files makes creating more of them slower.
    """
    cell, taken = record["cell"], record["noise"]["before"][CREATION]
    entry = catalogue.get(cell["operation"])
    if not (entry and entry.writes) or taken <= PROBE_FACTOR * usual:
        return []
    created = {"backend": files.get((cell["backend"], cell["cutoff"])) or 0, "baseline": 1}
    for subject, number in created.items():
        seconds = [sample["seconds"] for sample in record["samples"] if sample["subject"] == subject]
        if seconds and (taken - usual) * number > CREATION_SHARE * median(seconds):
            return [f"creating files took {wording.times(taken / usual)} as long as usual before it"]
    return []


def _new_space(record: dict) -> list[str]:
    """Whether durable writes came to places of the disk that nothing had been written to before."""
    again = record["overwrite_seconds"]
    if again is None:
        return []
    seconds = [sample["seconds"] for sample in record["samples"] if sample["subject"] == "baseline"]
    slow = [taken for taken in seconds if taken > NEW_SPACE_FACTOR * again]
    if len(slow) <= NEW_SPACE_SHARE * len(seconds):
        return []
    factor = wording.times(median(slow) / again)
    return [
        f"on a new part of the disk, {len(slow)} of {len(seconds)} plain files took {factor} as long as on one used "
        "before (a file that once fills the free space, deleted again, mends that)"
    ]


def _cores_used(record: dict) -> list[str]:
    """Whether the backend used more cores than its threads and processes allow."""
    used = [
        (sample["user_seconds"] + sample["system_seconds"]) / sample["seconds"] / sample["processes"]
        for sample in record["samples"]
        if sample["subject"] == "backend" and sample["seconds"] >= LEAST_SECONDS
    ]
    threads = record["process"]["threads"]
    if used and median(used) > CORES_FACTOR * threads:
        return [f"the backend kept {median(used):.1f} cores busy though {threads} threads were allowed"]
    return []
