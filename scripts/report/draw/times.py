"""Times of each store: lines over the number of images, and bars at one number of images."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.compare import article
from scripts.report.draw import bars, curves, links, multiples, notes, style
from scripts.report.draw.appearance import HIGHLIGHT
from scripts.report.draw.curves import BASELINE, Point
from scripts.report.tables import Tables

COLUMNS = 2
"""Panels of bars beside each other."""


def lines(tables: Tables, operations: Sequence[str], *, per_image: bool = False) -> Figure:
    """Time (s) against the number of images: a grid for each kind of operation, a line for each of its operations."""
    measured = [one for one in operations if any(curves.points(tables, name, one) for name in tables.backends)]
    if nothing := notes.no_lines(tables, operations):
        return nothing
    kinds: dict[str, list[str]] = {}
    for operation in measured:
        kinds.setdefault(catalogue.entry(operation).kind, []).append(operation)
    grids = []
    for kind, alike in kinds.items():
        say = wording.operation if len(kinds) == 1 else wording.state
        looks = style.looks(alike)
        series = {say(one): _series(tables, one, looks[one], per_image=per_image) for one in alike}
        grids.append(multiples.Grid(wording.kind(kind), multiples.by_last(series), series))
    published = any(points for grid in grids for each in grid.series.values() for points in each.published.values())
    first = wording.join(wording.operation(alike[0]).lower() for alike in kinds.values())
    below = [
        *notes.source(tables),
        f"Panels by the time of {first} at the largest number of images, the shortest first.",
        f"{notes.intervals(tables, measured)} {notes.GREY} {notes.disturbed(tables, measured)}",
        notes.published("Dots") if published else "",
        *notes.gaps(tables, operations),
    ]
    unit = "Time per image" if per_image else "Time"

    def scale(axes: Axes) -> None:
        curves.scale(axes, tables.cutoffs, unit)

    return multiples.draw(grids, scale, below)


def at_largest(tables: Tables, operations: Sequence[str]) -> Figure:
    """Bars of the times (s) at the largest number of images that was measured, a panel per operation."""
    measured = [row for row in tables.main if row.operation in operations and row.status == "measured"]
    if not measured:
        return notes.empty(tables, notes.NOTHING, operations)
    cutoff = max(row.cutoff_images for row in measured)
    return at(tables, operations, cutoff, f"Of {wording.images(cutoff)}.")


def at(tables: Tables, operations: Sequence[str], cutoff: int, note: str = "") -> Figure:
    """Bars of the times at a cutoff, a panel per operation."""
    published = any(_published(tables, operation, cutoff) for operation in operations)
    below = [
        *notes.source(tables),
        f"{note} {notes.intervals(tables, operations, cutoff)} {notes.GREY}".strip(),
        notes.published("In brackets") if published else "",
        notes.disturbed(tables, operations, cutoff, sign=notes.DAGGER),
        *notes.gaps(tables, operations, cutoff),
    ]
    height = bars.ROW * (len(tables.backends) + 1)
    left = style.name_width([*tables.backends, BASELINE])
    figure, panels = style.canvas(len(operations), COLUMNS, height, below, left=left)
    for axes, operation in zip(panels, operations, strict=True):
        axes.set_title(wording.operation(operation))
        rows, unit = _bars(tables, operation, cutoff)
        bars.draw(axes, rows, unit)
    return figure


def _series(tables: Tables, operation: str, look: style.Look, *, per_image: bool) -> multiples.Series:
    """The line of an operation in each panel."""
    known = {name: article.seconds(operation, name) for name in tables.backends}
    return multiples.Series(
        look,
        {name: curves.points(tables, name, operation, per_image=per_image) for name in tables.backends},
        curves.baseline(tables, operation, per_image=per_image),
        published={
            name: [Point(cutoff, time, time, time) for cutoff, time in times.items() if cutoff in tables.cutoffs]
            for name, times in known.items()
        },
    )


def _published(tables: Tables, operation: str, cutoff: int) -> dict[str, float]:
    """The article's time (s) of each store that it has one of."""
    known = {name: article.seconds(operation, name).get(cutoff) for name in tables.backends}
    return {name: time for name, time in known.items() if time is not None}


def _bars(tables: Tables, operation: str, cutoff: int) -> tuple[list[bars.Bar], str]:
    """The bars of an operation, the shortest first, then gaps, then the baseline; and the unit of time that fits."""
    measured = tables.by_time(operation, cutoff)
    published = {name: f"  ({wording.seconds(time)})" for name, time in _published(tables, operation, cutoff).items()}
    rows = {name: row for name in measured if (row := tables.cell(name, cutoff, operation))}
    seconds, unit = wording.unit(max((row.median_seconds for row in rows.values()), default=1.0))
    found = [
        bars.Bar(
            name,
            row.median_seconds / seconds,
            wording.seconds(row.median_seconds) + notes.dagger(row) + published.get(name, ""),
            HIGHLIGHT,
            row.interval_low_seconds / seconds,
            row.interval_high_seconds / seconds,
            links.cell(row),
        )
        for name, row in rows.items()
    ]
    gaps = [name for name in tables.backends if name not in rows]
    found += [bars.Bar(name, None, f"no value{published.get(name, '')}", HIGHLIGHT) for name in gaps]
    plain = curves.plain_time(list(rows.values()))
    if plain is not None:
        found.append(bars.Bar(BASELINE, plain / seconds, wording.seconds(plain), style.BASELINE))
    return found, unit
