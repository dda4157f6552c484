"""Runs on a real Slurm of two nodes: few jobs, timings alone, faults that lose nothing, results that stand apart."""

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT, Workflow, copy_checkout

from tests.slurm import Cluster, Job, cluster_or_skip

PROFILE = ("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1")
SUMMARY = "results/summary.csv"
FIRST, SECOND = "hdf5/30/write", "hdf5/30/read-warm"


@dataclass
class OnCluster(Workflow):
    """A checkout whose Snakemake is started on the login node, with the profile."""

    cluster: Cluster
    first_job: int = 0

    def start(self, *arguments: str, prefix: Sequence[str] = (), **options: Any) -> subprocess.Popen[str]:
        return super().start(*PROFILE, *arguments, prefix=[*self.cluster.prefix, *prefix], **options)

    def record(self, cell: str) -> Path:
        """The file of a cell's record."""
        return self.directory / "results/records/cluster-ext4" / f"{cell}.json"

    def records(self) -> list[dict]:
        """The records of this run's machine, in the order they were begun."""
        found = self.directory.glob("results/records/cluster-*/*/*/*.json")
        return sorted((json.loads(path.read_text()) for path in found), key=lambda record: record["started"])

    def jobs(self) -> list[Job]:
        """The jobs of this checkout, in the order they were submitted."""
        return sorted((job for job in self.cluster.jobs().values() if job.id > self.first_job), key=lambda job: job.id)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with cluster_or_skip() as cluster:
        yield cluster


def on(cluster: Cluster, directory: Path) -> OnCluster:
    return OnCluster(directory, cluster, max(cluster.jobs(), default=0))


@pytest.fixture
def workflow(cluster: Cluster, disk: Path) -> OnCluster:
    """A checkout on the login node in which nothing has run yet."""
    return on(cluster, copy_checkout(disk / "checkout").directory)


