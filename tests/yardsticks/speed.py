"""How fast the backends are: `python -m tests.yardsticks.speed` prints ratios and fails where a target is missed.

10,000 images are written and read by a backend, by the article's approach to the same library (`article_code`), and as
the reference file (the workflow's baseline). Times mean little on a shared machine, so only ratios count, each between
two that took turns: a round runs everyone once, in random order; a ratio is the median over the rounds, with its
interval. Before the first round everyone ran once, untimed, and what they read was compared with the images. Every
write goes to a fresh directory, with nothing of an earlier one waiting to be written and on the part of the disk that
the last one had, and all are deleted at the end; reads fill the same arrays every time and find their files in the page
cache. Of images in shuffled order, one by one or in batches, 2,000 are read, others in each round; the article has a
way for one image, which opens the store for each.

The images are those of the workflow's image set where it has been unpacked, else synthetic.
"""

import argparse
import itertools
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from scripts import backends
from scripts.dataset.image_set import SYNTHETIC_LABEL, ImageSet
from scripts.dataset.sources import synthetic
from scripts.measure.baseline import Baseline
from scripts.measure.stopping import median_interval
from scripts.system.aligned import copy_on_page
from scripts.system.disk import scratch
from scripts.system.disk.durability import sync_file_system
from tests.support.checkout import CHECKOUT
from tests.yardsticks import article_code

NO_SLOWER = 1.0
SHUFFLED = {"random": 1, "batch": 128}
"""How many images one call reads."""
SHUFFLED_IMAGES = 2000


class Target(NamedTuple):
    """`subject` may take at most `most` times as long as `reference`; with NO_SLOWER, a tie will do, and with infinity
    the ratio is only told."""

    subject: str
    reference: str
    most: float


class Contest(NamedTuple):
    """Who takes turns at one operation, and for how many rounds; "article lmdb" is the article's way with LMDB."""

    title: str
    operation: str
    rounds: int
    targets: list[Target]

    def contestants(self) -> list[str]:
        """Everyone that a target names."""
        return sorted({name for target in self.targets for name in (target.subject, target.reference)})


CONTESTS = [
    Contest(
        "Durable writes (the article's LMDB syncs its data, though not its directory)",
        "write-durable",
        15,
        [Target("hdf5", "plain", 1.3), Target("lmdb", "plain", 3.5), Target("lmdb", "article lmdb", NO_SLOWER)],
    ),
    Contest("Buffered writes", "write", 15, [Target("hdf5", "article hdf5", NO_SLOWER)]),
    Contest("Buffered writes of files", "write", 6, [Target("png", "article png", NO_SLOWER)]),
    Contest(
        "Warm reads",
        "read",
        15,
        [Target("hdf5", "plain", 1.8), Target("hdf5", "article hdf5", 0.6), Target("lmdb", "article lmdb", 0.45)],
    ),
    Contest("Warm reads of files", "read", 6, [Target("png", "article png", 0.9)]),
    *(
        Contest(
            f"Warm reads in shuffled order, {title}",
            operation,
            6,
            [
                *(Target(name, f"article {name}", most) for name, most in of_article.items()),
                *(Target(name, "plain", most) for name, most in of_plain.items()),
            ],
        )
        for operation, title, of_article, of_plain in (
            ("random", "one by one", {"png": 1.0, "lmdb": 0.15, "hdf5": 0.08}, {"lmdb": 2, "hdf5": 3.5, "memmap": 1.6}),
            ("batch", "in batches", {"png": 0.9, "lmdb": 0.1, "hdf5": 0.05}, {"lmdb": 2.5, "hdf5": 5, "memmap": 1.3}),
        )
    ),
]


