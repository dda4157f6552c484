"""Timing one cell for real: what the record holds, which states are verified, what is refused."""

import errno
import gc
import json
import mmap
import os
import platform
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from scripts import backends
from scripts.common.atomic import owned_name
from scripts.common.cells import Cell
from scripts.common.errors import Failed, UserError
from scripts.dataset.image_set import ImageSet
from scripts.measure import samples, stopping, timing
from scripts.measure.operations import catalogue, write
from scripts.measure.operations.base import PROBABILITIES
from scripts.measure.operations.state import SLACK_BYTES, CacheState
from scripts.measure.settings import Job, Settings
from scripts.report.records import order
from scripts.stores import store
from scripts.system import aligned, clock, costs, machine, page_cache, process
from scripts.system.disk import disk_usage, file_system, scratch
from tests.support.backend_variants import EACH_RUNNABLE, RUNNABLE
from tests.support.checkout import CHECKOUT
from tests.support.image_sets import write_image_set

pytestmark = pytest.mark.slow
FAST = Settings(minimum_samples=6, budget_seconds=0.05, maximum_samples=8, random_images=50, batch_size=16)
COUNT = 60
STARTS_MANY_PROCESSES = "first-image"
COUNTED_CORE_BY_CORE = 1_000_000
"""So many bytes some kernels are off when they say how much memory a process has."""
PLAIN_FILE_FIRST = ["baseline", "backend"]


@pytest.fixture(scope="module")
def stores_once(libraries: None) -> Iterator[Path]:
    """An image set in `dataset` and a store of it for every backend, on a real disk; shared, so not to be changed."""
    with tempfile.TemporaryDirectory(prefix=".test-", dir=CHECKOUT / "results") as directory:
        image_set = write_image_set(Path(directory) / "dataset", 40)
        for name in RUNNABLE:
            store.build(name, choose(name), COUNT, image_set, Path(directory) / "stores" / name / str(COUNT))
        yield Path(directory)


@pytest.fixture
def stores(stores_once: Path, disk: Path) -> Path:
    """A copy of them, holes in files included, free to be changed."""
    subprocess.run(["cp", "-R", f"{stores_once}/.", disk], check=True)
    return disk


def choose(name: str) -> store.Choice:
    return store.Choice(name, backends.resolve(name, {}))


def time_cell(stores: Path, name: str, operation: str, settings: Settings = FAST) -> dict[str, Any]:
    """Time a cell as the step does, in a process of its own."""
    return timing.time_cell(job(stores, name, operation, settings), writes=stores / "stores")


def take(stores: Path, name: str, operation: str, settings: Settings = FAST) -> dict[str, Any]:
    """Take the samples of a cell in this process, which tests can plant something in."""
    with scratch.directory(stores / "stores") as written:
        return samples.take(job(stores, name, operation, settings), written)


def job(stores: Path, name: str, operation: str, settings: Settings = FAST) -> Job:
    choice, place = choose(name), stores / "stores" / name / str(COUNT)
    cell = Cell("machine", name, "32x32", COUNT, operation)
    return Job(cell, choice.module, choice.options, stores / "dataset", place, settings)


