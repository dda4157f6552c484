"""Whether differences that the report calls are real: `python -m tests.yardsticks.same_backend [--images ARCHIVE]`.

One backend under two names, and under two more with a planted slow-down of every write and read, 20 % and 1 %, goes
through whole runs of the workflow. In each run every operation compares them by the report's rule. In at least 17 of 20
runs of each operation the two that are the same must not differ surely, the slow-down of 20 % must be found, and that
of 1 % must be lost in the noise. Exits with 1 where a target is missed.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from scripts.report import tables
from scripts.report.compare.results import Results
from scripts.report.rows import TimingRow
from scripts.report.tables import Tables
from tests.support.checkout import CHECKOUT, SNAKEMAKE, copied

OPERATIONS = ("write-durable", "read-warm", "read-cold", "batch-warm")
IMAGES = 1000
SLOWED = {"slower": 0.2, "barely_slower": 0.01}
SHARE = 17 / 20
BACKEND = '''"""The backend hdf5, slowed down by a part of the time that it takes."""

import time

from scripts.backends import base, hdf5


def _slowed(work):
    def slow(*arguments):
        start = time.perf_counter()
        work(*arguments)
        end = time.perf_counter()
        while time.perf_counter() < end + (end - start) * {part}:
            pass

    return slow


class Backend(hdf5.Backend):
    """Writes and reads as hdf5 does, and then does nothing for a while."""

    def write(self, path, images, labels, *, durable, options):
        _slowed(lambda: super(Backend, self).write(path, images, labels, durable=durable, options=options))()

    def open(self, path, options):
        start = time.perf_counter()
        reader = super().open(path, options)
        end = time.perf_counter()
        while time.perf_counter() < end + (end - start) * {part}:
            pass
        reader._read_all, reader._read = _slowed(reader._read_all), _slowed(reader._read)
        return reader
'''


def prepare(directory: Path) -> None:
    """Make a copy of the checkout with the slowed backends."""
    copied(directory, {})
    for name, part in SLOWED.items():
        (directory / f"scripts/backends/{name}.py").write_text(BACKEND.replace("{part}", str(part)))


def run(directory: Path, images: str) -> Results:
    """Time everything again and return what was found."""
    names = ["first", "second", *SLOWED]
    settings = {
        "images": images,
        "backends": f"[{','.join(names)}]",
        "variants": "{first: {backend: hdf5}, second: {backend: hdf5}}",
        "cutoffs": f"[{IMAGES}]",
        "operations": f"[{','.join(OPERATIONS)}]",
        "machine": "here",
    }
    command = [SNAKEMAKE, "--cores", "2", "--forcerun", "time_operation", "--config"]
    command += [f"{name}={value}" for name, value in settings.items()]
    command += ["--", "results/summary.csv"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr[-3000:]}\nthe run in {directory} has failed")
    results = directory / "results"
    return Results(Tables.load(results), tables.load(TimingRow, results))


def main() -> int:
    """Run, count and print against the targets; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--images", default="synthetic", help="cifar10, synthetic or the path of an archive")
    given = parser.parse_args()
    if Path(given.images).is_file():
        given.images = str(Path(given.images).resolve())
    counts: Counter[tuple[str, str, str]] = Counter()
    with tempfile.TemporaryDirectory(dir=CHECKOUT / "results") as place:
        prepare(Path(place, "checkout"))
        for repeat in range(given.repeats):
            found = run(Path(place, "checkout"), given.images)
            for operation in OPERATIONS:
                for other in ("second", *SLOWED):
                    ratio = found.ratio(operation, IMAGES, other, "first")
                    called = "slower" if ratio.longer else "faster" if ratio.shorter else "not different"
                    counts[operation, other, called] += 1
            print(f"run {repeat + 1} of {given.repeats}", flush=True)
    missed = 0
    for operation in OPERATIONS:
        for other, wanted in (("second", "not different"), ("slower", "slower"), ("barely_slower", "not different")):
            got = {called: counts[operation, other, called] for called in ("not different", "slower", "faster")}
            fails = got[wanted] < SHARE * given.repeats
            missed += fails
            called = ", ".join(f"{called} {count}" for called, count in got.items())
            print(f"{operation}: {other} against first: {called}{' MISSED' if fails else ''}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
