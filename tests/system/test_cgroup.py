"""The limits of control groups are found, of both versions, and so is the waiting that they cause."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.system import cgroup
from tests.support.checkout import CHECKOUT

MIB = 1 << 20
VERSION_1 = Path("/sys/fs/cgroup")
LIMITED = "image-storage-benchmark-test-{}"
REPORT = """
import dataclasses, json, time
from scripts.system import cgroup, machine
end = time.monotonic() + 0.5
while time.monotonic() < end:
    pass
print(json.dumps([dataclasses.asdict(cgroup.limits()), dataclasses.asdict(cgroup.throttling())]))
"""


def process(directory: Path, groups: str, *mounts: str) -> Path:
    """What /proc says of a process in such groups; `{top}` in a mount is `directory`."""
    found = directory / "process"
    found.mkdir()
    (found / "cgroup").write_text(groups)
    lines = [mount.format(top=directory) for mount in mounts]
    (found / "mountinfo").write_text("\n".join(["22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw", *lines]) + "\n")
    return found


def write(directory: Path, **files: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)


VERSION_2_MOUNT = "30 22 0:26 / {top}/groups rw - cgroup2 cgroup2 rw"


def test_version_2_the_tightest_limit_of_a_group_and_those_above(tmp_path: Path) -> None:
    groups = tmp_path / "groups"
    write(groups / "a.slice", cpu__max="max 100000\n", memory__max=f"{900 * MIB}\n")
    write(groups / "a.slice/b", cpu__max="150000 100000\n", memory__max="max\n")
    write(groups / "a.slice/b", cpu__stat="usage_usec 9\nnr_periods 20\nnr_throttled 3\nthrottled_usec 250000\n")
    found = process(tmp_path, "0::/a.slice/b\n", VERSION_2_MOUNT)
    assert cgroup.limits(found) == cgroup.Limits(1.5, 900 * MIB)
    assert cgroup.throttling(found) == cgroup.Throttling(3, 0.25)


def test_version_2_the_memory_that_is_left_counts_the_page_cache_as_free(tmp_path: Path) -> None:
    groups = tmp_path / "groups"
    write(groups / "a", memory__max=f"{900 * MIB}\n", memory__current=f"{800 * MIB}\n")
    write(groups / "a", memory__stat=f"anon {300 * MIB}\ninactive_file {400 * MIB}\nactive_file {100 * MIB}\n")
    write(groups / "a/b", memory__max="max\n", memory__current=f"{9 * MIB}\n")
    assert list(cgroup.memory_left(process(tmp_path, "0::/a/b\n", VERSION_2_MOUNT))) == [600 * MIB]


def test_version_2_without_limits(tmp_path: Path) -> None:
    write(tmp_path / "groups/user.slice", cpu__max="max 100000\n", memory__max="max\n", cpu__stat="usage_usec 9\n")
    found = process(tmp_path, "0::/user.slice\n", VERSION_2_MOUNT)
    assert cgroup.limits(found) == cgroup.Limits(None, None)
    assert cgroup.throttling(found) is None


@pytest.mark.parametrize("path", ["/docker/abc", "/../../elsewhere", "/"])
def test_version_1_in_a_container_that_sees_its_own_group_at_the_top(tmp_path: Path, path: str) -> None:
    write(tmp_path / "cpu,cpuacct", cpu__cfs_quota_us="50000\n", cpu__cfs_period_us="100000\n")
    write(tmp_path / "cpu,cpuacct", cpu__stat="nr_periods 339\nnr_throttled 336\nthrottled_time 16500000000\n")
    write(tmp_path / "memory", memory__limit_in_bytes=f"{900 * MIB}\n")
    found = process(
        tmp_path,
        f"4:memory:{path}\n3:cpu,cpuacct:{path}\n2:name=systemd:{path}\n",
        "30 22 0:26 /docker/abc {top}/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct",
        "31 22 0:27 /docker/abc {top}/memory ro - cgroup cgroup rw,memory",
    )
    assert cgroup.limits(found) == cgroup.Limits(0.5, 900 * MIB)
    assert cgroup.throttling(found) == cgroup.Throttling(336, 16.5)


def test_version_1_without_limits_beside_version_2(tmp_path: Path) -> None:
    write(tmp_path / "cpu", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    write(tmp_path / "memory", memory__limit_in_bytes=f"{(1 << 63) - 4096}\n")
    write(tmp_path / "groups")
    found = process(
        tmp_path,
        "4:memory:/\n3:cpu:/\n0::/\n",
        "30 22 0:26 / {top}/cpu rw - cgroup cgroup rw,cpu",
        "31 22 0:27 / {top}/memory rw - cgroup cgroup rw,memory",
        VERSION_2_MOUNT,
    )
    assert cgroup.limits(found) == cgroup.Limits(None, None)


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert cgroup.limits(tmp_path) == cgroup.Limits(None, None)
    assert cgroup.throttling(tmp_path) is None


@pytest.fixture
def half_a_cpu() -> Iterator[list[str]]:
    """The start of a command that runs what follows with half a CPU and 900 MB, in real groups of version 1 or 2.

    The period is so short that whatever runs has to wait, on a busy machine too.
    """
    name = LIMITED.format(os.getpid())
    ones = [VERSION_1 / kind / name for kind in ("cpu", "memory")]
    try:
        if (VERSION_1 / "cgroup.controllers").exists():
            made = [VERSION_1 / name]
            made[0].mkdir()
            (made[0] / "cpu.max").write_text("1000 2000")
            (made[0] / "memory.max").write_text(str(900 * MIB))
        else:
            made = ones
            for group in made:
                group.mkdir()
            (made[0] / "cpu.cfs_period_us").write_text("2000")
            (made[0] / "cpu.cfs_quota_us").write_text("1000")
            (made[1] / "memory.limit_in_bytes").write_text(str(900 * MIB))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    enter = "; ".join(f"echo $$ > {group / 'cgroup.procs'}" for group in made)
    yield ["sh", "-c", f'{enter}; exec "$@"', "sh"]
    for group in made:
        group.rmdir()


def test_a_real_group(half_a_cpu: list[str]) -> None:
    done = subprocess.run(
        [*half_a_cpu, sys.executable, "-c", REPORT], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    limits, throttling = json.loads(done.stdout)
    assert limits == {"cpus": 0.5, "memory_bytes": 900 * MIB}
    assert throttling["events"] > 0
    assert throttling["seconds"] >= 0
