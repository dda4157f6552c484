"""Step compare: what takes longer, or less long, in one run than in another, for people and for continuous integration.

Its exit code is 0 where nothing is slower in the second run beyond noise, 3 where something is, 1 after an error and 2
for a wrong command line, so that a library's own checks can stop at a regression.
"""

import argparse
import sys
from pathlib import Path

from scripts.report.compare import two_runs

SLOWER = 3


def main(arguments: list[str]) -> None:
    """Read the command line and print the differences. Ends the process with code 3 where a cell is slower in B."""
    parser = argparse.ArgumentParser(prog="python scripts compare", description=__doc__)
    parser.add_argument("before", metavar="A", type=Path, help="directory with summary.csv and timings.csv of one run")
    parser.add_argument("after", metavar="B", type=Path, help="the same of the run to compare with it")
    parser.add_argument(
        "--factor",
        type=_factor,
        default=two_runs.FACTOR,
        help="how many times as long, or as short, a cell must take to be listed; 1.1 where not given",
    )
    given = parser.parse_args(arguments)
    found = two_runs.find(two_runs.load(given.before), two_runs.load(given.after), given.factor)
    print(f"A: {given.before}", f"B: {given.after}", "", *two_runs.lines(found), sep="\n", flush=True)
    if found.slower:
        sys.exit(SLOWER)


def _factor(text: str) -> float:
    factor = float(text)
    if not factor >= 1:
        raise ValueError
    return factor
