"""A kill at any moment: nothing half-made is in a final place, and the next plain run finishes the work."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scripts import backends
from scripts.dataset.obtain import obtain
from scripts.stores.build import build_store
from scripts.stores.choice import Choice
from scripts.system import lock
from tests.support.archives import write_small_archive
from tests.support.backend_variants import NATIVE, RUNNABLE
from tests.support.checkout import CHECKOUT
from tests.support.host import mounted
from tests.support.image_sets import write_image_set
from tests.support.workflow import Workflow

pytestmark = pytest.mark.usefixtures("libraries")
CUTOFF = 500
TABLES = "results/summary.csv"
MOMENTS = {
    "gather": "results/dataset/*/source.json",
    "build": f"results/stores/png/32x32/.{CUTOFF}-*",
    "timing": "results/stores/.timing-*/*",
}


def in_turn(each_day: str, *nightly: str) -> list[Any]:
    """The moments, of which each day has one, and a nightly run the others, too."""
    return [each_day, *(pytest.param(moment, marks=pytest.mark.nightly) for moment in nightly)]


@pytest.fixture
def long_workflow(workflow: Workflow) -> Workflow:
    """A workflow whose builds and timings last long enough to be hit."""
    write_small_archive(workflow.directory / "archive.tar.gz", rows=CUTOFF // 2)
    workflow.configure(backends=["png"], cutoffs=[CUTOFF], operations=["write", "read-warm"])
    return workflow


def wait_for(workflow: Workflow, process: subprocess.Popen[str], moment: str) -> None:
    """Wait until the moment's file or directory is there."""
    while not list(workflow.directory.glob(MOMENTS[moment])):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)


def children_of(process: int) -> list[int]:
    """Return all processes below one, leaves last."""
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True).stdout.split()
    return [each for child in map(int, found) for each in (child, *children_of(child))]


def command_of(process: int) -> list[bytes]:
    """Return the command line of a process, empty where it's gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return []


def is_running(process: int) -> bool:
    """Say whether a process is there and does something yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def assert_whole(workflow: Workflow) -> None:
    """Every result is there and readable, and no temporary neighbour is left."""
    results = workflow.directory / "results"
    assert len(list(results.glob(f"records/*/png/32x32/{CUTOFF}/*.json"))) == 2
    for path in results.rglob("*.json"):
        json.loads(path.read_text())
    assert (results / "summary.csv").is_file()
    assert not [path for path in results.rglob(".*") if path.name != ".snakemake_timestamp"]


@pytest.mark.parametrize("moment", in_turn("build", "gather", "timing"))
def test_after_an_interrupt_the_next_run_finishes(long_workflow: Workflow, moment: str) -> None:
    process = long_workflow.start(TABLES)
    wait_for(long_workflow, process, moment)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    long_workflow.finish(TABLES)
    assert_whole(long_workflow)
    assert long_workflow.planned(TABLES) == set()


def test_after_an_interrupt_among_the_figures_the_next_run_finishes(finished: Workflow) -> None:
    before = finished.results()
    process = finished.start("--forcerun", "summarise")
    while "rule figure" not in process.stdout.readline():
        pass
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    finished.finish()
    assert finished.results() == before


