"""Step `again`: measures some cells again, for longer, and makes tables, figures and page from that; nothing else.

CELL is BACKEND/SIZE/CUTOFF/OPERATION, such as lmdb/32x32/100000/write. All else is as in the run whose page is
there, and the next run keeps what was measured. It's for runs on one machine, not for those on a cluster or with conda.
"""

import argparse
import math
from pathlib import Path

from scripts.common.errors import UserError
from scripts.plan import again


def main(arguments: list[str]) -> None:
    """Read the arguments, measure the cells and make the page."""
    parser = argparse.ArgumentParser(prog="python scripts again", description=__doc__)
    parser.add_argument("cells", nargs="+", metavar="CELL", help="such as lmdb/32x32/100000/write")
    parser.add_argument("--seconds", type=float, required=True, help="seconds of sampling for each cell")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="where the page is: results, or results/quick"
    )
    given = parser.parse_args(arguments)
    if not (math.isfinite(given.seconds) and given.seconds > 0):
        raise UserError(f"--seconds {given.seconds:g} won't do; give how long each cell is to be measured, such as 20")
    again.measure(given.cells, given.seconds, given.results)
