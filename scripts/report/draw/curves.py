"""Lines of backends and of the baseline: their points, how they are drawn, scaled, and labelled where they end."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from scripts.report import wording
from scripts.report.draw import links, style
from scripts.report.draw.appearance import ink
from scripts.report.tables import Row, Tables

LABEL_HEIGHT = 0.15
LABEL_LETTER = 0.07
"""Inches that a letter of these labels takes."""
FEW_DECADES = 100
"""A logarithmic axis that spans less than this factor has ticks within its decades."""
BASELINE = "plain file"
GREY_NOTE = f"Grey: {BASELINE}, the same bytes in one file, timed in turn with each backend."

End = tuple[str, float, str]
"""The name, last y and colour of a line."""


@dataclass(frozen=True)
class Point:
    """One mark: what was measured, with its interval, the place on the page that it leads to, and whether something
    disturbed the timing job."""

    x: float
    y: float
    low: float
    high: float
    link: str = ""
    disturbed: bool = False


def canvas(
    title: str, panels: int, columns: int, looks: dict[str, style.Look], notes: Sequence[str], height: float = 3.2
) -> tuple[Figure, list[Axes]]:
    """A figure of panels with room for the backends' names at their lines' ends."""
    right = 0.2 + LABEL_LETTER * max(map(len, (*looks, BASELINE)))
    return style.canvas(title, panels, columns, height, notes, right=right)


def lines(axes: Axes, measured: dict[str, list[Point]], looks: dict[str, style.Look], plain: list[Point]) -> list[End]:
    """Draw each backend's line, and the baseline's in grey behind them; returns where they end."""
    ends = []
    if plain:
        in_grey(axes, plain)
        ends.append((BASELINE, plain[-1].y, style.GREY))
    for name, found in measured.items():
        if found:
            with_bars(axes, found, looks[name])
            ends.append((name, found[-1].y, looks[name].color))
    return ends


def label_panels(panels: Sequence[Axes], ends: Sequence[list[End]]) -> None:
    """Name the lines of all panels at their ends."""
    for axes, of_panel in zip(panels, ends, strict=True):
        label_ends(axes, of_panel)


def in_grey(axes: Axes, plain: list[Point], marker: str = ".", linestyle: str | tuple = "-") -> None:
    """Draw the baseline's line, behind all others."""
    x, y = [point.x for point in plain], [point.y for point in plain]
    axes.plot(x, y, color=style.BASELINE, marker=marker, linestyle=linestyle, linewidth=1, markersize=4, zorder=1)


def with_bars(axes: Axes, points: list[Point], look: style.Look) -> None:
    """Draw a line through points, with bars from low to high and marks that lead to the page."""
    x, y = [point.x for point in points], [point.y for point in points]
    below = [max(0.0, point.y - point.low) for point in points]
    above = [max(0.0, point.high - point.y) for point in points]
    axes.errorbar(
        *(x, y),
        yerr=[below, above],
        color=look.color,
        linestyle=look.linestyle,
        capsize=2.5,
        elinewidth=1,
        zorder=3,
    )
    marks(axes, points, look)


def marks(axes: Axes, points: list[Point], look: style.Look, area: float = style.MARK_AREA) -> None:
    """Draw the marks of points, hollow where a job was disturbed, each a link where it has one."""
    axes.scatter(
        [point.x for point in points],
        [point.y for point in points],
        s=area,
        facecolors=["white" if point.disturbed else look.color for point in points],
        edgecolors=[look.color if point.disturbed else "white" for point in points],
        linewidths=[1.2 if point.disturbed else 0.5 for point in points],
        marker=look.marker,
        urls=[links.from_figure(point.link) if point.link else None for point in points],
        # Half a mark at the edge of a panel would be half a link.
        clip_on=False,
        zorder=4,
    )


def scale(axes: Axes, cutoffs: list[int], *, log: bool, unit: str = "Time") -> None:
    """Scales, ticks and labels of both axes; x has a tick per cutoff where there is room."""
    if log:
        axes.set(xscale="log", yscale="log", xlim=(min(cutoffs) * 0.7, max(cutoffs) * 1.4))
    axes.set_xlabel("Number of images")
    axes.set_ylabel(unit)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.tick(value)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.short_count(round(value))))
    if log:
        axes.xaxis.set_major_locator(FixedLocator(cutoffs))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(0, max(cutoffs) * 1.03)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def same_limits(panels: list[Axes], bottom: float | None = None) -> None:
    """Give all panels the y limits that hold everything in any of them, down to `bottom` if given."""
    low, high = zip(*(axes.get_ylim() for axes in panels), strict=True)
    for axes in panels:
        axes.set_ylim(min(low) if bottom is None else bottom, max(high))
        if axes.get_yscale() == "log":
            few_decades(axes.yaxis, min(low), max(high))


