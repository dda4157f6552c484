"""What disturbs a job is judged by what is typical of its node, and by who else was on its file system."""

import json

import pytest

from scripts.common.cells import Store
from scripts.report import wording
from scripts.report.records import disturbances
from scripts.report.records.reading import read
from tests.support.page import shown
from tests.support.report_run import EXT4, NFS, Run

SMALL = {"cutoffs": (1, 10, 100), "operations": ("write", "read-warm")}
FILES = {Store("png", "32x32", 10): 11, Store("hdf5", "32x32", 10): 2}


def judged(run: Run) -> dict[str, str]:
    """What is said of each disturbed record, by its place."""
    records = {path: read(path) for path in sorted(run.records.rglob("*.json"))}
    found = disturbances.judge(records, FILES)
    return {str(path.relative_to(run.records)): "; ".join(said) for path, said in found.items()}


def test_probes_are_judged_by_what_is_typical_of_their_node(tmp_path):
    """A node that takes twice as long for a computation isn't disturbed by that; one that suddenly does is."""
    run = Run(tmp_path, **SMALL, nodes={"n1": (1.0, 1.0), "n2": (1.0, 1.0), "n3": (1.0, 0.4)}).write()
    assert judged(run) == {}
    noise = json.loads(run.record_path("hdf5", 10, "write").read_text())["noise"]
    noise["before"]["cpu_seconds"] *= 2
    run.change(("hdf5", 10, "write"), noise=noise)
    assert list(judged(run)) == ["hdf5/32x32/10/write.json"]
    assert "a fixed computation took 2.00" in judged(run)["hdf5/32x32/10/write.json"]


@pytest.mark.parametrize(
    ("backend", "operation", "seconds", "marked"),
    [
        ("png", "write", 0.01, True),
        ("png", "write", 1, False),
        ("png", "read-warm", 0.01, False),
        ("hdf5", "write", 0.01, False),
        ("hdf5", "write", 0.001, True),
    ],
)
def test_slow_creation_of_files_disturbs_writes_to_which_it_is_much(tmp_path, backend, operation, seconds, marked):
    """Creating a file takes 100 microseconds more than usual, for eleven files a tenth of 10 ms, for two 2 %."""
    run = Run(tmp_path, **SMALL).write()
    record = json.loads(run.record_path(backend, 10, operation).read_text())
    record["noise"]["before"]["file_seconds"] += 1e-4
    samples = [{**sample, "seconds": seconds} for sample in record["samples"]]
    run.change((backend, 10, operation), noise=record["noise"], samples=samples)
    slow = f"creating files took {wording.times(5)} as long as usual before it"
    expected = {f"{backend}/32x32/10/{operation}.json": slow}
    assert judged(run) == (expected if marked else {})


def test_the_stolen_share_is_that_of_the_cores_that_the_job_may_run_on(tmp_path):
    """0.6 s in 4 s: a lot of two cores, and little of 16, on which it may run; other cores of the node don't count."""
    run = Run(tmp_path, **SMALL).write()
    where = ("hdf5", 10, "write")
    record = json.loads(run.record_path(*where).read_text())
    noise = {**record["noise"], "stolen_seconds": 0.6}
    run.change(where, machine={**record["machine"], "cores": 16, "node_cores": 64}, noise=noise)
    assert judged(run) == {}
    run.change(where, machine={**record["machine"], "cores": 2, "node_cores": 64}, noise=noise)
    assert judged(run) == {"hdf5/32x32/10/write.json": "a hypervisor took 8 % of the cores' time"}


def test_a_limit_of_cpu_time_that_made_a_timing_wait_is_a_disturbance(tmp_path):
    run = Run(tmp_path, **SMALL).write()
    where = ("hdf5", 10, "write")
    record = json.loads(run.record_path(*where).read_text())
    noise = {**record["noise"], "limit_waits": 0, "limit_wait_seconds": 0.0}
    run.change(where, machine={**record["machine"], "cpu_limit": 0.5}, noise=noise)
    assert judged(run) == {}
    run.change(where, noise={**noise, "limit_waits": 42, "limit_wait_seconds": 2.1})
    assert judged(run) == {"hdf5/32x32/10/write.json": "the limit of 0.5 CPUs made it wait 42 times, 2.10 s in all"}


def at_once(tmp_path, file_system: dict, other: dict, node: str) -> Run:
    """A run in which two cells were timed at the same moment, the second on this node and file system."""
    run = Run(tmp_path, **SMALL, file_system=file_system).write()
    first = json.loads(run.record_path("png", 10, "write").read_text())
    times = {name: first[name] for name in ("started", "ended")} | {"clock": {**first["clock"], "boot": f"of {node}"}}
    run.change(("lmdb", 100, "read-warm"), machine={**first["machine"], "node": node}, file_system=other, **times)
    return run


def test_a_timing_on_the_same_network_file_system_disturbs_both(tmp_path):
    run = at_once(tmp_path, NFS, NFS, "n2")
    found = judged(run)
    assert found == {
        "png/32x32/10/write.json": "n2 timed something on the same file system meanwhile",
        "lmdb/32x32/100/read-warm.json": "node-1 timed something on the same file system meanwhile",
    }
    text = shown(run.summarise().draw("single_image").page("single_image"))
    assert "2 of 18 cells were disturbed" in text
    assert "n2 timed something on the same file system meanwhile" in text


def test_a_timing_in_another_container_of_the_host_disturbs_both(tmp_path):
    run = at_once(tmp_path, EXT4, EXT4, "container-2")
    run.change_clock(("lmdb", 100, "read-warm"), boot="boot-1")
    assert judged(run) == {
        "png/32x32/10/write.json": "container-2 timed something on the same host meanwhile",
        "lmdb/32x32/100/read-warm.json": "node-1 timed something on the same host meanwhile",
    }


def test_a_machine_that_slept_is_a_disturbance(tmp_path):
    run = Run(tmp_path, **SMALL).write()
    run.change_clock(("png", 10, "write"), asleep_seconds=7.5)
    assert judged(run) == {"png/32x32/10/write.json": "the machine slept for 7.5 s"}


@pytest.mark.parametrize(("file_system", "other"), [(EXT4, EXT4), (NFS, {**NFS, "mount_point": "/other"}), (NFS, EXT4)])
def test_a_timing_on_another_file_system_or_a_local_one_does_not(tmp_path, file_system, other):
    assert judged(at_once(tmp_path, file_system, other, "n2")) == {}