class Bench:
    """The images, the directory that everything is written in, and the arrays that reads fill."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, directory: Path) -> None:
        self._images = images
        self._labels = labels
        self._directory = directory
        self._arrays = copy_on_page(images), copy_on_page(labels)
        self._numbers = itertools.count()

    def run(self, contest: Contest) -> dict[str, list[float]]:
        """Return the seconds of each contestant in each round."""
        contestants = {name: self._contestant(name, contest.operation) for name in contest.contestants()}
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        written: dict[str, Path] = {}
        for _ in range(contest.rounds):
            for name in random.sample(list(contestants), len(contestants)):
                if name in written:
                    scratch.give_back(written[name])
                sync_file_system(self._directory)
                ids = self._draw(contest.operation)
                start = time.perf_counter_ns()
                result = contestants[name](ids)
                seconds[name].append((time.perf_counter_ns() - start) / 1e9)
                if contest.operation.startswith("write"):
                    written[name] = result
        return seconds

    def _contestant(self, name: str, operation: str) -> Callable[[np.ndarray], Any]:
        """What to time, given the ids to read, after it has run once."""
        *article_or_not, storage = name.split()
        pair = self._of_the_article if article_or_not else self._of_a_backend
        write, read = pair(storage, operation)
        path = write()
        ids = self._draw(operation)
        images, labels = read(path, ids)
        if not (np.array_equal(images, self._images[ids]) and np.array_equal(labels, self._labels[ids])):
            sys.exit(f"{name} did not give back what was written")
        return (lambda ids: write()) if operation.startswith("write") else partial(read, path)

    def _draw(self, operation: str) -> np.ndarray:
        """The ids to read, each once."""
        if operation not in SHUFFLED:
            return np.arange(len(self._labels))
        return np.random.default_rng().permutation(len(self._labels))[:SHUFFLED_IMAGES]

    def _of_a_backend(self, name: str, operation: str) -> tuple[Callable, Callable]:
        storage = Baseline() if name == "plain" else backends.load(name)
        shape = {"image_shape": list(self._images.shape[1:])}
        options = shape if name == "plain" else backends.resolve(name, {})

        def write() -> Path:
            path = self._fresh_path()
            durable = operation == "write-durable"
            storage.write(path, self._images, self._labels, durable=durable, options=options)
            return path

        def read(path: Path, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            images, labels = (array[: len(ids)] for array in self._arrays)
            with storage.open(path, options) as reader:
                if operation in SHUFFLED:
                    step = SHUFFLED[operation]
                    for start in range(0, len(ids), step):
                        call = slice(start, start + step)
                        reader.read(ids[call], images[call], labels[call])
                else:
                    reader.read_all(images, labels)
            return images, labels

        return write, read

    def _of_the_article(self, name: str, operation: str) -> tuple[Callable, Callable]:
        def write() -> Path:
            path = self._fresh_path()
            path.mkdir()
            kind = "singles" if operation in SHUFFLED else "write"
            getattr(article_code, f"{kind}_{name}")(path, self._images, self._labels)
            return path

        def read(path: Path, ids: np.ndarray) -> tuple[Any, Any]:
            if operation not in SHUFFLED:
                return getattr(article_code, f"read_{name}")(path)
            single = getattr(article_code, f"single_{name}")
            return tuple(zip(*(single(path, number) for number in ids.tolist()), strict=True))

        return write, read

    def _fresh_path(self) -> Path:
        return self._directory / str(next(self._numbers))


def row(target: Target, seconds: dict[str, list[float]]) -> tuple[str, bool]:
    """A row of the table, and whether the target is met."""
    ratios = [one / other for one, other in zip(seconds[target.subject], seconds[target.reference], strict=True)]
    low, high = median_interval(ratios) or (min(ratios), max(ratios))
    ratio = median(ratios)
    met = low <= NO_SLOWER if target.most == NO_SLOWER else ratio <= target.most
    wanted = {NO_SLOWER: "no slower", math.inf: "-"}.get(target.most, f"<= {target.most}")
    verdict = "told" if target.most == math.inf else "met" if met else "MISSED"
    names = f"  {target.subject:6} {target.reference:14}"
    return f"{names} {ratio:6.2f}   {low:5.2f} to {high:5.2f}   {wanted:10} {verdict}", met


CIFAR10 = CHECKOUT / "results/dataset/cifar10/32x32"


def images_of(image_set: Path, count: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Images, labels and where they come from."""
    if image_set.is_dir():
        found = ImageSet.load(image_set)
        images, labels = found.first(count)
        return copy_on_page(images), copy_on_page(labels), found.provenance["label"]
    return copy_on_page(synthetic.generate(count)), copy_on_page(synthetic.generate_labels(count)), SYNTHETIC_LABEL


def main() -> int:
    """Run every contest; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--image-set", type=Path, default=CIFAR10, help="image set directory")
    parser.add_argument("--images", type=int, default=10_000, help="how many; the targets are meant for 10,000")
    parser.add_argument("--directory", type=Path, default=CHECKOUT / "results", help="where the stores are written")
    arguments = parser.parse_args()
    images, labels, origin = images_of(arguments.image_set, arguments.images)
    print(f"{len(images):,} images ({origin}), {images.nbytes / 1e6:.1f} MB, on {arguments.directory}")
    print("Ratio of times, its 95 % interval over the rounds, and the target")
    all_met = True
    arguments.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="speed-", dir=arguments.directory) as directory:
        bench = Bench(images, labels, Path(directory))
        for contest in CONTESTS:
            print(f"\n{contest.title}, {contest.rounds} rounds", flush=True)
            seconds = bench.run(contest)
            for target in contest.targets:
                text, met = row(target, seconds)
                print(text, flush=True)
                all_met &= met
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
