"""Operation first-image: one image in a fresh process, from opening the store until the image is there."""

import time
from pathlib import Path

import numpy as np

from scripts.measure.operations.base import Clocked, Sample, Subject, clocked, read_one
from scripts.measure.operations.catalogue import Declaration
from scripts.measure.operations.reading import Reading
from scripts.system import process
from scripts.system.aligned import empty_on_page
from scripts.system.costs import Meter


class FirstImage(Reading):
    """Starts a process for each run; its libraries are loaded, and a store of one image read, before the clock."""

    in_other_processes = True

    def run(self, subject: Subject, *, counts: bool = True) -> list[Sample]:
        """Read one image, drawn from the whole store, in a process of its own, and compare it."""
        path = self.paths[subject.name]
        number = int(self.next_generator(subject).integers(self.count))
        resident = self.cache.bring_about(*self.places[subject.name])
        taken, open_seconds, images, labels = process.call(
            first_image,
            subject,
            path,
            self.rehearsals[subject.name],
            number,
            self.inputs.images.shape[1:],
            threads=self.inputs.settings.threads,
        )
        self.compare(subject, images, labels, np.array([number]))
        return [self.sample_of(subject, taken, resident, 1, open_seconds=open_seconds)]


def first_image(
    subject: Subject, path: Path, rehearsal: Path, number: int, image_shape: tuple[int, ...]
) -> tuple[Clocked, float, np.ndarray, np.ndarray]:
    """Open the store at `path` and read image `number`.

    Returns what that took, the seconds of opening alone, the image (1, height, width, 3) and the label (1,).
    """
    images, labels = empty_on_page((1, *image_shape), np.uint8), empty_on_page((1,), np.int64)
    read_one(subject, rehearsal, images, labels)
    images.fill(0xAA)
    labels.fill(-1)
    ids = np.array([number])
    with clocked(Meter()) as taken:
        start = time.perf_counter_ns()
        reader = subject.storage.open(path, subject.options)
        opened = time.perf_counter_ns()
        reader.read(ids, images, labels)
    reader.close()
    return taken, (opened - start) / 1e9, images, labels


@Declaration(kind="first-image", state="warm", position=11, purpose="first-image", one_image=True)
class FirstImageWarm(FirstImage):
    """First image, warm.

    In a fresh process with its libraries loaded: opening the store and reading one image, drawn from the whole store.

    Adds: How long a program waits that was just started and wants one image.

    Takes: about five seconds for each
    """


@Declaration(kind="first-image", state="cold", position=12, purpose="first-image", one_image=True)
class FirstImageCold(FirstImage):
    """First image, cold.

    In a fresh process with its libraries loaded: opening the store, evicted from the page cache before, and reading one
    image.

    Takes: about five seconds for each
    """
