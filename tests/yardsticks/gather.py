"""How fast a folder is imported: `python -m tests.yardsticks.gather` fails below 0.9 times the speed of plain Pillow.

Photographs are drawn once and lie in a folder several times, under other names. A round imports all of them at 224
pixels, and has as many processes open, convert and scale the same files with Pillow, and nothing else. Both start their
processes anew. The ratio is the median over the rounds, with its range.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from PIL import Image

from scripts.dataset import gather, sources
from scripts.dataset.sources import folder, synthetic_photographs
from scripts.system.machine import usable_cores
from tests.support.checkout import CHECKOUT
from tests.support.drawn_files import RECORD

SIDE, LEAST = 224, 0.9
PER_TASK = 8


def plain(paths: list[str]) -> None:
    """Open, convert and scale files as most people write it: the shorter side, then the middle."""
    for path in paths:
        image = Image.open(path).convert("RGB")
        width, height = image.size
        left, top, side = (max(0, width - height) / 2, max(0, height - width) / 2, min(width, height))
        image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)).tobytes()


def plain_seconds(paths: list[str], cores: int) -> float:
    start = time.perf_counter()
    tasks = [paths[first : first + PER_TASK] for first in range(0, len(paths), PER_TASK)]
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        list(pool.map(plain, tasks))
    return time.perf_counter() - start


def gather_seconds(images: sources.Source, place: Path, cores: int) -> float:
    shutil.rmtree(place, ignore_errors=True)
    start = time.perf_counter()
    gather.write(images, place, RECORD, gather.Wanted(bad_share=0, image_sizes=[SIDE], cores=cores))
    return time.perf_counter() - start


def main() -> int:
    """Print the ratio; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=500, help="how many photographs are drawn")
    parser.add_argument("--copies", type=int, default=8, help="how often each is in the folder")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    cores = usable_cores()
    with tempfile.TemporaryDirectory(prefix=".test-", dir=CHECKOUT / "results") as directory:
        place = Path(directory, "photographs")
        for number, file in enumerate(synthetic_photographs.generate(arguments.images)):
            for copy in range(arguments.copies):
                path = place / f"class {number % 10}" / f"{number}-{copy}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file)
        with folder.open_source(place) as images:
            paths = [os.fspath(place / images.names[number]) for number in sources.order(images.count, False)]
            rounds = [
                plain_seconds(paths, cores) / gather_seconds(images, Path(directory, "gathered"), cores)
                for _ in range(arguments.rounds)
            ]
    speed = statistics.median(rounds)
    said = f"{min(rounds):.2f} to {max(rounds):.2f}"
    print(f"{len(paths):,} files on {cores} cores: the import is {speed:.2f} times as fast as plain Pillow ({said})")
    print("met" if speed >= LEAST else f"missed: at least {LEAST}")
    return int(speed < LEAST)


if __name__ == "__main__":
    sys.exit(main())
