"""Step figure: draw one figure from the tables, as SVG and PNG."""

import importlib
from pathlib import Path
from typing import Annotated

from scripts.common.command_line import Argument, command
from scripts.report.draw import captions, style
from scripts.report.tables import Tables


@command
def main(
    name: Annotated[str, Argument("which figure", choices=captions.names())],
    *,
    tables: Annotated[Path, "directory of the tables"],
    svg: Annotated[Path, "file to write"],
    png: Annotated[Path, "file to write"],
) -> None:
    """Draw the figure."""
    figure = importlib.import_module(f"scripts.report.figures.{name}")
    with style.applied():
        drawn = figure.draw(Tables.load(tables))
        style.save(drawn, svg, png, captions.title(name), captions.caption(name))
