"""Timing one cell for real: what the record holds, which states are verified, what is refused."""

import json
import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CHECKOUT, write_image_set

from scripts import backends
from scripts.errors import UserError
from scripts.measure import machine, memory, sampling, scratch, store, timing
from scripts.measure.operations import OPERATIONS

FAST = sampling.Settings(budget_seconds=0.05, maximum_samples=8)
COUNT = 60


@pytest.fixture
def stores(disk: Path) -> Path:
    """An image set in `dataset` and a store of it for every backend, on a real disk."""
    image_set = write_image_set(disk / "dataset", 40)
    for name in backends.names():
        store.build(name, choose(name), COUNT, image_set, disk / "stores" / name / str(COUNT))
    return disk


def choose(name: str) -> store.Choice:
    return store.Choice(name, backends.resolve(name, {}))


def time_cell(stores: Path, name: str, operation: str, settings: sampling.Settings = FAST) -> dict[str, Any]:
    cell = timing.Cell("machine", name, COUNT, operation)
    return timing.time_cell(cell, choose(name), stores / "dataset", stores / "stores" / name / str(COUNT), settings)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", backends.names())
def test_every_cell_is_measured_in_its_state_in_turn_with_the_baseline(stores: Path, name: str, operation: str) -> None:
    record = time_cell(stores, name, operation)
    assert record["status"] == "measured"
    samples = record["samples"]
    assert [sample["order"] for sample in samples] == list(range(len(samples)))
    assert [sample["subject"] for sample in samples] == ["baseline", "backend"] * (len(samples) // 2)
    assert len(samples) >= 2 * FAST.minimum_samples
    assert all(sample["state_verified"] and sample["seconds"] > 0 for sample in samples)
    expected = {"read-warm": 1.0, "read-cold": 0.0}.get(operation)
    assert {sample["resident_fraction"] for sample in samples} == {expected}
    if operation == "read-cold":
        size = record_of_store(stores, name)["apparent_bytes"]
        assert all(sample["device_read_bytes"] >= 0.9 * size for sample in samples if sample["subject"] == "backend")
    if operation == "read-warm":
        assert {sample["device_read_bytes"] for sample in samples} == {0}
    if operation.startswith("read"):
        assert all(0 < sample["open_seconds"] < sample["seconds"] for sample in samples)


def record_of_store(stores: Path, name: str) -> dict[str, Any]:
    return json.loads((stores / "stores" / name / str(COUNT) / store.MANIFEST).read_text())


def test_a_record_carries_what_is_needed_to_judge_it(stores: Path) -> None:
    record = time_cell(stores, "hdf5", "write")
    assert record["image_set"]["distinct_images"] == 40
    assert record["image_set"]["repeated_images"] == 20
    assert record["backend"]["digest"] == choose("hdf5").digest()
    assert {"h5py", "numpy"} <= set(record["backend"]["versions"])
    assert record["started"] < record["ended"]
    assert record["machine"]["cores"] >= 1
    assert record["file_system"]["type"] != "unknown" or not Path("/proc/self/mountinfo").exists()


def test_what_a_job_wrote_goes_at_the_end_of_the_run_and_its_space_at_once(stores: Path) -> None:
    """Large files are emptied; deleting them, which can slow down the jobs that follow, waits."""
    with scratch.directory(stores / "stores") as place:
        (place / "large").write_bytes(b"x" * scratch.LARGE_FILE_BYTES)
        (place / "small").write_bytes(b"x")
    assert [(path.name, path.stat().st_size) for path in sorted(place.iterdir())] == [("large", 0), ("small", 1)]
    for operation in OPERATIONS:
        time_cell(stores, "png", operation)
    scratch.remove_all(stores / "stores")
    assert sorted(path.name for path in (stores / "stores").iterdir()) == backends.names()


def test_jobs_write_far_from_what_others_deleted(disk: Path) -> None:
    """ext4 puts the directories of two jobs into groups of inodes far apart, and neighbours beside each other."""
    if machine.file_system(disk)["type"] != "ext4":
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


@pytest.mark.parametrize("shape", [(1,), (7, 5, 3, 3), (100, 32, 32, 3)])
def test_arrays_for_timing_start_on_a_page(shape: tuple[int, ...]) -> None:
    array = memory.copy_on_page(np.ones(shape, np.int64))
    assert array.ctypes.data % mmap.PAGESIZE == 0
    assert array.flags.c_contiguous
    assert np.array_equal(array, np.ones(shape))


def test_a_store_of_other_images_is_refused(stores: Path) -> None:
    shutil.rmtree(stores / "dataset")
    image_set = write_image_set(stores / "dataset", 41)
    assert len(image_set.images) == 41
    with pytest.raises(UserError, match="other images"):
        time_cell(stores, "lmdb", "read-warm")


def test_a_store_that_was_tampered_with_is_refused(stores: Path) -> None:
    """One byte of an image changed, so that sizes and counts still match."""
    file = next((stores / "stores/hdf5" / str(COUNT) / store.DATA).iterdir())
    content = bytearray(file.read_bytes())
    content[-COUNT * 8 - 5000] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(UserError, match="isn't what was stored"):
        time_cell(stores, "hdf5", "read-warm")


class Lazy:
    """A planted cheat: wraps a backend and leaves out part of the work."""

    def __init__(self, backend: Any, *, skips: str) -> None:
        self.backend = backend
        self.skips = skips

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def write(self, path: Path, images: Any, labels: Any, *, durable: bool, options: dict[str, Any]) -> None:
        images = np.array(images[:])
        if self.skips == "last image" and len(images) > 1:
            images[-1] = 0
        self.backend.write(path, images, labels, durable=durable, options=options)

    def open(self, path: Path, options: dict[str, Any]) -> Any:
        reader = self.backend.open(path, options)
        if self.skips == "labels":
            read_all = reader.read_all
            reader.read_all = lambda images, labels: read_all(images, labels.copy())
        elif self.skips == "reading":
            reader.read_all = lambda images, labels: None
        return reader


@pytest.mark.parametrize(
    ("operation", "skips"), [("write", "last image"), ("read-warm", "labels"), ("read-cold", "reading")]
)
def test_a_backend_that_skips_work_is_refused(
    stores: Path, monkeypatch: pytest.MonkeyPatch, operation: str, skips: str
) -> None:
    honest = backends.load
    monkeypatch.setattr(backends, "load", lambda name: Lazy(honest(name), skips=skips))
    with pytest.raises(UserError, match="isn't what"):
        time_cell(stores, "hdf5", operation)


def test_long_runs_get_three_samples_and_their_first_run_counts(stores: Path) -> None:
    long = sampling.Settings(long_sample_seconds=0)
    for operation, runs in (("write", 3), ("read-warm", 3)):
        record = time_cell(stores, "lmdb", operation, long)
        assert len([sample for sample in record["samples"] if sample["subject"] == "backend"]) == runs


@pytest.fixture
def in_memory() -> Iterator[Path]:
    place = Path("/dev/shm/image-storage-test")
    if not place.parent.is_dir():
        pytest.skip("this system has no /dev/shm to try a file system in memory with")
    place.mkdir()
    yield place
    shutil.rmtree(place)


def test_what_cannot_be_evicted_is_a_gap_with_its_reason(in_memory: Path) -> None:
    image_set = write_image_set(in_memory / "dataset", 40)
    store.build("hdf5", choose("hdf5"), COUNT, image_set, in_memory / "stores/hdf5" / str(COUNT))
    record = time_cell(in_memory, "hdf5", "read-cold")
    assert record["status"] == "gap"
    assert "can't be evicted from the page cache of file system tmpfs" in record["gap_reason"]
    assert record["samples"] == []


def test_a_missing_store_is_one_line_for_the_user(stores: Path) -> None:
    command = [sys.executable, str(CHECKOUT / "scripts"), "time_operation", "--machine", "m", "--name", "lmdb"]
    command += ["--module", "lmdb", "--options", json.dumps(choose("lmdb").options), "--cutoff", "7"]
    command += [
        "--operation",
        "write",
        "--image-set",
        str(stores / "dataset"),
        "--store",
        str(stores / "stores/lmdb/7"),
    ]
    command += ["--budget-seconds", "1", "--minimum-samples", "6", "--record", str(stores / "record.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "run again" in done.stderr
    assert not (stores / "record.json").exists()
