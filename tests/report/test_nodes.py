"""Nodes of one machine: what is alike is pooled, one that surely differs is kept apart, noise is no difference."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from scripts.common.cells import Cell
from scripts.report.records import nodes
from scripts.report.records.reading import read
from scripts.report.records.record import BASELINE, FileSystem, Record, Records
from scripts.report.tables import Tables
from scripts.report.ties import DIFFERENT, INTERVAL, RANGE, Ratio
from tests.support.noisy_jobs import MOOD, measured_drift, noise
from tests.support.page import shown
from tests.support.report_run import CUTOFFS, NFS, OPERATIONS, Run

pytestmark = pytest.mark.slow

SMALL = {"cutoffs": (1, 10, 100), "operations": ("write", "read-warm", "read-cold")}
PROBES_DIFFER, STRETCHES_DIFFER = 0.04, 0.04
"""Standard deviations of the logarithm of the time of a fixed computation, from job to job and from one stretch of jobs
to the next: together a little more than was measured on a shared virtual machine of two cores."""
STRETCH = 8
DISKS_DIFFER = 0.4
"""Standard deviation of the logarithm of the time to write to the disk, from job to job."""
HARDWARE = {"cpu": "EPYC", "cpu_limit": None, "node_cores": 64, "memory_bytes": 256 * 2**30, "kernel": "Linux 6.1.0"}


def file_system_of(content: dict) -> FileSystem:
    """A file system as a record has it."""
    return FileSystem(**{**content, "limits": tuple(content["limits"])})


def read_all(run: Run) -> Records:
    """All records of a run, sorted by their paths."""
    return {path: read(path) for path in sorted(run.records.rglob("*.json"))}


def with_probes(record: Record, moment: str, **factors: float) -> Record:
    """The record with probes that took so many times as long at a moment, `before` or `after`."""
    probes = getattr(record.noise, moment)
    slower = replace(probes, **{name: factor * getattr(probes, name) for name, factor in factors.items()})
    return replace(record, noise=replace(record.noise, **{moment: slower}))


def groups_by_node(run: Run) -> dict[str, set[int]]:
    """The comparison groups that the cells of each node are in."""
    found: dict[str, set[int]] = {}
    for row in Tables.load(run.directory).summary:
        node = json.loads((run.directory / row.record).read_text())["machine"]["node"]
        found.setdefault(node, set()).add(row.comparison_group)
    return found


def test_nodes_that_do_not_surely_differ_are_pooled_and_the_page_says_so(tmp_path):
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0), "n2": (1.02, 0.98)}).write().summarise().draw("single_image")
    assert groups_by_node(run) == {"n1": {1}, "n2": {1}}
    text = shown(run.page("single_image"))
    assert "n1 14 1 1 1 the others are compared with it n2 13 1.02 \N{MULTIPLICATION SIGN} 95 % interval" in text
    assert " no sure difference " in text[text.index("n2 13 1.02") :][:200]
    assert "kept apart, with" not in text
    assert "stand apart" not in text


def test_one_node_has_no_table_of_nodes(tmp_path):
    run = Run(tmp_path, **SMALL).write().summarise().draw("single_image")
    assert 'id="nodes"' not in run.page("single_image")


@pytest.mark.parametrize(("node_cores", "said"), [(2, "Cores 2 Kernel"), (64, "Cores 2 of 64 Kernel")])
def test_cores_are_those_that_a_job_may_use_and_of_how_many(tmp_path, node_cores, said):
    run = Run(tmp_path, cutoffs=(10,), operations=("write",)).write()
    for path in run.records.rglob("*.json"):
        record = json.loads(path.read_text())
        record["machine"]["node_cores"] = node_cores
        path.write_text(json.dumps(record))
    assert said in shown(run.summarise().draw("single_image").page("single_image"))


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ((1.3, 1.0), "The reference file takes 1.30"),
        ((1.0, 1.3), "The computation takes 1.30"),
        ((0.7, 1.0), "file takes 0.70"),
        ((1.0, 1.0, 3.2), "Writing to the disk takes 3.20 \N{MULTIPLICATION SIGN} as long"),
        ((1.0, 1.0, 0.3), "Writing to the disk takes 0.30 "),
    ],
)
def test_a_node_that_differs_is_kept_apart_and_the_page_says_by_how_much(tmp_path, factors, said):
    run = Run(
        tmp_path, **SMALL, nodes={"n1": (1.0, 1.0), "n2": factors, "n3": (1.0, 1.0), "n4": (1.0, 1.0)}, noise=0.001
    )
    run.write().summarise().draw("single_image")
    assert groups_by_node(run) == {"n1": {1}, "n2": {2}, "n3": {1}, "n4": {1}}
    text = shown(run.page("single_image"))
    assert "7 of 27 records stand apart" in text
    assert "n2 differs from the other nodes of the machine" in text
    assert "n2 is kept apart, with 7 records." in text
    assert said in text[text.index("n2 is kept apart") :][:500]
    assert text.count("differs, kept apart") == 1
    assert text.count(" node (n2) ") == 7
    assert "node (n1)" not in text


def test_what_disturbs_a_probe_once_does_not_make_a_node_differ(tmp_path):
    """Of the two probes around each job of n2, one took half as long again."""
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0), "n2": (1.0, 1.0)}).write()
    records = read_all(run)
    for number, (path, record) in enumerate(records.items()):
        if record.host.node == "n2":
            moment = "before" if number % 2 else "after"
            records[path] = with_probes(record, moment, cpu_seconds=1.5, disk_seconds=1.5)
    assert nodes.compare(records)[1].verdict == nodes.ALIKE


XEON = "Intel(R) Xeon(R) CPU @ 2.20GHz"


@pytest.mark.parametrize(
    ("hardware", "said"),
    [
        ({"node_cores": 64}, "64 cores, not 2"),
        ({"node_cores": 1}, "1 core, not 2"),
        ({"cpu_limit": 0.5}, "the time of 0.5 CPUs, not all cores"),
        ({"cpu": "EPYC"}, f"EPYC, not {XEON}"),
        ({"memory_bytes": 25 * 2**30}, "25 GiB of memory, not 24"),
        ({"kernel": "Linux 6.8.0-31-generic"}, "kernel Linux 6.8, not Linux 6.1"),
        ({"cpu": "EPYC", "node_cores": 64}, f"EPYC, not {XEON}; 64 cores, not 2"),
    ],
)
def test_a_node_of_other_hardware_is_kept_apart_and_the_page_says_what_differs(tmp_path, hardware, said):
    """However few records it took, and though it takes as long for everything."""
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0)}).write()
    on_node(run, ("png", 10, "write"), "n2", **hardware)
    run.summarise().draw("single_image")
    assert groups_by_node(run) == {"n1": {1}, "n2": {2}}
    text = shown(run.page("single_image"))
    assert f"n2 is kept apart, with 1 record. n2 is another machine: {said}. Remedy" in text
    assert "too few too few too few another machine, kept apart" in text
    assert "n2 differs from the other nodes of the machine" in text


@pytest.mark.parametrize(
    "hardware",
    [
        {"memory_bytes": 24 * 2**30 + 2**28},
        {"kernel": "Linux 6.1.0-28-amd64"},
        {"cores": 1},
        {"operating_system": "Debian GNU/Linux 13 (trixie)"},
    ],
)
def test_what_is_no_hardware_or_a_little_memory_keeps_no_node_apart(tmp_path, hardware):
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0)}).write()
    on_node(run, ("png", 10, "write"), "n2", **hardware)
    run.summarise().draw("single_image")
    assert groups_by_node(run) == {"n1": {1}, "n2": {1}}
    assert "another machine" not in shown(run.page("single_image"))


def test_nodes_that_were_updated_meanwhile_are_one_pool(tmp_path):
    """The kernel of the first node changed between two of its records; the other node's has the newer."""
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0)}).write()
    on_node(run, ("png", 1, "write"), "n1", kernel="Linux 6.8.0")
    on_node(run, ("png", 10, "write"), "n2", kernel="Linux 6.8.0")
    assert groups_by_node(run.summarise()) == {"n1": {1}, "n2": {1}}


