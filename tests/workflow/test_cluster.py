"""Runs on a real Slurm of two nodes: few jobs, timings alone, faults that lose nothing, results that stand apart."""

import csv
import itertools
import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.drawn_files import drawn, name_of
from tests.support.on_cluster import OnCluster, on
from tests.support.slurm import PATIENCE, Cluster, cluster_or_skip
from tests.support.workflow import Workflow, copy_checkout

SUMMARY = "results/summary.csv"
AT_WORK = "results/stores/.timing-*/*"
FIRST, SECOND = "hdf5/32x32/30/write", "hdf5/32x32/30/read-warm"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with cluster_or_skip() as cluster:
        yield cluster


@pytest.fixture
def workflow(cluster: Cluster, disk: Path) -> OnCluster:
    """A checkout on the login node in which nothing has run yet."""
    return on(cluster, copy_checkout(disk / "checkout").directory)


@pytest.fixture(scope="module")
def timed_once(cluster: Cluster) -> Iterator[Path]:
    """A checkout with two cells, of one job and a few seconds each, that were timed; shared, so not to be changed."""
    with tempfile.TemporaryDirectory(prefix=".test-", dir=CHECKOUT / "results") as directory:
        workflow = on(cluster, copy_checkout(Path(directory) / "checkout").directory)
        workflow.configure(backends=["hdf5"], cutoffs=[30], budget_seconds=2, minimum_samples=10)
        workflow.finish(SUMMARY)
        yield workflow.directory


@pytest.fixture
def outdated(cluster: Cluster, timed_once: Path, disk: Path) -> OnCluster:
    """A copy of that checkout in which a setting was changed: the records that are there are to be made anew."""
    shutil.copytree(timed_once, disk / "checkout", symlinks=True)
    workflow = on(cluster, disk / "checkout")
    workflow.configure(minimum_samples=9)
    return workflow


def assert_alone(spans: list[tuple[Any, Any]]) -> None:
    """See that of (start, end) each began after the one before it had ended."""
    assert len(spans) > 1
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(sorted(spans)))


def hidden(workflow: OnCluster) -> list[Path]:
    """What a step makes under another name before it's whole, or that is to be removed at the end of a run."""
    return [path for path in (workflow.directory / "results").rglob(".*") if path.name != ".snakemake_timestamp"]


def assert_whole(workflow: OnCluster) -> None:
    """Every record is there and readable, and no temporary neighbour is left."""
    assert len(workflow.records()) == 2
    assert (workflow.directory / SUMMARY).is_file()
    assert hidden(workflow) == []


def test_the_documented_commands_are_few_jobs_that_are_alone_and_end_in_a_page(workflow: OnCluster) -> None:
    commands = re.findall(r"(?m)^    (\S.*)$", (CHECKOUT / "docs/cluster.md").read_text())
    assert len(commands) == 5
    workflow.take_few_synthetic_images()
    Workflow(workflow.directory).finish("--config", "cutoffs=[1]", "--", SUMMARY)
    local = {path: path.read_bytes() for path in workflow.directory.glob("results/records/*/*/*/1/*.json")}
    for command in commands:
        done = workflow.cluster.run(["bash", "-c", command], cwd=workflow.directory, env=workflow.environment)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert "Nothing to be done" in done.stdout + done.stderr
    assert (workflow.directory / "results/quick/report.html").is_file()

    records, jobs = workflow.records(), workflow.jobs()
    assert len(records) == 8
    assert {record["status"] for record in records} == {"measured"}
    assert {record["machine"]["node"] for record in records} <= {"n1", "n2"}
    # A job for the stores of each cutoff that the local run hasn't built, and one for its cells, in each of two runs.
    timings = [f"rule_timings_{cutoff}_time_operation" for cutoff in (1, 30)]
    assert sorted(job.comment for job in jobs) == sorted(["rule_stores_30_build", *timings, *timings])
    assert {(job.state, job.cpus) for job in jobs} == {("COMPLETED", 2)}
    assert {job.exclusive for job in jobs if job.comment in timings} == {True}
    assert_alone([(record["started"], record["ended"]) for record in records])
    assert_alone([(job.start, job.end) for job in jobs])

    assert len(local) == 4
    assert {path: path.read_bytes() for path in local} == local
    page = (workflow.directory / "results/report.html").read_text()
    assert 'id="machines"' in page
    assert next(iter(local)).parts[-5] in page
    assert "cluster-ext4" in page


