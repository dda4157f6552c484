"""The name of a machine: its CPU, its maker, and what a container may use of cores and memory."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.system import cgroup, cpu, machine, noise

ARM_CORE = "processor\t: {}\nBogoMIPS\t: 50.00\nCPU implementer\t: {}\nCPU architecture: 8\nCPU part\t: {}\n\n"
GIB = 1 << 30


def arm(*kinds: tuple[str, str]) -> str:
    """What /proc/cpuinfo says of cores of those makers and parts."""
    return "".join(ARM_CORE.format(place, *kind) for place, kind in enumerate(kinds))


@pytest.mark.parametrize(
    ("kinds", "name"),
    [
        ([("0x41", "0xd0c")] * 4, "ARM Neoverse-N1"),
        ([("0x41", "0xd05")] * 2 + [("0x41", "0xd0b")] * 2, "ARM Cortex-A55 Cortex-A76"),
        ([("0xc0", "0xac3")], "Ampere Ampere-1"),
        ([("0x61", "0x022")], "Apple 0x022"),
        ([("0x99", "0xd0c")], "0x99 0xd0c"),
    ],
)
def test_cpus_by_arm_are_told_apart(kinds: list[tuple[str, str]], name: str) -> None:
    assert cpu.model_in(arm(*kinds)) == name


def test_a_cpu_with_a_name_keeps_it() -> None:
    assert cpu.model_in("processor\t: 0\nmodel name\t: AMD EPYC 9B14\nstepping\t: 1\n") == "AMD EPYC 9B14"
    assert cpu.model_in("processor\t: 0\n") is None


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (cgroup.Limits(None, None), "4cores-24gib"),
        (cgroup.Limits(4.0, 24 * GIB), "4cores-24gib"),
        (cgroup.Limits(0.5, 900 << 20), "0.5cpus-0.9gib"),
        (cgroup.Limits(1.5, 8 * GIB), "1.5cpus-8gib"),
    ],
)
def test_what_a_limit_leaves_is_in_the_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limits: cgroup.Limits, named: str
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(machine, "_memory_bytes", lambda: 24 * GIB)
    monkeypatch.setattr(cgroup, "limits", lambda: limits)
    assert f"-{named}-" in machine.name(tmp_path)


@pytest.mark.parametrize(("limit", "workers"), [(None, 4), (0.5, 1), (1.0, 1), (2.9, 2), (9.0, 4)])
def test_as_many_workers_as_cores_that_can_be_kept_busy(
    monkeypatch: pytest.MonkeyPatch, limit: float | None, workers: int
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(cgroup, "limits", lambda: cgroup.Limits(limit, None))
    assert machine.usable_cores() == workers


@pytest.fixture
def pin() -> Callable[[set[int]], None]:
    """Lets this process run on some cores, and afterwards on all that it could."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores and a way to choose one")
    before = os.sched_getaffinity(0)
    yield lambda cores: os.sched_setaffinity(0, cores)
    os.sched_setaffinity(0, before)


def test_what_others_do_on_other_cores_is_not_counted(pin: Callable[[set[int]], None]) -> None:
    """A busy neighbour on another core is in the counts of that one; those of a timing are of its own cores."""
    ours, theirs, *_ = sorted(os.sched_getaffinity(0))
    pin({ours})
    before = noise._user_and_stolen({theirs})[0]
    busy = f"import os; os.sched_setaffinity(0, [{theirs}]); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as neighbour:
        try:
            neighbour.stdout.readline()
            until = time.monotonic() + 60
            while noise._user_and_stolen({theirs})[0] < before + 0.3 and time.monotonic() < until:
                time.sleep(0.05)
        finally:
            neighbour.kill()
    of_both = noise._user_and_stolen({ours, theirs})[0]
    first, counted, last = (
        noise._user_and_stolen({ours})[0],
        noise._Counts.now().user,
        noise._user_and_stolen({ours})[0],
    )
    assert first <= counted <= last
    assert of_both >= before + 0.3