def on_node(run: Run, where: tuple[str, int, str], node: str, **hardware: object) -> None:
    """Change the node of a record, and what that is."""
    record = json.loads(run.record_path(*where).read_text())
    run.change(where, machine={**record["machine"], "node": node, **hardware})


def test_nodes_that_differ_from_the_first_are_not_one_pool(tmp_path):
    factors = {"n1": (1.0, 1.0), "n2": (1.4, 1.0), "n3": (1.4, 1.0)}
    run = Run(tmp_path, backends=("png", "lmdb"), cutoffs=(1, 10, 100, 1000), nodes=factors).write().summarise()
    assert len(set.union(*groups_by_node(run).values())) == 3


def test_too_few_records_tell_nothing(tmp_path):
    """Two cells on a second node that takes twice as long: too few to tell, so they are pooled; three cells tell."""
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0)}).write()
    cells = [("png", 1, "write"), ("png", 10, "write"), ("png", 100, "write")]
    for count, group, verdict in ((2, 1, nodes.TOO_FEW), (3, 2, nodes.DIFFERS)):
        for where in cells[:count]:
            slow(run, where)
        run.summarise().draw("single_image")
        assert groups_by_node(run) == {"n1": {1}, "n2": {group}}
        assert verdict in shown(run.page("single_image"))


