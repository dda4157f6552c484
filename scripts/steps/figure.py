"""Step figure: draw one figure from the tables, as SVG and PNG."""

import importlib
from pathlib import Path
from typing import Annotated

from scripts.common.command_line import command
from scripts.common.errors import UserError, did_you_mean
from scripts.report.draw import captions, style
from scripts.report.tables import Tables


@command
def main(
    name: Annotated[str, "which figure, a file in scripts/report/figures without .py"],
    *,
    tables: Annotated[Path, "directory of the tables"],
    svg: Annotated[Path, "file to write"],
    png: Annotated[Path, "file to write"],
) -> None:
    """Draw the figure."""
    if name not in captions.names():
        raise UserError(f"there is no figure {name}; {did_you_mean(name, captions.names())}")
    figure = importlib.import_module(f"scripts.report.figures.{name}")
    with style.applied():
        drawn = figure.draw(Tables.load(tables))
        style.save(drawn, svg, png, captions.title(name), captions.caption(name))
