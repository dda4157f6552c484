"""Tables drawn as figures: a field for each row and column, shaded by how far its number is from the best."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.typing import ColorType

from scripts.report import wording
from scripts.report.draw import links, style
from scripts.report.rows import BuiltRow
from scripts.report.ties import EXACT, WITHIN

ROW = 0.25
"""Inches that a row takes."""
HEAD_LINE = 0.15
"""Inches that a line of a column's head takes."""
ABOVE_HEADS, BELOW = 0.14, 0.15
"""Inches above the heads of columns and below a table."""
TITLE = 0.3
"""Inches that the title of a table takes, if it has one."""
DARKEST = 100.0
"""A field of this many times the best, and more, has the darkest shade."""
PALE, DARK = (0.965, 0.973, 0.988), (0.086, 0.220, 0.486)
"""The palest and the darkest shade: red, green and blue from 0 to 1."""
BEST = "#0b7264"
WHITE_FROM = 0.6
"""From this shade on, of 0 to 1, letters are white."""
NO_VALUE = "\N{EN DASH}"
HATCH, HATCHED = "////", "#c3c8d0"
"""The pattern and colour of undecided fields."""
LEAST = f"Green: the least, and what is within {wording.threshold(EXACT)} of it."


@dataclass(frozen=True)
class Field:
    """The text of a field, and how it looks.

    - `times` says how many times the best it is; None has no shade.
    - `best` says whether it is the best or as good; `undecided` whether that is open.
    - `link` is the place on the page that it leads to.
    - `bold` makes its text bold in any case.
    """

    text: str
    times: float | None = None
    best: bool = False
    link: str = ""
    bold: bool = False
    undecided: bool = False


GAP = Field(NO_VALUE)


def draw(
    rows: Sequence[str],
    columns: Sequence[str],
    tables: Mapping[str, Sequence[Sequence[Field]]],
    notes: Sequence[str],
    *,
    beside: int = 1,
) -> Figure:
    """Draw tables of fields by row, by their titles, all with the same rows and columns, `beside` each other."""
    lines = max(name.count("\n") + 1 for name in columns)
    above = ABOVE_HEADS + HEAD_LINE * lines + (TITLE if any(tables) else 0.0)
    room = {"left": style.name_width(rows), "above": above, "below": BELOW}
    figure, panels = style.canvas(len(tables), beside, ROW * len(rows), notes, **room)
    for axes, (title, fields) in zip(panels, tables.items(), strict=True):
        _table(axes, rows, columns, fields)
        axes.set_title(title, pad=8)
    return figure


def _table(axes: Axes, rows: Sequence[str], columns: Sequence[str], fields: Sequence[Sequence[Field]]) -> None:
    """Draw the fields by row, with the names of rows on the left and of columns on top."""
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


def head(operation: str) -> str:
    """The name of an operation as the head of a narrow column, a line for each word."""
    return wording.operation(operation).replace(" ", "\n")


def of_sizes(
    stores: Iterable[BuiltRow], measure: str, say: Callable[[float, float], str] = "{:,.0f}".format
) -> dict[str, Field]:
    """A field for each store whose `apparent_bytes` or `allocated_bytes` are known, by backend, green within the
    threshold of sizes. `say` makes its text from the bytes of an image and the least of them."""
    sizes = {row: size for row in stores if (size := getattr(row, f"{measure}_per_image"))}
    least = min(sizes.values(), default=0.0)
    return {
        row.backend: Field(say(size, least), size / least, size <= WITHIN[EXACT] * least, links.store(row))
        for row, size in sizes.items()
    }


def _field(axes: Axes, x: int, y: int, field: Field) -> None:
    url = links.from_figure(field.link)
    shade = None if field.times is None or field.undecided else min(1.0, log(max(field.times, 1.0)) / log(DARKEST))
    if field.undecided:
        inside = Rectangle((x + 0.02, y + 0.06), 0.96, 0.88, facecolor="white", edgecolor=HATCHED, hatch=HATCH)
        inside.set(linewidth=0, clip_on=False, url=url)
        axes.add_patch(inside)
    colour = "none" if field.undecided else _colour(shade, best=field.best)
    edge = "none" if field.undecided else "white"
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor=edge, linewidth=1.2, clip_on=False, url=url))
    axes.text(
        x + 0.5,
        y + 0.5,
        field.text,
        ha="center",
        va="center",
        size=8,
        color="white" if shade is not None and (field.best or shade > WHITE_FROM) else style.TEXT,
        weight="bold" if field.best or field.bold else "normal",
        bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"} if field.undecided else None,
    )


def _colour(shade: float | None, *, best: bool) -> ColorType:
    """The colour of a shade of 0 to 1; white without one."""
    if shade is None:
        return "white"
    red, green, blue = (pale + shade * (dark - pale) for pale, dark in zip(PALE, DARK, strict=True))
    return BEST if best else (red, green, blue)