def test_a_job_that_is_cancelled_keeps_what_it_has_finished_and_nothing_old(outdated: OnCluster) -> None:
    process = outdated.start(SUMMARY)
    outdated.cluster.wait_for(lambda: outdated.new(FIRST), "the first record")
    job = outdated.jobs()[-1]
    outdated.cluster.cancel(job.id)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert f"group_timings_30_time_operation/{job.id}.log" in output
    assert "CANCELLED" in output
    finished = outdated.record(FIRST).read_bytes()
    assert not outdated.record(SECOND).exists()
    outdated.finish(SUMMARY)
    assert outdated.record(FIRST).read_bytes() == finished
    assert outdated.new(SECOND)
    assert_whole(outdated)
    assert outdated.planned(SUMMARY) == set()


def test_a_job_that_is_out_of_time_says_so_and_leaves_nothing_half_made(outdated: OnCluster) -> None:
    outdated.configure(budget_seconds=40)  # as Slurm looks every 30 s
    process = outdated.start(SUMMARY)
    outdated.cluster.wait_for(lambda: list(outdated.directory.glob(AT_WORK)), "the timing")
    job = outdated.jobs()[-1]
    outdated.cluster.expire(job.id)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert f"group_timings_30_time_operation/{job.id}.log" in output
    assert re.search("(?i)time limit", output)
    assert outdated.records() == []
    assert hidden(outdated) == []


def test_a_job_that_takes_too_much_memory_says_so(outdated: OnCluster) -> None:
    done = outdated.run("--set-resources", "time_operation:mem_mb=60", "--", SUMMARY)
    assert done.returncode != 0
    job = outdated.jobs()[-1]
    log = outdated.directory / f".snakemake/slurm_logs/group_timings_30_time_operation/{job.id}.log"
    assert str(log) in done.stdout
    assert "exceeded memory limit" in log.read_text()
    outdated.finish(SUMMARY)
    assert_whole(outdated)


def test_a_node_that_goes_down_is_made_up_for_by_another(outdated: OnCluster) -> None:
    process = outdated.start(SUMMARY)
    outdated.cluster.wait_for(lambda: outdated.new(FIRST), "the first record")
    node = outdated.jobs()[-1].node
    outdated.cluster.kill_node(node)
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        outdated.cluster.restore_node(node)
    assert process.returncode == 0, output
    assert_whole(outdated)
    assert {record["machine"]["node"] for record in outdated.records()} == {"n1", "n2"} - {node}


def test_after_an_interrupt_no_job_goes_on_and_what_was_finished_counts(outdated: OnCluster) -> None:
    process = outdated.start(SUMMARY)
    outdated.cluster.wait_for(lambda: outdated.new(FIRST), "the first record")
    outdated.cluster.signal(process, signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert outdated.cluster.job_ended(outdated.jobs()[-1].id).state == "CANCELLED"
    finished = outdated.record(FIRST).read_bytes()
    outdated.finish(SUMMARY)
    assert outdated.record(FIRST).read_bytes() == finished
    assert_whole(outdated)
    outdated.configure(minimum_samples=8)
    assert ("time_operation", "hdf5", "30", "write") in outdated.planned(SUMMARY)


def test_jobs_of_a_killed_snakemake_end_undisturbed_and_count(outdated: OnCluster) -> None:
    """Those of a cell that had an older record, and of one that had none."""
    cells = (SECOND, "hdf5/32x32/30/random-warm")
    outdated.configure(operations=["read-warm", "random-warm"], budget_seconds=0.1)
    with outdated.cluster.timings_held():
        process = outdated.start(SUMMARY)
        outdated.cluster.wait_for(outdated.jobs, "the job")
        (job,) = outdated.jobs()
        outdated.cluster.job_started(job.id)
        outdated.cluster.run(["pkill", "-KILL", "-f", "--", "--workflow-profile profiles/slurm"])
        process.wait()
        assert "--unlock" in outdated.run(SUMMARY).stdout
        outdated.finish("--unlock")
        beside = outdated.run(SUMMARY)
    assert beside.returncode != 0
    assert f"scancel {job.id}" in beside.stdout
    assert outdated.cluster.job_ended(job.id).state == "COMPLETED"
    assert outdated.new(SECOND)
    kept = [outdated.record(cell).read_bytes() for cell in cells]
    outdated.finish(SUMMARY)
    assert [outdated.record(cell).read_bytes() for cell in cells] == kept
    assert outdated.jobs()[-1].id == job.id
    assert (outdated.directory / SUMMARY).is_file()
    assert hidden(outdated) == []
    outdated.configure(minimum_samples=8)
    timings = {("time_operation", "hdf5", "30", operation) for operation in ("read-warm", "random-warm")}
    assert outdated.planned(SUMMARY) == {("summarise",), *timings}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--resources", "file_system_users=1"), "the resource at_a_time has no limit"),
        (("--resources", "at_a_time=1"), "--resources file_system_users=1 at_a_time=1"),
        (("--set-resources", "time_operation:slurm_extra='--nice=5'"), "lacks --exclusive"),
    ],
)
def test_without_what_keeps_timings_alone_nothing_starts(
    outdated: OnCluster, options: tuple[str, ...], said: str
) -> None:
    done = outdated.run(*options, "--", SUMMARY)
    assert done.returncode != 0
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert outdated.jobs() == []


