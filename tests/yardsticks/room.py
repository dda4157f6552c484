"""The room that runs take and its forecast: `python -m tests.yardsticks.room --place DIRECTORY 1000 100000 1000000`.

For each number of images a whole run of synthetic images works in a copy of the checkout under DIRECTORY. Give a file
system that nobody else writes to: its used space and inodes are looked at fifty times a second. Prints forecast, peak
and their ratio, of bytes and of files; exits with 1 where the forecast is off by more than a factor of 1.5.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.plan.checks import room
from scripts.plan.read import read_plan
from tests.support.checkout import CHECKOUT, SNAKEMAKE, copied

MOST_RATIO = 1.5
SECONDS_BETWEEN_LOOKS = 0.02
BACKENDS = "files,lmdb,hdf5,memmap"
OPERATIONS = "write,read-warm,random-warm"


def used(place: Path) -> tuple[int, int]:
    """Bytes and inodes in use on the file system of a place."""
    there = os.statvfs(place)
    return (there.f_blocks - there.f_bfree) * there.f_frsize, there.f_files - there.f_ffree


def forecast(directory: Path, config: dict[str, object]) -> tuple[float, float]:
    """Bytes and files that the start of a run in a copy says it needs."""
    os.chdir(directory)
    planned = read_plan(config, with_conda=False, on_cluster=False)
    to_make = {*planned.manifests(), *planned.records(), f"{planned.dataset}/gathered.json"}
    total = room.total(planned, {os.path.normpath(path) for path in to_make})
    return total.bytes, total.files


def peak(directory: Path) -> tuple[int, int]:
    """Run the workflow in a copy; the most bytes and inodes that it took at a time."""
    os.sync()
    before = highest = used(directory)
    with open(directory / "output.txt", "w") as output:
        process = subprocess.Popen([SNAKEMAKE, "--cores", "2"], stdout=output, stderr=output, cwd=directory)
        while process.poll() is None:
            now = used(directory)
            highest = max(highest[0], now[0]), max(highest[1], now[1])
            time.sleep(SECONDS_BETWEEN_LOOKS)
    if process.returncode:
        sys.exit(f"the run failed: {(directory / 'output.txt').read_text()[-2000:]}")
    return highest[0] - before[0], highest[1] - before[1]


def main() -> int:
    """Run, compare and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cutoffs", nargs="+", type=int, help="numbers of images, a run each")
    parser.add_argument("--place", type=Path, required=True, help="a directory on a file system of its own")
    parser.add_argument("--backends", default=BACKENDS)
    parser.add_argument("--operations", default=OPERATIONS)
    given = parser.parse_args()
    worst = 1.0
    print(f"{'images':>12}{'':>8}{'forecast':>16}{'peak':>16}{'ratio':>8}")
    for cutoff in given.cutoffs:
        config = {
            "images": "synthetic",
            "cutoffs": [cutoff],
            "backends": given.backends.split(","),
            "operations": given.operations.split(","),
        }
        with tempfile.TemporaryDirectory(dir=given.place) as place:
            directory = copied(Path(place, "checkout"), config)
            said = forecast(directory, config)
            for name, forecasted, taken in zip(("bytes", "files"), said, peak(directory), strict=True):
                ratio = forecasted / max(1, taken)
                worst = max(worst, ratio, 1 / ratio)
                print(f"{cutoff:>12,}{name:>8}{forecasted:>16,.0f}{taken:>16,}{ratio:>8.2f}", flush=True)
            os.chdir(CHECKOUT)
    return int(worst > MOST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
