"""Stores on a btrfs that compresses: what they take on the disk, and whether a read from there was cold.

These tests mount small file systems in files, which takes root, `mkfs.btrfs` and a kernel that knows btrfs.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from scripts import backends
from scripts.common.cells import Cell
from scripts.dataset.image_set import ImageSet
from scripts.measure import timing
from scripts.measure.operations.base import Unmeasurable
from scripts.measure.operations.state import CacheState
from scripts.measure.settings import Job, Settings
from scripts.stores.build import build_store
from scripts.stores.choice import Choice
from scripts.stores.manifest import DATA
from scripts.system import page_cache
from scripts.system.disk import disk_usage, extents
from tests.support.checkout import CHECKOUT
from tests.support.image_sets import write_image_set

IMAGE_BYTES = 120 << 20
"""The least that mkfs.btrfs takes is 114 MB; the file has holes, and takes little."""
COUNT = 120
SIZE = 4 << 20
FAST = Settings(minimum_samples=6, budget_seconds=0.05, maximum_samples=6, random_images=50, batch_size=16)
BACKENDS = ("hdf5", "lmdb")
WITHOUT_ADMINISTRATION = ["setpriv", "--bounding-set=-sys_admin"]
"""Root without the right to search a file system's trees, which other users don't have either."""


def mounted(place: Path, options: str) -> None:
    """Mount a new btrfs in `place`, which is made, or skip."""
    image = place.with_suffix(".image")
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(IMAGE_BYTES)
    for command in (["mkfs.btrfs", "-q", image], ["mount", "-o", f"loop,{options}", image, place]):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("mkfs.btrfs isn't installed (apt-get install btrfs-progs)")
        if done.returncode:
            pytest.skip(f"mounting a btrfs needs root and a kernel that knows it: {done.stderr.strip()}")


@pytest.fixture(scope="module")
def compressing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A btrfs that compresses, shared by all tests, each of which makes a directory of its own there."""
    place = tmp_path_factory.mktemp("file-systems") / "zstd"
    mounted(place, "compress=zstd")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def place(compressing: Path) -> Iterator[Path]:
    """An empty directory on that file system, gone afterwards."""
    own = compressing / "own"
    own.mkdir()
    yield own
    shutil.rmtree(own)


def one_coloured(directory: Path) -> ImageSet:
    """Write an image set of one-coloured images, of which the disk holds next to nothing."""
    images = np.empty((COUNT, 32, 32, 3), np.uint8)
    images[:] = np.arange(COUNT, dtype=np.uint8)[:, None, None, None]
    return write_image_set(directory, COUNT, images)


def built(place: Path, name: str, image_set: ImageSet) -> Path:
    """Build a store in `place`/stores and return its directory."""
    directory = place / "stores" / name / str(COUNT)
    build_store(name, choose(name), COUNT, image_set, directory)
    return directory


def choose(name: str) -> Choice:
    return Choice(name, backends.resolve(name, {}))


def in_use(place: Path) -> int:
    """The bytes that the whole file system has given to data, by its own count, once all is on the disk."""
    subprocess.run(["sync", "-f", place], check=True)
    command = ["btrfs", "filesystem", "df", "--raw", place]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    (data,) = (line for line in lines if line.startswith("Data"))
    return int(data.rpartition("used=")[2])


