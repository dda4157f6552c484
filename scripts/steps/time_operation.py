"""Step `time_operation`: time one cell, alone on the machine, and write its record."""

import argparse
import json
from pathlib import Path

from scripts.common.atomic import write_json
from scripts.common.cells import Cell
from scripts.measure import timing


def main(arguments: list[str]) -> None:
    """Read the arguments, time the cell and write the record."""
    parser = argparse.ArgumentParser(prog="python scripts time_operation", description=__doc__)
    parser.add_argument("--machine", required=True, help="name of the machine")
    parser.add_argument("--name", required=True, help="name of the backend or variant in the config")
    parser.add_argument("--module", required=True, help="the backend's file in scripts/backends, without .py")
    parser.add_argument("--options", type=json.loads, required=True, help="its complete options, as JSON")
    parser.add_argument("--image-size", required=True, help="height x width of the images in pixels, such as 32x32")
    parser.add_argument("--cutoff", type=int, required=True, help="number of images")
    parser.add_argument("--operation", required=True, help="what to time, a name in scripts/measure/operations")
    parser.add_argument("--image-set", type=Path, required=True, help="directory of the image set")
    parser.add_argument("--store", type=Path, required=True, help="directory of the built store")
    parser.add_argument("--settings", type=json.loads, required=True, help="settings of the config, as JSON")
    parser.add_argument("--seconds", type=float, help="seconds of sampling instead, where it is measured again")
    parser.add_argument("--writes", type=Path, help="where to write on the stores' file system, if not beside them")
    parser.add_argument(
        "--node-scratch", help="where to time a copy instead, on the node's own disk; $VARIABLES expand"
    )
    parser.add_argument("--limit", type=float, help="seconds that sampling may take; no limit where it isn't given")
    parser.add_argument("--record", type=Path, required=True, help="the record to write")
    given = parser.parse_args(arguments)
    cell = Cell(given.machine, given.name, given.image_size, given.cutoff, given.operation)
    places = (given.image_set, given.store, given.settings, given.writes, given.node_scratch)
    record = timing.time_cell(cell, given.module, given.options, *places, given.seconds, given.limit)
    write_json(given.record, record)
