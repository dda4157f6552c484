"""The lock on the host: timings alone, everything else together."""

import fcntl
import multiprocessing
import os
import time
from multiprocessing.synchronize import Event as EventType
from pathlib import Path

import pytest

from scripts.measure import lock


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