def few_decades(axis: Axis, low: float, high: float) -> None:
    """Ticks within the decades of a logarithmic axis that spans few of them."""
    if high / low < FEW_DECADES:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))


def label_ends(axes: Axes, ends: list[End]) -> None:
    """Write each name beside the end of its line, pushed apart where they would overlap."""
    height = axes.get_position().height * axes.figure.get_figheight()
    to_fraction = axes.transData + axes.transAxes.inverted()
    x_end = axes.get_xlim()[1]
    bottom, top = axes.get_ylim()
    ends = [end for end in ends if bottom <= end[1] <= top]
    wanted = sorted((to_fraction.transform((x_end, value))[1], name, colour) for name, value, colour in ends)
    places = spread([place for place, _, _ in wanted], LABEL_HEIGHT / height)
    for (_, name, colour), place in zip(wanted, places, strict=True):
        axes.annotate(
            name,
            (1, place),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=ink(colour),
            size=8.5,
            weight="normal" if colour in style.QUIET else "bold",
            annotation_clip=False,
        )


def spread(places: Sequence[float], distance: float) -> list[float]:
    """Move ascending places apart to at least `distance`, crowded ones about their own middle, none below 0."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while (
            len(groups) > 1
            and _start(groups[-1], distance) < _start(groups[-2], distance) + distance * len(groups[-2]) - 1e-9
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_start(group, distance) + distance * position for group in groups for position in range(len(group))]


def bars_note(tables: Tables, operations: Sequence[str], cutoff: int | None = None) -> str:
    """What the bars of these operations (at one cutoff, if given) show."""
    rows = [row for row in tables.main if row["operation"] in operations and row["status"] == "measured"]
    return wording.bars({row["interval_kind"] for row in rows if cutoff in (None, row["cutoff_images"])})


def disturbed_note(
    tables: Tables, operations: Sequence[str], cutoff: int | None = None, sign: str = "Hollow marks"
) -> str:
    """What the sign of disturbed cells says, if there are any of these operations (at one cutoff, if given)."""
    rows = [row for row in tables.main if row["operation"] in operations and cutoff in (None, row["cutoff_images"])]
    return f"{sign}: something disturbed the timing job." if any(row["disturbances"] for row in rows) else ""


def points(tables: Tables, backend: str, operation: str, *, per_image: bool = False) -> list[Point]:
    """The median time (s) of each measured cell by number of images, with its interval; of one image, if asked for."""
    rows = [tables.cell(backend, cutoff, operation) for cutoff in tables.cutoffs]
    names = ("median_seconds", "interval_low_seconds", "interval_high_seconds")
    return [
        Point(
            row["cutoff_images"],
            *(row[name] / _share(row, per_image) for name in names),
            links.cell(row),
            bool(row["disturbances"]),
        )
        for row in rows
        if row
    ]


def baseline(tables: Tables, operation: str, *, per_image: bool = False) -> list[Point]:
    """Median over the backends' timing jobs of the baseline's time (s), by number of images."""
    found = []
    for cutoff in tables.cutoffs:
        rows = [tables.cell(name, cutoff, operation) for name in tables.backends]
        time = plain_time([row for row in rows if row], per_image=per_image)
        if time is not None:
            found.append(Point(cutoff, time, time, time))
    return found


def plain_time(rows: Sequence[Row], *, per_image: bool = False) -> float | None:
    """Median over these cells of the baseline's time (s), None where none of them has one."""
    known = [row for row in rows if row["baseline_median_seconds"] is not None]
    times = [row["baseline_median_seconds"] / _share(row, per_image) for row in known]
    return statistics.median(times) if times else None


def _share(row: Row, per_image: bool) -> int:
    return row["images"] if per_image else 1


def _start(group: list[float], distance: float) -> float:
    return max(0.0, sum(group) / len(group) - distance * (len(group) - 1) / 2)
