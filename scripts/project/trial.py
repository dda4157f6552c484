"""One operation on one backend, tried in seconds: built and timed as in the workflow, in a temporary place."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import backends
from scripts.common.atomic import neighbour
from scripts.common.cells import Cell, image_size
from scripts.common.errors import UserError, shown
from scripts.dataset import obtain
from scripts.dataset.image_set import PROVENANCE, ImageSet
from scripts.dataset.sources.synthetic import Synthetic
from scripts.dataset.unpack import unpack, write
from scripts.measure import timing
from scripts.measure.operations import catalogue
from scripts.measure.settings import Job, Settings
from scripts.measure.stopping import block, block_medians
from scripts.plan import available
from scripts.report import estimates, wording
from scripts.stores import store
from scripts.system import lock

MACHINE = "trial"
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Trial:
    """What is tried: a backend with its options, an operation, a number of images, and the seconds of sampling."""

    backend: str
    options: dict[str, Any]
    operation: str
    cutoff: int
    seconds: float


def run(trial: Trial, images: str, directory: Path) -> Iterator[str]:
    """Build the store below `directory`, time the operation, and yield what was found, line by line.

    `images` is `synthetic`, the directory of an image set, or the path of an archive. Nothing is left in `directory`.
    The timing holds the host's lock alone; the build shares the lock. Raises UserError for an unknown backend, option
    or operation, for images that aren't there, and for what can't be built or timed, with the reason.
    """
    choice = store.Choice(trial.backend, backends.resolve(trial.backend, trial.options))
    catalogue.entry(trial.operation)
    if reason := available.why_not(choice):
        raise UserError(f"backend {trial.backend} can't run here: {reason}")
    with neighbour(directory / "try") as place:
        place.mkdir()
        with lock.shared():
            image_set = _image_set(images, trial.cutoff, place)
            store.build(trial.backend, choice, trial.cutoff, image_set, place / "store")
        size = image_size(image_set.provenance["image_shape"])
        cell = Cell(MACHINE, trial.backend, size, trial.cutoff, trial.operation)
        with lock.alone():
            settings = Settings(budget_seconds=trial.seconds)
            job = Job(cell, choice.module, choice.options, image_set.directory, place / "store", settings)
            record = timing.time_cell(job, writes=place)
    if record["status"] != "measured":
        raise UserError(f"{trial.operation} of {trial.backend} can't be measured here: {record['gap_reason']}")
    yield (
        f"{trial.backend}, {trial.operation}: {wording.images(trial.cutoff)} of {cell.image_size} "
        f"({image_set.provenance['label']})"
    )
    for way, backend, plain in _times(record["samples"], trial.seconds):
        yield from _said(trial, way, backend, plain)


def _image_set(images: str, cutoff: int, place: Path) -> ImageSet:
    """The image set to try with; one that isn't on the disk yet is made below `place`."""
    directory = place / "images"
    if images == SYNTHETIC:
        record = {"name": SYNTHETIC, "label": "synthetic images", "synthetic": True, "note": None, "archive": None}
        write(Synthetic(cutoff, batch_count=2), directory, record)
    elif Path(images, PROVENANCE).is_file():
        directory = Path(images)
    elif Path(images).is_file():
        directory.mkdir()
        archive = directory / "archive.json"
        obtain.obtain(images, archive, directory=directory, addresses=[])
        unpack(archive, directory)
    else:
        raise UserError(
            f"--images {shown(images)} is neither an archive nor the directory of an image set, such as "
            f"results/dataset; give the path of one, or {SYNTHETIC}"
        )
    return ImageSet.load(directory)


def _times(samples: list[dict[str, Any]], budget: float) -> Iterator[tuple[str, list[float], list[float]]]:
    """Yield each way of sharing the work with the medians of blocks (s) of the backend and of the reference file."""
    for processes, start_method in dict.fromkeys((sample["processes"], sample["start_method"]) for sample in samples):
        own = [
            sample for sample in samples if (sample["processes"], sample["start_method"]) == (processes, start_method)
        ]
        backend, plain = _medians(own, "backend", budget), _medians(own, "baseline", budget)
        if backend and plain:
            yield wording.way(processes, start_method), backend, plain


def _medians(samples: list[dict[str, Any]], subject: str, budget: float) -> list[float]:
    """The medians of blocks (s) of the samples of one subject whose state was verified."""
    own = [sample for sample in samples if sample["subject"] == subject and sample["state_verified"]]
    blocks = [block(sample["started_seconds"], budget) for sample in own]
    return block_medians([sample["seconds"] for sample in own], blocks)


def _said(trial: Trial, way: str, backend: list[float], plain: list[float]) -> Iterator[str]:
    found, ratio = estimates.estimate(backend), estimates.ratio(backend, plain)
    yield (
        f"  median {wording.seconds(found.value)} ({found.kind} {wording.seconds_between(found.low, found.high)})"
        f"{f', {way}' if way else ''}"
    )
    slower = ratio if ratio.value >= 1 else ratio.inverse
    word = "slower" if ratio.value >= 1 else "faster"
    outcome = "" if ratio.outcome == estimates.DIFFERENT else f"; {ratio.outcome}"
    yield (
        f"  {trial.backend} is {slower.value:.3g}x {word} than the reference file "
        f"({trial.operation}; {slower.kind} {slower.low:.3g}x to {slower.high:.3g}x{outcome})"
    )