def test_a_copy_on_the_nodes_own_scratch_is_timed_on_both_at_once(workflow: OnCluster) -> None:
    """And as the nodes have kernels of different versions, their records are kept apart."""
    scratch = workflow.cluster.private / "scratch"
    workflow.configure(budget_seconds=1, backends=["hdf5"])
    # Only where Snakemake is started is the archive there, and the variable is set nowhere.
    archive = workflow.cluster.directory / "nodes/login/archive.tar.gz"
    os.rename(workflow.directory / "archive.tar.gz", archive)
    workflow.configure(images=str(workflow.cluster.private / archive.name))
    missing = workflow.run(SUMMARY, "--config", f"scratch_dir={workflow.cluster.private}/$NAME_OF_SCRATCH")
    assert missing.returncode != 0
    assert "not every variable in it is set on node" in missing.stdout
    workflow.configure(scratch_dir=str(scratch))
    workflow.cluster.kill_node("n2")
    workflow.cluster.restore_node("n2", before=("setarch", "--uname-2.6"))
    try:
        workflow.finish(SUMMARY)
    finally:
        workflow.cluster.kill_node("n2")
        workflow.cluster.restore_node("n2")
    records = workflow.records()
    assert {record["cell"]["machine"] for record in records} == {"cluster-scratch"}
    assert {record["file_system"]["mount_point"] for record in records} == {str(workflow.cluster.private)}
    assert {record["store"]["copied"] for record in records} == {True, False}
    assert {record["machine"]["node"] for record in records} == {"n1", "n2"}
    one, other = [job for job in workflow.jobs() if job.state == "COMPLETED" and "time_operation" in job.comment]
    assert one.overlaps(other)
    for node in ("n1", "n2"):
        assert list((workflow.cluster.directory / "nodes" / node / "scratch").iterdir()) == []
    with open(workflow.directory / SUMMARY, newline="") as file:
        group_of = {row["record"]: row["comparison_group"] for row in csv.DictReader(file)}
    records_of = {path: json.loads((workflow.directory / "results" / path).read_text()) for path in group_of}
    groups = {(group_of[path], record["machine"]["node"]) for path, record in records_of.items()}
    assert sorted(node for _, node in groups) == ["n1", "n2"]
    assert len({group for group, _ in groups}) == 2


def test_an_edit_redoes_its_own_cells_alone(timed_once: Path, outdated: OnCluster) -> None:
    """Though they are grouped."""
    outdated.configure(minimum_samples=10, backends=["hdf5", "lmdb"])
    assert {job[1] for job in outdated.planned(SUMMARY) - {("summarise",)}} == {"lmdb"}
    outdated.configure(backends=["hdf5"], operations=["write", "read-warm", "random-warm"])
    assert outdated.planned(SUMMARY) == {("summarise",), ("time_operation", "hdf5", "30", "random-warm")}


def test_touching_removes_nothing(outdated: OnCluster) -> None:
    before = outdated.record(FIRST).read_bytes()
    outdated.finish("--touch", SUMMARY)
    assert outdated.record(FIRST).read_bytes() == before
    assert outdated.jobs() == []


def test_images_that_are_not_known_yet_are_gathered_here_and_measured_on_nodes(workflow: OnCluster) -> None:
    folder = workflow.directory / "photographs"
    for number in range(6):
        path = folder / name_of(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(drawn(number, 60, 40))
    workflow.configure(images="photographs", backends=["files-original", "lmdb"], cutoffs=[4], operations=["read-warm"])
    workflow.finish(SUMMARY)
    records = workflow.records()
    assert {record["status"] for record in records} == {"measured"}
    assert {record["cell"]["backend"] for record in records} == {"files-original", "lmdb", "lmdb-original"}
    assert {record["machine"]["node"] for record in records} <= {"n1", "n2"}
    assert {job.comment for job in workflow.jobs()} == {"rule_stores_4_build", "rule_timings_4_time_operation"}

    (folder / name_of(6)).write_bytes(drawn(6, 60, 40))
    before = {record["started"] for record in records}
    workflow.finish(SUMMARY)
    assert not before & {record["started"] for record in workflow.records()}