@pytest.fixture(scope="module")
def built_once(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout with built stores and two cells to time, in one job, of a few seconds each."""
    directory = CHECKOUT / "results" / f".test-built-{tmp_path_factory.mktemp('built').name}"
    workflow = on(cluster, copy_checkout(directory).directory)
    workflow.configure(backends=["hdf5"], cutoffs=[30], budget_seconds=2, minimum_samples=10)
    workflow.finish("results/stores/hdf5/30/manifest.json")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def built(cluster: Cluster, built_once: Path, disk: Path) -> OnCluster:
    """A copy of that checkout, free to be changed."""
    shutil.copytree(built_once, disk / "checkout", symlinks=True)
    return on(cluster, disk / "checkout")


def assert_alone(spans: list[tuple[Any, Any]]) -> None:
    """See that of (start, end) each began after the one before it had ended."""
    assert len(spans) > 1
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(sorted(spans)))


def assert_whole(workflow: OnCluster) -> None:
    """Every record is there and readable, and no temporary neighbour is left."""
    assert len(workflow.records()) == 2
    assert (workflow.directory / SUMMARY).is_file()
    hidden = [path for path in (workflow.directory / "results").rglob(".*") if path.name != ".snakemake_timestamp"]
    assert hidden == []


def test_a_run_is_a_few_jobs_whose_timings_are_alone(workflow: OnCluster) -> None:
    workflow.finish(SUMMARY)
    records, jobs = workflow.records(), workflow.jobs()
    assert len(records) == 8
    assert {record["status"] for record in records} == {"measured"}
    assert {record["machine"]["node"] for record in records} <= {"n1", "n2"}
    # A job for the stores of each cutoff, and one for its cells; all else ran on the login node.
    groups = [f"rule_{kind}_{cutoff}_{rule}" for kind, rule in KINDS for cutoff in (1, 30)]
    assert sorted(job.comment for job in jobs) == sorted(groups)
    assert {(job.state, job.cpus if "build" in job.comment else 2) for job in jobs} == {("COMPLETED", 2)}
    assert {job.exclusive for job in jobs if "time_operation" in job.comment} == {True}
    assert_alone([(record["started"], record["ended"]) for record in records])
    assert_alone([(job.start, job.end) for job in jobs])
    assert workflow.planned(SUMMARY) == set()
    workflow.edit("scripts/backends/hdf5.py")
    redone = workflow.planned(SUMMARY) - {("summarise",)}
    assert {job[1] for job in redone} == {"hdf5"}
    assert len(redone) == 6


KINDS = (("stores", "build"), ("timings", "time_operation"))


def test_a_job_that_is_cancelled_keeps_what_it_has_finished(built: OnCluster) -> None:
    process = built.start(SUMMARY)
    built.cluster.wait_for(built.record(FIRST).exists, "the first record", 120)
    job = built.jobs()[-1]
    built.cluster.cancel(job.id)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert f"group_timings_30_time_operation/{job.id}.log" in output
    assert "CANCELLED" in output
    finished = built.record(FIRST).read_bytes()
    assert not built.record(SECOND).exists()
    built.finish(SUMMARY)
    assert built.record(FIRST).read_bytes() == finished
    assert_whole(built)
    assert built.planned(SUMMARY) == set()


def test_a_job_that_is_out_of_time_says_so_and_leaves_nothing_half_made(built: OnCluster) -> None:
    built.configure(budget_seconds=31)
    process = built.start(SUMMARY)
    built.cluster.wait_for(lambda: list(built.directory.glob("results/stores/.timing/*")), "the timing", 120)
    job = built.jobs()[-1]
    built.cluster.expire(job.id)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert f"group_timings_30_time_operation/{job.id}.log" in output
    assert re.search("(?i)time limit", output)
    hidden = [path for path in (built.directory / "results").rglob(".*") if path.name != ".snakemake_timestamp"]
    assert hidden == []
    assert len(built.records()) < 2


def test_a_stale_record_never_passes_for_a_new_one(built: OnCluster) -> None:
    """Of a job that fails, what it hasn't got to must be made by the next run, though an older one was there."""
    built.finish(SUMMARY)
    before = {cell: built.record(cell).read_bytes() for cell in (FIRST, SECOND)}
    built.configure(minimum_samples=9)
    process = built.start(SUMMARY)
    built.cluster.wait_for(
        lambda: built.record(FIRST).exists() and built.jobs()[-1].state == "RUNNING", "a record", 120
    )
    built.cluster.cancel(built.jobs()[-1].id)
    process.communicate(timeout=120)
    assert not built.record(SECOND).exists()
    assert built.record(FIRST).read_bytes() != before[FIRST]


def test_a_job_that_takes_too_much_memory_says_so(built: OnCluster) -> None:
    done = built.run("--set-resources", "time_operation:mem_mb=60", "--", SUMMARY)
    assert done.returncode != 0
    job = built.jobs()[-1]
    log = built.directory / f".snakemake/slurm_logs/group_timings_30_time_operation/{job.id}.log"
    assert str(log) in done.stdout
    assert "exceeded memory limit" in log.read_text()
    built.finish(SUMMARY)
    assert_whole(built)


def test_a_node_that_goes_down_is_made_up_for_by_another(built: OnCluster) -> None:
    process = built.start(SUMMARY)
    built.cluster.wait_for(built.record(FIRST).exists, "the first record", 120)
    node = built.jobs()[-1].node
    built.cluster.kill_node(node)
    try:
        output, _ = process.communicate(timeout=180)
    finally:
        built.cluster.restore_node(node)
    assert process.returncode == 0, output
    assert_whole(built)
    assert {record["machine"]["node"] for record in built.records()} == {"n1", "n2"} - {node}


def test_jobs_of_a_killed_snakemake_end_undisturbed_and_count(built: OnCluster) -> None:
    process = built.start(SUMMARY)
    built.cluster.wait_for(lambda: list(built.directory.glob("results/stores/.timing/*")), "the timing", 120)
    built.cluster.run(["pkill", "-KILL", "-f", "--", "--workflow-profile profiles/slurm"])
    process.wait()
    job = built.jobs()[-1]
    assert "--unlock" in built.run(SUMMARY).stdout
    built.finish("--unlock")
    beside = built.run(SUMMARY)
    assert beside.returncode != 0
    assert f"scancel {job.id}" in beside.stdout
    assert built.cluster.job_ended(job.id).state == "COMPLETED"
    kept = {cell: built.record(cell).read_bytes() for cell in (FIRST, SECOND)}
    built.finish(SUMMARY)
    assert {cell: built.record(cell).read_bytes() for cell in kept} == kept
    assert built.jobs()[-1].id == job.id
    assert_whole(built)


def test_without_a_limit_for_the_shared_file_system_nothing_starts(built: OnCluster) -> None:
    done = built.run("--resources", "mem_mb=1000", "--", SUMMARY)
    assert done.returncode != 0
    assert "--resources file_system=1 node=1" in done.stdout
    assert built.jobs() == []


def test_a_copy_on_the_nodes_own_scratch_is_timed_on_both_at_once(workflow: OnCluster) -> None:
    scratch = workflow.cluster.private / "scratch"
    workflow.configure(scratch_dir=f"{workflow.cluster.private}/$NAME_OF_SCRATCH", budget_seconds=1, backends=["hdf5"])
    missing = workflow.run(SUMMARY)
    assert missing.returncode != 0
    assert "not every variable in it is set on node" in missing.stdout
    workflow.configure(scratch_dir=str(scratch))
    workflow.finish(SUMMARY)
    records = workflow.records()
    assert {record["cell"]["machine"] for record in records} == {"cluster-scratch"}
    assert {record["file_system"]["mount_point"] for record in records} == {str(workflow.cluster.private)}
    assert {record["store"]["copied"] for record in records} == {True, False}
    assert {record["machine"]["node"] for record in records} == {"n1", "n2"}
    one, other = [job for job in workflow.jobs() if job.state == "COMPLETED" and "time_operation" in job.comment]
    assert one.overlaps(other)
    for node in ("n1", "n2"):
        assert list((workflow.cluster.directory / "nodes" / node / "scratch").iterdir()) == []


def test_the_commands_of_the_readme_end_in_a_page_beside_a_local_run(workflow: OnCluster) -> None:
    section = re.search(r"(?ms)^## Run on a cluster$(.*?)^## ", (CHECKOUT / "README.md").read_text())[1]
    commands = re.findall(r"(?m)^    (\S.*)$", section)
    assert len(commands) == 5
    shutil.copytree(CHECKOUT / "requirements", workflow.directory / "requirements")
    workflow.configure(backends=["hdf5"], cutoffs=[1])
    Workflow(workflow.directory).finish(SUMMARY)
    local = {path: path.read_bytes() for path in workflow.directory.glob("results/records/*/hdf5/1/*.json")}
    for command in commands:
        done = workflow.cluster.run(["bash", "-c", command], cwd=workflow.directory, env=workflow.environment)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert "Nothing to be done" in done.stdout + done.stderr
    assert (workflow.directory / "results/quick/report.html").is_file()
    assert len(workflow.records()) == len(local) == 2
    assert {path: path.read_bytes() for path in local} == local
    page = (workflow.directory / "results/report.html").read_text()
    assert 'id="machines"' in page
    assert next(iter(local)).parts[-4] in page
    assert "cluster-ext4" in page
