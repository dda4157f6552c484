"""Runs on a cluster as sites have them: with accounts, partitions, nodes of several kinds, and jobs soon forgotten."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.on_cluster import OnCluster, on
from tests.support.slurm import ACCOUNT, Cluster, cluster_or_skip
from tests.support.workflow import copy_checkout

SUMMARY = "results/summary.csv"
SKYLAKE = ("--default-resources", "constraint=skylake")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with cluster_or_skip(accounts=True) as cluster:
        yield cluster


@pytest.fixture
def workflow(cluster: Cluster, disk: Path) -> OnCluster:
    """A checkout on the login node in which nothing has run yet."""
    workflow = on(cluster, copy_checkout(disk / "checkout").directory)
    workflow.take_few_synthetic_images()
    workflow.configure(backends=["hdf5"], cutoffs=[30])
    return workflow


def set_in_profile(workflow: OnCluster, *changes: tuple[str, str]) -> None:
    """Replace patterns in the profile, each of which must be there."""
    path = workflow.directory / "profiles/slurm/config.yaml"
    text = path.read_text()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    path.write_text(text)


def test_a_site_gets_jobs_as_it_asks_for_them(workflow: OnCluster) -> None:
    """With the remarks of the profile taken as settings: every step is a job, on one kind of node, on an account."""
    remarks = (r"(?m)^#(?=default-resources:|set-resources:|  )", "")
    for_small_nodes = [("cpus_per_task: 16", "cpus_per_task: 2"), ("mem_mb: 8000", "mem_mb: 1234")]
    set_in_profile(workflow, remarks, *for_small_nodes, ("status-command: squeue", "status-command: sacct"))
    output = workflow.finish()
    assert set(re.findall(r"localrule (\w+)", output)) == {"all"}
    assert (workflow.directory / "results/report.html").is_file()
    columns = "JobID,Partition,Account,Constraints,NodeList,State,ReqMem,TimelimitRaw,Comment"
    asked = workflow.cluster.run(["sacct", "--allocations", "--noheader", "--parsable2", f"--format={columns}"])
    jobs = [line.split("|") for line in asked.stdout.splitlines()]
    assert {tuple(job[1:6]) for job in jobs} == {("compute", ACCOUNT, "skylake", "n2", "COMPLETED")}
    by_comment = {job[8]: job[6:8] for job in jobs}
    # Two cells in one job, of twenty minutes each.
    assert by_comment["rule_timings_30_time_operation"] == ["1234M", "40"]
    assert len(jobs) == len(by_comment) == 4
    assert {record["machine"]["node"] for record in workflow.records()} == {"n2"}


KINDS = "has nodes of several kinds (n1 with 2 CPUs and 4 GiB; n2 with 2 CPUs and 8 GiB)"
EXCLUDE = "--exclusive --exclude=n2"
LONG = ("--set-resources", "time_operation:runtime=31")


@pytest.mark.parametrize(
    ("options", "said", "remedy"),
    [
        ((), f"partition main {KINDS}", EXCLUDE),
        (("--set-resources", "time_operation:slurm_partition=compute"), f"partition compute {KINDS}", EXCLUDE),
        (SKYLAKE, "forgets a job 10 s after its end (MinJobAge)", "--slurm-status-command sacct"),
        ((*SKYLAKE, *LONG), "asks for 62 minutes, and partition main gives 60", "group-components"),
        (
            (*SKYLAKE, "slurm_account=theirs"),
            "--account=theirs --constraint=skylake (allocation failure",
            "correct that",
        ),
        ((*SKYLAKE, f"slurm_account='{ACCOUNT},theirs'"), "a job with --account=theirs", "correct that"),
        (("--default-resources", "constraint=skyleak"), "a job with --constraint=skyleak", "correct that"),
        ((*SKYLAKE, "slurm_partition=nowhere"), "a job with --partition=nowhere", "correct that"),
        # What else it is, is said last: these pass what comes before.
        ((*SKYLAKE, f"slurm_account={ACCOUNT}"), "MinJobAge", "sacct"),
        (("--set-resources", f"time_operation:slurm_extra='{EXCLUDE}'"), "MinJobAge", "sacct"),
    ],
)
def test_what_slurm_refuses_or_keeps_waiting_is_said_with_the_remedy(
    workflow: OnCluster, options: tuple[str, ...], said: str, remedy: str
) -> None:
    done = workflow.run(*options, "--", SUMMARY)
    assert done.returncode != 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert said in line
    assert remedy in line
    assert not workflow.records()
