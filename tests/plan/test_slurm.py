"""The cluster that tests run on is a real one: two nodes, faults, and nothing left of it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import slurm
from tests.support.slurm import NODES, Cluster, cluster_or_skip


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with cluster_or_skip() as cluster:
        yield cluster


def log(cluster: Cluster, number: int) -> str:
    return (cluster.directory / f"job-{number}.log").read_text()


def processes(directory: Path) -> dict[int, str]:
    """Return the number and name of every process of this host that sees the mounts of the cluster in `directory`."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f" {directory}/private " in (process / "mountinfo").read_text():
                found[int(process.name)] = (process / "comm").read_text().strip()
        except OSError:  # it has just ended
            continue
    return found


def test_the_nodes_run_jobs_at_once_and_share_all_but_their_private_directory(cluster):
    shared = cluster.directory / "shared"
    shared.mkdir()
    script = f"""hostname >>{cluster.private}/name; echo >{shared}/$(hostname)
        until [ -e {shared}/n1 ] && [ -e {shared}/n2 ]; do sleep 0.1; done
        cat {cluster.private}/name; echo $IMAGE_STORAGE_BENCHMARK_LOCK"""
    numbers = {name: cluster.submit(script, f"--nodelist={name}", "--comment=a = b") for name in NODES}
    for name, number in numbers.items():
        job = cluster.job_ended(number)
        assert (job.state, job.node, job.comment) == ("COMPLETED", name, "a = b")
        assert log(cluster, number).split() == [name, f"{cluster.private}/lock"]
    done = cluster.run(["bash", "-c", f"hostname; pwd; ls {cluster.private}"], cwd=shared)
    assert done.stdout.split() == ["login", str(shared)]


def test_an_exclusive_job_has_the_node_to_itself(cluster):
    options = ["--nodelist=n1", "--mem=100"]
    numbers = [cluster.submit("sleep 3", *options, *more) for more in (["--exclusive"], [], [])]
    alone, first, second = map(cluster.job_ended, numbers)
    assert (alone.exclusive, first.exclusive) == (True, False)
    assert first.overlaps(second)
    assert not alone.overlaps(first)
    assert not alone.overlaps(second)


def test_a_node_that_goes_down_takes_its_jobs_along_and_comes_back(cluster):
    ticks = cluster.directory / "ticks"
    options = ("--nodelist=n1", "--mem=100")
    lost = cluster.submit(f"while sleep 0.1; do echo >>{ticks}; done", "--no-requeue", *options)
    again = cluster.submit("sleep 300", "--requeue", *options)
    cluster.wait_for(ticks.exists, "the job to work")
    cluster.job_started(again)
    cluster.kill_node("n1")
    size = ticks.stat().st_size
    assert cluster.job_ended(lost).state == "NODE_FAIL"
    assert cluster.jobs()[again].state == "PENDING"
    assert cluster.nodes()["n1"].startswith("down")
    cluster.restore_node("n1")
    cluster.job_started(again)
    cluster.cancel(again)
    assert cluster.job_ended(again).state == "CANCELLED"
    assert ticks.stat().st_size == size


def test_signals_reach_a_command_on_the_login_node_and_its_exit_status_comes_back(cluster):
    program = "import time\ntry:\n print('ready', flush=True); time.sleep(60)\nexcept KeyboardInterrupt:\n exit(7)"
    process = cluster.start([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    cluster.signal(process, signal.SIGINT)
    assert process.wait(timeout=60) == 7


def test_a_second_cluster_stands_apart_and_nothing_is_left_of_it(cluster, tmp_path):
    etc = sorted(Path("/etc/slurm").rglob("*"))
    with Cluster(tmp_path) as other:
        assert other.submit("sleep 300") == 1  # the first of this cluster
        other.start(["sleep", "300"])
        expected = {"munged", "slurmctld", "slurmd", "slurmstepd", "sleep"}
        other.wait_for(lambda: expected <= set(processes(other.directory).values()), "all kinds of processes")
        assert sorted(Path("/etc/slurm").rglob("*")) == etc
    assert processes(other.directory) == {}
    assert not other.directory.exists()
    assert set(cluster.nodes()) == set(NODES)


def test_a_cluster_ends_with_the_process_that_started_it(cluster, tmp_path):
    program = f"""import pathlib, time; from tests.support.slurm import Cluster
with Cluster(pathlib.Path({str(tmp_path)!r})) as cluster:
    cluster.job_started(cluster.submit("sleep 300"))
    print(cluster.directory, flush=True)
    time.sleep(300)"""
    root = Path(__file__).resolve().parent.parent.parent
    process = subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        directory = Path(process.stdout.readline().strip())
        cluster.wait_for(lambda: "slurmstepd" in processes(directory).values(), "the job's process")
    finally:
        process.kill()
        process.communicate()
    cluster.wait_for(lambda: not processes(directory), "the processes to end")


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_slurm_tests_are_skipped_with_the_remedy_but_not_in_ci(monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(slurm, "SBIN", "/nowhere")
    with pytest.raises(outcome, match="apt-get install slurm-wlm munge"), cluster_or_skip():
        pass
