"""Tables drawn as figures: a field for each row and column, shaded by how far its number is from the best."""

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.typing import ColorType

from scripts.report import wording
from scripts.report.compare.answers import NEGLIGIBLE, WINNING
from scripts.report.draw import links, notes, style
from scripts.report.estimates import EXACT, INTERVAL, NOTICEABLE_SECONDS, RANGE, UNDECIDED, WITHIN
from scripts.report.rows import MeasuredRow, SummaryRow
from scripts.report.tables import Tables

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
LACKING = "*"
"""The mark of a row whose mean is one of fewer columns than the others' means."""
HATCH, HATCHED = "////", "#c3c8d0"
"""The pattern and colour of undecided fields."""
MOST_UNDECIDED = 6
"""A figure says the intervals of at most this many undecided fields, the nearest ones; the page has all."""
LEAST = f"Green: the least, and what is within {wording.threshold(EXACT)} of it."
LEGEND = (
    f"Green: the best, and what is surely within {wording.threshold(INTERVAL)} of it (with ranges, "
    f"{wording.threshold(RANGE)}). Hatched, with a question mark: undecided, this run can't tell. The darker, the "
    f"farther from the best, up to {DARKEST:.0f} times. No colour: nobody wins, as every store needs less than "
    f"{wording.tick(NOTICEABLE_SECONDS)} for all images."
)


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


@dataclass(frozen=True)
class Overall:
    """How far a row is from the best of all columns: the geometric mean of its factors, and the columns in which others
    have a factor and it has none."""

    mean: float
    lacks: tuple[str, ...]


def ranked(factors: Mapping[str, Mapping[str, float]]) -> dict[str, Overall]:
    """Each row with any factor, in order, given its factors by column.

    Rows that lack no column come first, by their means, the least first. The others follow in the same way: their means
    are of other columns and compare with nothing.
    """
    columns = list(dict.fromkeys(column for known in factors.values() for column in known))
    found = {
        name: Overall(statistics.geometric_mean(known.values()), tuple(one for one in columns if one not in known))
        for name, known in factors.items()
        if known
    }
    return dict(sorted(found.items(), key=lambda item: (bool(item[1].lacks), item[1].mean)))


def by_factors(tables: Tables, cutoff: int, operations: Sequence[str]) -> dict[str, Overall]:
    """The stores in order, by how many times as long as the best they take in each of these operations.

    Operations in which nobody wins count only where nobody wins in any.
    """
    rows = [
        row for name in tables.backends for operation in operations if (row := tables.cell(name, cutoff, operation))
    ]
    nobody_wins = all(row.outcome == NEGLIGIBLE for row in rows if row.ratio_to_best)
    factors: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.ratio_to_best:
            known = factors.setdefault(row.backend, {})
            if nobody_wins or row.outcome != NEGLIGIBLE:
                known[row.operation] = row.ratio_to_best
    return ranked(factors)


def undecided_note(rows: Sequence[SummaryRow]) -> str:
    """The intervals of those of these cells that are undecided; empty where none is."""
    found = [
        (row.ratio_to_best, row, wording.times_between(row.ratio_to_best_low, row.ratio_to_best_high))
        for row in rows
        if row.outcome == UNDECIDED and row.ratio_to_best and row.ratio_to_best_low and row.ratio_to_best_high
    ]
    if not found:
        return ""
    nearest = sorted(found, key=lambda one: one[0])[:MOST_UNDECIDED]
    said = [f"{row.backend}, {wording.operation(row.operation).lower()}, {between}" for _, row, between in nearest]
    more = f"; and {len(found) - len(nearest)} more" if len(found) > len(nearest) else ""
    return f"Undecided, with the interval of the factor: {'; '.join(said)}{more}. The page says what would decide it."


def lacking_note(overall: Mapping[str, Overall]) -> str:
    """What rows lack, rows that lack the same together; empty where no row lacks anything."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, found in overall.items():
        if found.lacks:
            alike.setdefault(found.lacks, []).append(name)
    said = [f"{wording.join(names)} without {wording.join(lacks)}" for lacks, names in alike.items()]
    note = f"{LACKING} Below all others, as the mean is one of fewer operations: {'; '.join(said)}."
    return textwrap.shorten(note, notes.GAP_LETTERS, placeholder=" ...") if said else ""


def draw(axes: Axes, rows: Sequence[str], columns: Sequence[str], fields: Sequence[Sequence[Field]]) -> None:
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


def room(rows: Sequence[str], columns: Sequence[str], *, titled: bool = False) -> dict[str, float]:
    """Inches that the names of rows and the heads of columns need around such a table, as `style.canvas` takes them."""
    lines = max(name.count("\n") + 1 for name in columns)
    above = ABOVE_HEADS + HEAD_LINE * lines + (TITLE if titled else 0.0)
    return {"height": ROW * len(rows), "left": style.name_width(rows), "above": above, "below": BELOW}


def head(operation: str) -> str:
    """The name of an operation as the head of a narrow column, a line for each word."""
    return wording.operation(operation).replace(" ", "\n")


def of_cell(row: MeasuredRow, text: str) -> Field:
    """The field of a measured cell, by how far it is from the best of its operation; no shade where nobody wins."""
    outcome = row.outcome
    return Field(
        f"{text} ?" if outcome == UNDECIDED else text,
        None if outcome == NEGLIGIBLE else row.ratio_to_best,
        outcome in WINNING,
        links.cell(row),
        undecided=outcome == UNDECIDED,
    )


def of_size(size: float, least: float, text: str, link: str) -> Field:
    """The field of a number of bytes, by how many times the least it is; green within the threshold of sizes."""
    return Field(text, size / least, size <= WITHIN[EXACT] * least, link)


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
