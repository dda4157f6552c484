"""Step page: everything that was found, on one self-contained page."""

import argparse
import json
from pathlib import Path

from scripts.report.page.page import write_page


def main(arguments: list[str]) -> None:
    """Read the command line and write the page."""
    parser = argparse.ArgumentParser(prog="python scripts page", description=__doc__)
    parser.add_argument("--tables", type=Path, required=True, help="directory of the tables")
    parser.add_argument("--provenance", type=Path, required=True, help="provenance.json of the image set")
    parser.add_argument(
        "--records", type=Path, required=True, help="directory of the machine's records, beside others'"
    )
    parser.add_argument("--figures", type=Path, nargs="+", required=True, help="SVG files, in the order to show them")
    parser.add_argument("--settings", type=json.loads, required=True, help="what the config changes, as JSON")
    parser.add_argument(
        "--missing",
        type=json.loads,
        default={},
        help="backends that can't run here, as JSON: name to reason and remedy",
    )
    parser.add_argument("--output", type=Path, required=True, help="the page to write")
    given = parser.parse_args(arguments)
    write_page(
        given.tables,
        given.provenance,
        given.records,
        given.figures,
        given.settings,
        given.output,
        given.missing,
    )
