"""Step `again`: measures some cells again, for longer, and makes tables, figures and page from that; nothing else.

CELL is BACKEND/SIZE/CUTOFF/OPERATION, such as lmdb/32x32/100000/write. All else is as in the run whose page is
there, and the next run keeps what was measured. It's for runs on one machine, not for those on a cluster or with conda.
"""

import math
from pathlib import Path
from typing import Annotated

from scripts.common.command_line import command
from scripts.common.errors import UserError
from scripts.plan import measure_again


@command
def main(
    cell: Annotated[list[str], "such as lmdb/32x32/100000/write"],
    *,
    seconds: Annotated[float, "seconds of sampling for each cell"],
    results: Annotated[Path, "where the page is: results, or results/quick"] = Path("results"),
) -> None:
    """Measure the cells and make the page."""
    if not (math.isfinite(seconds) and seconds > 0):
        raise UserError(f"--seconds {seconds:g} won't do; give how long each cell is to be measured, such as 20")
    measure_again.measure(cell, seconds, results)
