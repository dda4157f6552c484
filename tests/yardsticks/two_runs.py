"""Whether two whole runs on one machine say the same: `python -m tests.yardsticks.two_runs RESULTS OTHER_RESULTS`.

Each pair of backends in each operation and number of images is compared in either run by the report's rule. Prints how
many pairs agree, how many are tied or undecided in one run only, and each that the runs call oppositely. Exits with 1
where there is such a pair, or none was measured in both.
"""

import argparse
import sys
from collections import Counter
from itertools import combinations, product
from pathlib import Path

from scripts.common.errors import UserError
from scripts.report.compare import two_runs
from scripts.report.ties import DIFFERENT, Ratio

ONE_ONLY = "different in one"


def called(ratio: Ratio) -> str:
    """What the report says of a ratio."""
    if ratio.outcome != DIFFERENT:
        return "not different"
    return "slower" if ratio.value > 1 else "faster"


def main() -> int:
    """Compare, count and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs=2, type=Path, metavar="RESULTS", help="directory with a finished run's tables")
    try:
        runs = [two_runs.load(directory) for directory in parser.parse_args().runs]
    except UserError as error:
        parser.error(str(error))
    tables, other = (run.tables for run in runs)
    if (tables.machines, tables.image_sets) != (other.machines, other.image_sets):
        parser.error("the two runs are of different machines or images")
    counts: Counter[str] = Counter()
    for operation, cutoff in product(tables.operations, tables.cutoffs):
        for one, other in combinations(tables.backends, 2):
            ratios = [run.ratio_if_measured(operation, cutoff, one, other) for run in runs]
            if None in ratios:
                continue
            said = {called(ratio) for ratio in ratios}
            verdict = "agree" if len(said) == 1 else ONE_ONLY if "not different" in said else "opposite"
            counts[verdict] += 1
            if verdict == "opposite":
                print(f"{operation}, {cutoff:,} images, {one} against {other}: {' and '.join(map(called, ratios))}")
    print(", ".join(f"{verdict}: {counts[verdict]}" for verdict in ("agree", ONE_ONLY, "opposite")))
    return int(counts["opposite"] > 0 or not counts)


if __name__ == "__main__":
    sys.exit(main())
