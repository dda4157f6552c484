"""What disturbed a timing job, judged from what its record says of the machine meanwhile and right before and after.

A mark is for the reader: a disturbed cell counts like the others. Judging here, and not in the job, leaves the limits
open to change without timing anything again.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from statistics import median

from scripts.common.cells import Store
from scripts.measure.operations import catalogue
from scripts.measure.stopping import block_medians
from scripts.report import wording
from scripts.report.records import order
from scripts.report.records.record import BACKEND, BASELINE, Record, Records
from scripts.system.disk.file_system import NETWORK, UNKNOWN

STOLEN_SHARE = 0.02
"""The largest undisturbed share of the cores' time that a hypervisor takes, of the cores that the job may run on."""
OTHERS_SHARE = 0.1
"""The largest undisturbed share of one core's time that other processes use."""
LEAST_STOLEN_SECONDS = 0.15
"""The shortest stolen time (s) that counts: the kernel counts in ticks of a hundredth of a second."""
LEAST_ASLEEP_SECONDS = 0.1
"""The shortest sleep (s) of the machine that counts: its two clocks aren't read at the same moment."""
SNAKEMAKE_SECONDS = 0.2
"""The CPU time (s) that Snakemake may spend right after it has started a job, on another core and mostly before the
first sample: less than 0.08 s in 860 of 864 jobs of a run of all backends (measured)."""
PROBE_FACTOR = 1.5
"""The largest undisturbed ratio of a probe to what it typically is in this run."""
CORES_FACTOR = 1.2
"""The largest undisturbed ratio of a process's CPU time to the time of its threads: time in the kernel is counted in
ticks."""
LEAST_SECONDS = 0.05
"""The shortest sample (s) that says anything of the cores used."""
NEW_SPACE_FACTOR = 3
"""The largest undisturbed ratio of the reference file's time to the time of writing it again in its place. It is 1.4
to 2 where the disk had been written to before, and 6 where it hadn't (3 to 307 MB on a virtual disk that grows as it's
used, measured)."""
NEW_SPACE_SHARE = 0.25
"""The largest undisturbed share of a cell's reference files that take longer than NEW_SPACE_FACTOR allows."""
JUMP_FACTOR = 2
"""The largest undisturbed ratio of a block's reference file to the median of all blocks."""
PROBES = {"cpu_seconds": "a fixed computation", "memory_seconds": "the first touch of memory"}
CREATION = "file_seconds"
CREATION_SHARE = 0.05
"""The largest share of the time of a write that slower creation of its files may take without a mark. Between jobs of
300 MB on an otherwise idle virtual machine creating a file took up to ten times as long as usual for a minute (200 and
18 microseconds, measured): much to a file per image, nothing to one file of 300 MB."""


def judge(records: Records, files: Mapping[Store, int]) -> dict[Path, list[str]]:
    """Say, of each record that was disturbed, by what; a typical probe is the median over all records of its node.

    `files` is the number of files of each store.
    """
    by_node = defaultdict(list)
    for record in records.values():
        by_node[record.host.node].append(record)
    typical = {node: _typical(own) for node, own in by_node.items()}
    found = {}
    for path, record in records.items():
        usual = typical[record.host.node]
        found[path] = [
            *_held_back(record),
            *_slow_probes(record, usual),
            *_slow_creation(record, usual[CREATION], files),
            *_new_space(record),
            *_cores_used(record),
            *_jumps(record),
        ]
    for (path, what), others in _beside(records).items():
        found[path].append(f"{wording.join(sorted(others))} timed something on the same {what} meanwhile")
    return {path: reasons for path, reasons in found.items() if reasons}


def _typical(records: list[Record]) -> dict[str, float]:
    moments = [probes for record in records for probes in (record.noise.before, record.noise.after)]
    return {name: median(getattr(probes, name) for probes in moments) for name in (*PROBES, CREATION)}


def _beside(records: Records) -> dict[tuple[Path, str], set[str]]:
    """The nodes that timed something while a record was taken on another node, by what the two share: a file system
    that is or may be a network's, or the host whose containers they are."""
    sharing = defaultdict(list)
    for path, record in records.items():
        file_system = record.file_system
        if file_system.kind in (NETWORK, UNKNOWN):
            sharing["file system", file_system.type, file_system.mount_point].append(path)
        if record.clock.boot:
            sharing["host", record.clock.boot, ""].append(path)
    spans = order.spans(records)
    found = defaultdict(set)
    for (what, *_), paths in sharing.items():
        nodes = {path: records[path].host.node for path in paths}
        for one, other in combinations(paths, 2) if len(set(nodes.values())) > 1 else ():
            if nodes[one] != nodes[other] and order.meet(records[one], records[other], (spans[one], spans[other])):
                found[one, what].add(nodes[other])
                found[other, what].add(nodes[one])
    return found


