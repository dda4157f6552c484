"""Times of each store: lines over the number of images, and bars at one number of images."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.compare import article
from scripts.report.draw import curves, links, multiples, notes, style
from scripts.report.draw.curves import BASELINE, Point
from scripts.report.tables import Tables

COLUMNS = 2
"""Panels of bars beside each other."""
ROW = 0.22
"""Inches that the row of a bar takes."""
THICKNESS = 0.7
"""The thickness of a bar is this share of its row."""
LETTER = 0.045
"""Room on the right for each letter of the text beside a bar, as a share of the longest bar."""
BEHIND_TEXT = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}


def lines(tables: Tables, *, kinds: Sequence[str], per_image: bool = False, together: bool = False) -> Figure:
    """Time (s) against the number of images, a line for each operation of these kinds.

    Each kind has a grid of panels, with all other stores behind a panel's own; `together` there is one for all kinds.
    """
    operations = [name for kind in kinds for name in tables.operations_of(kind)]
    if nothing := notes.no_lines(tables, operations):
        return nothing
    measured = [one for one in operations if any(curves.points(tables, name, one) for name in tables.backends)]
    groups: dict[str, list[str]] = {}
    for operation in measured:
        groups.setdefault("" if together else wording.kind(catalogue.entry(operation).kind), []).append(operation)
    grids = []
    for heading, alike in groups.items():
        looks = style.looks(alike)
        names = {one: wording.operation(one) if len(groups) == 1 else catalogue.entry(one).state_title for one in alike}
        series = {names[one]: _series(tables, one, looks[one], per_image=per_image) for one in alike}
        grids.append(multiples.Grid(heading, multiples.by_last(series), series))
    published = any(points for grid in grids for each in grid.series.values() for points in each.published.values())
    first = wording.join(wording.operation(alike[0]).lower() for alike in groups.values())
    below = [
        *notes.source(tables),
        f"Panels by the time of {first} at the largest number of images, the shortest first.",
        f"{notes.intervals(tables, measured)} {notes.GREY} {notes.disturbed(tables, measured)}",
        notes.published("Dots") if published else "",
        *notes.gaps(tables, operations),
    ]
    unit = "Time per image" if per_image else "Time"
    return multiples.draw(grids, lambda axes: curves.scale(axes, tables.cutoffs, unit), below, others=not together)


def at_largest(tables: Tables, *, kind: str) -> Figure:
    """Bars of the times (s) at the largest number of images measured, with a panel for each operation of `kind`."""
    operations = tables.operations_of(kind)
    cutoff = tables.largest(operations)
    if cutoff is None:
        return notes.empty(tables, notes.NOTHING, operations)
    return at(tables, operations, cutoff, f"Of {wording.images(cutoff)}.")


def at(tables: Tables, operations: Sequence[str], cutoff: int, note: str = "") -> Figure:
    """Bars of the times at a cutoff, a panel per operation."""
    published = any(_published(tables, operation, cutoff) for operation in operations)
    below = notes.below(
        tables,
        operations,
        cutoff,
        f"{note} {notes.intervals(tables, operations, cutoff)} {notes.GREY}".strip(),
        notes.published("In brackets") if published else "",
    )
    height = ROW * (len(tables.backends) + 1)
    left = style.name_width([*tables.backends, BASELINE])
    figure, panels = style.canvas(len(operations), COLUMNS, height, below, left=left)
    for axes, operation in zip(panels, operations, strict=True):
        axes.set_title(wording.operation(operation))
        _bars(axes, tables, operation, cutoff)
    return figure


def _series(tables: Tables, operation: str, look: style.Look, *, per_image: bool) -> multiples.Series:
    """The line of an operation in each panel; the article's times are of all images."""
    known = {} if per_image else {name: article.seconds(operation, name) for name in tables.backends}
    return multiples.Series(
        look,
        {name: curves.points(tables, name, operation, per_image=per_image) for name in tables.backends},
        curves.baseline(tables, operation, per_image=per_image),
        published={
            name: [Point(cutoff, time) for cutoff, time in times.items() if cutoff in tables.cutoffs]
            for name, times in known.items()
        },
    )


def _published(tables: Tables, operation: str, cutoff: int) -> dict[str, str]:
    """The article's time of each store that it has one of, in brackets."""
    known = {name: article.seconds(operation, name).get(cutoff) for name in tables.backends}
    return {name: f"  ({wording.seconds(time)})" for name, time in known.items() if time is not None}


def _bars(axes: Axes, tables: Tables, operation: str, cutoff: int) -> None:
    """Draw the bars of an operation, the shortest first, then gaps, then the baseline."""
    rows = tables.measured(operation, cutoff)
    scale, unit = wording.unit(max((row.median_seconds for row in rows), default=1.0))
    published = _published(tables, operation, cutoff)
    said = {row.backend: wording.seconds(row.median_seconds) + notes.dagger(row) for row in rows}
    gaps = dict.fromkeys((name for name in tables.backends if name not in said), "no value")
    said = {name: text + published.get(name, "") for name, text in (said | gaps).items()}
    ends: dict[str, float] = {}
    for y, row in enumerate(rows):
        low, high = row.interval_low_seconds / scale, row.interval_high_seconds / scale
        value = row.median_seconds / scale
        axes.barh(y, value, height=THICKNESS, color=style.COLOURS[0], url=links.from_figure(links.cell(row)))
        axes.plot([low, high], [y, y], color=style.TEXT, linewidth=1.2, marker="|", markersize=5)
        ends[row.backend] = max(value, high)
    if (plain := curves.plain_time(rows)) is not None:
        axes.barh(len(said), plain / scale, height=THICKNESS, color=style.BASELINE)
        ends[BASELINE] = plain / scale
        said[BASELINE] = wording.seconds(plain)
    longest = max(ends.values(), default=0.0) or 1.0
    names = list(said)
    for name, end in ends.items():
        axes.annotate(
            said[name],
            (end, names.index(name)),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            size=8,
            bbox=BEHIND_TEXT,
            zorder=5,
        )
    for name in gaps:
        axes.text(longest * 0.01, names.index(name), said[name], va="center", size=8, color=style.GREY, style="italic")
    axes.set_xlim(0, longest * (1 + LETTER * max(map(len, said.values()))))
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlabel(unit)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
