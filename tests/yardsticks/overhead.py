"""What a job costs beyond its work, and how long an idle run takes: `python -m tests.yardsticks.overhead`.

The small run has a build and four timing jobs for each of three backends at one image, one job at a time. Overhead is
the wall time of the whole run less the time that jobs spent measuring, per job. Exits with 1 where a limit is passed.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.checkout import CHECKOUT, SNAKEMAKE

SETTINGS = ["cutoffs=[1]", "budget_seconds=0.01"]
OVERHEAD_LIMIT_SECONDS = 0.5
NOTHING_TO_DO_LIMIT_SECONDS = 3.0
REPEATS = 3


def run(directory: Path, *arguments: str) -> float:
    """Run Snakemake in `directory`; return its wall time in seconds."""
    command = [SNAKEMAKE, "-s", CHECKOUT / "Snakefile", "--workflow-profile", CHECKOUT / "profiles/default"]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--directory", directory, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def measured_seconds(directory: Path) -> tuple[float, int]:
    """Return the time between start and end of all timing jobs, in seconds, and their number."""
    records = [json.loads(path.read_text()) for path in directory.glob("results/records/*/*/*/*/*.json")]
    clocks = [record["clock"] for record in records]
    return sum(clock["ended_seconds"] - clock["started_seconds"] for clock in clocks), len(clocks)


def main() -> int:
    """Measure both and print them against their limits; returns the exit code."""
    with tempfile.TemporaryDirectory(dir=CHECKOUT / "results") as place:
        directory = Path(place)
        configured = ["--config", *SETTINGS, f"images={sys.argv[1] if len(sys.argv) > 1 else 'synthetic'}"]
        run(directory, "--cores", "1", *configured, "--until", "unpack")
        whole = run(directory, "--cores", "1", *configured, "--", "results/summary.csv")
        nothing = min(run(directory, "--cores", "1", *configured, "--", "results/summary.csv") for _ in range(REPEATS))
        measured, timings = measured_seconds(directory)
    jobs = timings + timings // 4
    overhead = (whole - nothing - measured) / jobs
    print(f"overhead of a job: {overhead:.2f} s over {jobs} jobs (limit {OVERHEAD_LIMIT_SECONDS} s)")
    print(f"a run with nothing to do: {nothing:.2f} s, best of {REPEATS} (limit {NOTHING_TO_DO_LIMIT_SECONDS} s)")
    return int(overhead > OVERHEAD_LIMIT_SECONDS or nothing > NOTHING_TO_DO_LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
