"""Step `build`: one backend's store of one cutoff, read back, with its manifest.

It's built in a process of its own. Where that crashes, is killed or hangs, the manifest says so, and the run goes on.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from scripts.common.atomic import neighbour
from scripts.common.command_line import command
from scripts.common.errors import Failed
from scripts.common.progress import report
from scripts.system import process

TRY_AGAIN = "to try again, run snakemake with --forcerun and that store's manifest.json"


@command
def main(
    *,
    name: Annotated[str, "name of the backend or variant in the config"],
    module: Annotated[str, "the backend's file in scripts/backends, without .py"],
    options: Annotated[dict[str, Any], "its complete options, as JSON"],
    cutoff: Annotated[int, "number of images"],
    image_set: Annotated[Path, "directory of the image set"],
    store: Annotated[Path, "directory that the store gets"],
    limit: Annotated[float | None, "seconds that it may take; no limit where it isn't given"] = None,
) -> None:
    """Build the store."""
    work = (name, module, options, cutoff, image_set, store)
    try:
        process.call(partial(_build, *work), threads=None, limit_seconds=limit)
    except Failed as failure:
        print(*getattr(failure, "__notes__", ()), sep="\n", file=sys.stderr)
        report(f"build {name} {cutoff}: failed: {failure}")
        _build(*work, failed=f"{failure}; {TRY_AGAIN}")
    except BaseException:
        with neighbour(store):  # removes what the process has left that was killed
            raise


def _build(
    name: str, module: str, options: dict[str, Any], cutoff: int, image_set: Path, directory: Path, failed: str = ""
) -> None:
    """Build, or publish the reason why that has failed."""
    from scripts.dataset.image_set import ImageSet  # in the process that was started for it
    from scripts.stores.build import build_store, publish_failure
    from scripts.stores.choice import Choice

    choice, images = Choice(module, options), ImageSet.load(image_set)
    if failed:
        publish_failure(name, choice, cutoff, images, directory, failed)
    else:
        build_store(name, choice, cutoff, images, directory)
