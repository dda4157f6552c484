"""What timings of writes leave on the disk, for how long, and where."""

import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from scripts.common.atomic import owned_name
from scripts.dataset.image_set import ImageSet
from scripts.measure import samples
from scripts.measure.operations import write
from scripts.system import page_cache
from scripts.system.disk import file_system, scratch
from tests.support.backend_variants import RUNNABLE
from tests.support.timings import BASELINE_FIRST, COUNT, job, take, time_cell

pytestmark = pytest.mark.slow


def test_a_durable_write_leaves_nothing_unsynced(timed_stores: Path) -> None:
    for name in RUNNABLE:
        taken = take(timed_stores, name, "write-durable")["samples"]
        assert {sample["unsynced_fraction"] for sample in taken} == {0.0}
    assert {sample["unsynced_fraction"] for sample in take(timed_stores, "png", "write")["samples"]} == {None}


def test_what_a_job_wrote_goes_at_the_end_of_the_run_and_its_space_at_once(own_stores: Path) -> None:
    """Large files are emptied; deleting them, which can slow down the jobs that follow, waits."""
    with scratch.directory(own_stores / "stores") as place:
        (place / "large").write_bytes(b"x" * scratch.LARGE_FILE_BYTES)
        (place / "small").write_bytes(b"x")
    assert [(path.name, path.stat().st_size) for path in sorted(place.iterdir())] == [("large", 0), ("small", 1)]
    for operation in ("write", "read-warm", "batch-cold", "workers-warm"):
        time_cell(own_stores, "png", operation)
    *_, number, token = owned_name().split("-")
    elsewhere = place.parent.parent / f"0123abcd-{socket.gethostname()}-2-{number}-{token}"
    elsewhere.mkdir()
    scratch.remove_all(own_stores / "stores")
    assert elsewhere.exists(), "it's of another host, whose name begins alike"
    shutil.rmtree(elsewhere.parent)
    assert sorted(path.name for path in (own_stores / "stores").iterdir()) == ["png"]


@pytest.mark.parametrize("operation", ["write", "write-durable"])
def test_a_sample_of_writing_has_the_space_of_the_one_before(timed_stores: Path, operation: str) -> None:
    """So only the first, untimed runs write where nothing ever was: a disk that grows as it's used is slower there."""
    with scratch.directory(timed_stores / "stores") as written:
        taken = samples.take(job(timed_stores, "memmap", operation), written)["samples"]
        for subject in BASELINE_FIRST:
            sizes = {
                path: sum(os.path.getsize(file) for file in page_cache.files_of(path))
                for path in written.glob(f"{subject}-*")
            }
            last = max(sizes, key=lambda path: path.stat().st_mtime_ns)
            assert len(sizes) > len(taken)
            assert sizes.pop(last) > scratch.LARGE_FILE_BYTES
            assert max(sizes.values()) < scratch.LARGE_FILE_BYTES


def test_durable_writes_are_set_against_writing_where_the_disk_was_written_to(
    timed_stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a megabyte and more, and without a change to what the reference file holds."""
    assert take(timed_stores, "memmap", "write-durable")["overwrite_seconds"] is None
    monkeypatch.setattr(write, "OVERWRITTEN_BYTES", 1)
    assert take(timed_stores, "memmap", "write")["overwrite_seconds"] is None
    with scratch.directory(timed_stores / "stores") as written:
        record = samples.take(job(timed_stores, "memmap", "write-durable"), written)
        plain_files = sorted(written.glob("baseline-*"), key=lambda path: path.stat().st_mtime_ns)
        pixels, _ = ImageSet.load(timed_stores / "dataset").first(COUNT)
        assert plain_files[-1].read_bytes().startswith(np.array(pixels[:COUNT]).tobytes())
    slowest = max(sample["seconds"] for sample in record["samples"])
    assert 0 < record["overwrite_seconds"] < slowest


def test_jobs_write_far_from_what_others_deleted(disk: Path) -> None:
    """ext4 puts the directories of two jobs into groups of inodes far apart, and neighbours beside each other."""
    if file_system.type_of(disk) != "ext4":
        pytest.skip("only ext4 is known to place directories so, where it is asked to")

    def groups(parents: list[Path]) -> set[int]:
        return {os.stat(parent).st_ino // 8192 for parent in parents}

    neighbours = [disk / str(number) for number in range(8)]
    for neighbour in neighbours:
        neighbour.mkdir()
    jobs = []
    for _ in range(8):
        with scratch.directory(disk) as place:
            jobs.append(place)
    assert len(groups(neighbours)) < len(groups(jobs))