@pytest.mark.parametrize("operation", catalogue.entries())
@pytest.mark.parametrize("name", EACH_RUNNABLE)
def test_every_cell_is_measured_in_its_state_in_turn_with_the_baseline(stores: Path, name: str, operation: str) -> None:
    if operation.startswith(STARTS_MANY_PROCESSES) and name not in ("lmdb", "png"):
        return
    record = take(stores, name, operation)
    if operation.startswith("workers") and not backends.load(name).several_readers:
        assert record["gap_reason"] == "only one process at a time can read this store"
        return
    assert record["status"] == "measured", record["gap_reason"]
    taken = record["samples"]
    assert [sample["order"] for sample in taken] == list(range(len(taken)))
    started = [sample["started_seconds"] for sample in taken]
    assert started == sorted(started)
    assert len({stopping.block(moment, FAST.budget_seconds) for moment in started}) >= FAST.minimum_samples
    ways = list(dict.fromkeys((sample["processes"], sample["start_method"]) for sample in taken))
    assert [sample["subject"] for sample in taken[:: len(ways)]] == PLAIN_FILE_FIRST * (len(taken) // 2 // len(ways))
    assert len(taken) >= 2 * FAST.minimum_samples * len(ways)
    counted = [sample for sample in taken if sample["state_verified"]]
    assert len(taken) - len(counted) <= 1  # one that a busy host has disturbed counts for nothing
    taken = counted
    assert all(sample["seconds"] > 0 for sample in taken)
    state = "fresh" if operation.startswith("write") else operation.rpartition("-")[2]
    assert {sample["state"] for sample in taken} == {state}
    assert {sample["resident_fraction"] for sample in taken} == {{"warm": 1.0, "cold": 0.0}.get(state)}
    if state == "cold":
        assert all(sample["device_read_bytes"] > 0 for sample in taken)
    if state == "warm":
        assert max(sample["device_read_bytes"] for sample in taken) <= SLACK_BYTES
    if state != "fresh":
        assert all(sample["open_seconds"] > 0 for sample in taken)
    drawn = {"random": 50, "batch": 50, "first": 1}.get(operation.split("-")[0], COUNT)
    assert {sample["images"] for sample in taken} == {drawn}
    assert all(sample["user_seconds"] + sample["system_seconds"] > 0 for sample in taken if sample["seconds"] > 1e-2)
    assert all(sample["peak_memory_bytes"] < 50e6 for sample in taken if sample["peak_memory_bytes"] is not None)
    assert record["eviction"] == ("posix_fadvise" if state == "cold" else None)


@pytest.mark.parametrize("operation", ["read-cold", "batch-cold"])
@pytest.mark.parametrize("name", EACH_RUNNABLE)
def test_a_cold_read_comes_from_the_device(stores: Path, name: str, operation: str) -> None:
    usage = disk_usage.measure(stores / "stores" / name / str(COUNT) / store.DATA)
    size = min(usage.apparent_bytes, usage.allocated_bytes)  # without the holes in files
    for sample in take(stores, name, operation)["samples"]:
        if sample["subject"] == "backend":
            assert sample["device_read_bytes"] >= 0.8 * size * sample["images"] / COUNT


def test_a_warm_read_that_comes_from_the_device_does_not_count(disk: Path) -> None:
    path = disk / "store"
    path.write_bytes(bytes(1 << 20))
    warm = CacheState(cold=False, drop_caches=False)
    assert warm.verified(path, 1.0, 0, 1.0, is_baseline=False)
    assert not warm.verified(path, 1.0, 1 << 20, 1.0, is_baseline=False)


def test_a_warm_store_is_loaded_in_one_way_whatever_came_before(disk: Path) -> None:
    """How a file came into the page cache decides how fast it is read from there, for as long as it stays."""
    path = disk / "store"
    path.write_bytes(bytes(1 << 20))
    warm = CacheState(cold=False, drop_caches=False)
    warm.try_on(path)
    assert page_cache.resident_fraction(path) == 0.0
    assert warm.bring_about(path) == 1.0


@pytest.mark.parametrize("operation", ["random-warm", "batch-cold"])
def test_the_time_of_each_call_is_kept_as_quantiles(stores: Path, operation: str) -> None:
    record = take(stores, "hdf5", operation)
    found = record["latencies"]
    assert tuple(found["probabilities"]) == PROBABILITIES
    for subject in PLAIN_FILE_FIRST:
        seconds = found[subject]
        assert seconds == sorted(seconds)
        own = [sample for sample in record["samples"] if sample["subject"] == subject]
        assert all(sample["latency_seconds"]["p50"] <= sample["latency_seconds"]["p99"] for sample in own)
        assert seconds[0] <= min(sample["latency_seconds"]["p50"] for sample in own) <= seconds[-1]
        calls = 50 if operation.startswith("random") else 4
        assert all(sample["seconds"] >= 0.5 * calls * seconds[0] for sample in own)


def test_workers_share_a_run_in_every_way(stores: Path) -> None:
    """One process and two, and as many as there are cores; forked only where the backend says that is safe."""
    powers = [2**power for power in range(machine.usable_cores().bit_length())]
    for name, methods in (("png", ["fork", "spawn"]), ("hdf5", ["spawn"])):
        taken = take(stores, name, "workers-warm")["samples"]
        ways = dict.fromkeys((sample["start_method"], sample["processes"]) for sample in taken)
        assert list(ways) == [(method, count) for method in methods for count in powers]


def test_a_durable_write_leaves_nothing_unsynced(stores: Path) -> None:
    for name in RUNNABLE:
        taken = take(stores, name, "write-durable")["samples"]
        assert {sample["unsynced_fraction"] for sample in taken} == {0.0}
    assert {sample["unsynced_fraction"] for sample in take(stores, "png", "write")["samples"]} == {None}


def test_the_process_that_is_timed_is_fresh_and_has_its_threads_pinned(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert process.call(os.getenv, "OMP_NUM_THREADS", threads=3) == "3"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "BLOSC_NTHREADS" not in os.environ
    assert process.call(os.getpid, threads=1) != os.getpid()
    record = time_cell(stores, "lmdb", "write", Settings(minimum_samples=6, budget_seconds=0.05, threads=2))
    assert record["process"] == {"threads": 2, "cpu_affinity": machine.cores()}
    assert record["settings"]["threads"] == 2
    assert "batch_size" not in record["settings"]


def faults_of_memory_used_again() -> int:
    """How often the kernel is asked for pages by an array that another one of its size came before."""
    np.ones(20 << 20, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(20 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are those of glibc's allocator")
def test_freed_memory_stays_with_the_process_whatever_the_heap_looks_like() -> None:
    assert process.call(faults_of_memory_used_again, threads=1) < 100


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def answer_in_part() -> None:
    """Write the length of an answer and its first byte to whom waits for it, and be killed."""
    sender = next(each for each in gc.get_objects() if isinstance(each, Connection) and each.writable)
    os.write(sender.fileno(), struct.pack("!i", 1000) + b"x")
    os.kill(os.getpid(), signal.SIGKILL)


class OddError(Exception):
    """Can be pickled, and can't be made again from that."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one + other)


def raise_(error: type[Exception], *arguments: Any) -> None:
    raise error(*arguments)


@pytest.mark.parametrize(
    ("function", "arguments", "kind", "says"),
    [
        (die, (), Failed, "its process was killed, most likely for want of memory"),
        (answer_in_part, (), Failed, "its process was killed, most likely for want of memory"),
        (signal.raise_signal, (signal.SIGSEGV,), Failed, r"its process crashed \(SIGSEGV\)"),
        (os._exit, (3,), Failed, "ended with code 3 and said nothing"),
        (open, (os.devnull,), Failed, "pickle"),
        (os.stat, ("nothing",), Failed, "FileNotFoundError"),
        (raise_, (OddError, "odd ", "thing"), Failed, "OddError: odd thing"),
        (raise_, (MemoryError,), Failed, "not enough memory"),
        (raise_, (OSError, errno.ENOMEM, "x"), Failed, "not enough memory"),
        (raise_, (OSError, errno.ENOSPC, "x", "/place"), OSError, "/place"),
        (raise_, (OSError, errno.EACCES, "x", "/place"), OSError, "/place"),
        (raise_, (UserError, "other images"), UserError, "other images"),
        (signal.raise_signal, (signal.SIGTERM,), UserError, "ended from outside"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_ends_a_process_is_its_own_fault_or_one_that_the_user_can_put_right(
    function: Any, arguments: Any, kind: type[Exception], says: str
) -> None:
    """The first becomes a gap, the second stops the run, with one line."""
    with pytest.raises(kind, match=says):
        process.call(function, *arguments, threads=1)


def test_an_error_takes_its_traceback_along() -> None:
    with pytest.raises(Failed) as raised:
        process.call(os.stat, "nothing", threads=1)
    assert "in _answer" in raised.value.__notes__[0]


def test_a_process_that_hangs_is_ended() -> None:
    start = time.monotonic()
    with pytest.raises(Failed, match="wasn't done after 1 s"):
        process.call(time.sleep, 60, threads=1, limit_seconds=1)
    assert time.monotonic() - start < 30


def test_memory_is_watched_once_also_where_its_peak_cannot_be_reset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a sandbox whose kernel lacks /proc/self/clear_refs: no process is started for each sample."""
    monkeypatch.setattr(costs, "CLEAR_REFERENCES", tmp_path)
    meter = costs.Meter()
    watchers = []
    for _ in range(3):
        meter.start("backend")
        watchers.append(meter._watcher)
        assert meter.stop().peak_memory_bytes is None
    assert watchers[1:] == [None, None]


def test_costs_are_those_of_the_work() -> None:
    meter = costs.Meter()
    meter.start()
    kept = np.ones(20_000_000, np.uint8)
    found = meter.stop()
    assert 20_000_000 <= found.peak_memory_bytes < 30_000_000
    assert found.user_seconds + found.system_seconds > 0
    del kept
    meter.rest()
    meter.start()
    assert meter.stop().peak_memory_bytes < 5_000_000


class TakesMemory:
    """Wraps a backend and takes memory whenever a store is read or written."""

    TAKEN = 30_000_000
    fork_safe = False
    several_readers = True
    opens_without_writing = True
    go_modules = ()
    thread_variables = ()
    versions = staticmethod(dict)
    options: ClassVar[dict[str, Any]] = {}

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def check(self, options: dict[str, Any]) -> None:
        pass

    def write(self, *arguments: Any, **options: Any) -> None:
        taken = np.ones(self.TAKEN, np.uint8)
        self.backend.write(*arguments, **options)
        del taken

    def open(self, path: Path, options: dict[str, Any]) -> Any:
        reader = self.backend.open(path, options)
        reader.taken = np.ones(self.TAKEN, np.uint8)
        return reader


@pytest.mark.parametrize("operation", ["write", "read-warm", "read-cold", "random-warm", "batch-cold", "workers-warm"])
def test_memory_that_a_backend_takes_is_found(stores: Path, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    honest = backends.load
    monkeypatch.setattr(backends, "load", lambda name: TakesMemory(honest(name)))
    for sample in take(stores, "memmap", operation)["samples"]:
        if sample["subject"] == "backend":
            # A worker stays from run to run, and its allocator may keep what the run before has freed.
            most = (2.4 if operation.startswith("workers") else 1.4) * TakesMemory.TAKEN * sample["processes"]
            least = (TakesMemory.TAKEN - COUNTED_CORE_BY_CORE) * sample["processes"]
            assert least <= sample["peak_memory_bytes"] < most


class MapsAFile(TakesMemory):
    """Wraps a backend and maps a file whenever a store is read or written; a writer unmaps it before it returns."""

    def mapped(self, path: Path) -> mmap.mmap:
        place = path.parent / "mapped"
        if not place.exists():
            place.write_bytes(bytes(self.TAKEN))
        with open(place, "rb") as file:
            taken = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        taken.find(b"x")  # touches every page
        return taken

    def write(self, path: Path, *arguments: Any, **options: Any) -> None:
        taken = self.mapped(path)
        self.backend.write(path, *arguments, **options)
        time.sleep(0.1)  # long enough to be seen from another process on a busy machine
        taken.close()

    def open(self, path: Path, options: dict[str, Any]) -> Any:
        reader = self.backend.open(path, options)
        reader.taken = self.mapped(path)
        return reader


@pytest.mark.parametrize("operation", ["write", "read-warm", "batch-warm", "workers-warm"])
def test_mapped_pages_stand_beside_the_memory_that_a_backend_takes(
    stores: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """The system takes them back when it needs them."""
    honest = backends.load
    monkeypatch.setattr(backends, "load", lambda name: MapsAFile(honest(name)))
    for sample in take(stores, "memmap", operation)["samples"]:
        taken = MapsAFile.TAKEN * sample["processes"] * (sample["subject"] == "backend")
        assert (
            taken - COUNTED_CORE_BY_CORE * sample["processes"]
            <= sample["peak_mapped_bytes"]
            < taken + 5_000_000 * sample["processes"]
        )
        assert sample["peak_memory_bytes"] < 5_000_000 * sample["processes"]


@pytest.mark.parametrize("operation", ["read-warm", "random-warm", "batch-cold"])
def test_a_backend_that_takes_no_memory_shows_little(stores: Path, operation: str) -> None:
    """What the measuring itself takes, the first use of a library for one, isn't the backend's."""
    samples = time_cell(stores, "memmap", operation)["samples"]
    assert max(sample["peak_memory_bytes"] for sample in samples) < 2_000_000


def test_a_store_of_one_reader_at_a_time_shows_a_gap_for_workers(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(backends.load("memmap")), "several_readers", False)
    record = take(stores, "memmap", "workers-warm")
    assert (record["status"], record["gap_reason"]) == ("gap", "only one process at a time can read this store")


class OpensSlowly(TakesMemory):
    """Takes its time to open a store."""

    SECONDS = 0.02

    def open(self, path: Path, options: dict[str, Any]) -> Any:
        time.sleep(self.SECONDS)
        return self.backend.open(path, options)


@pytest.mark.parametrize("operation", ["read-warm", "random-warm", "random-cold", "batch-cold", "workers-cold"])
def test_cold_opening_counts_and_warm_only_where_all_are_read(
    stores: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """What opening reads from the disk would be a present otherwise: of a small store it's all."""
    honest = backends.load
    monkeypatch.setattr(backends, "load", lambda name: OpensSlowly(honest(name)))
    samples = [each for each in take(stores, "memmap", operation)["samples"] if each["subject"] == "backend"]
    assert all(sample["open_seconds"] >= OpensSlowly.SECONDS for sample in samples)
    counts = [sample["seconds"] >= OpensSlowly.SECONDS for sample in samples]
    assert (any if operation == "random-warm" else all)(counts) is (operation != "random-warm")


def test_a_killed_worker_is_one_line(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = backends.load
    monkeypatch.setattr(backends, "load", lambda name: DiesInAWorker(honest(name)))
    with pytest.raises(Failed, match="ended before its time"):
        take(stores, "memmap", "workers-warm")


class DiesInAWorker(TakesMemory):
    """Kills the process that opens the built store."""

    def open(self, path: Path, options: dict[str, Any]) -> Any:
        if path.name == store.DATA:
            die()
        return self.backend.open(path, options)


def test_noise_is_recorded(stores: Path) -> None:
    noise = time_cell(stores, "png", "read-warm")["noise"]
    assert noise["wall_seconds"] > 0
    for probes in (noise["before"], noise["after"]):
        assert all(probes[name] > 0 for name in ("cpu_seconds", "memory_seconds", "file_seconds"))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        disturbed = time_cell(stores, "png", "read-warm")["noise"]
    finally:
        for other in busy:
            other.kill()
            other.wait()
    assert disturbed["other_user_seconds"] > 0.2 * disturbed["wall_seconds"]


def test_the_systems_own_drop_is_used_where_config_allows_and_root_can(stores: Path) -> None:
    can = os.geteuid() == 0 and os.access(page_cache.DROP_CACHES, os.W_OK)
    record = take(
        stores,
        "hdf5",
        "batch-cold",
        Settings(minimum_samples=6, budget_seconds=0.05, maximum_samples=6, drop_caches=True),
    )
    assert record["eviction"] == ("drop_caches" if can else "posix_fadvise")
    assert record["status"] == "measured"


def test_a_record_carries_what_is_needed_to_judge_it(stores: Path) -> None:
    record = time_cell(stores, "hdf5", "write")
    assert record["image_set"]["distinct_images"] == 40
    assert record["image_set"]["repeated_images"] == 20
    assert record["backend"]["digest"] == choose("hdf5").digest()
    assert {"h5py", "numpy"} <= set(record["backend"]["versions"])
    assert record["clock"]["boot"] == clock.boot()
    assert 0 < record["clock"]["started_seconds"] < record["clock"]["ended_seconds"] <= clock.now().since_boot
    assert abs(record["clock"]["jump_seconds"]) < order.LEAST_JUMP_SECONDS
    assert record["machine"]["cores"] >= 1
    assert record["file_system"]["type"] != "unknown" or not Path("/proc/self/mountinfo").exists()


def test_what_a_job_wrote_goes_at_the_end_of_the_run_and_its_space_at_once(stores: Path) -> None:
    """Large files are emptied; deleting them, which can slow down the jobs that follow, waits."""
    with scratch.directory(stores / "stores") as place:
        (place / "large").write_bytes(b"x" * scratch.LARGE_FILE_BYTES)
        (place / "small").write_bytes(b"x")
    assert [(path.name, path.stat().st_size) for path in sorted(place.iterdir())] == [("large", 0), ("small", 1)]
    for operation in ("write", "read-warm", "batch-cold", "workers-warm"):
        time_cell(stores, "png", operation)
    *_, number, token = owned_name().split("-")
    elsewhere = place.parent.parent / f"0123abcd-{socket.gethostname()}-2-{number}-{token}"
    elsewhere.mkdir()
    scratch.remove_all(stores / "stores")
    assert elsewhere.exists(), "it's of another host, whose name begins alike"
    shutil.rmtree(elsewhere.parent)
    assert sorted(path.name for path in (stores / "stores").iterdir()) == RUNNABLE


@pytest.mark.parametrize("operation", ["write", "write-durable"])
def test_a_sample_of_writing_has_the_space_of_the_one_before(stores: Path, operation: str) -> None:
    """So only the first, untimed runs write where nothing ever was: a disk that grows as it's used is slower there."""
    with scratch.directory(stores / "stores") as written:
        taken = samples.take(job(stores, "memmap", operation), written)["samples"]
        for subject in PLAIN_FILE_FIRST:
            sizes = {
                path: sum(os.path.getsize(file) for file in page_cache.files_of(path))
                for path in written.glob(f"{subject}-*")
            }
            last = max(sizes, key=lambda path: path.stat().st_mtime_ns)
            assert len(sizes) > len(taken)
            assert sizes.pop(last) > scratch.LARGE_FILE_BYTES
            assert max(sizes.values()) < scratch.LARGE_FILE_BYTES


def test_durable_writes_are_set_against_writing_where_the_disk_was_written_to(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a megabyte and more, and without a change to what the reference file holds."""
    assert take(stores, "memmap", "write-durable")["overwrite_seconds"] is None
    monkeypatch.setattr(write, "OVERWRITTEN_BYTES", 1)
    assert take(stores, "memmap", "write")["overwrite_seconds"] is None
    with scratch.directory(stores / "stores") as written:
        record = samples.take(job(stores, "memmap", "write-durable"), written)
        plain_files = sorted(written.glob("baseline-*"), key=lambda path: path.stat().st_mtime_ns)
        pixels, _ = ImageSet.load(stores / "dataset").first(COUNT)
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


@pytest.mark.parametrize("shape", [(1,), (7, 5, 3, 3), (100, 32, 32, 3)])
def test_arrays_for_timing_start_on_a_page(shape: tuple[int, ...]) -> None:
    array = aligned.copy_on_page(np.ones(shape, np.int64))
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
    with pytest.raises(UserError, match="is damaged"):
        time_cell(stores, "hdf5", "read-warm")


def test_long_runs_get_three_samples_and_their_first_run_counts(stores: Path) -> None:
    long = Settings(minimum_samples=6, long_sample_seconds=0)
    for operation, runs in (("write", 3), ("read-warm", 3)):
        record = take(stores, "lmdb", operation, long)
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
    command += [
        "--module",
        "lmdb",
        "--options",
        json.dumps(choose("lmdb").options),
        "--image-size",
        "32x32",
        "--cutoff",
        "7",
    ]
    command += [
        "--operation",
        "write",
        "--image-set",
        str(stores / "dataset"),
        "--store",
        str(stores / "stores/lmdb/7"),
    ]
    command += ["--settings", "{}", "--record", str(stores / "record.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "run again" in done.stderr
    assert not (stores / "record.json").exists()
