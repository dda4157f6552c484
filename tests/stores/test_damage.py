"""Damaged stores, through the door that timings take: each ends in one line that names the store and the remedy."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts import backends
from scripts.common.cells import Cell
from scripts.common.errors import UserError
from scripts.dataset.image_set import ImageSet
from scripts.measure import samples, timing
from scripts.measure.settings import Job, Settings
from scripts.stores import manifest
from scripts.stores.build import build_store
from scripts.stores.check import check_files, refuse_damaged
from scripts.stores.choice import Choice
from scripts.system.disk import scratch
from tests.support.backend_variants import EACH_RUNNABLE, RUNNABLE
from tests.support.checkout import CHECKOUT
from tests.support.image_sets import write_image_set

pytestmark = pytest.mark.usefixtures("libraries")

COUNT = 60
SETTINGS = Settings(budget_seconds=0.01, minimum_samples=6)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """An image set, and beside it the stores that tests of this file have built; shared, so not to be changed."""
    (CHECKOUT / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".test-", dir=CHECKOUT / "results") as directory:
        write_image_set(Path(directory) / "dataset", COUNT)
        yield Path(directory)


@pytest.fixture
def a_store(place: Path, disk: Path) -> Callable[[str], Path]:
    """Makes a store of a backend, free to be damaged; returns its directory."""

    def make(name: str) -> Path:
        built = place / "stores" / name / str(COUNT)
        if not built.exists():
            choice = Choice(name, backends.resolve(name, {}))
            build_store(name, choice, COUNT, ImageSet.load(place / "dataset"), built)
        return shutil.copytree(built, disk / "stores" / name / str(COUNT))

    return make


def data_files(directory: Path) -> list[Path]:
    """The files of a store, the largest first."""
    files = [path for path in (directory / manifest.DATA).rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: path.stat().st_size, reverse=True)


def flip_a_bit(directory: Path, pixels: bytes) -> None:
    """Flip a bit of pixels where the files have them as they are, else in the middle of the largest file."""
    for path in data_files(directory):
        content = bytearray(path.read_bytes())
        if (found := content.find(pixels)) >= 0:
            break
    else:
        path = data_files(directory)[0]
        content = bytearray(path.read_bytes())
        found = len(content) // 2
    content[found] ^= 16
    path.write_bytes(content)


def zero_the_second_half(directory: Path) -> None:
    """Overwrite half of every file with zeros, so that names and lengths stay."""
    for path in data_files(directory):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


def job(place: Path, directory: Path, operation: str = "read-warm") -> Job:
    name = directory.parent.name
    cell = Cell("a-machine", name, "32x32", COUNT, operation)
    return Job(cell, name, backends.resolve(name, {}), place / "dataset", directory, SETTINGS)


def time(place: Path, directory: Path, operation: str = "read-warm") -> None:
    """Time a cell of a store, as the step does."""
    timing.time_cell(job(place, directory, operation), writes=directory.parent.parent)


def read_here(place: Path, directory: Path) -> None:
    """Do the same without a process of its own."""
    with scratch.directory(directory.parent.parent) as written:
        try:
            samples.take(job(place, directory), written)
        except Exception as error:
            refuse_damaged(directory, error)
            raise


@contextmanager
def refused(directory: Path) -> Iterator[None]:
    """See that the block ends in one line that names the store and the remedy."""
    with pytest.raises(UserError) as caught:
        yield
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"the store {directory} ")
    assert message.endswith(f"; delete {directory} and run again")


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_flipped_bit_is_found(name: str, place: Path, a_store: Callable[[str], Path]) -> None:
    directory = a_store(name)
    images = ImageSet.load(place / "dataset").images
    flip_a_bit(directory, images[COUNT // 2, 16].tobytes())
    with refused(directory):
        read_here(place, directory)


@pytest.mark.parametrize("name", EACH_RUNNABLE)
def test_damage_that_leaves_all_lengths_is_found(name: str, place: Path, a_store: Callable[[str], Path]) -> None:
    """In a process of its own: some libraries end theirs by a signal."""
    directory = a_store(name)
    zero_the_second_half(directory)
    with refused(directory):
        time(place, directory)


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_file_that_is_cut_or_lost_is_found(name: str, a_store: Callable[[str], Path]) -> None:
    directory = a_store(name)
    key = manifest.read(directory)["key"]
    largest = data_files(directory)[0]
    os.truncate(largest, largest.stat().st_size // 2)
    for _ in range(2):
        with refused(directory):
            check_files(directory, key)
        with refused(directory):
            refuse_damaged(directory)
        largest.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "operation",
    ["random-cold", *(pytest.param(name, marks=pytest.mark.slow) for name in ("workers-warm", "first-image-warm"))],
)
def test_also_where_other_processes_read(operation: str, place: Path, a_store: Callable[[str], Path]) -> None:
    directory = a_store("png")
    zero_the_second_half(directory)
    with refused(directory):
        time(place, directory, operation)


def test_the_failure_of_a_whole_store_is_another_one(a_store: Callable[[str], Path]) -> None:
    refuse_damaged(a_store("memmap"), RuntimeError("a defect"))


def test_a_damaged_store_does_not_stay_where_it_is_built_again(place: Path, a_store: Callable[[str], Path]) -> None:
    directory = a_store("memmap")
    zero_the_second_half(directory)
    choice = Choice("memmap", backends.resolve("memmap", {}))
    build_store("memmap", choice, COUNT, ImageSet.load(place / "dataset"), directory)
    refuse_damaged(directory)
