"""Lines over the number of images: one panel per operation, a line per backend, labelled where the lines end."""

import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from scripts.report import article, style, wording
from scripts.report.appearance import ink
from scripts.report.tables import Tables

DIRECT_LABELS = 8
"""With more backends than this, a legend replaces the labels at the lines' ends."""
LABEL_HEIGHT = 0.15
FEW_DECADES = 100
"""A logarithmic axis that spans less than this factor has ticks within its decades."""
CLOSER = 4
"""Where the slowest backend takes more than so many times as long as the next, linear axes get a second row."""
BASELINE = "plain file"


def draw(tables: Tables, title: str, operations: Sequence[str], *, log: bool) -> Figure:
    """Time (s) against number of images, intervals as bars, baseline in grey, the article's curves faint."""
    looks = style.looks(tables.backends)
    drawn = [operation for operation in operations if any(points(tables, name, operation) for name in looks)]
    gaps = style.gaps(tables, operations)
    if not drawn:
        return style.empty(title, ["Nothing was measured for this figure.", *gaps], tables)
    published = any(article.seconds(operation, name) for operation in drawn for name in looks)
    notes = [
        *style.source(tables),
        f"{bars_note(tables, drawn)} Grey: {BASELINE}, the same bytes in one file, timed in turn with each backend.",
        f"Faint dots: published times of the article ({article.NAME}), from another machine." if published else "",
        *gaps,
    ]
    direct = len(looks) <= DIRECT_LABELS
    right = 0.2 + (0.07 * max(len(name) for name in (*looks, BASELINE)) if direct else 0)
    legend_rows = 0 if direct else style.legend_rows(looks)
    closer = 0 if log else _closer_limit(tables, drawn)
    shown = [*drawn, *drawn] if closer else drawn
    figure, panels = style.canvas(title, len(shown), len(drawn), 3.2, notes, right=right, legend_rows=legend_rows)
    if not direct:
        style.legend(figure, looks)
    fast = {name: look for name, look in looks.items() if _longest(tables, drawn, name) <= closer}
    in_panel = [*[looks] * len(drawn), *[fast] * len(drawn)]
    ends = [
        _panel(axes, tables, operation, some, log)
        for axes, operation, some in zip(panels, shown, in_panel[: len(shown)], strict=True)
    ]
    same_limits(panels[: len(drawn)], bottom=None if log else 0)
    for axes in panels[len(drawn) :]:
        axes.set_ylim(0, closer)
        axes.set_title(f"{axes.get_title(loc='left')}, closer")
    if direct:
        for axes, lines in zip(panels, ends, strict=True):
            label_ends(axes, lines)
    return figure


def _panel(axes: Axes, tables: Tables, operation: str, looks: dict, log: bool) -> list[tuple[str, float, str]]:
    """Draw one operation; returns name, last time (s) and colour of each line."""
    axes.set_title(wording.operation(operation))
    scale(axes, tables.cutoffs, log=log)
    ends = []
    plain = baseline(tables, operation)
    if plain:
        axes.plot(list(plain), list(plain.values()), color=style.BASELINE, marker=".", linewidth=1, zorder=1)
        ends.append((BASELINE, list(plain.values())[-1], style.GREY))
    for name, look in looks.items():
        published = article.seconds(operation, name)
        published = {cutoff: time for cutoff, time in published.items() if cutoff in tables.cutoffs}
        if published:
            axes.plot(
                list(published),
                list(published.values()),
                color=look.color,
                alpha=0.4,
                linestyle=":",
                linewidth=1.2,
                marker=look.marker,
                markersize=2.5,
                zorder=1,
            )
        measured = points(tables, name, operation)
        if measured:
            ends.append((name, measured[-1][1], look.color))
            with_bars(axes, measured, look)
    return ends


def with_bars(axes: Axes, points: list[tuple[float, float, float, float]], look: style.Look) -> None:
    """Draw a line through (x, y, low, high) with bars from low to high."""
    x, y, low, high = zip(*points, strict=True)
    below = [max(0.0, value - bottom) for value, bottom in zip(y, low, strict=True)]
    above = [max(0.0, top - value) for value, top in zip(y, high, strict=True)]
    axes.errorbar(
        x,
        y,
        yerr=[below, above],
        color=look.color,
        marker=look.marker,
        linestyle=look.linestyle,
        capsize=2.5,
        elinewidth=1,
        zorder=3,
        markeredgecolor="white",
        markeredgewidth=0.5,
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
        if axes.get_yscale() == "log" and max(high) / min(low) < FEW_DECADES:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))


def label_ends(axes: Axes, ends: list[tuple[str, float, str]]) -> None:
    """Write each name beside the end of its line, pushed apart where they would overlap."""
    height = axes.get_position().height * axes.figure.get_figheight()
    to_fraction = axes.transData + axes.transAxes.inverted()
    x_end = axes.get_xlim()[1]
    bottom, top = axes.get_ylim()
    ends = [end for end in ends if bottom <= end[1] <= top]
    wanted = sorted((to_fraction.transform((x_end, value))[1], name, colour) for name, value, colour in ends)
    places = spread([place for place, _, _ in wanted], LABEL_HEIGHT / height)
    for (_, name, colour), place in zip(wanted, places, strict=True):
        weight = "normal" if name == BASELINE else "bold"
        axes.annotate(
            name,
            (1, place),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=ink(colour),
            size=8.5,
            weight=weight,
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


def _closer_limit(tables: Tables, operations: Sequence[str]) -> float:
    """Upper limit (s) of a second row that leaves the slowest backend out; 0 where one row shows all of them well."""
    *_, second, slowest = sorted([0, *(_longest(tables, operations, name) for name in tables.backends)])
    return 1.1 * second if second and slowest > CLOSER * second else 0


def _longest(tables: Tables, operations: Sequence[str], name: str) -> float:
    """The longest time (s) of a backend in these operations, its interval included."""
    return max((high for operation in operations for *_, high in points(tables, name, operation)), default=0)


def _start(group: list[float], distance: float) -> float:
    return max(0.0, sum(group) / len(group) - distance * (len(group) - 1) / 2)


def bars_note(tables: Tables, operations: Sequence[str], cutoff: int | None = None) -> str:
    """What the bars of these operations (at one cutoff, if given) show."""
    rows = [row for row in tables.main if row["operation"] in operations and row["status"] == "measured"]
    return wording.bars({row["interval_kind"] for row in rows if cutoff in (None, row["cutoff_images"])})


def points(tables: Tables, backend: str, operation: str) -> list[tuple[float, float, float, float]]:
    """Number of images, median, low and high (s) of each measured cell, by number of images."""
    rows = [tables.cell(backend, cutoff, operation) for cutoff in tables.cutoffs]
    names = ("cutoff_images", "median_seconds", "interval_low_seconds", "interval_high_seconds")
    return [tuple(row[name] for name in names) for row in rows if row]


def baseline(tables: Tables, operation: str) -> dict[int, float]:
    """Median over the backends' timing jobs of the baseline's time (s), by cutoff."""
    found = {}
    for cutoff in tables.cutoffs:
        rows = [tables.cell(name, cutoff, operation) for name in tables.backends]
        times = [row["baseline_median_seconds"] for row in rows if row and row["baseline_median_seconds"] is not None]
        if times:
            found[cutoff] = statistics.median(times)
    return found
