"""What crossing from Python into Go costs of the time that a Go store takes: `python -m tests.yardsticks.border`.

Each operation of a backend takes turns with the same calls to a store that keeps and reads nothing, which is in a
library built here for this alone: the same arrays are checked, packed and handed over, and Go returns at once. Exits
with 1 where the crossing takes more than its limit of the time: of calls that hand over many images, a fifth; of one
image at a time the share is shown and has no limit.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scripts import backends
from scripts.backends.go import library, store
from scripts.dataset.sources import synthetic
from scripts.system.process import pinned
from tests.support.checkout import CHECKOUT

IMAGES, SHUFFLED_IMAGES, BATCH, ROUNDS = 10_000, 1920, 128, 9
LIMIT = 0.2
NAMES, NOTHING = ("bolt", "badger"), "nothing"


class Row(NamedTuple):
    """One operation of a backend: microseconds per image, of the whole and of the crossing."""

    name: str
    operation: str
    whole: float
    crossing: float
    limit: float | None


def turns(whole: Callable[[], None], crossing: Callable[[], None], images: int) -> tuple[float, float]:
    """Return the microseconds per image of two that take turns, each the median over the rounds."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, times in zip((whole, crossing), taken, strict=True):
            start = time.perf_counter()
            work()
            times.append((time.perf_counter() - start) / images * 1e6)
    return statistics.median(taken[0]), statistics.median(taken[1])


def rows(name: str, images: np.ndarray, labels: np.ndarray, directory: Path) -> list[Row]:
    """Measure the operations of a backend."""
    backend, options = backends.load(name), backends.resolve(name, {})
    places = (directory / f"{name}-{number}" for number in range(2 * ROUNDS))
    found = turns(
        lambda: backend.write(next(places), images, labels, durable=False, options=options),
        lambda: store.write(NOTHING, directory, images, labels, options),
        len(labels),
    )
    taken = [Row(name, "write", *found, LIMIT)]
    ids = np.random.default_rng(0).integers(0, len(labels), SHUFFLED_IMAGES)
    image_array, label_array = np.zeros_like(images), np.zeros_like(labels)

    def shuffled(reader: store.Reader, size: int) -> None:
        for start in range(0, len(ids), size):
            reader.read(ids[start : start + size], image_array[:size], label_array[:size])

    with (
        backend.open(directory / f"{name}-0", options) as reader,
        store.Reader(directory, options | {store.KIND: NOTHING}) as no,
    ):
        for operation, read, count, limit in (
            ("read_all", lambda reader: reader.read_all(image_array, label_array), len(labels), LIMIT),
            (f"batch of {BATCH}", partial(shuffled, size=BATCH), len(ids), LIMIT),
            ("one image", partial(shuffled, size=1), len(ids), None),
        ):
            read(reader)
            taken.append(Row(name, operation, *turns(partial(read, reader), partial(read, no), count), limit))
    return taken


def main() -> int:
    """Print a table; returns the exit code."""
    library.BUILD = ("build", "-tags=border", *library.BUILD[1:])
    images = synthetic.generate(IMAGES, seed=0)
    labels = synthetic.generate_labels(IMAGES, seed=0)
    with tempfile.TemporaryDirectory(dir=CHECKOUT / "results") as place, pinned(1, ["GOMAXPROCS"]):
        os.chdir(place)  # libraries are built into a directory in this one
        table = [row for name in NAMES for row in rows(name, images, labels, Path(place))]
    print(f"{'':24}{'us per image':>14}{'crossing':>12}{'share':>8}{'limit':>8}")
    for row in table:
        limit = "" if row.limit is None else f"{row.limit:.0%}"
        share = row.crossing / row.whole
        print(f"{row.name + ' ' + row.operation:24}{row.whole:14.2f}{row.crossing:12.2f}{share:8.0%}{limit:>8}")
    return int(any(row.limit is not None and row.crossing / row.whole > row.limit for row in table))


if __name__ == "__main__":
    sys.exit(main())
