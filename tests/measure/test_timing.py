"""Timing one cell for real: what the record holds, which states are verified, what is refused."""

import json
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.common.errors import UserError
from scripts.measure import stopping
from scripts.measure.operations import catalogue
from scripts.measure.operations.base import PROBABILITIES
from scripts.measure.operations.state import SLACK_BYTES, CacheState
from scripts.measure.settings import Settings
from scripts.report.records import order
from scripts.stores.manifest import DATA
from scripts.system import aligned, clock, machine, page_cache
from scripts.system.disk import disk_usage
from tests.support.backend_variants import RUNNABLE
from tests.support.checkout import CHECKOUT
from tests.support.image_sets import write_image_set
from tests.support.timings import BASELINE_FIRST, COUNT, DISTINCT, FAST, choose, place_of, take, time_cell

pytestmark = pytest.mark.slow
STARTS_MANY_PROCESSES = ("first-image", "workers")
MANY_PROCESSES = ("lmdb",)
"""The backends whose operations that start many processes are timed each day; `test_workflow.py` has PNG files."""


def cells() -> Iterator[Any]:
    """Each backend with each operation; a nightly run has them all."""
    for name, operation in product(RUNNABLE, catalogue.entries()):
        nightly = operation.startswith(STARTS_MANY_PROCESSES) and name not in MANY_PROCESSES
        yield pytest.param(name, operation, marks=[pytest.mark.nightly] if nightly else [])


