"""Evicting a store from the page cache, and seeing what is resident in it."""

import mmap
import os
from pathlib import Path

import pytest

from scripts.system import costs, page_cache
from scripts.system.disk import file_system

SIZE = 4 << 20

evictable = pytest.mark.skipif(
    file_system.type_of(Path.cwd()) in ("tmpfs", "overlay") or not hasattr(os, "posix_fadvise"),
    reason="the checkout's file system keeps its pages: put the checkout on a disk to run this",
)


@pytest.fixture
def store(disk: Path) -> Path:
    directory = disk / "store"
    directory.mkdir()
    for name in ("a", "b"):
        (directory / name).write_bytes(os.urandom(SIZE))
    (directory / "empty").touch()
    return directory


@evictable
def test_a_store_just_written_is_resident_and_evicted_it_is_not(store: Path) -> None:
    assert page_cache.resident_fraction(store) == 1.0
    page_cache.evict(store)
    assert page_cache.resident_fraction(store) == 0.0
    (store / "a").read_bytes()
    assert page_cache.resident_fraction(store) == pytest.approx(0.5, abs=0.05)


@evictable
def test_several_places_are_evicted_and_loaded_together(store: Path, disk: Path) -> None:
    (disk / "beside").write_bytes(os.urandom(2 * SIZE))
    places = [store, disk / "beside"]
    page_cache.evict(*places)
    assert page_cache.resident_fraction(*places) == 0.0
    assert page_cache.load(store) == 1.0
    assert page_cache.resident_fraction(*places) == pytest.approx(0.5, abs=0.05)
    assert page_cache.load(*places) == 1.0
    assert page_cache.tells(*places)


@evictable
@pytest.mark.parametrize("cachestat", [page_cache.CACHESTAT, -1], ids=["cachestat", "mincore"])
def test_loading_brings_all_of_an_evicted_store_back(
    store: Path, cachestat: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels before 6.5 have no cachestat(2), so the other way must do as well."""
    monkeypatch.setattr(page_cache, "CACHESTAT", cachestat)
    page_cache.evict(store)
    assert page_cache.resident_fraction(store) == 0.0
    assert page_cache.load(store) == 1.0
    assert page_cache.resident_fraction(store) == 1.0


@evictable
@pytest.mark.slow
def test_looking_at_many_files_leaves_no_memory_behind(disk: Path) -> None:
    """It would count as the memory that the next run takes."""
    for number in range(5000):
        (disk / f"{number:08}.png").write_bytes(b"x")
    page_cache.evict(disk)
    meter = costs.Meter()
    assert page_cache.load(disk) == 1.0
    meter.start()
    taken = meter.stop().peak_memory_bytes
    assert taken is not None
    assert taken < 500_000


@evictable
def test_reading_after_eviction_comes_from_the_device(store: Path) -> None:
    page_cache.evict(store)
    before = costs.device_bytes()
    (store / "a").read_bytes()
    after = costs.device_bytes()
    assert before is not None
    assert after is not None
    assert after[0] - before[0] >= SIZE


@evictable
def test_pages_that_are_mapped_stay_and_are_seen(store: Path) -> None:
    with open(store / "a", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        sum(mapped[::4096])
        page_cache.evict(store)
        assert page_cache.resident_fraction(store) > page_cache.COLD_RESIDENT_FRACTION


def test_a_single_file_can_be_asked_about(store: Path) -> None:
    assert page_cache.resident_fraction(store / "b") == 1.0


def test_an_empty_store_has_no_answer(disk: Path) -> None:
    assert page_cache.resident_fraction(disk) is None


def test_links_that_lead_nowhere_tell_nothing(disk: Path, store: Path) -> None:
    (disk / "links").mkdir()
    for name in ("a", "b"):
        (disk / "links" / name).symlink_to("nowhere")
    assert page_cache.tells(disk / "links", store)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of somebody else and read as a third")
def test_somebody_elses_file_is_unknown_not_resident(store: Path) -> None:
    """The kernel answers "all resident" for a file that one may neither own nor write (Linux 5.2 and later)."""
    (store / "links").mkdir()
    (store / "links/a").symlink_to("nowhere")
    for path in (store, store / "a", store / "b", store / "empty", store / "links"):
        os.chmod(path, 0o755 if path.is_dir() else 0o644)
    child = os.fork()
    if child == 0:
        try:
            # Only opened paths matter: the way to them may be closed to others, so go there before giving up root.
            os.chdir(store)
            os.setresuid(12345, 12345, 12345)
            is_unknown = page_cache.resident_fraction(Path("a")) is None and not page_cache.tells(Path())
            os._exit(0 if is_unknown else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