@pytest.mark.parametrize("moment", in_turn("timing", "build"))
def test_after_a_killed_job_the_next_run_finishes(long_workflow: Workflow, moment: str) -> None:
    process = long_workflow.start(TABLES)
    wait_for(long_workflow, process, moment)
    step = {"build": b"build", "timing": b"time_operation"}[moment]
    os.kill(next(child for child in children_of(process.pid) if step in command_of(child)), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0
    long_workflow.finish(TABLES)
    assert_whole(long_workflow)


def test_a_killed_gather_keeps_no_timing_waiting(tmp_path: Path) -> None:
    """Nothing that it started outlives it, with the host's lock in its hands."""
    obtain("synthetic", tmp_path / "source.json", directory=tmp_path)
    command = [sys.executable, CHECKOUT / "scripts", "gather", "--source", tmp_path / "source.json"]
    command += ["--directory", tmp_path, "--bad-share", "0.01", "--most-bytes", "2000000000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("gathered/.32x32.npy*")):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.5)  # until it is at work with all its cores
    process.kill()
    process.wait()
    with open(os.environ[lock.ENVIRONMENT_VARIABLE]) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_after_a_kill_of_snakemake_its_own_message_asks_for_unlock(long_workflow: Workflow) -> None:
    process = long_workflow.start(TABLES)
    wait_for(long_workflow, process, "timing")
    process.kill()
    process.wait()
    blocked = long_workflow.run(TABLES)
    assert blocked.returncode != 0
    assert "--unlock" in blocked.stdout
    long_workflow.finish("--unlock")
    long_workflow.finish(TABLES)
    assert_whole(long_workflow)


def test_too_small_a_disk_is_one_line_before_anything_starts(
    workflow: Workflow, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    write_small_archive(workflow.directory / "archive.tar.gz", rows=1000)
    workflow.configure(cutoffs=[2000], store_dir=str(mounted(tmp_path / "small", request.addfinalizer)))
    done = workflow.run()
    assert done.returncode != 0
    assert "set store_dir to a larger disk" in done.stdout.splitlines()[-1]
    assert not list(workflow.directory.glob("results/records/*"))


@pytest.mark.parametrize("name", ["lmdb", *NATIVE])
def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """`test_full_disk` of backends has the same error from each of them."""
    if name not in RUNNABLE:
        pytest.skip("its library can't be built here")
    place = mounted(tmp_path / "small", request.addfinalizer)
    write_image_set(tmp_path / "dataset", 10)
    command = [sys.executable, CHECKOUT / "scripts", "build", "--name", name, "--module", name]
    command += ["--options", json.dumps(backends.resolve(name, {})), "--cutoff", "3000"]
    command += ["--image-set", tmp_path / "dataset", "--store", place / name / "3000"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error in build: No space left on device")
    assert "Traceback" not in done.stderr
    assert list((place / name).iterdir()) == []


def test_a_place_that_may_not_be_written_is_one_line(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = mounted(tmp_path / "small", request.addfinalizer)
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    write_image_set(tmp_path / "dataset", 10)
    command = [sys.executable, CHECKOUT / "scripts", "build", "--name", "hdf5", "--module", "hdf5"]
    command += ["--options", json.dumps(backends.resolve("hdf5", {})), "--cutoff", "1"]
    command += ["--image-set", tmp_path / "dataset", "--store", place / "hdf5/1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error in build: Read-only file system")
    assert len(done.stderr.splitlines()) == 1


def test_nothing_is_timed_on_after_its_step_was_killed(disk: Path) -> None:
    """Or the next timing, which finds the lock free, would run beside it."""
    image_set = write_image_set(disk / "dataset", 100)
    choice = Choice("png", backends.resolve("png", {}))
    build_store("png", choice, 100, image_set, disk / "stores/png/100")
    command = [sys.executable, CHECKOUT / "scripts", "time_operation", "--machine", "here", "--name", "png"]
    command += [
        "--module",
        "png",
        "--options",
        json.dumps(choice.options),
        "--image-size",
        "32x32",
        "--cutoff",
        "100",
        "--operation",
        "write",
        "--writes",
        disk / "stores",
    ]
    command += ["--image-set", disk / "dataset", "--store", disk / "stores/png/100", "--record", disk / "record.json"]
    command += ["--settings", json.dumps({"budget_seconds": 60, "interval_width": 1e-9, "maximum_samples": 10**6})]
    step = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(disk.glob("stores/.timing-*/*/job/backend-2")):
        assert step.poll() is None
        time.sleep(0.01)
    below = children_of(step.pid)
    assert below
    step.kill()
    step.wait()
    deadline = time.monotonic() + 10
    while any(is_running(process) for process in below):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_a_killed_end_of_a_run_leaves_is_removed_by_a_run_with_nothing_to_do(finished: Workflow) -> None:
    """Snakemake asks nobody at the end of such a run."""
    (machine,) = (finished.directory / "results/records").iterdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = f"12345678-{socket.gethostname()}-{gone.pid}-12345678"
    results = finished.directory / "results"
    places = [
        results / f"stores/.timing-{os.getuid()}/{left}/job/1",
        results / f"stores/lmdb/32x32/.30-{left}",
        *(place / f".x.json-{left}" for place in (machine / "lmdb/32x32/30", results / "dataset", results / "figures")),
        *(finished.directory / finished.dataset / f"{place}/.x.npy-{left}" for place in ("32x32", "gathered")),
    ]
    for place in places:
        place.mkdir(parents=True)
    kept = finished.directory / f"results/dataset/.mine-{socket.gethostname()}-{gone.pid}"
    kept.mkdir()
    finished.finish("--dry-run")
    assert all(place.exists() for place in places)
    said = finished.finish()
    assert "Nothing to be done" in said
    assert "removing what the timings wrote" in said
    assert not [place for place in places if place.exists()]
    assert not (finished.directory / f"results/stores/.timing-{os.getuid()}").exists()
    assert kept.exists()
    assert "removing" not in finished.finish()


def test_an_interrupted_removal_says_what_comes_of_the_rest(finished: Workflow) -> None:
    with open(finished.directory / "lock", "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # the removal waits for it, so it can be interrupted
        command = [sys.executable, finished.directory / "scripts", "discard", "--stores", "results/stores"]
        step = subprocess.Popen(
            command, cwd=finished.directory, env=finished.environment, stderr=subprocess.PIPE, text=True
        )
        assert "wait" in step.stderr.readline()
        step.send_signal(signal.SIGINT)
        assert step.communicate(timeout=60)[1].endswith("discard was interrupted; the next run removes the rest\n")
