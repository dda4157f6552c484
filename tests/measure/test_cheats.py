"""Planted cheats: a backend that gives less than it says is refused, or its samples count for nothing."""

import mmap
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import backends
from scripts.backends import base, memmap
from scripts.common.cells import Cell
from scripts.common.errors import UserError
from scripts.measure import samples
from scripts.measure.settings import Job, Settings
from scripts.stores.build import build_store
from scripts.stores.choice import Choice
from scripts.system.disk import scratch
from tests.support.backend_variants import load_all
from tests.support.image_sets import write_image_set

COUNT = 60
SETTINGS = Settings(minimum_samples=6, budget_seconds=0.02, maximum_samples=6, random_images=50, batch_size=16)
HONEST = "memmap"
"""The backend whose files the cheats have."""


@pytest.fixture
def stores(disk: Path) -> Path:
    image_set = write_image_set(disk / "dataset", COUNT)
    choice = Choice(HONEST, backends.resolve(HONEST, {}))
    build_store(HONEST, choice, COUNT, image_set, disk / "stores" / HONEST / str(COUNT))
    return disk


def take(stores: Path, operation: str) -> dict[str, Any]:
    options, place = backends.resolve(HONEST, {}), stores / "stores" / HONEST / str(COUNT)
    job = Job(Cell("machine", HONEST, "32x32", COUNT, operation), HONEST, options, stores / "dataset", place, SETTINGS)
    with scratch.directory(stores / "stores") as written:
        return samples.take(job, written)


class LosesTheLastImage(memmap.Backend):
    def write(self, path: Path, images: Any, labels: Any, **more: Any) -> None:
        images = np.array(images[:])
        images[-1] = 0 if len(images) > 1 else images[-1]
        super().write(path, images, labels, **more)


class LeavesBytesUnsynced(memmap.Backend):
    """Says durable and leaves it to the kernel, which writes when it likes."""

    def write(self, path: Path, images: Any, labels: Any, *, durable: bool, options: dict[str, Any]) -> None:
        super().write(path, images, labels, durable=False, options=options)


class GivesViewsOfAMap(memmap.Backend):
    """Leaves the caller's arrays alone and holds a map of the store instead."""

    class reader(memmap.Reader):
        def _read_all(self, *arguments: np.ndarray) -> None: ...

        def _read(self, *arguments: np.ndarray) -> None: ...


class GivesTheWrongOrder(memmap.Backend):
    """Reads in the order of the store, which suits the disk better."""

    class reader(memmap.Reader):
        def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, tuple[int, ...]]:
            self.in_order = iter(range(2 * COUNT))
            return super()._open(path, options)

        def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
            super()._read_all(images, labels)
            images[[0, -1]] = images[[-1, 0]]

        def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
            super()._read(np.array([next(self.in_order) % len(self) for _ in ids]), images, labels)


class SkipsLabels(memmap.Backend):
    class reader(memmap.Reader):
        def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
            super()._read_all(images, labels.copy())

        def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
            super()._read(ids, images, labels.copy())


class KeepsImagesInMemory(memmap.Backend):
    """Holds what it has read once, so that a cold store needn't be touched."""

    kept: dict[Path, tuple[np.ndarray, np.ndarray]] = {}

    def open(self, path: Path, options: dict[str, Any]) -> base.Reader:
        if path not in self.kept:
            with super().open(path, options) as reader:
                self.kept[path] = load_all(reader)
        all_images, all_labels = self.kept[path]

        class FromMemory(base.Reader):
            def _open(self, path: Path, options: dict[str, Any]) -> tuple[int, tuple[int, ...]]:
                return len(all_labels), all_images.shape[1:]

            def _read_all(self, images: np.ndarray, labels: np.ndarray) -> None:
                images[:], labels[:] = all_images, all_labels

            def _read(self, ids: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
                images[:], labels[:] = all_images[ids], all_labels[ids]

        return FromMemory(path, options)


class KeepsPagesInMemory(memmap.Backend):
    """Holds a map of the store's pages, so that they can't be evicted."""

    held: list[mmap.mmap] = []

    def open(self, path: Path, options: dict[str, Any]) -> base.Reader:
        with open(path / "images.npy", "rb") as file:
            self.held.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        sum(self.held[-1][:: mmap.PAGESIZE])
        return super().open(path, options)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Put a cheat in the place of the honest backend."""
    yield lambda cheat: monkeypatch.setattr(backends, "load", lambda name: cheat())
    KeepsImagesInMemory.kept.clear()
    while KeepsPagesInMemory.held:
        KeepsPagesInMemory.held.pop().close()


READS = ("read-warm", "read-cold", "random-warm", "random-cold", "batch-warm", "batch-cold")


def test_the_honest_backend_passes(stores: Path, plant: Any) -> None:
    plant(memmap.Backend)
    for operation in ("write", "write-durable", *READS):
        assert take(stores, operation)["status"] == "measured"


@pytest.mark.parametrize(
    ("cheat", "operation"),
    [
        *product([GivesViewsOfAMap, GivesTheWrongOrder, SkipsLabels], READS),
        (GivesTheWrongOrder, "workers-warm"),
        *(pytest.param(cheat, "workers-warm", marks=pytest.mark.slow) for cheat in (GivesViewsOfAMap, SkipsLabels)),
        pytest.param(SkipsLabels, "first-image-cold", marks=pytest.mark.slow),
    ],
)
def test_a_reader_that_skips_work_is_refused(stores: Path, plant: Any, cheat: type, operation: str) -> None:
    plant(cheat)
    with pytest.raises(UserError, match="isn't what was stored"):
        take(stores, operation)


@pytest.mark.parametrize(
    ("operation", "cheat", "said"),
    [
        ("write", LosesTheLastImage, "isn't what should have been"),
        ("write-durable", LeavesBytesUnsynced, "not on the disk"),
    ],
)
def test_a_writer_that_skips_work_is_refused(stores: Path, plant: Any, operation: str, cheat: type, said: str) -> None:
    plant(cheat)
    with pytest.raises(UserError, match=said):
        take(stores, operation)


@pytest.mark.parametrize("operation", [name for name in READS if name.endswith("cold")])
@pytest.mark.parametrize("cheat", [KeepsImagesInMemory, KeepsPagesInMemory])
def test_a_cold_read_served_from_memory_counts_for_nothing(
    stores: Path, plant: Any, cheat: type, operation: str
) -> None:
    plant(cheat)
    record = take(stores, operation)
    assert record["status"] == "gap"
    assert "no sample started from the state cold" in record["gap_reason"]
    assert not any(sample["state_verified"] for sample in record["samples"] if sample["subject"] == "backend")
