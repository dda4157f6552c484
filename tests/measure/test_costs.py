"""What a timing says of memory, of opening a store and of processes that share it, of backends with a planted cost."""

import mmap
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.backends import base, memmap
from scripts.common.errors import Failed
from scripts.stores.manifest import DATA
from scripts.system import costs
from tests.support.timings import place_of, take, time_cell

pytestmark = pytest.mark.slow
COUNTED_CORE_BY_CORE = 1_000_000
"""So many bytes some kernels are off when they say how much memory a process has."""


def test_memory_is_watched_once_also_where_its_peak_cannot_be_reset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a sandbox whose kernel lacks /proc/self/clear_refs: no process is started for each sample."""
    watchers, honest = [], costs.Watcher
    monkeypatch.setattr(costs, "CLEAR_REFERENCES", tmp_path)
    monkeypatch.setattr(costs, "Watcher", lambda: watchers.append(honest()) or watchers[-1])
    meter = costs.Meter()
    for _ in range(3):
        meter.start("backend")
        assert meter.stop().peak_memory_bytes is None
    assert len(watchers) == 1


def test_costs_are_those_of_the_work() -> None:
    meter = costs.Meter()
    meter.start()
    kept = np.ones(20_000_000, np.uint8)
    found = meter.stop()
    assert 19_000_000 < found.peak_memory_bytes < 30_000_000  # some kernels count core by core, and are a bit off
    assert found.user_seconds + found.system_seconds > 0
    del kept
    meter.rest()
    meter.start()
    assert meter.stop().peak_memory_bytes < 5_000_000


class Planted(memmap.Backend):
    """As `memmap`, but its workers are new processes, not forks, and share no memory with this one."""

    fork_safe = False


class TakesMemory(Planted):
    """Takes memory whenever a store is read or written."""

    TAKEN = 30_000_000

    def write(self, *arguments: Any, **options: Any) -> None:
        taken = np.ones(self.TAKEN, np.uint8)
        super().write(*arguments, **options)
        del taken

    def open(self, path: Path, options: dict[str, Any]) -> base.Reader:
        reader = super().open(path, options)
        reader.taken = np.ones(self.TAKEN, np.uint8)
        return reader


@pytest.fixture
def plant(own_stores: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[type[memmap.Backend]], None]:
    """Puts another backend in the place of every one; the store of `memmap` is built before."""
    place_of(own_stores, "memmap")
    return lambda other: monkeypatch.setattr(backends, "load", lambda name: other())


@pytest.mark.parametrize("operation", ["write", "read-warm", "read-cold", "random-warm", "batch-cold", "workers-warm"])
def test_memory_that_a_backend_takes_is_found(own_stores: Path, plant: Callable, operation: str) -> None:
    plant(TakesMemory)
    for sample in take(own_stores, "memmap", operation)["samples"]:
        if sample["subject"] == "backend":
            # A worker stays from run to run, and its allocator may keep what the run before has freed.
            most = (2.4 if operation.startswith("workers") else 1.4) * TakesMemory.TAKEN * sample["processes"]
            least = (TakesMemory.TAKEN - COUNTED_CORE_BY_CORE) * sample["processes"]
            assert least <= sample["peak_memory_bytes"] < most


class MapsAFile(Planted):
    """Maps a file whenever a store is read or written; a writer unmaps it before it returns."""

    MAPPED = 30_000_000

    def mapped(self, path: Path) -> mmap.mmap:
        place = path.parent / "mapped"
        if not place.exists():
            place.touch()
            os.truncate(place, self.MAPPED)  # without memory, which would count
        with open(place, "rb") as file:
            taken = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        taken.find(b"x")  # touches every page
        return taken

    def write(self, path: Path, *arguments: Any, **options: Any) -> None:
        taken = self.mapped(path)
        super().write(path, *arguments, **options)
        time.sleep(0.1)  # long enough to be seen from another process on a busy machine
        taken.close()

    def open(self, path: Path, options: dict[str, Any]) -> base.Reader:
        reader = super().open(path, options)
        reader.taken = self.mapped(path)
        return reader


@pytest.mark.parametrize("operation", ["write", "read-warm", "batch-warm", "workers-warm"])
def test_mapped_pages_stand_beside_the_memory_that_a_backend_takes(
    own_stores: Path, plant: Callable, operation: str
) -> None:
    """The system takes them back when it needs them."""
    plant(MapsAFile)
    for sample in take(own_stores, "memmap", operation)["samples"]:
        taken = MapsAFile.MAPPED * sample["processes"] * (sample["subject"] == "backend")
        assert (
            taken - COUNTED_CORE_BY_CORE * sample["processes"]
            <= sample["peak_mapped_bytes"]
            < taken + 5_000_000 * sample["processes"]
        )
        assert sample["peak_memory_bytes"] < 5_000_000 * sample["processes"]


@pytest.mark.parametrize("operation", ["read-warm", "random-warm", "batch-cold"])
def test_a_backend_that_takes_no_memory_shows_little(own_stores: Path, operation: str) -> None:
    """What the measuring itself takes, the first use of a library for one, isn't the backend's."""
    samples = time_cell(own_stores, "memmap", operation)["samples"]
    assert max(sample["peak_memory_bytes"] for sample in samples) < 2_000_000


def test_a_store_of_one_reader_at_a_time_shows_a_gap_for_workers(
    own_stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(backends.load("memmap")), "several_readers", False)
    record = take(own_stores, "memmap", "workers-warm")
    assert (record["status"], record["gap_reason"]) == ("gap", "only one process at a time can read this store")


class OpensSlowly(Planted):
    """Takes its time to open a store."""

    SECONDS = 0.02

    def open(self, path: Path, options: dict[str, Any]) -> base.Reader:
        time.sleep(self.SECONDS)
        return super().open(path, options)


@pytest.mark.parametrize("operation", ["read-warm", "random-warm", "random-cold", "batch-cold", "workers-cold"])
def test_cold_opening_counts_and_warm_only_where_all_are_read(
    own_stores: Path, plant: Callable, operation: str
) -> None:
    """What opening reads from the disk would be a present otherwise: of a small store it's all."""
    plant(OpensSlowly)
    samples = [each for each in take(own_stores, "memmap", operation)["samples"] if each["subject"] == "backend"]
    assert all(sample["open_seconds"] >= OpensSlowly.SECONDS for sample in samples)
    counts = [sample["seconds"] >= OpensSlowly.SECONDS for sample in samples]
    assert all(counts) is (operation != "random-warm")


class DiesInAWorker(Planted):
    """Kills the process that opens the built store."""

    def open(self, path: Path, options: dict[str, Any]) -> base.Reader:
        if path.name == DATA:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().open(path, options)


def test_a_killed_worker_is_one_line(own_stores: Path, plant: Callable) -> None:
    plant(DiesInAWorker)
    with pytest.raises(Failed, match="ended before its time"):
        take(own_stores, "memmap", "workers-warm")
