"""The contract of `scripts/backends/base.py`, held to every backend and every variant that its options allow."""

import ctypes
import os
import time
from pathlib import Path

import numpy as np
import pytest

from scripts import backends
from scripts.backends import base
from tests.support.backend_variants import (
    COUNT,
    ROWS_PER_BLOCK,
    SMALL_BLOCK_BYTES,
    Variant,
    WithFiles,
    assert_same,
    installed,
    load_all,
    make,
    parameters,
    variants,
)

VARIANTS = list(variants())
each_backend = pytest.mark.parametrize(
    "variant", list({variant.name: variant for variant in reversed(VARIANTS)}.values()), ids=str, indirect=True
)
"""For what no option changes: every backend once, as by default, which is the first of its variants."""
each_backend_daily = pytest.mark.parametrize("variant", parameters(pytest.mark.nightly), indirect=True)
"""For what takes long: every backend each day, and every variant in a nightly run."""


@pytest.fixture(params=parameters())
def variant(request: pytest.FixtureRequest) -> Variant:
    return installed(request.param)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "BLOCK_BYTES", SMALL_BLOCK_BYTES)


@pytest.fixture
def written(variant: Variant, tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A store of forty images: its path, and what is in it."""
    images, labels = make()
    variant.write(tmp_path / "store", images, labels)
    return tmp_path / "store", images, labels


class Lazy:
    """A source with nothing but what the contract asks for; `limit` is the number of slices before it fails."""

    def __init__(self, array: np.ndarray, limit: int | None = None) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype
        self.limit = limit
        self.asked: list[slice] = []

    def __getitem__(self, rows: slice) -> np.ndarray:
        self.asked.append(rows)
        if self.limit is not None:
            self.limit -= 1
            if self.limit < 0:
                raise InterruptedWrite
        return self.array[rows]


class InterruptedWrite(Exception):
    """What a failing source raises."""


@pytest.mark.parametrize("durable", [False, True], ids=["buffered", "durable"])
@pytest.mark.parametrize("count", [1, ROWS_PER_BLOCK, COUNT])
def test_round_trip(variant: Variant, tmp_path: Path, count: int, durable: bool) -> None:
    images, labels = make(count)
    variant.write(tmp_path / "store", images, labels, durable=durable)
    with variant.open(tmp_path / "store") as reader:
        assert len(reader) == count
        assert reader.image_shape == (32, 32, 3)
        assert_same(load_all(reader), images, labels)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 1), (33, 31), (300, 200)])
def test_shapes(variant: Variant, tmp_path: Path, height: int, width: int) -> None:
    images, labels = make(9, height, width)
    variant.write(tmp_path / "store", images, labels)
    with variant.open(tmp_path / "store") as reader:
        assert_same(load_all(reader), images, labels)
        assert_same(reader.load([8, 0]), images[[8, 0]], labels[[8, 0]])


def test_read_in_the_order_asked_for(variant: Variant, written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, images, labels = written
    asked = {
        "one": [0],
        "mixed": [COUNT - 1, 0, 7, 7, 3],
        "all": range(COUNT),
        "range": range(9, 23),
        "backwards": range(COUNT - 1, -1, -1),
        "repeated": [5, 5, 5],
        "none": [],
        "unsigned": np.arange(0, COUNT, 3, np.uint64),
        "short": np.full(200, 11, np.int8),
        "random": np.random.default_rng(0).integers(0, COUNT, 300),
    }
    for kind, ids in asked.items():
        chosen = np.asarray(ids, np.int64)
        with variant.open(path) as reader:
            assert_same(reader.load(ids), images[chosen], labels[chosen], kind)
            assert_same(load_all(reader), images, labels, kind)
            assert_same(reader.load(ids), images[chosen], labels[chosen], kind)


def test_sources(variant: Variant, tmp_path: Path) -> None:
    images, labels = make()
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    read_only = images.copy()
    read_only.flags.writeable = False
    sources = {
        "lazy": (Lazy(images), Lazy(labels)),
        "memory-mapped": tuple(np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("images", "labels")),
        "transposed": (channels_first.transpose(0, 2, 3, 1), labels),
        "strided": (np.repeat(images, 2, axis=0)[::2], np.repeat(labels, 2)[::2]),
        "read-only": (read_only, labels),
    }
    for name, (image_source, label_source) in sources.items():
        variant.write(tmp_path / name, image_source, label_source)
        with variant.open(tmp_path / name) as reader:
            assert_same(load_all(reader), images, labels)


def test_a_source_is_read_once_in_order_and_a_block_at_a_time(variant: Variant, tmp_path: Path) -> None:
    sources = [Lazy(array) for array in make()]
    variant.write(tmp_path / "store", *sources)
    for source in sources:
        assert [rows.start for rows in source.asked[1:]] == [rows.stop for rows in source.asked[:-1]]
        assert (source.asked[0].start, source.asked[-1].stop) == (0, COUNT)
        assert len(source.asked) > 1


def test_arrays_belong_to_the_caller(variant: Variant, written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, images, labels = written
    with variant.open(path) as reader:
        for load in (lambda: load_all(reader), lambda: reader.load([3, 1])):
            for array in load():
                array[:] = 0
        assert_same(reader.load([3, 1]), images[[3, 1]], labels[[3, 1]])
        found = load_all(reader)
    for file in filter(Path.is_file, path.rglob("*")):
        file.write_bytes(b"\x55" * file.stat().st_size)
    assert_same(found, images, labels)


# Files that images came from

KEEPS_ORIGINALS = [
    Variant(name, backends.resolve(name, {"codec": "original"}))
    for name in backends.names()
    if "codec" in backends.load(name).options
]
each_that_keeps_originals = pytest.mark.parametrize("variant", KEEPS_ORIGINALS, ids=str, indirect=True)


@each_that_keeps_originals
def test_files_of_very_unequal_lengths(variant: Variant, tmp_path: Path) -> None:
    images, labels = make()
    images[::2] = 7
    files = WithFiles(images, {COUNT // 2: 300_000, COUNT - 1: 300_000})
    lengths = [len(found) for found in files.originals(slice(None))]
    assert min(lengths) < 150
    assert max(lengths) > 300_000
    variant.write(tmp_path / "store", files, labels)
    ids = np.random.default_rng(0).integers(0, COUNT, 60)
    with variant.open(tmp_path / "store") as reader:
        assert_same(reader.load([COUNT // 2]), images[[COUNT // 2]], labels[[COUNT // 2]])
        assert_same(reader.load(ids), images[ids], labels[ids])
        assert_same(load_all(reader), images, labels)


def test_blocks_are_as_large_as_files_where_these_are_larger(tmp_path: Path) -> None:
    images, labels = make()
    images[:] = 7
    for large, most in (({}, ROWS_PER_BLOCK), (dict.fromkeys(range(COUNT), SMALL_BLOCK_BYTES // 3), 2)):
        files = WithFiles(Lazy(images), large)
        KEEPS_ORIGINALS[0].write(tmp_path / str(most), files, labels)
        assert {rows.stop - rows.start for rows in files.images.asked[:-1]} == {most}


def test_images_without_files_are_refused_where_files_are_kept(tmp_path: Path) -> None:
    images, labels = make()
    [variant] = [variant for variant in KEEPS_ORIGINALS if variant.name == "memmap"]
    with pytest.raises(ValueError, match="images must have originals, which codec original keeps"):
        variant.backend.write(tmp_path / "store", images, labels, durable=False, options=variant.options)
    short = WithFiles(images[:-1])
    short.shape = images.shape
    with pytest.raises(ValueError, match="originals"):
        variant.write(tmp_path / "store", short, labels)
    assert not (tmp_path / "store").exists()


# Mistakes


@each_backend
def test_id_out_of_range(variant: Variant, written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    for ids in ([-1], [COUNT], [0, COUNT, 1], np.array([2**63], np.uint64)):
        images, labels = np.full((len(ids), 32, 32, 3), 77, np.uint8), np.full(len(ids), 77)
        with variant.open(written[0]) as reader, pytest.raises(IndexError):
            reader.read(ids, images, labels)
        assert set(images.flat) == set(labels.flat) == {77}


@each_backend
def test_ids_that_are_not_a_row_of_integers(variant: Variant, written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    for ids in ([0.0], [[0]], [True], ["0"]):
        with variant.open(written[0]) as reader, pytest.raises(ValueError, match="ids"):
            reader.read(ids, np.empty((1, 32, 32, 3), np.uint8), np.empty(1, np.int64))


@each_backend
def test_destination_that_does_not_fit(variant: Variant, written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    images, labels = np.empty((COUNT, 32, 32, 3), np.uint8), np.empty(COUNT, np.int64)
    read_only = images.copy()
    read_only.flags.writeable = False
    wrong = [
        (images[1:], labels),
        (images, labels[1:]),
        (images.reshape(COUNT, -1), labels),
        (images.astype(np.int16), labels),
        (images, labels.astype(np.int32)),
        (images.transpose(0, 2, 1, 3), labels),
        (read_only, labels),
    ]
    with variant.open(written[0]) as reader:
        for image_array, label_array in wrong:
            with pytest.raises(ValueError, match=r"images|labels"):
                reader.read_all(image_array, label_array)
            with pytest.raises(ValueError, match=r"images|labels"):
                reader.read(range(COUNT), image_array, label_array)


@each_backend
def test_source_that_does_not_fit(variant: Variant, tmp_path: Path) -> None:
    images, labels = make()
    short = Lazy(images[:-1])
    short.shape = images.shape
    wrong = [
        (images[0], labels),
        (images[..., :2], labels),
        (images[:0], labels[:0]),
        (images[:, :0], labels),
        (images.astype(np.float32), labels),
        (images, labels[1:]),
        (images, labels.astype(np.int32)),
        (images, labels[:, None]),
        (short, labels),
    ]
    for image_source, label_source in wrong:
        with pytest.raises(ValueError, match=r"images|labels"):
            variant.write(tmp_path / "store", image_source, label_source)
        assert not (tmp_path / "store").exists()


@each_backend
def test_existing_path_is_left_alone(variant: Variant, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "mine").write_text("keep")
    (tmp_path / "file").write_text("keep")
    for name in ("directory", "file"):
        with pytest.raises(FileExistsError):
            variant.write(tmp_path / name, *make(1))
    assert (tmp_path / "directory" / "mine").read_text() == (tmp_path / "file").read_text() == "keep"


def test_opening_nothing(variant: Variant, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        variant.open(tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("slices", [*(pytest.param(slices, marks=pytest.mark.nightly) for slices in (0, 1)), 3])
def test_interrupted_write_leaves_nothing(variant: Variant, tmp_path: Path, slices: int) -> None:
    images, labels = make()
    with pytest.raises(InterruptedWrite):
        variant.write(tmp_path / "store", Lazy(images, slices), labels)
    assert not (tmp_path / "store").exists()
    assert_nothing_is_open(tmp_path)
    variant.write(tmp_path / "store", images, labels)
    with variant.open(tmp_path / "store") as reader:
        assert_same(load_all(reader), images, labels)


def test_closing(variant: Variant, written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, *_ = written
    reader = variant.open(path)
    reader.load([1])
    reader.close()
    reader.close()
    assert_nothing_is_open(path)
    for read in (lambda: load_all(reader), lambda: reader.load([0])):
        with pytest.raises(ValueError, match="closed"):
            read()


@each_backend_daily
@pytest.mark.parametrize("content", [b"", b"\x55"], ids=["emptied", "overwritten"])
def test_opening_a_damaged_store_leaves_nothing_open(
    variant: Variant, written: tuple[Path, np.ndarray, np.ndarray], content: bytes
) -> None:
    path, *_ = written
    for file in filter(Path.is_file, path.rglob("*")):
        file.write_bytes(content * file.stat().st_size)
    with pytest.raises(Exception, match=r"."), variant.open(path) as reader:
        load_all(reader)
    assert_nothing_is_open(path)


def assert_nothing_is_open(path: Path) -> None:
    """Within a second: some libraries close a file in a thread of their own."""
    for _ in range(20):
        if not open_files(path):
            return
        time.sleep(0.05)
    assert open_files(path) == []


def open_files(path: Path) -> list[str]:
    """The files under `path` that this process has open or mapped."""
    if not Path("/proc/self").exists():
        return []
    descriptors = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    maps = [line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
    return [name for name in descriptors + maps if name.startswith(str(path.resolve()))]


# What stays on the disk


def test_reading_leaves_every_file_as_it_was(variant: Variant, written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    if not variant.backend.opens_without_writing:
        pytest.skip("declared: opening writes")
    path, images, labels = written
    places = [path, *path.rglob("*")]
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    before = snapshot(path)
    with variant.open(path) as reader:
        assert_same(reader.load([4, 2]), images[[4, 2]], labels[[4, 2]])
        assert_same(load_all(reader), images, labels)
        during = snapshot(path)
    assert before == during == snapshot(path)
    path.chmod(0o755)


def snapshot(path: Path) -> dict[str, tuple]:
    """Names, modes, times of change and bytes of a directory and everything in it."""
    return {
        str(place): (place.stat().st_mtime_ns, place.stat().st_mode, place.is_dir() or place.read_bytes())
        for place in [path, *path.rglob("*")]
    }


def test_durable_write_leaves_no_dirty_page(variant: Variant, tmp_path: Path) -> None:
    if not any(map(is_dirty_once_written, [tmp_path / "plain"] * 20)):
        pytest.skip("this kernel or file system doesn't tell dirty pages")
    variant.write(tmp_path / "store", *make(), durable=True)
    files = filter(Path.is_file, (tmp_path / "store").rglob("*"))
    assert [file.name for file in files if dirty_pages(file)] == []


def is_dirty_once_written(path: Path) -> bool:
    """Whether a new file waits to be written to the disk. Rarely, another process syncs all files just then."""
    path.write_bytes(bytes(100_000))
    return dirty_pages(path) > 0


def dirty_pages(path: Path) -> int:
    """Pages of the file that wait to be written or are being written, by cachestat(2), Linux 6.5; 0 where unknown."""
    counts = (ctypes.c_uint64 * 5)()
    with open(path, "rb") as file:
        ctypes.CDLL(None).syscall(451, file.fileno(), (ctypes.c_uint64 * 2)(0, 0), counts, 0)
    return counts[1] + counts[2]
