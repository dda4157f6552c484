"""Step summarise: the records and manifests of one machine to the tables."""

import argparse
from pathlib import Path

from scripts.report.summarise import write_tables


def main(arguments: list[str]) -> None:
    """Read the command line and write the tables."""
    parser = argparse.ArgumentParser(prog="python scripts summarise", description=__doc__)
    parser.add_argument("--records", type=Path, required=True, help="directory of the machine's records")
    parser.add_argument("--machine", required=True, help="name of the machine")
    parser.add_argument("--stores", type=Path, required=True, help="directory of the stores and their manifests")
    parser.add_argument("--backends", nargs="+", required=True, help="backends and variants, in the order to show them")
    parser.add_argument("--image-sizes", nargs="+", required=True, help="height x width in pixels, such as 32x32")
    parser.add_argument("--cutoffs", nargs="+", type=int, required=True, help="numbers of images")
    parser.add_argument("--operations", nargs="+", required=True, help="operations, in the order to show them")
    parser.add_argument("--tables", type=Path, required=True, help="directory for the tables")
    given = parser.parse_args(arguments)
    write_tables(
        given.records,
        given.machine,
        given.stores,
        given.backends,
        given.image_sizes,
        given.cutoffs,
        given.operations,
        given.tables,
    )
