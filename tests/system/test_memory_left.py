"""Cells that don't fit into the memory that is left are gaps without being run; the rest is measured."""

import csv
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.measure import memory
from scripts.system import machine
from tests.support.workflow import Workflow

GROUPS = Path("/sys/fs/cgroup/memory")
LIMIT_BYTES = 450_000_000
TOO_LARGE = 130_000


@pytest.fixture
def limited() -> Iterator[Path]:
    """A control group (version 1) with a limit of memory."""
    group = GROUPS / f"image-storage-benchmark-{uuid.uuid4().hex}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
    except OSError:
        pytest.skip("this user can't make a control group of version 1")
    yield group
    group.rmdir()


def test_what_does_not_fit_is_a_gap_and_the_rest_is_measured(workflow: Workflow, limited: Path) -> None:
    workflow.take_few_synthetic_images()
    workflow.configure(backends=["memmap"], cutoffs=[10, TOO_LARGE], operations=["write"])
    done = workflow.run(
        "results/summary.csv", prefix=["sh", "-c", f'echo $$ > {limited}/cgroup.procs && exec "$@"', "sh"]
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert f"to time {TOO_LARGE:,} images of 32x32 needs 0.5 GB of memory at least" in done.stdout
    with open(workflow.directory / "results/summary.csv", newline="") as file:
        small, large = csv.DictReader(file)
    assert (small["status"], large["status"]) == ("measured", "gap")
    assert large["gap_reason"].startswith("it needs 0.5 GB of memory at least, and 0.")


def test_what_fits_has_no_shortage() -> None:
    left = machine.memory_left_bytes()
    if left is None:
        pytest.skip("this system doesn't say")
    assert memory.shortage(1, [32, 32, 3]) is None
    assert "GB are left" in (memory.shortage(left // 3000, [32, 32, 3]) or "")


def test_the_forecast_of_memory_is_all_images_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_left_bytes", lambda: memory.PROCESS_BYTES + 100_000 * 3080)
    assert memory.shortage(100_000, [32, 32, 3]) is None
    assert memory.shortage(100_001, [32, 32, 3]) == "needs 0.4 GB of memory at least, and 0.3 GB are left"
