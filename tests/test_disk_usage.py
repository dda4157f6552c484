"""What counts as a store's disk usage."""

import os
import subprocess
from pathlib import Path

from scripts.measure.disk_usage import measure


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
