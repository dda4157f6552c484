"""Step `try`: build one backend's store in a temporary place, time one operation and print the time, in seconds.

It prints the median, its 95 % interval and the ratio to the reference file. For who develops a backend, a codec or an
operation; no rule of the workflow.
"""

import math
from pathlib import Path
from typing import Annotated, Any

from scripts.common.command_line import command
from scripts.common.errors import UserError
from scripts.project import trial


@command
def main(
    backend: Annotated[str, "a backend's file in scripts/backends, without .py"],
    operation: Annotated[str, "an operation, such as read-warm"],
    *,
    cutoff: Annotated[int, "number of images; 1000 where not given"] = 1000,
    options: Annotated[dict[str, Any], 'options of the backend, as JSON: {"codec": "png"}'] = {},  # noqa: B006
    images: Annotated[str, "an archive, or the directory of an image set; else synthetic ones"] = trial.SYNTHETIC,
    seconds: Annotated[float, "seconds of sampling; 2 where not given"] = 2.0,
    directory: Annotated[Path, "where the store is built for the time of the trial"] = Path("results"),
) -> None:
    """Try the operation and print its time."""
    if not (math.isfinite(seconds) and seconds > 0):
        raise UserError(f"--seconds {seconds:g} is no time; give how long to sample, such as 2")
    if cutoff < 1:
        raise UserError(f"--cutoff {cutoff} is no number of images; give 1 or more")
    if not isinstance(options, dict):
        raise UserError('--options is no JSON object; give names and values, such as {"codec": "png"}')
    for line in trial.run(backend, operation, cutoff, options, images, seconds, directory):
        print(line)