def slow(run: Run, where: tuple[str, int, str]) -> None:
    """Move a record to node n2, on which everything takes twice as long."""
    record = json.loads(run.record_path(*where).read_text())
    if record["machine"]["node"] != "n2":
        samples = [{**sample, "seconds": 2 * sample["seconds"]} for sample in record["samples"]]
        run.change(where, machine={**record["machine"], "node": "n2"}, samples=samples)


@pytest.mark.parametrize(("disk", "group", "verdict"), [(1.5, 1, nodes.ALIKE_BY_PROBES), (3.2, 2, nodes.DIFFERS)])
def test_without_cells_in_common_the_probes_alone_decide(tmp_path, disk, group, verdict):
    """As where all cells of a number of images are timed in one job, on one node."""
    run = Run(tmp_path, **SMALL).write()
    for where in product(run.backends, (100,), run.operations):
        record = json.loads(run.record_path(*where).read_text())
        for moment in ("before", "after"):
            record["noise"][moment]["disk_seconds"] *= disk
        run.change(where, machine={**record["machine"], "node": "n2"}, noise=record["noise"])
    run.summarise().draw("single_image")
    assert groups_by_node(run) == {"node-1": {1}, "n2": {group}}
    text = shown(run.page("single_image"))
    assert "n2 9 too few 1.00" in text
    assert f" {verdict} " in text[text.index("n2 9 too few") :]


def test_disks_of_other_file_systems_are_not_compared(tmp_path):
    """Part of what n2 took is on a file system that is ten times as slow: that says nothing of its disk."""
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0), "n2": (1.0, 1.0)}).write()
    records = read_all(run)
    for path in [path for path, record in records.items() if record.host.node == "n2"][:9]:
        slow = with_probes(with_probes(records[path], "before", disk_seconds=10), "after", disk_seconds=10)
        records[path] = replace(slow, file_system=file_system_of(NFS))
    (_, node) = nodes.compare(records)
    assert (node.disk.value, node.verdict) == (1, nodes.ALIKE)


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (Ratio(2.5, 1.9, 3.0, INTERVAL), nodes.ALIKE_BY_PROBES),
        (Ratio(2.5, 2.1, 3.0, INTERVAL), nodes.DIFFERS),
        (Ratio(0.4, 0.3, 0.52, INTERVAL), nodes.ALIKE_BY_PROBES),
        (Ratio(0.4, 0.3, 0.48, INTERVAL), nodes.DIFFERS),
        (Ratio(3.5, 2.9, 4.0, RANGE), nodes.ALIKE_BY_PROBES),
        (Ratio(3.5, 3.1, 4.0, RANGE), nodes.DIFFERS),
    ],
)
def test_disks_differ_from_a_factor_of_two_on_and_in_ranges_of_three(ratio, verdict):
    assert nodes.Node("n2", 9, disk=ratio).verdict == verdict


