"""Step `time_operation`: time one cell, alone on the machine, and write its record."""

from pathlib import Path
from typing import Annotated, Any

from scripts.common.atomic import write_json
from scripts.common.cells import Cell
from scripts.common.command_line import command
from scripts.measure import timing
from scripts.measure.settings import Job, Settings


@command
def main(
    *,
    machine: Annotated[str, "name of the machine"],
    name: Annotated[str, "name of the backend or variant in the config"],
    module: Annotated[str, "the backend's file in scripts/backends, without .py"],
    options: Annotated[dict[str, Any], "its complete options, as JSON"],
    image_size: Annotated[str, "height x width of the images in pixels, such as 32x32"],
    cutoff: Annotated[int, "number of images"],
    operation: Annotated[str, "what to time, a name in scripts/measure/operations"],
    image_set: Annotated[Path, "directory of the image set"],
    store: Annotated[Path, "directory of the built store"],
    writes: Annotated[Path, "directory on the stores' file system to write in"],
    settings: Annotated[dict[str, Any], "settings of the config, as JSON"],
    node_scratch: Annotated[
        str | None, "where to time a copy instead, on the node's own disk; $VARIABLES expand"
    ] = None,
    limit: Annotated[float | None, "seconds that sampling may take; no limit where it isn't given"] = None,
    record: Annotated[Path, "the record to write"],
) -> None:
    """Time the cell and write the record."""
    cell = Cell(machine, name, image_size, cutoff, operation)
    job = Job(cell, module, options, image_set, store, Settings(**settings))
    write_json(record, timing.time_cell(job, writes=writes, node_scratch=node_scratch, limit_seconds=limit))