def _held_back(record: Record) -> Iterator[str]:
    """Whether others took the cores, or the machine slept, was too hot, or had used up its CPU time."""
    noise, asleep = record.noise, record.clock.asleep_seconds
    wall = max(noise.wall_seconds, 1e-9)
    stolen = noise.stolen_seconds or 0
    share = stolen / wall / record.host.cores
    if share > STOLEN_SHARE and stolen > LEAST_STOLEN_SECONDS:
        yield f"a hypervisor took {100 * share:.0f} % of the cores' time"
    others = ((noise.other_user_seconds or 0) - SNAKEMAKE_SECONDS) / wall
    if others > OTHERS_SHARE:
        yield f"other processes used {100 * others:.0f} % of a core"
    if asleep > LEAST_ASLEEP_SECONDS:
        yield f"the machine slept for {asleep:.1f} s"
    if noise.throttle_events:
        yield f"cores were throttled {noise.throttle_events} times"
    if noise.limit_waits:
        waited = wording.seconds(noise.limit_wait_seconds or 0)
        limit = f"the limit of {record.host.cpu_limit:.3g} CPUs"
        yield f"{limit} made it wait {noise.limit_waits} times, {waited} in all"


def _slow_probes(record: Record, typical: Mapping[str, float]) -> Iterator[str]:
    """Whether a probe took much longer than usual before or after the samples."""
    for name, words in PROBES.items():
        before, after = getattr(record.noise.before, name), getattr(record.noise.after, name)
        moment = "after" if after > before else "before"
        slower = max(before, after) / typical[name] if typical[name] else 1.0
        if slower > PROBE_FACTOR:
            yield f"{words} took {wording.times(slower)} as long as usual {moment} it"


def _slow_creation(record: Record, usual: float, files: Mapping[Store, int]) -> Iterator[str]:
    """Whether creating files took so long before a write that its own files, or the plain one, must have felt it."""
    # After a write the probe says nothing of others: many new files make creating more of them slower.
    taken, entry = record.noise.before.file_seconds, catalogue.get(record.cell.operation)
    if not (entry and entry.writes) or taken <= PROBE_FACTOR * usual:
        return
    created = {BACKEND: files.get(record.cell.store, 0), BASELINE: 1}
    for subject, number in created.items():
        seconds = [sample.seconds for sample in record.samples_of(subject)]
        if seconds and (taken - usual) * number > CREATION_SHARE * median(seconds):
            yield f"creating files took {wording.times(taken / usual)} as long as usual before it"
            return


def _new_space(record: Record) -> Iterator[str]:
    """Whether durable writes came to places of the disk that nothing had been written to before."""
    again = record.overwrite_seconds
    if again is None:
        return
    seconds = [sample.seconds for sample in record.samples_of(BASELINE)]
    slow = [taken for taken in seconds if taken > NEW_SPACE_FACTOR * again]
    if len(slow) > NEW_SPACE_SHARE * len(seconds):
        factor = wording.times(median(slow) / again)
        yield (
            f"on a new part of the disk, {len(slow)} of {len(seconds)} reference files took {factor} as long as on one "
            "used before (to prevent it, fill the free space once with a file and delete it)"
        )


def _cores_used(record: Record) -> Iterator[str]:
    """Whether the backend used more cores than its threads and processes allow."""
    used = [
        (sample.user_seconds + sample.system_seconds) / sample.seconds / sample.processes
        for sample in record.samples_of(BACKEND)
        if sample.seconds >= LEAST_SECONDS
    ]
    if used and median(used) > CORES_FACTOR * record.threads:
        yield f"the backend kept {median(used):.1f} cores busy though {record.threads} threads were allowed"


def _jumps(record: Record) -> Iterator[str]:
    """Whether the reference file took much longer in some blocks than in others."""
    plain = [sample for sample in record.samples_of(BASELINE) if sample.state_verified and sample.processes == 1]
    blocks = block_medians([sample.seconds for sample in plain], [sample.block for sample in plain])
    if not blocks:
        return
    usual = median(blocks)
    count = sum(seconds > JUMP_FACTOR * usual for seconds in blocks)
    if count:
        longest = wording.times(max(blocks) / usual)
        yield f"the reference file took up to {longest} as long as usual in {count} of {len(blocks)} blocks"
