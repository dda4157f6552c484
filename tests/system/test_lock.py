"""The lock on the host: timings alone, everything else together."""

import fcntl
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event as EventType
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.system import lock
from tests.support.checkout import CHECKOUT
from tests.support.host import as_who_obeys_permissions
from tests.support.workflow import Workflow


@pytest.fixture(autouse=True)
def lock_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lock"
    monkeypatch.setenv(lock.ENVIRONMENT_VARIABLE, str(path))
    return path


def hold(kind: str, release: EventType, events: "multiprocessing.Queue[tuple[str, str, float]]") -> None:
    with getattr(lock, kind)():
        events.put((kind, "held", time.monotonic()))
        release.wait(30)
        events.put((kind, "released", time.monotonic()))


def is_waited_for(path: Path) -> bool:
    """Whether someone holds the gate, as everyone does who waits for the lock."""
    with open(path.with_name(path.name + ".gate")) as gate:
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def order_of(path: Path, *kinds: str, held_together: int = 1) -> list[tuple[str, str]]:
    """Start a process for each kind, let go once `held_together` of them hold the lock, and return what happened.

    Each is started once the one before it holds the lock or, if a timing, waits for it.
    """
    context = multiprocessing.get_context("spawn")
    events, release = context.Queue(), context.Event()
    happened: list[tuple[str, str, float]] = []
    processes = [context.Process(target=hold, args=(kind, release, events)) for kind in kinds]
    for position, process in enumerate(processes):
        process.start()
        if position < held_together:
            happened.append(events.get(timeout=30))
        while kinds[position] == "alone" and position and not is_waited_for(path):
            time.sleep(0.01)
    time.sleep(0.5)  # for the last one to reach the lock
    release.set()
    happened += [events.get(timeout=30) for _ in range(2 * len(kinds) - len(happened))]
    for process in processes:
        process.join()
    return [(kind, event) for kind, event, _ in sorted(happened, key=lambda each: each[2])]


def test_a_timing_waits_for_others_and_is_not_overtaken_while_it_waits(lock_of_this_test: Path) -> None:
    expected = [(kind, event) for kind in ("shared", "alone", "shared") for event in ("held", "released")]
    assert order_of(lock_of_this_test, "shared", "alone", "shared") == expected


def test_others_wait_for_a_timing(lock_of_this_test: Path) -> None:
    happened = order_of(lock_of_this_test, "alone", "shared")
    assert happened == [(kind, event) for kind in ("alone", "shared") for event in ("held", "released")]


def test_other_steps_run_together(lock_of_this_test: Path) -> None:
    happened = order_of(lock_of_this_test, "shared", "shared", held_together=2)
    assert [event for _, event in happened] == ["held", "held", "released", "released"]


def test_the_kernel_releases_the_lock_of_a_killed_process() -> None:
    child = os.fork()
    if child == 0:
        with lock.alone():
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    with lock.alone():
        pass


def make_a_directory(path: Path) -> None:
    path.mkdir()


def make_a_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [make_a_directory, make_a_pipe, make_a_link_to_itself])
def test_what_is_no_lock_is_one_line_that_helps(lock_of_this_test: Path, make: Callable[[Path], None]) -> None:
    make(lock_of_this_test)
    with pytest.raises(UserError) as error, lock.shared():
        pass
    assert str(lock_of_this_test) in str(error.value)
    assert lock.ENVIRONMENT_VARIABLE in str(error.value)
    os.rename(lock_of_this_test, lock_of_this_test.with_name("removed"))
    with lock.shared():
        pass


def test_a_lock_without_a_place_is_one_line_that_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("nowhere/lock", "file/lock"):
        (tmp_path / "file").touch()
        monkeypatch.setenv(lock.ENVIRONMENT_VARIABLE, str(tmp_path / place))
        with pytest.raises(UserError, match="set the variable IMAGE_STORAGE_BENCHMARK_LOCK to a file in a directory"):
            lock.check()


@pytest.mark.parametrize("what", ["file", "directory"])
def test_a_lock_that_may_not_be_opened_is_one_line_at_the_start(workflow: Workflow, what: str) -> None:
    path = workflow.directory / "lock"
    if what == "file":
        path.touch(mode=0)
        place = path
    else:
        place = workflow.directory / "locks"
        place.mkdir(mode=0o555)
        path = place / "lock"
    done = workflow.run(prefix=as_who_obeys_permissions(), variables={lock.ENVIRONMENT_VARIABLE: str(path)})
    assert done.returncode != 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("error")]
    assert f"{path}" in line
    assert "Permission denied" in line
    assert lock.ENVIRONMENT_VARIABLE in line
    assert "store_dir" not in line
    assert not (workflow.directory / "results/dataset").exists()


@pytest.mark.slow
def test_figure_and_page_wait_for_no_timing_of_another_checkout_and_a_build_does(tmp_path: Path) -> None:
    """The figure, whose tables are nowhere, ends at once; a step that waits for the timing goes on waiting."""
    nowhere = str(tmp_path / "nowhere")
    drawing = ("figure", "latency", "--tables", nowhere, "--svg", f"{nowhere}.svg", "--png", f"{nowhere}.png")
    building = ("discard", "--stores", nowhere)
    with lock.alone():
        started = [
            subprocess.Popen([sys.executable, CHECKOUT / "scripts", *step], stderr=subprocess.PIPE, text=True)
            for step in (drawing, building)
        ]
        _, said = started[0].communicate(timeout=60)
        assert "nowhere/summary.csv" in said
        assert started[1].poll() is None
    assert started[1].wait(60) == 0


@pytest.mark.slow
def test_a_trial_times_alone(tmp_path: Path) -> None:
    trial = [sys.executable, CHECKOUT / "scripts", "try", "memmap", "read-warm", "--cutoff", "10", "--seconds", "0.1"]
    with lock.shared():
        started = subprocess.Popen([*trial, "--directory", tmp_path / "place"], stdout=subprocess.PIPE, text=True)
        path = Path(os.environ[lock.ENVIRONMENT_VARIABLE])
        while not (list(tmp_path.glob("place/.*/store/manifest.json")) and is_waited_for(path)):
            time.sleep(0.01)
        assert started.poll() is None
    said, _ = started.communicate(timeout=60)
    assert "memmap is" in said
