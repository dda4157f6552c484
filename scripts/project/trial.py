"""One operation on one backend, tried in seconds: built and timed as in the workflow, in a temporary place."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts import backends
from scripts.common.atomic import neighbour
from scripts.common.cells import Cell, image_size
from scripts.common.errors import UserError, shown
from scripts.dataset import gather, gathered, obtain
from scripts.dataset.image_set import PROVENANCE, ImageSet
from scripts.dataset.unpack import unpack
from scripts.measure import timing
from scripts.measure.operations import catalogue
from scripts.measure.settings import Job, Settings
from scripts.plan import available
from scripts.plan.config.configuration import defaults
from scripts.report import corrections, estimates, ties, wording
from scripts.report.records import record
from scripts.stores.build import build_store
from scripts.stores.choice import Choice
from scripts.system import lock

MACHINE = "trial"
SYNTHETIC = "synthetic"


def run(
    backend: str, operation: str, cutoff: int, options: dict[str, Any], images: str, seconds: float, directory: Path
) -> Iterator[str]:
    """Build the store below `directory`, time the operation for `seconds`, and yield what was found, line by line.

    `images` is `synthetic`, the directory of an image set, or the path of images. Nothing is left in `directory`.
    The timing holds the host's lock alone; the build shares the lock. Raises UserError for an unknown backend, option
    or operation, for images that aren't there, and for what can't be built or timed, with the reason.
    """
    choice = Choice(backend, backends.resolve(backend, options))
    catalogue.entry(operation)
    if reason := available.why_not(choice):
        raise UserError(f"backend {backend} can't run here: {reason}")
    with neighbour(directory / "try") as place:
        place.mkdir()
        with lock.shared():
            image_set = _image_set(images, cutoff, place)
            build_store(backend, choice, cutoff, image_set, place / "store")
        size = image_size(image_set.provenance["image_shape"])
        cell = Cell(MACHINE, backend, size, cutoff, operation)
        with lock.alone():
            settings = Settings(budget_seconds=seconds)
            job = Job(cell, choice.module, choice.options, image_set.directory, place / "store", settings)
            found = record.read(timing.time_cell(job, writes=place))
    if not found.measured:
        raise UserError(f"{operation} of {backend} can't be measured here: {found.gap_reason}")
    yield f"{backend}, {operation}: {wording.images(cutoff)} of {cell.image_size} ({image_set.provenance['label']})"
    for way in found.ways:
        times = corrections.Job.of([sample for sample in found.samples if sample.way == way])
        if not (times.seconds and times.baseline):
            continue
        typical, ratio = estimates.estimate(times.seconds), estimates.ratio(times.seconds, times.baseline)
        interval = f"{typical.kind} {wording.seconds_between(typical.low, typical.high)}"
        shared = f", {said}" if (said := wording.way(*way)) else ""
        yield f"  median {wording.seconds(typical.value)} ({interval}){shared}"
        word, slower = ("slower", ratio) if ratio.value >= 1 else ("faster", ratio.inverse)
        outcome = "" if ratio.outcome == ties.DIFFERENT else f"; {ratio.outcome}"
        yield (
            f"  {backend} is {slower.value:.3g}x {word} than the reference file "
            f"({operation}; {slower.kind} {slower.low:.3g}x to {slower.high:.3g}x{outcome})"
        )


def _image_set(images: str, cutoff: int, place: Path) -> ImageSet:
    """The image set to try with; one that isn't on the disk yet is made below `place`."""
    if Path(images, PROVENANCE).is_file():
        return ImageSet.load(Path(images))
    if images not in obtain.GENERATED and not Path(images).exists():
        raise UserError(
            f"--images {shown(images)} is neither the path of images nor the directory of an image set, such as "
            f"results/dataset/cifar10/32x32; give the path of one, or {SYNTHETIC}"
        )
    source, directory = place / "source.json", place / "images"
    obtain.obtain(images, source, directory=place, addresses=[], most=cutoff)
    gather.gather(source, directory, gather.Wanted(bad_share=defaults()["bad_images_limit"], most=cutoff))
    facts = gathered.read(directory)
    size = facts["own_size"] or gathered.square(gathered.USUAL_SIZE)
    unpack(directory, size)
    return ImageSet.load(directory / size)
