"""Timings of small cells: of a store of any backend, below one directory with its image set."""

import shutil
from pathlib import Path
from typing import Any

from scripts import backends
from scripts.common.cells import Cell
from scripts.dataset.image_set import ImageSet
from scripts.measure import samples, timing
from scripts.measure.settings import Job, Settings
from scripts.stores.build import build_store
from scripts.stores.choice import Choice
from scripts.system.disk import scratch

FAST = Settings(minimum_samples=6, budget_seconds=0.05, maximum_samples=8, random_images=50, batch_size=16)
DISTINCT = 40
"""Images in the image set."""
COUNT = 60
"""Images in a store: the first of them are repeated."""
BASELINE_FIRST = ["baseline", "backend"]


def choose(name: str) -> Choice:
    """A backend with its defaults."""
    return Choice(name, backends.resolve(name, {}))


def place_of(directory: Path, name: str) -> Path:
    """The place of a backend's store. The first call builds it; where opening changes a store, every call does."""
    place = directory / "stores" / name / str(COUNT)
    if place.exists() and not backends.load(name).opens_without_writing:
        shutil.rmtree(place)
    if not place.exists():
        build_store(name, choose(name), COUNT, ImageSet.load(directory / "dataset"), place)
    return place


def job(directory: Path, name: str, operation: str, settings: Settings = FAST) -> Job:
    """The job that times a cell of a backend."""
    choice, cell = choose(name), Cell("machine", name, "32x32", COUNT, operation)
    return Job(cell, choice.module, choice.options, directory / "dataset", place_of(directory, name), settings)


def time_cell(directory: Path, name: str, operation: str, settings: Settings = FAST) -> dict[str, Any]:
    """Time a cell as the step does, in a process of its own."""
    return timing.time_cell(job(directory, name, operation, settings), writes=directory / "stores")


def take(directory: Path, name: str, operation: str, settings: Settings = FAST) -> dict[str, Any]:
    """Take the samples of a cell in this process, which tests can plant something in."""
    with scratch.directory(directory / "stores") as written:
        return samples.take(job(directory, name, operation, settings), written)