@pytest.mark.parametrize(("name", "operation"), list(cells()))
def test_every_cell_is_measured_in_its_state_in_turn_with_the_baseline(
    timed_stores: Path, name: str, operation: str
) -> None:
    # Measured before: the opening of some stores writes.
    usage = disk_usage.measure(place_of(timed_stores, name) / DATA)
    record = take(timed_stores, name, operation)
    if operation.startswith("workers") and not backends.load(name).several_readers:
        assert record["gap_reason"] == "only one process at a time can read this store"
        return
    assert record["status"] == "measured", record["gap_reason"]
    taken = record["samples"]
    assert [sample["order"] for sample in taken] == list(range(len(taken)))
    started = [sample["started_seconds"] for sample in taken]
    assert started == sorted(started)
    assert len({stopping.block(moment, FAST.budget_seconds) for moment in started}) >= FAST.minimum_samples
    taken = [sample for sample in taken if sample["subject"] in BASELINE_FIRST]  # the rest: `test_decoding.py`
    ways = list(dict.fromkeys((sample["processes"], sample["start_method"]) for sample in taken))
    assert [sample["subject"] for sample in taken[:: len(ways)]] == BASELINE_FIRST * (len(taken) // 2 // len(ways))
    assert len(taken) >= 2 * FAST.minimum_samples * len(ways)
    counted = [sample for sample in taken if sample["state_verified"]]
    assert len(counted) > len(taken) / 2  # what a busy host has disturbed counts for nothing
    taken = counted
    assert all(sample["seconds"] > 0 for sample in taken)
    state = "fresh" if operation.startswith("write") else operation.rpartition("-")[2]
    assert {sample["state"] for sample in taken} == {state}
    assert {sample["resident_fraction"] for sample in taken} == {{"warm": 1.0, "cold": 0.0}.get(state)}
    if state == "cold":
        assert all(sample["device_read_bytes"] > 0 for sample in taken)
    if operation in ("read-cold", "batch-cold"):
        size = min(usage.apparent_bytes, usage.allocated_bytes)  # without the holes in files
        own = [sample for sample in record["samples"] if sample["subject"] == "backend"]
        assert min(sample["device_read_bytes"] / sample["images"] for sample in own) >= 0.8 * size / COUNT
    if state == "warm":
        assert max(sample["device_read_bytes"] for sample in taken) <= SLACK_BYTES
    if state != "fresh":
        assert all(sample["open_seconds"] > 0 for sample in taken)
    drawn = {"random": 50, "batch": 50, "first": 1}.get(operation.split("-")[0], COUNT)
    assert {sample["images"] for sample in taken} == {drawn}
    assert all(sample["user_seconds"] + sample["system_seconds"] > 0 for sample in taken if sample["seconds"] > 1e-2)
    assert all(sample["peak_memory_bytes"] < 50e6 for sample in taken if sample["peak_memory_bytes"] is not None)
    assert record["eviction"] == ("posix_fadvise" if state == "cold" else None)


def test_a_warm_read_that_comes_from_the_device_does_not_count(disk: Path) -> None:
    path = disk / "store"
    path.write_bytes(bytes(1 << 20))
    warm = CacheState(cold=False, drop_caches=False)
    assert warm.verified([path], 1.0, 0, 1.0, is_baseline=False)
    assert not warm.verified([path], 1.0, 1 << 20, 1.0, is_baseline=False)


def test_a_warm_store_is_loaded_in_one_way_whatever_came_before(disk: Path) -> None:
    """How a file came into the page cache decides how fast it is read from there, for as long as it stays."""
    path = disk / "store"
    path.write_bytes(bytes(1 << 20))
    warm = CacheState(cold=False, drop_caches=False)
    warm.try_on(path)
    assert page_cache.resident_fraction(path) == 0.0
    assert warm.bring_about(path) == 1.0


@pytest.mark.parametrize("operation", ["random-warm", "batch-cold"])
def test_the_time_of_each_call_is_kept_as_quantiles(timed_stores: Path, operation: str) -> None:
    record = take(timed_stores, "hdf5", operation)
    found = record["latencies"]
    assert tuple(found["probabilities"]) == PROBABILITIES
    for subject in BASELINE_FIRST:
        seconds = found[subject]
        assert seconds == sorted(seconds)
        own = [sample for sample in record["samples"] if sample["subject"] == subject]
        assert all(sample["latency_seconds"]["p50"] <= sample["latency_seconds"]["p99"] for sample in own)
        assert seconds[0] <= min(sample["latency_seconds"]["p50"] for sample in own) <= seconds[-1]
        calls = 50 if operation.startswith("random") else 4
        assert all(sample["seconds"] >= 0.5 * calls * seconds[0] for sample in own)


def test_workers_share_a_run_in_every_way(timed_stores: Path) -> None:
    """One process and two, and as many as there are cores; forked only where the backend says that is safe."""
    powers = [2**power for power in range(machine.usable_cores().bit_length())]
    for name, methods in (("png", ["fork", "spawn"]), ("hdf5", ["spawn"])):
        taken = take(timed_stores, name, "workers-warm")["samples"]
        ways = dict.fromkeys((sample["start_method"], sample["processes"]) for sample in taken)
        assert list(ways) == [(method, count) for method in methods for count in powers]


def test_a_record_says_how_its_process_was_pinned(timed_stores: Path) -> None:
    record = time_cell(timed_stores, "lmdb", "write", Settings(minimum_samples=6, budget_seconds=0.05, threads=2))
    assert record["process"] == {"threads": 2, "cpu_affinity": machine.cores()}
    assert record["settings"]["threads"] == 2


def test_noise_is_recorded(timed_stores: Path) -> None:
    noise = time_cell(timed_stores, "png", "read-warm")["noise"]
    assert noise["wall_seconds"] > 0
    for probes in (noise["before"], noise["after"]):
        assert all(probes[name] > 0 for name in ("cpu_seconds", "memory_seconds", "file_seconds"))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        disturbed = time_cell(timed_stores, "png", "read-warm")["noise"]
    finally:
        for other in busy:
            other.kill()
            other.wait()
    assert disturbed["other_user_seconds"] > 0.2 * disturbed["wall_seconds"]


def test_the_systems_own_drop_is_used_where_config_allows_and_root_can(timed_stores: Path) -> None:
    can = os.geteuid() == 0 and os.access(page_cache.DROP_CACHES, os.W_OK)
    record = take(
        timed_stores,
        "hdf5",
        "batch-cold",
        Settings(minimum_samples=6, budget_seconds=0.05, maximum_samples=6, drop_caches=True),
    )
    assert record["eviction"] == ("drop_caches" if can else "posix_fadvise")
    assert record["status"] == "measured"


def test_a_record_carries_what_is_needed_to_judge_it(timed_stores: Path) -> None:
    record = time_cell(timed_stores, "hdf5", "write")
    assert record["image_set"]["distinct_images"] == DISTINCT
    assert record["image_set"]["repeated_images"] == COUNT - DISTINCT
    assert record["backend"]["digest"] == choose("hdf5").digest()
    assert {"h5py", "numpy"} <= set(record["backend"]["versions"])
    assert record["clock"]["boot"] == clock.boot()
    assert 0 < record["clock"]["started_seconds"] < record["clock"]["ended_seconds"] <= clock.now().since_boot
    assert abs(record["clock"]["jump_seconds"]) < order.LEAST_JUMP_SECONDS
    assert record["machine"]["cores"] >= 1
    assert record["file_system"]["type"] != "unknown" or not Path("/proc/self/mountinfo").exists()


@pytest.mark.parametrize("shape", [(1,), (7, 5, 3, 3), (100, 32, 32, 3)])
def test_arrays_for_timing_start_on_a_page(shape: tuple[int, ...]) -> None:
    array = aligned.copy_on_page(np.ones(shape, np.int64))
    assert array.ctypes.data % mmap.PAGESIZE == 0
    assert array.flags.c_contiguous
    assert np.array_equal(array, np.ones(shape))


def test_a_store_of_other_images_is_refused(own_stores: Path) -> None:
    place_of(own_stores, "lmdb")
    shutil.rmtree(own_stores / "dataset")
    write_image_set(own_stores / "dataset", DISTINCT + 1)
    with pytest.raises(UserError, match="other images"):
        time_cell(own_stores, "lmdb", "read-warm")


def test_a_store_that_was_tampered_with_is_refused(own_stores: Path) -> None:
    """One byte of an image changed, so that sizes and counts still match."""
    file = next((place_of(own_stores, "hdf5") / DATA).iterdir())
    content = bytearray(file.read_bytes())
    content[-COUNT * 8 - 5000] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        time_cell(own_stores, "hdf5", "read-warm")


def test_long_runs_get_three_samples_and_their_first_run_counts(timed_stores: Path) -> None:
    long = Settings(minimum_samples=6, long_sample_seconds=0)
    for operation, runs in (("write", 3), ("read-warm", 3)):
        record = take(timed_stores, "lmdb", operation, long)
        assert len([sample for sample in record["samples"] if sample["subject"] == "backend"]) == runs


@pytest.fixture
def in_memory(libraries: None) -> Iterator[Path]:
    """An image set on a file system in memory."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("this system has no /dev/shm to try a file system in memory with")
    with tempfile.TemporaryDirectory(prefix="image-storage-test-", dir="/dev/shm") as directory:
        write_image_set(Path(directory) / "dataset", DISTINCT)
        yield Path(directory)


def test_what_cannot_be_evicted_is_a_gap_with_its_reason(in_memory: Path) -> None:
    record = time_cell(in_memory, "hdf5", "read-cold")
    assert record["status"] == "gap"
    assert "can't be evicted from the page cache of file system tmpfs" in record["gap_reason"]
    assert record["samples"] == []


def test_a_missing_store_is_one_line_for_the_user(own_stores: Path) -> None:
    command = [sys.executable, str(CHECKOUT / "scripts"), "time_operation", "--machine", "m", "--name", "lmdb"]
    command += ["--module", "lmdb", "--options", json.dumps(choose("lmdb").options), "--image-size", "32x32"]
    command += ["--cutoff", "7", "--operation", "write", "--image-set", str(own_stores / "dataset")]
    command += ["--store", str(own_stores / "stores/lmdb/7"), "--settings", "{}", "--writes", str(own_stores)]
    done = subprocess.run([*command, "--record", str(own_stores / "record.json")], capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "run again" in done.stderr
    assert not (own_stores / "record.json").exists()
