"""How fast files are fetched: `python -m tests.yardsticks.originals` prints ratios and fails where a target is missed.

1,000 files with the lengths of photographs are written as they are by backends. All are read in shuffled order, in
batches of 128, from the page cache, by a decoder that looks at a file's length and at nothing else: what is timed is
storage alone. The references are the same bytes by preadv(2) from one file, and `open(path, "rb").read()` of the files.
A round runs everyone once, in random order; a ratio is the median over the rounds, with its interval.
"""

import argparse
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scripts import backends
from scripts.codecs import original
from scripts.dataset.image_set import Originals
from tests.support.checkout import CHECKOUT
from tests.yardsticks.speed import Target, row

FILES, BATCH, ROUNDS = 1000, 128, 9
MEDIAN_BYTES, SPREAD = 95_000, 0.6
"""The lengths are log-normal: about 110 kB on average, and 15 to 500 kB."""
SIZE = 64
"""Height and width of the images (pixels), which nobody decodes."""
ONE_FILE, OPEN_READ, IN_PLACE = "preadv", "open().read()", "in place"
TARGETS = [
    Target("lmdb", ONE_FILE, 1.5),
    Target("memmap", ONE_FILE, 1.5),
    *(Target(name, ONE_FILE, math.inf) for name in ("hdf5", "tar", "sqlite")),
    Target(IN_PLACE, OPEN_READ, 1.05),
]


def made(folder: Path) -> tuple[Originals, np.ndarray]:
    """Files in a folder as a source, and their labels."""
    generator = np.random.default_rng(0)
    offsets = np.cumsum([0, *generator.lognormal(math.log(MEDIAN_BYTES), SPREAD, FILES).astype(int)])
    content = np.frombuffer(generator.bytes(int(offsets[-1])), np.uint8)
    names = [b"%d/%03d.jpg" % divmod(number, 100) for number in range(FILES)]
    files = Originals(np.zeros((FILES, SIZE, SIZE, 3), np.uint8), content, offsets, names, str(folder))
    for name, found in zip(names, files.originals(slice(None)), strict=True):
        place = folder / os.fsdecode(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(found)
    return files, np.arange(FILES)


def readers(directory: Path) -> dict[str, Callable[[np.ndarray], Any]]:
    """What reads the files of some numbers, by name."""
    root = directory / "root"
    files, labels = made(root)
    contents = files.originals(slice(None))
    (directory / "one").write_bytes(b"".join(contents))
    ends = np.cumsum([0, *map(len, contents)]).tolist()
    descriptor, buffer = os.open(directory / "one", os.O_RDONLY), memoryview(bytearray(max(map(len, contents))))
    paths = [os.path.join(root, os.fsdecode(name)) for name in files.names(slice(None))]

    def from_one_file(ids: np.ndarray) -> None:
        for number in ids.tolist():
            start, end = ends[number], ends[number + 1]
            os.preadv(descriptor, [buffer[: end - start]], start)

    def from_files(ids: np.ndarray) -> None:
        for number in ids.tolist():
            with open(paths[number], "rb") as file:
                file.read()

    found: dict[str, Callable[[np.ndarray], Any]] = {ONE_FILE: from_one_file, OPEN_READ: from_files}
    for name in {target.subject for target in TARGETS}:
        backend, more = ("files", {"in_place": True}) if name == IN_PLACE else (name, {})
        options = backends.resolve(backend, {"codec": "original", **more})
        backends.load(backend).write(directory / name, files, labels, durable=True, options=options)
        reader = backends.load(backend).open(directory / name, options)
        images, out = np.zeros((BATCH, SIZE, SIZE, 3), np.uint8), np.empty(BATCH, np.int64)
        found[name] = partial(_read, reader, images, out)
    return found


def _read(reader: Any, images: np.ndarray, labels: np.ndarray, ids: np.ndarray) -> None:
    reader.read(ids, images[: len(ids)], labels[: len(ids)])
    if not np.array_equal(labels[: len(ids)], ids):
        sys.exit(f"{reader} did not give back what was written")


def main() -> int:
    """Run all; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--directory", type=Path, default=CHECKOUT / "results", help="where the stores are written")
    directory = parser.parse_args().directory
    original.decode = lambda value, out: len(value)  # type: ignore[assignment]
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="originals-", dir=directory) as place:
        contestants = readers(Path(place))
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(ROUNDS + 1):
            ids = np.random.default_rng().permutation(FILES)
            for name in random.sample(list(contestants), len(contestants)):
                start = time.perf_counter_ns()
                for first in range(0, FILES, BATCH):
                    contestants[name](ids[first : first + BATCH])
                # The first round isn't counted: it brings all into the page cache.
                seconds[name] += [(time.perf_counter_ns() - start) / 1e9] * (number > 0)
    found = [row(target, seconds) for target in TARGETS]
    print(f"{FILES} files, shuffled batches of {BATCH}, {ROUNDS} rounds: ratio, 95 % interval, target")
    print("\n".join(text for text, _ in found))
    return 0 if all(met for _, met in found) else 1


if __name__ == "__main__":
    sys.exit(main())
