"""Copies of stores that timing jobs work on: the same bytes, the same room on the disk, and removable."""

import os
from pathlib import Path

import pytest

from scripts.measure import ground
from scripts.report.records.reading import read
from scripts.system.disk import disk_usage
from scripts.system.disk.durability import sync_file_system
from tests.support.backend_variants import RUNNABLE
from tests.support.workflow import Workflow

BLOCK = 2**12
"""Bytes: the least that a hole takes on the usual file systems, and less than Python reads ahead."""


def copied(store: Path, scratch: Path) -> dict[str, bytes]:
    """The files of a copy, which takes as much room as the store and is gone afterwards."""
    with ground.prepared(store, store.parent, str(scratch), reads=True, on_a_copy=False) as prepared:
        assert prepared.copied
        assert prepared.store != store
        sync_file_system(prepared.store)  # what isn't written yet lacks the file system's own blocks
        assert disk_usage.measure(prepared.store).allocated_bytes == disk_usage.measure(store).allocated_bytes
        found = {path.name: path.read_bytes() for path in prepared.store.iterdir()}
    assert not prepared.store.exists()
    return found


@pytest.mark.parametrize("layout", ["", "d", "h", "dhd", "hdh", "hhdd", "dhdhddhd" * 20])
def test_a_copy_has_the_bytes_and_holes_of_the_store(disk: Path, layout: str) -> None:
    """A letter for each block of data or hole."""
    store = disk / "stores/some/1"
    store.mkdir(parents=True)
    with open(store / "data", "wb") as file:
        for place, kind in enumerate(layout):
            if kind == "d":
                file.seek(place * BLOCK)
                file.write(os.urandom(BLOCK))
        file.truncate(len(layout) * BLOCK)
        os.fsync(file.fileno())
    original = (store / "data").read_bytes()
    assert copied(store, disk / "scratch") == {"data": original}


def test_a_copy_of_a_store_that_may_only_be_read_can_be_removed(disk: Path) -> None:
    store = disk / "stores/some/1"
    store.mkdir(parents=True)
    (store / "data").write_bytes(b"data")
    store.chmod(0o555)
    assert copied(store, disk / "scratch") == {"data": b"data"}


@pytest.mark.skipif("badger" not in RUNNABLE, reason="badger, whose files have holes, can't run here")
def test_cold_reads_of_a_store_with_holes_are_measured_on_a_nodes_scratch(workflow: Workflow, disk: Path) -> None:
    workflow.configure(backends=["badger"], cutoffs=[1, 30], operations=["read-cold"], scratch_dir=f"{disk}/scratch")
    workflow.finish("results/summary.csv")
    records = [read(path) for path in (workflow.directory / "results/records").rglob("*.json")]
    assert [record.status for record in records] == ["measured"] * 2
