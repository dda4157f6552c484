"""Tables drawn as figures: a field for each row and column, shaded by how far its number is from the best."""

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scripts.report import wording
from scripts.report.compare.answers import NEGLIGIBLE, WINNING
from scripts.report.draw import bars, links, style
from scripts.report.estimates import EXACT, UNDECIDED, WITHIN
from scripts.report.tables import Row, Tables

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
LACKING = "*"
"""Marks a row whose mean is one of fewer columns than others' means."""
SHADES = f"The darker, the farther from the best, up to {DARKEST:.0f} times."
LEAST = "Green: the least, and what is within 1 % of it."
LEGEND = (
    "Green: the best, and what is surely within 5 % of it (with ranges, 20 %). Hatched, with a question mark: "
    f"undecided, this run can't tell. {SHADES} No colour: nobody wins, as every store needs less than 10 ms for "
    "all images."
)
HATCH, HATCHED = "////", "#c3c8d0"
"""What is undecided: it has neither the colour of the best nor a shade."""
MOST_UNDECIDED = 6
"""With more undecided fields than these, a figure says the intervals of the nearest; the page has all."""


@dataclass(frozen=True)
class Field:
    """The text of a field, how many times the best it is (None: no shade), whether it is the best or ties with it, the
    place on the page that it leads to, whether it is bold in any case, and whether it is undecided.
    """

    text: str
    times: float | None = None
    best: bool = False
    link: str = ""
    bold: bool = False
    undecided: bool = False


GAP = Field(NO_VALUE)


@dataclass(frozen=True)
class Overall:
    """How far a row is from the best of all columns: the geometric mean of its factors, and the columns in which others
    have a factor and it has none."""

    mean: float
    lacks: tuple[str, ...]


def ranked(factors: Mapping[str, Mapping[str, float]]) -> dict[str, Overall]:
    """Each row with any factor, in order, given its factors by column: those that lack none by their means, the least
    first, then the others in the same way, whose means are of other columns and compare with nothing."""
    columns = list(dict.fromkeys(column for known in factors.values() for column in known))
    found = {
        name: Overall(statistics.geometric_mean(known.values()), tuple(one for one in columns if one not in known))
        for name, known in factors.items()
        if known
    }
    return dict(sorted(found.items(), key=lambda item: (bool(item[1].lacks), item[1].mean)))


def by_factors(tables: Tables, cutoff: int, operations: Sequence[str]) -> dict[str, Overall]:
    """The backends in order, by how many times as long they take as the best of each of these operations; those in
    which nobody wins count only where that is so in all."""
    rows = [
        row for name in tables.backends for operation in operations if (row := tables.cell(name, cutoff, operation))
    ]
    rows = [row for row in rows if row["ratio_to_best"]]
    counting = [row for row in rows if row["outcome"] != NEGLIGIBLE] or rows
    factors: dict[str, dict[str, float]] = {row["backend"]: {} for row in rows}
    for row in counting:
        factors[row["backend"]][row["operation"]] = row["ratio_to_best"]
    return ranked(factors)


def undecided_note(rows: Sequence[Row]) -> str:
    """The intervals of those of these cells that are undecided; empty where none is."""
    found = [row for row in rows if row["outcome"] == UNDECIDED]
    if not found:
        return ""
    nearest = sorted(found, key=lambda row: row["ratio_to_best"])[:MOST_UNDECIDED]
    said = [
        f"{row['backend']}, {wording.operation(row['operation']).lower()}, "
        f"{wording.times_between(row['ratio_to_best_low'], row['ratio_to_best_high'])}"
        for row in nearest
    ]
    more = f"; and {len(found) - len(nearest)} more" if len(found) > len(nearest) else ""
    return f"Undecided, with the interval of the factor: {'; '.join(said)}{more}. The page says what would decide it."


def lacking_note(overall: Mapping[str, Overall]) -> str:
    """What the rows that lack something lack, those alike together; empty where there are none."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, found in overall.items():
        if found.lacks:
            alike.setdefault(found.lacks, []).append(name)
    said = [f"{wording.join(names)} without {wording.join(lacks)}" for lacks, names in alike.items()]
    note = f"{LACKING} Below all others, as the mean is one of fewer operations: {'; '.join(said)}."
    return textwrap.shorten(note, style.GAP_LETTERS, placeholder=" ...") if said else ""


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
    """The field of a measured cell, by how far it is from the best of its operation; no shade where nobody wins."""
    outcome = row["outcome"]
    return Field(
        f"{text} ?" if outcome == UNDECIDED else text,
        None if outcome == NEGLIGIBLE else row["ratio_to_best"],
        outcome in WINNING,
        links.cell(row),
        undecided=outcome == UNDECIDED,
    )


def of_size(size: float, least: float, text: str, link: str) -> Field:
    """The field of a number of bytes, by how many times the least it is; what ties with that is green, as on the page
    sizes do that are within 1 %."""
    return Field(text, size / least, size <= WITHIN[EXACT] * least, link)


def _field(axes: Axes, x: float, y: float, field: Field) -> None:
    shade = (
        None
        if field.times is None or field.undecided
        else min(1.0, max(0.0, log(max(field.times, 1.0)) / log(DARKEST)))
    )
    colour = "white" if shade is None else BEST if field.best else _between(shade)
    url = links.from_figure(field.link) if field.link else None
    look = {"facecolor": colour, "edgecolor": "white", "linewidth": 1.2}
    if field.undecided:
        inside = {"facecolor": "white", "edgecolor": HATCHED, "hatch": HATCH, "linewidth": 0}
        axes.add_patch(Rectangle((x + 0.02, y + 0.06), 0.96, 0.88, clip_on=False, url=url, **inside))
        look = {"facecolor": "none", "edgecolor": "none"}
    axes.add_patch(Rectangle((x, y), 1, 1, url=url, clip_on=False, **look))
    white = shade is not None and (field.best or shade > WHITE_FROM)
    axes.text(
        *(x + 0.5, y + 0.5, field.text),
        ha="center",
        va="center",
        size=8,
        color="white" if white else style.TEXT,
        weight="bold" if field.best or field.bold else "normal",
        bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"} if field.undecided else None,
    )


def _between(shade: float) -> tuple[float, ...]:
    return tuple(pale + shade * (dark - pale) for pale, dark in zip(PALE, DARK, strict=True))
