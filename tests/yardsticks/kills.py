"""Whether runs come through kills: `python -m tests.yardsticks.kills --seed 0 --count 14`.

A small workflow runs undisturbed once. Then it starts as often as asked for, each time in a fresh copy, and is killed
at a random moment in one of seven ways: a job, Snakemake alone, all processes, Ctrl-C once and twice, SIGHUP, SIGTERM.
The next run, after `--unlock` where Snakemake asks for it, must make the same stores, all records and the page; nothing
may be left over, and a third run must have nothing to do. Prints a line for each kill; exits with 1 after any fault.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.measure.timing import RECORD_VERSION
from scripts.system import lock
from tests.support.archives import write_small_archive
from tests.support.checkout import CHECKOUT, FEW_FIGURES, SNAKEMAKE, copied

CONFIG = {
    "images": "archive.tar.gz",
    "backends": ["png", "lmdb", "hdf5"],
    "cutoffs": [1, 1000],
    "operations": ["write", "read-warm"],
    "budget_seconds": 0.05,
    "minimum_samples": 6,
}
CELLS = 12
WAYS = ("a job", "Snakemake", "all", "Ctrl-C", "Ctrl-C twice", "SIGHUP", "SIGTERM")
SECONDS_TO_END = 120


def main() -> int:
    """Kill, look and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=14, help="how many kills; 7 are one of each way")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    (CHECKOUT / "results").mkdir(exist_ok=True)
    faults = 0
    with tempfile.TemporaryDirectory(prefix=".kills-", dir=CHECKOUT / "results") as place:
        first = checkout(Path(place, "undisturbed"))
        began = time.monotonic()
        run(first)
        lasts = time.monotonic() - began
        stores = digests(first)
        print(f"undisturbed: {lasts:.0f} s, {len(stores)} stores; seed {given.seed}", flush=True)
        for number in range(given.count):
            way = WAYS[number % len(WAYS)]
            directory = checkout(Path(place, str(number)))
            moment = chance.uniform(0, lasts)
            killed = kill(directory, way, moment, chance)
            fault = looked_at(directory, stores)
            faults += bool(fault)
            print(f"{number + 1}: {way} after {moment:.1f} s, {killed}: {fault or 'whole'}", flush=True)
    print(f"{given.count - faults} of {given.count} came through")
    return int(faults > 0)


def checkout(directory: Path) -> Path:
    """Make a copy with a small archive of its own."""
    copied(directory, CONFIG, FEW_FIGURES)
    write_small_archive(directory / "archive.tar.gz", rows=20)
    return directory


def started(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start Snakemake in a session of its own, by which all that it starts is known."""
    with open(directory / "output.txt", "a") as output:
        return subprocess.Popen(
            [SNAKEMAKE, "--cores", "2", *arguments],
            cwd=directory,
            env=os.environ | {lock.ENVIRONMENT_VARIABLE: str(directory / "lock")},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def run(directory: Path, *arguments: str) -> tuple[int, str]:
    """Run Snakemake to its end; return its exit code and what it printed."""
    before = len(said(directory))
    code = started(directory, *arguments).wait()
    return code, said(directory)[before:]


def said(directory: Path) -> str:
    """All that was printed in a copy so far."""
    path = directory / "output.txt"
    return path.read_text(errors="replace") if path.exists() else ""


def of_session(session: int) -> dict[int, str]:
    """The processes of a session that haven't ended, with their command lines."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, of = path.joinpath("stat").read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                found[int(path.name)] = path.joinpath("cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended meanwhile
    return found


def kill(directory: Path, way: str, moment: float, chance: random.Random) -> str:
    """Start a run, kill it in that way so long (s) after its start, wait for its end, and return what was hit."""
    process = started(directory)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        there = of_session(process.pid)
        jobs = sorted(each for each, command in there.items() if each != process.pid and "scripts" in command)
        if way == "a job" and jobs:
            send([chance.choice(jobs)], signal.SIGKILL)
        elif way == "Snakemake":
            send([process.pid], signal.SIGKILL)
        elif way == "all":
            send(there, signal.SIGKILL)
        elif way.startswith("Ctrl-C"):
            send(there, signal.SIGINT)
            if way.endswith("twice"):
                time.sleep(chance.uniform(0.1, 2))
                send(of_session(process.pid), signal.SIGINT)
        elif way in ("SIGHUP", "SIGTERM"):
            send(there if way == "SIGHUP" else [process.pid], signal.Signals[way])
        hit = f"{len(jobs)} processes of jobs at work"
    else:
        hit = "it had ended"
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        hit += ", which didn't end"
        send(of_session(process.pid), signal.SIGKILL)
        process.wait()
    # Jobs whose Snakemake was killed go on by themselves; the next run may begin beside them, as a user's would.
    return hit


def send(processes: list[int] | dict[int, str], number: int) -> None:
    """Send a signal to those processes that are there."""
    for each in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, number)


def looked_at(directory: Path, stores: dict[str, str]) -> str | None:
    """Run until all is made, look at it, and return what is wrong, None where nothing is."""
    code, output = run(directory)
    if code and "--unlock" in output:
        run(directory, "--unlock")
        code, output = run(directory)
    if code:
        return f"the next run failed: {output.splitlines()[-1:]}"
    if digests(directory) != stores:
        return "the stores are others"
    results = directory / "results"
    records = [json.loads(path.read_text()) for path in results.glob("records/*/*/*/*/*.json")]
    if len(records) != CELLS or any(
        record["record_version"] != RECORD_VERSION or record["status"] != "measured" for record in records
    ):
        return f"{len(records)} records of {CELLS}, or not all of them measured"
    if "</html>" not in (results / "report.html").read_text():
        return "the page isn't whole"
    if "Nothing to be done" not in run(directory)[1]:
        return "the third run had something to do"
    left = [str(path) for path in results.rglob(".*") if path.name != ".snakemake_timestamp"]
    return f"left over: {', '.join(left)}" if left else None


def digests(directory: Path) -> dict[str, str]:
    """The digest of the content of each store."""
    manifests = (directory / "results/stores").glob("*/*/*/manifest.json")
    return {str(path.relative_to(directory)): json.loads(path.read_text())["digest"] for path in manifests}


if __name__ == "__main__":
    sys.exit(main())
