"""Step compare: what takes longer, or less long, in one run than in another, for people and for continuous integration.

Its exit code is 0 where nothing is slower in the second run beyond noise, 3 where something is, 1 after an error and 2
for a wrong command line, so that a library's own checks can stop at a regression.
"""

import sys
from pathlib import Path
from typing import Annotated

from scripts.common.command_line import Argument, command
from scripts.report.compare import two_runs

SLOWER = 3


def at_least_one(text: str) -> float:
    """Return the number in a text. Raises ValueError where there is none, or one below 1."""
    factor = float(text)
    if not factor >= 1:
        raise ValueError
    return factor


@command
def main(
    before: Annotated[Path, Argument("directory with summary.csv and timings.csv of one run", metavar="A")],
    after: Annotated[Path, Argument("the same of the run to compare with it", metavar="B")],
    *,
    factor: Annotated[
        float,
        Argument(
            "how many times as long, or as short, a cell must take to be listed; 1.1 where not given",
            read=at_least_one,
        ),
    ] = two_runs.FACTOR,
) -> None:
    """Print the differences. Ends the process with code 3 where a cell is slower in B."""
    found = two_runs.find(two_runs.load(before), two_runs.load(after), factor)
    print(f"A: {before}", f"B: {after}", "", *two_runs.lines(found), sep="\n", flush=True)
    if found.slower:
        sys.exit(SLOWER)