def test_allocated_bytes_are_those_on_the_disk(place: Path) -> None:
    """The file system's own count of what it has given out says the same."""
    before = in_use(place)
    (place / "flat").write_bytes(bytes(range(256)) * (SIZE // 256))
    (place / "noise").write_bytes(np.random.default_rng(1).bytes(SIZE))
    usage = disk_usage.settled(place)
    assert usage.apparent_bytes == 2 * SIZE
    assert usage.allocation == "extents"
    assert SIZE < usage.allocated_bytes < 1.1 * SIZE
    assert usage.allocated_bytes == in_use(place) - before


def test_what_is_not_compressed_is_counted_by_blocks(place: Path) -> None:
    (place / "noise").write_bytes(np.random.default_rng(1).bytes(SIZE))
    usage = disk_usage.settled(place)
    assert (usage.allocation, usage.allocated_bytes) == ("blocks", SIZE)


def test_files_that_share_their_data_and_holes_take_no_room(place: Path) -> None:
    (place / "flat").write_bytes(bytes(range(256)) * (SIZE // 256))
    alone = disk_usage.settled(place)
    subprocess.run(["cp", "--reflink=always", place / "flat", place / "again"], check=True)
    with open(place / "hole", "wb") as file:
        file.truncate(SIZE)
    shared = disk_usage.settled(place)
    assert shared.apparent_bytes == 3 * SIZE
    assert shared.allocated_bytes == alone.allocated_bytes


def test_many_extents_are_all_found(place: Path) -> None:
    """More than one call returns, in a file in pieces, every other of which is a hole."""
    pieces, piece = 200, 1 << 17
    with open(place / "pieces", "wb") as file:
        for number in range(pieces):
            file.seek(2 * number * piece)
            file.write(bytes([1 + number]) * piece)
    usage = disk_usage.settled(place)
    assert usage.allocated_bytes == pieces * 4096
    assert extents.kinds(str(place / "pieces")) == (True, 0)


@pytest.mark.parametrize("attribute", ["lzo", "zlib"])
def test_compression_of_single_files_is_seen(tmp_path: Path, attribute: str, request: pytest.FixtureRequest) -> None:
    """No mount option says it."""
    place = tmp_path / attribute
    mounted(place, "rw")
    request.addfinalizer(lambda: subprocess.run(["umount", place], check=True))
    flat = place / "flat"
    flat.touch()
    subprocess.run(["btrfs", "property", "set", flat, "compression", attribute], check=True)
    flat.write_bytes(bytes(range(256)) * (SIZE // 256))
    usage = disk_usage.settled(place)
    assert usage.allocation == "extents"
    assert usage.allocated_bytes < SIZE / 10


def test_who_may_not_ask_gets_no_number(place: Path) -> None:
    (place / "flat").write_bytes(bytes(range(256)) * (SIZE // 256))
    code = "import sys; from pathlib import Path; from scripts.system.disk import disk_usage; "
    code += "print(disk_usage.settled(Path(sys.argv[1])))"
    command = [*WITHOUT_ADMINISTRATION, sys.executable, "-c", code, place]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT).stdout
    assert "allocated_bytes=None" in said
    assert "allocation='unknown'" in said


@pytest.mark.parametrize("name", BACKENDS)
def test_one_coloured_images_are_read_cold(place: Path, name: str) -> None:
    directory = built(place, name, one_coloured(place / "dataset"))
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["allocation"] == "extents"
    assert manifest["allocated_bytes"] < manifest["apparent_bytes"] / 10
    cell = Cell("machine", name, "32x32", COUNT, "read-cold")
    record = timing.time_cell(
        Job(cell, name, choose(name).options, place / "dataset", directory, FAST), writes=directory.parent.parent
    )
    assert record["status"] == "measured", record["gap_reason"]
    assert any("compress what is written (compress=zstd:3)" in limit for limit in record["file_system"]["limits"])
    assert 0 < record["device_share"] <= 1


def test_without_root_the_plain_file_says_how_much_comes_from_the_device(place: Path) -> None:
    directory = built(place, "hdf5", one_coloured(place / "dataset"))
    record = place / "record.json"
    command = [*WITHOUT_ADMINISTRATION, sys.executable, CHECKOUT / "scripts", "time_operation", "--machine", "machine"]
    command += ["--name", "hdf5", "--module", "hdf5", "--options", json.dumps(choose("hdf5").options)]
    command += [
        "--image-size",
        "32x32",
        "--cutoff",
        str(COUNT),
        "--operation",
        "read-cold",
        "--image-set",
        place / "dataset",
    ]
    command += ["--store", directory, "--writes", directory.parent.parent, "--settings", json.dumps(asdict(FAST))]
    command += ["--record", record]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads(record.read_text())
    assert found["status"] == "measured", found["gap_reason"]
    assert 0 < found["device_share"] < 0.2


def test_a_cold_read_from_memory_is_found_out(place: Path) -> None:
    """Nothing resident, and too few bytes from the device: they came from elsewhere."""
    for name in ("plain", "store"):
        (place / name).write_bytes(bytes(range(256)) * (SIZE // 256))
    cold = CacheState(cold=True, drop_caches=False)
    for name in ("plain", "store"):
        cold.try_on(place / name)
    on_disk = disk_usage.measure(place / "plain").allocated_bytes
    assert cold.verified([place / "plain"], 0.0, on_disk, 1.0, is_baseline=True)
    assert cold.verified([place / "store"], 0.0, on_disk, 1.0, is_baseline=False)
    assert not cold.verified([place / "store"], 0.0, 4096, 1.0, is_baseline=False)


def test_small_files_among_the_metadata_are_a_gap_with_its_reason(place: Path) -> None:
    """They are evicted from the page cache, and read from memory all the same."""
    directory = built(place, "png", one_coloured(place / "dataset"))
    assert json.loads((directory / "manifest.json").read_text())["inline_bytes"] > 0
    data = directory / DATA
    page_cache.evict(data)
    assert page_cache.resident_fraction(data) == 0.0
    cell = Cell("machine", "png", "32x32", COUNT, "read-cold")
    record = timing.time_cell(
        Job(cell, "png", choose("png").options, place / "dataset", directory, FAST), writes=directory.parent.parent
    )
    assert record["status"] == "gap"
    assert "in small files, among its metadata" in record["gap_reason"]
    assert "drop_caches: true" in record["gap_reason"]


@pytest.fixture
def layered(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[Path], Path]:
    """What mounts an overlay whose upper layer is in a directory, as containers have it, and returns its place."""

    def mount(layer: Path) -> Path:
        lower, upper, work, over = (tmp_path / "lower", layer / "upper", layer / "work", tmp_path / "over")
        for made in (lower, upper, work, over):
            made.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        done = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, over], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"mounting an overlay needs root, and a layer that takes it: {done.stderr.strip()}")
        request.addfinalizer(lambda: subprocess.run(["umount", over], check=True))
        return over

    return mount


def test_what_an_overlay_has_below_it_is_seen_through(place: Path, layered: Callable[[Path], Path]) -> None:
    """That it compresses, but not to how much: its own trees can't be searched from above."""
    over = layered(place)
    directory = built(over, "hdf5", one_coloured(over / "dataset"))
    manifest = json.loads((directory / "manifest.json").read_text())
    assert (manifest["allocation"], manifest["allocated_bytes"]) == ("unknown", None)
    cell = Cell("machine", "hdf5", "32x32", COUNT, "read-cold")
    record = timing.time_cell(
        Job(cell, "hdf5", choose("hdf5").options, over / "dataset", directory, FAST), writes=directory.parent.parent
    )
    assert record["status"] == "measured", record["gap_reason"]
    assert 0 < record["device_share"] < 0.2


def test_an_overlay_of_memory_is_a_gap_with_its_reason(
    layered: Callable[[Path], Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", memory], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a file system in memory needs root: {done.stderr.strip()}")
    request.addfinalizer(lambda: subprocess.run(["umount", "--lazy", memory], check=True))
    cold = CacheState(cold=True, drop_caches=False)
    over = layered(memory)
    (over / "file").write_bytes(bytes(SIZE))
    with pytest.raises(Unmeasurable, match="can't be evicted from the page cache of file system overlay"):
        cold.try_on(over / "file")
