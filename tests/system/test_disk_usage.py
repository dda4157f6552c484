"""What counts as a store's disk usage."""

import os
import subprocess
from pathlib import Path

from scripts.system.disk.disk_usage import DiskUsage, contents, measure, settled, until_unchanged


def test_apparent_and_allocated_bytes_are_what_du_counts(disk: Path) -> None:
    (disk / "folder").mkdir()
    for index in range(20):
        (disk / "folder" / str(index)).write_bytes(b"x" * (index * 700))
    os.sync()
    usage = measure(disk)
    allocated = subprocess.run(["du", "-s", "--block-size=1", disk], capture_output=True, text=True, check=True).stdout
    assert usage.allocated_bytes == int(allocated.split()[0])
    assert usage.apparent_bytes == sum(index * 700 for index in range(20))
    assert usage.files == 20
    assert contents(disk) == {"files": usage.files, "apparent_bytes": usage.apparent_bytes}


def test_a_sparse_file_allocates_less_than_it_appears(disk: Path) -> None:
    with open(disk / "sparse", "wb") as file:
        file.truncate(100 << 20)
    usage = measure(disk)
    assert usage.apparent_bytes == 100 << 20
    assert usage.allocated_bytes < 1 << 20


def test_snakemakes_marker_and_second_links_do_not_count(disk: Path) -> None:
    (disk / "file").write_bytes(b"x" * 5000)
    before = measure(disk)
    (disk / ".snakemake_timestamp").write_bytes(b"x" * 5000)
    os.link(disk / "file", disk / "link")
    assert measure(disk).apparent_bytes == before.apparent_bytes
    assert measure(disk).files == 1


def test_what_was_just_written_is_counted_once_it_has_its_place(disk: Path) -> None:
    """ext4 gives a file its blocks when they are written back, some 30 s later unless it's synced."""
    (disk / "file").write_bytes(b"x" * 50_000)
    assert 50_000 <= settled(disk / "file").allocated_bytes < 60_000


def test_a_count_that_still_changes_is_taken_again() -> None:
    """ZFS gives blocks to what is synced with its next transaction group."""
    blocks = iter([512, 4096, 53_248, 53_248, 0])
    usage = until_unchanged(lambda: DiskUsage(50_000, next(blocks), 1, "blocks", 0), 0.0)
    assert usage.allocated_bytes == 53_248


def test_a_single_file_is_measured(disk: Path) -> None:
    (disk / "file").write_bytes(b"x" * 700)
    usage = measure(disk / "file")
    assert (usage.apparent_bytes, usage.files, usage.inline_bytes, usage.allocation) == (700, 1, 0, "blocks")


def test_several_places_count_together_and_links_to_them_are_followed(disk: Path) -> None:
    (disk / "folder").mkdir()
    (disk / "folder" / "inside").write_bytes(b"x" * 5000)
    (disk / "beside").write_bytes(b"x" * 300)
    (disk / "link").symlink_to(disk / "beside")
    places = [disk / "folder", disk / "link"]
    both = settled(*places)
    parts = [measure(disk / name) for name in ("folder", "beside")]
    assert (both.apparent_bytes, both.files, both.allocation) == (5300, 2, "blocks")
    assert both.allocated_bytes == sum(part.allocated_bytes for part in parts)
    assert contents(*places) == {"files": 2, "apparent_bytes": 5300}
