"""Step `build`: one backend's store of one cutoff, read back, with its manifest.

It's built in a process of its own. Where that crashes, is killed or hangs, the manifest says so, and the run goes on.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from scripts.common.atomic import neighbour
from scripts.common.errors import Failed
from scripts.common.progress import report
from scripts.system import process

TRY_AGAIN = "to try again, run snakemake with --forcerun and that store's manifest.json"


def main(arguments: list[str]) -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(prog="python scripts build", description=__doc__)
    parser.add_argument("--name", required=True, help="name of the backend or variant in the config")
    parser.add_argument("--module", required=True, help="the backend's file in scripts/backends, without .py")
    parser.add_argument("--options", type=json.loads, required=True, help="its complete options, as JSON")
    parser.add_argument("--cutoff", type=int, required=True, help="number of images")
    parser.add_argument("--image-set", type=Path, required=True, help="directory of the image set")
    parser.add_argument("--store", type=Path, required=True, help="directory that the store gets")
    parser.add_argument("--limit", type=float, help="seconds that it may take; no limit where it isn't given")
    given = parser.parse_args(arguments)
    job = (given.name, given.module, given.options, given.cutoff, given.image_set, given.store)
    try:
        process.call(_build, *job, threads=None, limit_seconds=given.limit)
    except Failed as failure:
        print(*getattr(failure, "__notes__", ()), sep="\n", file=sys.stderr)
        report(f"build {given.name} {given.cutoff}: failed: {failure}")
        _build(*job, f"{failure}; {TRY_AGAIN}")
    except BaseException:
        with neighbour(given.store):  # removes what the process has left that was killed
            raise


def _build(
    name: str,
    module: str,
    options: dict[str, Any],
    cutoff: int,
    image_set: Path,
    directory: Path,
    failed: str | None = None,
) -> None:
    """Build, or publish the reason why that has failed."""
    from scripts.dataset.image_set import ImageSet  # in the process that was started for it
    from scripts.stores import store

    job = (name, store.Choice(module, options), cutoff, ImageSet.load(image_set), directory)
    if failed:
        store.publish_failure(*job, failed)
    else:
        store.build(*job)
