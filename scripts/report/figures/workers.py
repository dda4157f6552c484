"""Do more processes read faster?

Images per second that processes read together, in shuffled batches from the largest store that was measured, against
the number of processes, both axes logarithmic. The dashed line is the ideal: twice the processes, twice the images.
Each process has a reader of its own, warm opened before the clock starts. Forked ones are copies of the one that takes
the time, spawned ones start from nothing; a store whose library can't be forked safely is only spawned.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from scripts.report import captions, curves, links, style, wording
from scripts.report.curves import Point
from scripts.report.tables import Row, Tables

POSITION = 5
IDEAL = "ideal"


def draw(tables: Tables) -> Figure:
    """A panel per cache state and way of starting processes, a line per backend."""
    title = captions.title("workers")
    operations = tables.operations_like("workers")
    if not operations:
        reason = "This run has one process at a time. To measure more, add workers-warm to operations in config.yaml."
        return style.empty(title, [reason], tables)
    cutoffs = [n for n in tables.cutoffs if any(_ways(tables, n, operation) for operation in operations)]
    gaps = style.gaps(tables, operations, max(tables.cutoffs))
    if not cutoffs:
        return style.empty(title, ["Nothing was measured for this figure.", *gaps], tables)
    rows = {operation: _ways(tables, cutoffs[-1], operation) for operation in operations}
    drawn = {
        (operation, method): [row for row in found if row["start_method"] == method]
        for operation, found in rows.items()
        for method in sorted({row["start_method"] for row in found})
    }
    looks = style.looks(tables.backends)
    notes = [
        *style.source(tables),
        f"Of {wording.images(cutoffs[-1])}. {curves.bars_note(tables, operations, cutoffs[-1])} {curves.GREY_NOTE}",
        curves.disturbed_note(tables, operations, cutoffs[-1]),
        *gaps,
    ]
    figure, panels = curves.canvas(title, len(drawn), 2, looks, notes, height=2.8)
    ends = []
    for axes, ((operation, method), found) in zip(panels, drawn.items(), strict=True):
        axes.set_title(f"{wording.operation(operation)}, {wording.STARTS[method]}")
        ends.append(_panel(axes, found, looks))
    curves.same_limits(panels)
    curves.label_panels(panels, ends, looks)
    return figure


def _panel(axes: Axes, rows: list[Row], looks: dict[str, style.Look]) -> list[curves.End]:
    counts = sorted({row["processes"] for row in rows})
    axes.set(xscale="log", yscale="log", xlim=(counts[0] * 0.85, counts[-1] * 1.15))
    axes.set(xlabel="Processes", ylabel="Images per second")
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.short_count(round(value))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    measured = {name: [_point(row) for row in rows if row["backend"] == name] for name in looks}
    ends = curves.lines(axes, measured, looks, _plain(rows, counts))
    alone = max((row["images_per_second"] for row in rows if row["processes"] == counts[0]), default=0)
    ideal = [alone * count / counts[0] for count in counts]
    axes.plot(counts, ideal, color=style.TEXT, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    return [*ends, (IDEAL, ideal[-1], style.TEXT)]


def _ways(tables: Tables, cutoff: int, operation: str) -> list[Row]:
    return [row for name in tables.backends for row in tables.ways(name, cutoff, operation)]


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
