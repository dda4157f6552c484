"""Step `try`: build one backend's store in a temporary place, time one operation and print the time, in seconds.

It prints the median, its 95 % interval and the ratio to the plain file. For who develops a backend, a codec or an
operation; no rule of the workflow.
"""

import argparse
import json
import math
from pathlib import Path

from scripts.common.errors import UserError
from scripts.project import trial


def main(arguments: list[str]) -> None:
    """Read the arguments, try, and print."""
    parser = argparse.ArgumentParser(prog="python scripts try", description=__doc__)
    parser.add_argument("backend", metavar="BACKEND", help="a backend's file in scripts/backends, without .py")
    parser.add_argument("operation", metavar="OPERATION", help="an operation, such as read-warm")
    parser.add_argument("--cutoff", type=int, default=1000, help="number of images; 1000 where not given")
    parser.add_argument(
        "--options", type=json.loads, default={}, help='options of the backend, as JSON: {"codec": "png"}'
    )
    parser.add_argument(
        "--images", default=trial.SYNTHETIC, help="an archive, or the directory of an image set; else synthetic ones"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of sampling; 2 where not given")
    parser.add_argument(
        "--directory", type=Path, default=Path("results"), help="where the store is built for the time of the trial"
    )
    given = parser.parse_args(arguments)
    if not (math.isfinite(given.seconds) and given.seconds > 0):
        raise UserError(f"--seconds {given.seconds:g} is no time; give how long to sample, such as 2")
    if given.cutoff < 1:
        raise UserError(f"--cutoff {given.cutoff} is no number of images; give 1 or more")
    if not isinstance(given.options, dict):
        raise UserError('--options is no JSON object; give names and values, such as {"codec": "png"}')
    tried = trial.Trial(given.backend, given.options, given.operation, given.cutoff, given.seconds)
    for line in trial.run(tried, given.images, given.directory):
        print(line)
