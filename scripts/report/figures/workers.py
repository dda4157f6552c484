"""Do more processes read faster?

Images per second that processes read together, in shuffled batches from the largest store that was measured, against
the number of processes, both axes logarithmic. The thin dashed line is the ideal, twice the images by twice as many.
Each process has a reader of its own, warm opened before the clock starts. Forked ones are copies of the one that takes
the time, spawned ones start from nothing; a store whose library can't be forked safely is only spawned.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from scripts.report import wording
from scripts.report.draw import captions, curves, links, multiples, style
from scripts.report.draw.curves import Point
from scripts.report.tables import Row, Tables

POSITION = 7
IDEAL = "ideal"
IDEAL_LINE = (0, (4, 2))


def draw(tables: Tables) -> Figure:
    """A panel per cache state and way of starting processes, a line per backend; with many, a panel per backend."""
    title = captions.title("workers")
    operations = tables.operations_of("workers")
    if not operations:
        reason = "This run has one process at a time. To measure more, add workers-warm to operations in config.yaml."
        return style.empty(title, [reason], tables)
    cutoffs = [n for n in tables.cutoffs if any(_ways(tables, n, operation) for operation in operations)]
    if not cutoffs:
        gaps = style.gaps(tables, operations)
        return style.empty(title, ["Nothing was measured for this figure.", *gaps], tables)
    rows = {operation: _ways(tables, cutoffs[-1], operation) for operation in operations}
    drawn = {
        (operation, method): [row for row in found if row["start_method"] == method]
        for operation, found in rows.items()
        for method in sorted({row["start_method"] for row in found})
    }
    many = style.many(tables)
    order = " Panels by the rate of the most processes, the highest first."
    notes = [
        *style.source(tables),
        f"Of {wording.images(cutoffs[-1])}.{order if many else ''} "
        f"{curves.bars_note(tables, operations, cutoffs[-1])} {curves.GREY_NOTE}",
        curves.disturbed_note(tables, operations, cutoffs[-1]),
        *style.gaps(tables, operations, cutoffs[-1]),
    ]
    if many:
        return _multiples(tables, title, drawn, notes)
    looks = style.looks(tables.backends)
    figure, panels = curves.canvas(title, len(drawn), 2, looks, notes, height=2.8)
    ends = []
    for axes, ((operation, method), found) in zip(panels, drawn.items(), strict=True):
        axes.set_title(f"{wording.operation(operation)}, {wording.STARTS[method]}")
        ends.append(_panel(axes, found, looks))
    curves.same_limits(panels)
    curves.label_panels(panels, ends)
    return figure


def _multiples(tables: Tables, title: str, drawn: dict[tuple[str, str], list[Row]], notes: list[str]) -> Figure:
    """A grid per cache state, a panel per backend, a line for each way of starting processes."""
    counts = sorted({row["processes"] for rows in drawn.values() for row in rows})
    grids = []
    for operation in dict.fromkeys(operation for operation, _ in drawn):
        ways = [method for known, method in drawn if known == operation]
        series = {}
        for method, look in zip(ways, multiples.LOOKS, strict=False):
            rows = drawn[operation, method]
            series[wording.STARTS[method]] = multiples.Series(
                look, _points(rows, tables.backends), _plain(rows, counts)
            )
        last = {
            name: [points[-1] for each in series.values() if (points := each.measured[name])]
            for name in tables.backends
        }
        best = {name: max((point.x, point.y) for point in points) for name, points in last.items() if points}
        order = sorted(best, key=best.__getitem__, reverse=True)
        grids.append(multiples.Grid(wording.operation(operation), order, series))
    return multiples.draw(title, grids, lambda axes: _scale(axes, counts), notes, beside=_ideal)


def _ideal(axes: Axes, name: str, grid: multiples.Grid) -> None:
    """Draw what a backend's processes would read if each read as fast as one alone."""
    starts = [points[0] for each in grid.series.values() if (points := each.measured.get(name))]
    start = max(starts, key=lambda point: point.y)
    ends = (start.x, max(points[-1].x for each in grid.series.values() if (points := each.measured.get(name))))
    axes.plot(ends, [start.y * end / start.x for end in ends], color=style.TEXT, linewidth=0.8, linestyle=IDEAL_LINE)


def _scale(axes: Axes, counts: list[int]) -> None:
    axes.set(xscale="log", yscale="log", xlim=(counts[0] * 0.85, counts[-1] * 1.15))
    axes.set(xlabel="Processes", ylabel="Images per second")
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.short_count(round(value))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())


def _panel(axes: Axes, rows: list[Row], looks: dict[str, style.Look]) -> list[curves.End]:
    counts = sorted({row["processes"] for row in rows})
    _scale(axes, counts)
    measured = _points(rows, list(looks))
    ends = curves.lines(axes, measured, looks, _plain(rows, counts))
    alone = max((row["images_per_second"] for row in rows if row["processes"] == counts[0]), default=0)
    ideal = [alone * count / counts[0] for count in counts]
    axes.plot(counts, ideal, color=style.TEXT, linewidth=0.9, linestyle=IDEAL_LINE, zorder=1)
    return [*ends, (IDEAL, ideal[-1], style.TEXT)]


def _ways(tables: Tables, cutoff: int, operation: str) -> list[Row]:
    return [row for name in tables.backends for row in tables.ways(name, cutoff, operation)]


def _points(rows: list[Row], names: list[str]) -> dict[str, list[Point]]:
    return {name: [_point(row) for row in rows if row["backend"] == name] for name in names}


def _point(row: Row) -> Point:
    rates = (row["images"] / row[f"interval_{end}_seconds"] for end in ("high", "low"))
    return Point(row["processes"], row["images_per_second"], *rates, links.cell(row), bool(row["disturbances"]))


def _plain(rows: list[Row], counts: list[int]) -> list[Point]:
    found = []
    for count in counts:
        time = curves.plain_time([row for row in rows if row["processes"] == count], per_image=True)
        if time:
            found.append(Point(count, 1 / time, 1 / time, 1 / time))
    return found
