"""Step figure: draw one figure from the tables, as SVG and PNG."""

import argparse
import importlib
from pathlib import Path

from scripts.report.draw import captions, style
from scripts.report.tables import Tables


def main(arguments: list[str]) -> None:
    """Read the command line and draw the figure."""
    parser = argparse.ArgumentParser(prog="python scripts figure", description=__doc__)
    parser.add_argument("name", choices=captions.names(), help="which figure")
    parser.add_argument("--tables", type=Path, required=True, help="directory of the tables")
    parser.add_argument("--svg", type=Path, required=True, help="file to write")
    parser.add_argument("--png", type=Path, required=True, help="file to write")
    given = parser.parse_args(arguments)
    figure = importlib.import_module(f"scripts.report.figures.{given.name}")
    with style.applied():
        drawn = figure.draw(Tables.load(given.tables))
        style.save(drawn, given.svg, given.png, captions.title(given.name), captions.caption(given.name))
