"""Nodes of one machine: those that tie are pooled, one that surely differs is kept apart, noise is no difference."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from scripts.report import nodes
from scripts.report.tables import Tables
from tests.noisy_jobs import MOOD, measured_drift, noise
from tests.report_run import CUTOFFS, NFS, OPERATIONS, Run
from tests.test_report_page import shown

SMALL = {"cutoffs": (1, 10, 100), "operations": ("write", "read-warm", "read-cold")}
PROBES_DIFFER, STRETCHES_DIFFER = 0.04, 0.04
"""Standard deviations of the logarithm of the time of a fixed computation, from job to job and from one stretch of jobs
to the next: together a little more than was measured on a shared virtual machine of two cores."""
STRETCH = 8


def groups_by_node(run: Run) -> dict[str, set[int]]:
    """The comparison groups that the cells of each node are in."""
    found: dict[str, set[int]] = {}
    for row in Tables.load(run.directory).summary:
        node = json.loads((run.directory / row["record"]).read_text())["machine"]["node"]
        found.setdefault(node, set()).add(row["comparison_group"])
    return found


def test_nodes_that_tie_are_pooled_and_the_page_says_so(tmp_path):
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0), "n2": (1.02, 0.98)}).write().summarise().draw("single_image")
    assert groups_by_node(run) == {"n1": {1}, "n2": {1}}
    text = shown(run.page("single_image"))
    assert "n1 14 1 1 the others are compared with it n2 13 1.02 \N{MULTIPLICATION SIGN} 95 % interval" in text
    assert " tie " in text[text.index("n2 13 1.02") :][:200]
    assert "kept apart, with" not in text
    assert "stand apart" not in text


def test_one_node_has_no_table_of_nodes(tmp_path):
    run = Run(tmp_path, **SMALL).write().summarise().draw("single_image")
    assert 'id="nodes"' not in run.page("single_image")


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ((1.3, 1.0), "The plain file takes 1.30"),
        ((1.0, 1.3), "The computation takes 1.30"),
        ((0.7, 1.0), "file takes 0.70"),
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
    assert said in text[text.index("n2 is kept apart") :][:400]
    assert text.count("differs, kept apart") == 1
    assert text.count(" node (n2) ") == 7
    assert "node (n1)" not in text


def test_what_disturbs_a_probe_once_does_not_make_a_node_differ(tmp_path):
    """Of the two computations around each job of n2, one took half as long again."""
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0), "n2": (1.0, 1.0)}).write()
    records = {path: json.loads(path.read_text()) for path in sorted(run.records.rglob("*.json"))}
    for number, record in enumerate(records.values()):
        if record["machine"]["node"] == "n2":
            record["noise"]["before" if number % 2 else "after"]["cpu_seconds"] *= 1.5
    assert nodes.compare(records)[1].verdict == nodes.TIE


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


def test_without_cells_in_common_the_computation_alone_decides(tmp_path):
    """As where all cells of a number of images are timed in one job, on one node."""
    run = Run(tmp_path, **SMALL).write()
    for where in product(run.backends, (100,), run.operations):
        machine = json.loads(run.record_path(*where).read_text())["machine"]
        run.change(where, machine={**machine, "node": "n2"})
    run.summarise().draw("single_image")
    assert groups_by_node(run) == {"node-1": {1}, "n2": {1}}
    text = shown(run.page("single_image"))
    assert "n2 9 too few 1.00" in text
    assert nodes.TIE_ALONE in text


def test_plain_files_of_other_code_or_file_systems_are_not_compared(tmp_path):
    """All that n2 took is slow, but on another file system, or by other code: that says nothing of the node."""
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0), "n2": (2.0, 1.0)}).write()
    records = {path: json.loads(path.read_text()) for path in sorted(run.records.rglob("*.json"))}
    assert [node.verdict for node in nodes.compare(records)[1:]] == [nodes.DIFFERS]
    for changes in ({"file_system": NFS}, {"measuring_digest": "other"}):
        changed = {
            path: {**record, **changes} if record["machine"]["node"] == "n2" else record
            for path, record in records.items()
        }
        assert nodes.compare(changed)[1].baseline is None


def simulated(chance: np.random.Generator, plain: float = 1.0, computation: float = 1.0) -> dict[Path, dict]:
    """192 records of two nodes as noisy as measured; on n2 the plain file and a computation take so much longer."""
    found, stretches = {}, {}
    for number, (operation, cutoff, backend) in enumerate(product(OPERATIONS, CUTOFFS, "abcd")):
        node = f"n{chance.integers(1, 3)}"
        slower = (plain, computation) if node == "n2" else (1.0, 1.0)
        moods = np.exp(MOOD * chance.standard_normal(10)) * noise(chance, 0.04, 10)
        mood = stretches.setdefault((node, number // STRETCH), np.exp(STRETCHES_DIFFER * chance.standard_normal()))
        seconds = slower[0] * measured_drift(chance)[1] * float(np.median(moods))
        before, after = (slower[1] * mood * noise(chance, PROBES_DIFFER, 2)).tolist()
        sample = {"subject": "baseline", "state_verified": True, "processes": 1, "start_method": None}
        found[Path(f"{number}.json")] = {
            "cell": {"machine": "m", "backend": backend, "cutoff": cutoff, "operation": operation},
            "backend": {"digest": backend, "options": {}, "versions": {}},
            **{"image_set": {"digest": "images"}, "measuring_digest": "code", "process": {"threads": 1}},
            **{"settings": {}, "eviction": None, "machine": {"node": node}, "file_system": NFS},
            "noise": {"before": {"cpu_seconds": before}, "after": {"cpu_seconds": after}},
            "samples": [{**sample, "seconds": seconds}],
        }
    return found


def rate(**planted: float) -> dict[str, int]:
    """Of 100 pairs of nodes, how many are told apart by the plain file, by the computation, and by either."""
    chance = np.random.default_rng(4)
    counts = {"baseline": 0, "computation": 0, "either": 0}
    for _ in range(100):
        (_, node) = nodes.compare(simulated(chance, **planted))
        counts["baseline"] += not node.baseline.tie
        counts["computation"] += not node.computation.tie
        counts["either"] += node.verdict == nodes.DIFFERS
    return counts


def test_equal_nodes_are_hardly_ever_told_apart():
    assert rate()["either"] <= 3


def test_a_node_that_takes_20_per_cent_longer_is_found():
    assert rate(plain=1.2)["baseline"] >= 90
    assert rate(computation=1.2)["computation"] >= 98
