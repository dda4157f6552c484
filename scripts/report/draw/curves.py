"""Lines over the number of images: their points, marks, axes and ticks."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from scripts.report import wording
from scripts.report.draw import links
from scripts.report.draw.style import Look
from scripts.report.rows import MeasuredRow
from scripts.report.tables import Tables

FEW_DECADES = 100
"""A logarithmic axis that spans less than this factor has ticks within its decades."""
MOST_TICKS = 6
"""A logarithmic y axis has at most this many ticks, one for each decade or fewer."""
MARK_AREA = 13
"""The area of a mark, in square points."""
BASELINE = "reference file"


@dataclass(frozen=True)
class Point:
    """One point of a line: its place, and the interval of `y` where it has one.

    - `link`: the place on the page that its mark leads to.
    - `disturbed`: whether something disturbed the timing job.
    - `marked`: whether it has a mark.
    """

    x: float
    y: float
    low: float = nan
    high: float = nan
    link: str = ""
    disturbed: bool = False
    marked: bool = True


def points(tables: Tables, backend: str, operation: str, *, per_image: bool = False) -> list[Point]:
    """The median time (s) of each measured cell by number of images, with its interval; of one image, if asked for."""
    rows = (tables.cell(backend, cutoff, operation) for cutoff in tables.cutoffs)
    return [
        Point(
            row.cutoff_images,
            row.median_seconds / (share := row.images if per_image else 1),
            row.interval_low_seconds / share,
            row.interval_high_seconds / share,
            links.cell(row),
            bool(row.disturbances),
        )
        for row in rows
        if row
    ]


def baseline(tables: Tables, operation: str, *, per_image: bool = False) -> list[Point]:
    """The median over the stores' timing jobs of the baseline's time (s), by number of images."""
    times = {cutoff: plain_time(tables.measured(operation, cutoff), per_image=per_image) for cutoff in tables.cutoffs}
    return [Point(cutoff, time) for cutoff, time in times.items() if time is not None]


def plain_time(rows: Sequence[MeasuredRow], *, per_image: bool = False) -> float | None:
    """The median over these cells of the baseline's time (s), None where no cell has one."""
    times = [
        row.baseline_median_seconds / (row.images if per_image else 1)
        for row in rows
        if row.baseline_median_seconds is not None
    ]
    return statistics.median(times) if times else None


def marks(axes: Axes, points: Sequence[Point], look: Look) -> None:
    """Draw the marks of points, hollow where something disturbed a job, each a link where it has one."""
    points = [point for point in points if point.marked]
    if not points:
        return
    axes.scatter(
        [point.x for point in points],
        [point.y for point in points],
        s=MARK_AREA,
        facecolors=["white" if point.disturbed else look.color for point in points],
        edgecolors=[look.color if point.disturbed else "white" for point in points],
        linewidths=[1.2 if point.disturbed else 0.5 for point in points],
        marker=look.marker,
        urls=[links.from_figure(point.link) for point in points],
        # Half a mark at the edge of a panel would be half a link.
        clip_on=False,
        zorder=4,
    )


def scale(axes: Axes, cutoffs: Sequence[int], unit: str = "Time") -> None:
    """Two logarithmic axes, with a tick for each number of images and labels."""
    axes.set(xscale="log", yscale="log", xlim=(min(cutoffs) * 0.7, max(cutoffs) * 1.4))
    axes.set(xlabel="Number of images", ylabel=unit)
    ticks(axes.xaxis, count, cutoffs)
    ticks(axes.yaxis, wording.tick)


def ticks(axis: Axis, say: Callable[[float], str], places: Sequence[float] = ()) -> None:
    """Major ticks only, in words, at these places where any are given."""
    if places:
        axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: say(value)))


def count(value: float) -> str:
    """A number of images at an axis."""
    return wording.short_count(round(value))


def same_limits(panels: Sequence[Axes]) -> None:
    """Give all panels the y limits that hold everything in any of them, with ticks to match."""
    lows, highs = zip(*(axes.get_ylim() for axes in panels), strict=True)
    low, high = min(lows), max(highs)
    for axes in panels:
        axes.set_ylim(low, high)
        if axes.get_yscale() == "log":
            few = high / low < FEW_DECADES
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if few else LogLocator(numticks=MOST_TICKS))
