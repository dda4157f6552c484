"""How every figure looks: settings, looks of lines, the canvas with its title and notes, and files that are the same
whenever the same figure is drawn."""

import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType, RcKeyType

from scripts.common.atomic import replacing
from scripts.report.draw.links import EMPTY, TITLE_INCHES

COLOURS = ("#16387c", "#f08a1d", "#0a9a86", "#86307f", "#93c9ee", "#111111", "#e0607e", "#a59f28")
"""The colours of lines, by order of appearance; in a panel they stand for operations, never for stores.

They are told apart by people with the common kinds of colour-blindness and, by their lightness, in greyscale.
"""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
LINES: tuple[LineStyleType, ...] = ("-", (0, (3, 1.2)), (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (7, 1, 1, 1, 1, 1)))
GREY, BASELINE, FAINT, TEXT, NOTE = "#707070", "#9a9a9a", "#dddddd", "#222222", "#555555"
DASHED: LineStyleType = (0, (4, 2))
"""The line style of what is no measurement: an ideal, or where two are equal."""
WIDTH = 10.0
"""The width of a figure in inches."""
MARGIN = 0.12
"""Inches from the upper left corner of a figure to its title."""
NOTE_LINE = 0.165
"""Inches that a line of a note takes."""
NOTE_LETTERS = 165
"""A line of a note has at most this many letters."""
NAME_LETTER = 0.085
"""Inches that a letter of a row's name takes."""
LEGEND_COLUMNS = 6
LEGEND_ROW = 0.22
"""Inches that a row of a legend takes."""
SETTINGS: dict[RcKeyType, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": TEXT,
    "text.parse_math": False,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "figure",
}


@dataclass(frozen=True)
class Look:
    """How one line is drawn."""

    color: str
    marker: str
    linestyle: LineStyleType


PLAIN = Look(BASELINE, ".", "-")
"""The look of the baseline."""


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for each name, by position; markers and line styles repeat what colours tell."""
    return {
        name: Look(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)], LINES[place % len(LINES)])
        for place, name in enumerate(names)
    }


@contextmanager
def applied() -> Iterator[None]:
    """The project's settings of matplotlib, whatever the user's own are; text is never mathematics.

    A letter that the font lacks is a box in the PNG; in the SVG, whose text stays text, a viewer finds another font.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


def name_width(names: Sequence[str]) -> float:
    """Inches that the longest of these names needs to the left of its row."""
    return 0.3 + NAME_LETTER * max(map(len, names))


def canvas(
    panels: int,
    columns: int,
    height: float,
    notes: Sequence[str],
    *,
    left: float = 0.8,
    right: float = 0.2,
    above: float = 0.28,
    below: float = 0.55,
) -> tuple[Figure, list[Axes]]:
    """A figure with room for its title, `panels` axes of `height` inches in at most `columns`, and notes at the bottom.

    `left`, `right`, `above` and `below` are the inches around each panel for labels of ticks, titles and the x axis.
    """
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = sheet(TITLE_INCHES + rows * (above + height + below), notes)
    total = figure.get_figheight()
    width = WIDTH / columns - left - right
    axes = []
    for panel in range(panels):
        row, column = divmod(panel, columns)
        x = column * WIDTH / columns + left
        y = total - TITLE_INCHES - row * (above + height + below) - above - height
        axes.append(figure.add_axes((x / WIDTH, y / total, width / WIDTH, height / total)))
    return figure, axes


def sheet(height: float, notes: Sequence[str]) -> Figure:
    """A figure with notes at the bottom, below the `height` inches for title and panels."""
    lines = [line for note in notes if note for line in textwrap.wrap(note, NOTE_LETTERS)]
    bottom = 0.15 + NOTE_LINE * len(lines)
    total = height + bottom
    figure = Figure(figsize=(WIDTH, total))
    for number, line in enumerate(lines):
        y = (bottom - 0.05 - NOTE_LINE * number) / total
        warns = line.startswith("synthetic")
        figure.text(
            MARGIN / WIDTH,
            y,
            line,
            size=8,
            va="top",
            weight="bold" if warns else "normal",
            color=TEXT if warns else NOTE,
        )
    return figure


def entitle(figure: Figure, title: str) -> None:
    """Write the title into the band at the top of a figure."""
    figure.text(MARGIN / WIDTH, 1 - MARGIN / figure.get_figheight(), title, size=13, weight="bold", va="top")


def empty(reasons: Sequence[str], notes: Sequence[str]) -> Figure:
    """A figure that says why there is nothing to draw; the page leaves it out."""
    lines = [line for reason in reasons for line in textwrap.wrap(reason, 100)]
    figure, (axes,) = canvas(1, 1, 0.3 + 0.22 * len(lines), notes)
    axes.set_axis_off()
    axes.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", color=GREY, size=11, transform=axes.transAxes)
    figure.set_label(EMPTY)
    return figure


def legend(figure: Figure, names: Mapping[str, Look]) -> None:
    """One legend for all panels, below the title."""
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle=look.linestyle, label=name)
        for name, look in names.items()
    ]
    top = 1 - (TITLE_INCHES - 0.05) / figure.get_figheight()
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.005, top),
        ncols=LEGEND_COLUMNS,
        frameon=False,
        handlelength=3.2,
    )


def save(figure: Figure, svg: Path, png: Path, title: str, caption: str) -> None:
    """Write both files, the same bytes for the same figure; the SVG carries title and caption as its metadata."""
    entitle(figure, title)
    metadata: dict[str, Any] = {"Title": title, "Description": caption, "Date": None}
    if figure.get_label() == EMPTY:
        metadata["Keywords"] = [EMPTY]
    for path, options in ((svg, {"metadata": metadata}), (png, {"dpi": 160, "metadata": {"Title": title}})):
        with replacing(path) as file:
            figure.savefig(file, format=path.suffix[1:], facecolor="white", **options)
