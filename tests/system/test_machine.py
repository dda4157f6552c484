"""The name of a machine: its CPU, its maker, and what a container may use of cores and memory."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.system import ask, cgroup, machine, noise

ARM_CORE = "processor\t: {}\nBogoMIPS\t: 50.00\nCPU implementer\t: {}\nCPU architecture: 8\nCPU part\t: {}\n\n"
LSCPU = """\
Architecture:             aarch64
Vendor ID:                {}
  BIOS Vendor ID:         QEMU
  Model name:             {}
    BIOS Model name:      virt-7.2
    Model:                1
"""
LSCPU_OF_TWO = "Vendor ID:  ARM\nModel name:  Cortex-A55\nModel:  0\nModel name:  Cortex-A76\n"
GIB = 1 << 30
ALL_MEMORY = f"{round(machine.describe()['memory_bytes'] / GIB)}gib"
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
"""The kernel counts a core's time in these."""


def arm(*kinds: tuple[str, str]) -> str:
    """What /proc/cpuinfo says of cores of those makers and parts."""
    return "".join(ARM_CORE.format(place, *kind) for place, kind in enumerate(kinds))


@pytest.mark.parametrize(
    ("kinds", "lscpu", "name"),
    [
        ([("0x41", "0xd0c")] * 4, LSCPU.format("ARM", "Neoverse-N1"), "ARM Neoverse-N1"),
        ([("0x41", "0xd05")] * 2 + [("0x41", "0xd0b")] * 2, LSCPU_OF_TWO, "ARM Cortex-A55 Cortex-A76"),
        ([("0x61", "0x022")], LSCPU.format("Apple", "-"), "0x61 0x022"),
        ([("0x99", "0xd0c"), ("0x99", "0xd0d")], "", "0x99 0xd0c 0xd0d"),
        ([], "", ""),
    ],
)
def test_cpus_by_arm_are_told_apart(kinds: list[tuple[str, str]], lscpu: str, name: str) -> None:
    assert machine.cpu_of(lscpu, arm(*kinds)) == name


def test_the_cpu_of_this_machine_has_the_name_that_lscpu_gives_it() -> None:
    if not (lscpu := ask.command("lscpu")):
        pytest.skip("this system has no lscpu")
    assert machine.cpu() in lscpu or machine.cpu() == machine.cpu_of(lscpu, "")


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (cgroup.Limits(None, None), f"4cores-{ALL_MEMORY}"),
        (cgroup.Limits(4.0, machine.describe()["memory_bytes"]), f"4cores-{ALL_MEMORY}"),
        (cgroup.Limits(0.5, 900 << 20), "0.5cpus-0.9gib"),
        (cgroup.Limits(1.5, GIB), "1.5cpus-1gib"),
    ],
)
def test_what_a_limit_leaves_is_in_the_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limits: cgroup.Limits, named: str
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: [0, 1, 2, 3])
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


def user_seconds(core: int) -> float:
    """How long a core has run outside the kernel since the machine started."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    return sum(map(int, line.split()[1:3])) * TICK_SECONDS


def test_what_others_do_on_other_cores_is_not_counted(pin: Callable[[set[int]], None], tmp_path: Path) -> None:
    """A busy neighbour on another core is in the counts of that one; those of a timing are of its own cores."""
    ours, theirs, *_ = sorted(os.sched_getaffinity(0))
    pin({ours})
    before, own_before = user_seconds(ours), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    watch = noise.Watch(tmp_path)
    busy_until, deadline = user_seconds(theirs) + 1.0, time.monotonic() + 60
    busy = f"import os; os.sched_setaffinity(0, [{theirs}])\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", busy]) as neighbour:
        while user_seconds(theirs) < busy_until and time.monotonic() < deadline:
            time.sleep(0.05)
        # It is not waited for: the time of processes that ended counts as one's own.
        found = watch.finish()
        neighbour.kill()
    own = resource.getrusage(resource.RUSAGE_SELF).ru_utime - own_before
    of_others_here = user_seconds(ours) - before - own
    assert 0 <= found["other_user_seconds"] <= max(0.0, of_others_here) + 5 * TICK_SECONDS
    assert user_seconds(theirs) >= busy_until
