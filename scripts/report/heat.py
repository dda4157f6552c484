"""Tables drawn as figures: a field for each row and column, shaded by how far its number is from the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scripts.report import bars, links, style, wording
from scripts.report.tables import Row

ROW = 0.25
"""Inches that a row takes."""
HEAD_LINE = 0.15
"""Inches that a line of a column's head takes."""
DARKEST = 100.0
"""So many times the best, and more, has the darkest shade."""
PALE, DARK = (0.965, 0.973, 0.988), (0.086, 0.220, 0.486)
BEST = "#0b7264"
WHITE_FROM = 0.6
"""From this shade on, of 0 to 1, letters are white."""
NO_VALUE = "\N{EN DASH}"
SHADES = f"The darker, the farther from the best, up to {DARKEST:.0f} times."
LEGEND = (
    "Green: the best, and what ties with it, which doesn't surely differ from it by more than 5 % (with ranges, 20 %). "
    f"{SHADES}"
)


@dataclass(frozen=True)
class Field:
    """The text of a field, how many times the best it is (None: no shade), whether it is the best or ties with it, the
    place on the page that it leads to, and whether it is bold in any case."""

    text: str
    times: float | None = None
    best: bool = False
    link: str = ""
    bold: bool = False


GAP = Field(NO_VALUE)


def draw(axes: Axes, rows: Sequence[str], columns: Sequence[str], fields: Sequence[Sequence[Field]]) -> None:
    """Draw the fields by row, with the names of rows on the left and those of columns on top."""
    for y, row in enumerate(fields):
        for x, field in enumerate(row):
            _field(axes, x, y, field)
    axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    axes.set_xticks([place + 0.5 for place in range(len(columns))], columns)
    axes.set_yticks([place + 0.5 for place in range(len(rows))], rows)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def figure(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    fields: Sequence[Sequence[Field]],
    notes: Sequence[str],
) -> Figure:
    """A figure of one such table."""
    room = {"left": bars.name_width(rows), "above": heads(columns), "below": 0.15}
    made, (axes,) = style.canvas(title, 1, 1, ROW * len(rows), notes, **room)
    draw(axes, rows, columns, fields)
    return made


def head(operation: str) -> str:
    """The name of an operation as the head of a narrow column, a line for each word."""
    return wording.operation(operation).replace(" ", "\n")


def heads(columns: Sequence[str]) -> float:
    """Inches that the heads of these columns need."""
    return 0.14 + HEAD_LINE * max(name.count("\n") + 1 for name in columns)


def of_cell(row: Row, text: str) -> Field:
    """The field of a measured cell, by how far it is from the best of its operation."""
    return Field(text, row["ratio_to_best"], bool(row["ties_with_best"]), links.cell(row))


def _field(axes: Axes, x: float, y: float, field: Field) -> None:
    shade = None if field.times is None else min(1.0, max(0.0, log(max(field.times, 1.0)) / log(DARKEST)))
    colour = "white" if shade is None else BEST if field.best else _between(shade)
    url = links.from_figure(field.link) if field.link else None
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.2, url=url, clip_on=False))
    white = shade is not None and (field.best or shade > WHITE_FROM)
    axes.text(
        *(x + 0.5, y + 0.5, field.text),
        ha="center",
        va="center",
        size=8,
        color="white" if white else style.TEXT,
        weight="bold" if field.best or field.bold else "normal",
    )


def _between(shade: float) -> tuple[float, ...]:
    return tuple(pale + shade * (dark - pale) for pale, dark in zip(PALE, DARK, strict=True))
