"""Figures as they are drawn, before they are written to a file."""

import importlib

from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scripts.report.draw import captions, style
from scripts.report.tables import Tables
from tests.support.report_run import Run


def figure_of(run: Run, name: str) -> Figure:
    """A figure with its title, from the tables of a run."""
    with style.applied():
        figure = importlib.import_module(f"scripts.report.figures.{name}").draw(Tables.load(run.directory))
        style.entitle(figure, captions.title(name))
    return figure


def titles_of(figure: Figure) -> list[str]:
    """The titles of all panels, in their order."""
    return [axes.get_title(loc="left") for axes in figure.axes]


def notes_of(figure: Figure) -> str:
    """All that stands below and above the panels of a figure."""
    return " ".join(text.get_text() for text in figure.texts)


def rows_of(axes: Axes) -> list[str]:
    """The names of the rows of a panel, from the top."""
    return [label.get_text() for label in axes.get_yticklabels()]


def fields(axes: Axes) -> dict[tuple[str, str], tuple[str, str]]:
    """Text and colour of each field of a table that is drawn, by the names of its row and column."""
    rows, columns = ([label.get_text() for label in axis.get_ticklabels()] for axis in (axes.yaxis, axes.xaxis))
    colours = {patch.get_xy(): to_hex(patch.get_facecolor()) for patch in axes.patches if isinstance(patch, Rectangle)}
    found = {}
    for text in axes.texts:
        x, y = (int(place) for place in text.get_position())
        found[rows[y], columns[x].replace("\n", " ")] = (text.get_text(), colours[x, y])
    assert len(found) == len(rows) * len(columns)
    return found
