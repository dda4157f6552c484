"""Step compare: what takes longer, or less long, in one run than in another, for people and for continuous integration.

Its exit code is 0 where nothing is slower in the second run beyond noise, 3 where something is, 1 after an error and 2
for a wrong command line, so that a library's own checks can stop at a regression.
"""

import sys
from pathlib import Path
from typing import Annotated

from scripts.common.command_line import command
from scripts.common.errors import UserError
from scripts.report.compare import two_runs

SLOWER = 3


@command
def main(
    a: Annotated[Path, "directory with summary.csv and timings.csv of one run"],
    b: Annotated[Path, "the same of the run to compare with it"],
    *,
    factor: Annotated[
        float, "how many times as long, or as short, a cell must take to be listed; 1.1 where not given"
    ] = two_runs.FACTOR,
) -> None:
    """Print the differences. Ends the process with code 3 where a cell is slower in B."""
    if not factor >= 1:
        raise UserError(f"--factor {factor:g} won't do; give how many times as long a cell must take, 1 or more")
    found = two_runs.by_size(two_runs.load(a), two_runs.load(b), factor)
    print(f"A: {a}", f"B: {b}", sep="\n")
    for size, differences in found.items():
        print("", *([f"Images of {size} pixels:"] if len(found) > 1 else []), *two_runs.lines(differences), sep="\n")
    if any(differences.slower for differences in found.values()):
        sys.stdout.flush()
        sys.exit(SLOWER)
