"""Do more processes read faster?

Images per second that processes read together, in shuffled batches from the largest store that was measured, against
the number of processes. Both axes are logarithmic. Each store has a panel; the others are in grey behind it. The thin
dashed line is the ideal: twice the images by twice as many processes. Each process has a reader of its own; in memory
(warm), it opens the reader before the clock starts. Forked processes are copies of the process that takes the time;
spawned processes start from nothing. A store whose library can't be forked safely is only spawned.
"""

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.draw import curves, links, multiples, notes, style
from scripts.report.draw.curves import Point
from scripts.report.draw.multiples import Grid, Series
from scripts.report.rows import MeasuredRow
from scripts.report.tables import Tables

POSITION = 7


def draw(tables: Tables) -> Figure:
    """A grid of panels per cache state, a panel per store, a line for each way of starting processes."""
    operations = tables.operations_of("workers")
    if not operations:
        reason = "This run has one process at a time. To measure more, add workers-warm to operations in config.yaml."
        return notes.empty(tables, reason)
    cutoff = tables.largest(operations)
    if cutoff is None:
        return notes.empty(tables, notes.NOTHING, operations)
    rows = [row for row in tables.measured_rows if row.operation in operations and row.cutoff_images == cutoff]
    counts = sorted({row.processes for row in rows})
    grids = [
        _grid(wording.operation(operation), own, tables.backends)
        for operation in operations
        if (own := [row for row in rows if row.operation == operation])
    ]
    below = notes.below(
        tables,
        operations,
        cutoff,
        f"Of {wording.images(cutoff)}. Panels by the rate of the most processes, the highest first. "
        f"{notes.intervals(tables, operations, cutoff)} {notes.GREY}",
        sign=notes.HOLLOW,
    )
    figure = multiples.draw(grids, lambda axes: _scale(axes, counts), below)
    panels = [(grid, name) for grid in grids for name in grid.order]
    for axes, (grid, name) in zip(figure.axes, panels, strict=True):
        _ideal(axes, [points for each in grid.series.values() if (points := each.measured[name])])
    return figure


def _grid(heading: str, rows: Sequence[MeasuredRow], names: Iterable[str]) -> Grid:
    """The panels of an operation, the store with the highest rate of the most processes first."""
    series = {}
    for method, look in style.looks(sorted({row.start_method or "" for row in rows})).items():
        own = [row for row in rows if (row.start_method or "") == method]
        measured = {name: [_point(row) for row in own if row.backend == name] for name in names}
        series[wording.STARTS[method]] = Series(look, measured, _plain(own))
    ends = sorted(((row.processes, row.images_per_second, row.backend) for row in rows), reverse=True)
    return Grid(heading, list(dict.fromkeys(name for *_, name in ends)), series)


def _ideal(axes: Axes, lines: Sequence[Sequence[Point]]) -> None:
    """Draw what a store's processes would read if each read as fast as one alone, given the store's lines."""
    start = max((points[0] for points in lines), key=lambda point: point.y)
    ends = (start.x, max(points[-1].x for points in lines))
    rates = [start.y * end / start.x for end in ends]
    axes.plot(ends, rates, color=style.TEXT, linewidth=0.8, linestyle=style.DASHED)


def _scale(axes: Axes, counts: Sequence[int]) -> None:
    axes.set(xscale="log", yscale="log", xlim=(counts[0] * 0.85, counts[-1] * 1.15))
    axes.set(xlabel="Processes", ylabel="Images per second")
    curves.ticks(axes.xaxis, "{:.0f}".format, counts)
    curves.ticks(axes.yaxis, curves.count)


def _point(row: MeasuredRow) -> Point:
    low, high = row.images / row.interval_high_seconds, row.images / row.interval_low_seconds
    return Point(row.processes, row.images_per_second, low, high, links.cell(row), bool(row.disturbances))


def _plain(rows: Sequence[MeasuredRow]) -> list[Point]:
    """The baseline's images per second, by the number of processes."""
    counts = sorted({row.processes for row in rows})
    times = {n: curves.plain_time([row for row in rows if row.processes == n], per_image=True) for n in counts}
    return [Point(count, 1 / time) for count, time in times.items() if time]
