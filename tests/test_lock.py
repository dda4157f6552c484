"""The lock on the host: timings alone, everything else together."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from scripts.measure import lock


@pytest.fixture(autouse=True)
def lock_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lock"
    monkeypatch.setenv(lock.ENVIRONMENT_VARIABLE, str(path))
    return path


def hold(kind: str, seconds: float, spans: "multiprocessing.Queue[tuple[str, float, float]]") -> None:
    with getattr(lock, kind)():
        start = time.monotonic()
        time.sleep(seconds)
        spans.put((kind, start, time.monotonic()))


def spans_of(*kinds: str) -> list[tuple[str, float, float]]:
    """Start one process for each kind, a little apart, and return when each held the lock."""
    context = multiprocessing.get_context("spawn")
    spans = context.Queue()
    processes = [context.Process(target=hold, args=(kind, 0.5, spans)) for kind in kinds]
    for process in processes:
        process.start()
        time.sleep(0.1)
    found = [spans.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    return sorted(found, key=lambda span: span[1])


def test_a_timing_never_overlaps_anything() -> None:
    spans = spans_of("shared", "alone", "shared", "alone")
    for kind, start, end in spans:
        if kind == "alone":
            assert all(
                other_end <= start or end <= other_start for _, other_start, other_end in spans if other_start != start
            )


def test_other_steps_run_together() -> None:
    (_, _, first_end), (_, second_start, _) = spans_of("shared", "shared")
    assert second_start < first_end


def test_the_kernel_releases_the_lock_of_a_killed_process() -> None:
    child = os.fork()
    if child == 0:
        with lock.alone():
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    with lock.alone():
        pass


def test_a_waiting_timing_is_not_overtaken() -> None:
    kinds = [kind for kind, _, _ in spans_of("shared", "alone", "shared")]
    assert kinds == ["shared", "alone", "shared"]