def test_plain_files_of_other_code_or_file_systems_are_not_compared(tmp_path):
    """All that n2 took is slow, but on another file system, or by other code: that says nothing of the node."""
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0), "n2": (2.0, 1.0)}).write()
    records = read_all(run)
    assert [node.verdict for node in nodes.compare(records)[1:]] == [nodes.DIFFERS]
    for changes in ({"file_system": file_system_of(NFS)}, {"measuring_digest": "other"}):
        changed = {
            path: replace(record, **changes) if record.host.node == "n2" else record for path, record in records.items()
        }
        assert nodes.compare(changed)[1].baseline is None


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Record:
    """A record of a node, without samples of the backend."""
    run = Run(tmp_path_factory.mktemp("template"), ("png",), (1,), ("write",), file_system=NFS, samples=1).write()
    record = read(run.record_path("png", 1, "write"))
    return replace(record, host=replace(record.host, **HARDWARE), samples=tuple(record.samples_of(BASELINE)))


def simulated(
    template: Record, chance: np.random.Generator, plain: float = 1.0, computation: float = 1.0
) -> dict[Path, Record]:
    """192 records of two nodes as noisy as measured; on n2 the reference file and a computation take so much longer,
    and writing to the disk takes the same."""
    found, stretches = {}, {}
    for number, (operation, cutoff, backend) in enumerate(product(OPERATIONS, CUTOFFS, "abcd")):
        node = f"n{chance.integers(1, 3)}"
        slower = (plain, computation) if node == "n2" else (1.0, 1.0)
        moods = np.exp(MOOD * chance.standard_normal(10)) * noise(chance, 0.04, 10)
        mood = stretches.setdefault((node, number // STRETCH), np.exp(STRETCHES_DIFFER * chance.standard_normal()))
        seconds = slower[0] * measured_drift(chance)[1] * float(np.median(moods))
        before, after = (slower[1] * mood * noise(chance, PROBES_DIFFER, 2)).tolist()
        probes = template.noise.before
        found[Path(f"{number}.json")] = replace(
            template,
            cell=Cell("m", backend, "32x32", cutoff, operation),
            host=replace(template.host, node=node),
            noise=replace(
                template.noise,
                before=replace(probes, cpu_seconds=before),
                after=replace(probes, cpu_seconds=after),
            ),
            samples=(replace(template.samples[0], seconds=seconds),),
        )
    return found


def rate(template: Record, **planted: float) -> dict[str, int]:
    """Of 100 pairs of nodes, how many are told apart by the reference file, by the computation, and by either."""
    chance = np.random.default_rng(4)
    counts = {"baseline": 0, "computation": 0, "either": 0}
    for _ in range(100):
        (_, node) = nodes.compare(simulated(template, chance, **planted))
        counts["baseline"] += node.baseline.outcome == DIFFERENT
        counts["computation"] += node.computation.outcome == DIFFERENT
        counts["either"] += node.verdict == nodes.DIFFERS
    return counts


def test_equal_nodes_are_hardly_ever_told_apart(template):
    assert rate(template)["either"] <= 3


def test_a_node_that_takes_20_per_cent_longer_is_found(template):
    assert rate(template, plain=1.2)["baseline"] >= 90
    assert rate(template, computation=1.2)["computation"] >= 98


def disks_told_apart(template: Record, slower: float) -> int:
    """Of 100 pairs of nodes that took 48 records each, none of a number of images that the other has, how many are told
    apart by the disk; on one, writing to it takes so much longer."""
    chance = np.random.default_rng(5)
    found = 0
    for _ in range(100):
        records = {path: own for path, own in simulated(template, chance).items() if own.cell.backend in "ab"}
        for path, record in records.items():
            own = record.cell.cutoff in CUTOFFS[3:]
            mood = np.exp(DISKS_DIFFER * chance.standard_normal())
            for moment, taken in zip(("before", "after"), noise(chance, PROBES_DIFFER, 2), strict=True):
                record = with_probes(record, moment, disk_seconds=float((slower if own else 1.0) * mood * taken))
            records[path] = replace(record, host=replace(record.host, node="n2" if own else "n1"))
        first, node = nodes.compare(records)
        assert (first.records, node.records, node.baseline) == (48, 48, None)
        found += replace(node, computation=None).verdict == nodes.DIFFERS
    return found


def test_equal_disks_are_hardly_ever_told_apart(template):
    assert disks_told_apart(template, 1.0) <= 3


def test_a_disk_that_takes_three_times_as_long_is_found(template):
    assert disks_told_apart(template, 3.0) >= 85
