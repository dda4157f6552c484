"""Small multiples: a panel for each of many backends, all of one scale, in which its own lines stand out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import nan

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator

from scripts.report.draw import curves, style
from scripts.report.draw.appearance import HIGHLIGHT, TITLE_INCHES
from scripts.report.draw.curves import Point
from scripts.report.draw.style import Look

COLUMNS = 5
HEIGHT = 1.15
"""Inches of a panel."""
LEFT, RIGHT, BETWEEN = 0.78, 0.14, 0.22
HEADING, ABOVE, BELOW = 0.36, 0.24, 0.5
TITLE_LETTER = 0.0105
"""Inches that a letter of a panel's title takes, for each point of its size."""
LARGEST_TITLE = 9.0
MOST_TICKS = 6
OTHERS = Look("#d4d4d4", "", "-")
ALL_OTHERS = "all others"
MARK_AREA = 13
LOOKS = (
    Look(HIGHLIGHT, "o", "-"),
    Look(HIGHLIGHT, "s", (0, (3, 1.2))),
    Look(HIGHLIGHT, "^", (0, (1, 1))),
    Look(HIGHLIGHT, "D", (0, (5, 1, 1, 1))),
)
"""Looks of a backend's own lines: one colour, for the panel says whose they are."""


@dataclass(frozen=True)
class Series:
    """What is drawn of each backend in one way, and the baseline beside it; `marks` are the points that have a mark, by
    backend, where those aren't all."""

    look: Look
    measured: Mapping[str, Sequence[Point]]
    plain: Sequence[Point] = ()
    marks: Mapping[str, Sequence[Point]] | None = None


@dataclass(frozen=True)
class Grid:
    """Panels below one heading: their backends in order, and the series of each, by its name in the legend."""

    heading: str
    order: Sequence[str]
    series: Mapping[str, Series]


def by_last(measured: Mapping[str, Sequence[Point]]) -> list[str]:
    """The backends by their last points: those farthest along x first, and of these the lowest."""
    last = {name: points[-1] for name, points in measured.items() if points}
    return sorted(last, key=lambda name: (-last[name].x, last[name].y))


def draw(
    title: str,
    grids: Sequence[Grid],
    scale: Callable[[Axes], None],
    notes: Sequence[str],
    *,
    others: bool = True,
    beside: Callable[[Axes, str, Grid], None] | None = None,
    same_x: bool = False,
) -> Figure:
    """The grids below each other, with one legend for all.

    `scale` sets scales, ticks and labels of a panel's axes; `others` says whether all other backends are in grey behind
    a panel's own; `beside` draws what else there is in a panel. Panels share their y axis and, with `same_x`, the x
    axis where `scale` doesn't set its limits.
    """
    named = {name: each.look for grid in grids for name, each in grid.series.items()}
    if any(each.plain for grid in grids for each in grid.series.values()):
        named[curves.BASELINE] = style.PLAIN
    named |= {ALL_OTHERS: OTHERS} if others else {}
    rows = [-(-len(grid.order) // COLUMNS) for grid in grids]
    heading = HEADING if len(grids) > 1 else 0.05
    top = TITLE_INCHES + 0.22 * style.legend_rows(named)
    height = top + sum(heading + count * (ABOVE + HEIGHT) + BELOW for count in rows)
    figure = style.sheet(title, height, notes)
    style.legend(figure, named)
    total, y = figure.get_figheight(), top
    panels: list[Axes] = []
    for grid in grids:
        if len(grids) > 1:
            place = (0.12 / style.WIDTH, 1 - (y + 0.14) / total)
            figure.text(*place, grid.heading, size=11, weight="bold", va="top")
        y += heading
        panels += _grid(figure, grid, y, scale, others=others)
        y += -(-len(grid.order) // COLUMNS) * (ABOVE + HEIGHT) + BELOW
    curves.same_limits(panels)
    if same_x:
        low, high = zip(*(axes.get_xlim() for axes in panels), strict=True)
        for axes in panels:
            axes.set_xlim(min(low), max(high))
    names = ((grid, name) for grid in grids for name in grid.order)
    for axes, (grid, name) in zip(panels, names, strict=True):
        if axes.get_yscale() == "log":
            axes.yaxis.set_major_locator(LogLocator(numticks=MOST_TICKS))
        if beside:
            beside(axes, name, grid)
    return figure


def _grid(figure: Figure, grid: Grid, top: float, scale: Callable[[Axes], None], *, others: bool) -> list[Axes]:
    """The panels of a grid, the first of them `top` inches below the upper edge."""
    total, count = figure.get_figheight(), len(grid.order)
    width = (style.WIDTH - LEFT - RIGHT - BETWEEN * (COLUMNS - 1)) / COLUMNS
    longest = max(map(len, grid.order))
    size = min(LARGEST_TITLE, width / (TITLE_LETTER * longest))
    panels = []
    for place, name in enumerate(grid.order):
        row, column = divmod(place, COLUMNS)
        x = LEFT + column * (width + BETWEEN)
        y = total - top - (row + 1) * (ABOVE + HEIGHT)
        axes = figure.add_axes((x / style.WIDTH, y / total, width / style.WIDTH, HEIGHT / total))
        axes.set_title(name, size=size, pad=3)
        _panel(axes, name, grid, others=others)
        scale(axes)
        axes.tick_params(axis="x", labelsize=6.5, pad=2)
        axes.tick_params(axis="y", labelsize=7, pad=2)
        _thin(axes)
        if column:
            axes.set_ylabel("")
            axes.tick_params(axis="y", labelleft=False, length=0)
        if place + COLUMNS < count:
            axes.set_xlabel("")
            axes.tick_params(axis="x", labelbottom=False, length=0)
        axes.xaxis.label.set_size(8)
        axes.yaxis.label.set_size(8)
        panels.append(axes)
    return panels


def _panel(axes: Axes, name: str, grid: Grid, *, others: bool) -> None:
    if others:
        behind = [
            [*((point.x, point.y) for point in points), (nan, nan)]
            for each in grid.series.values()
            for other, points in each.measured.items()
            if other != name and points
        ]
        if behind:
            # One line with breaks: drawn one by one, they would be most of the file.
            axes.plot(*zip(*chain(*behind), strict=True), color=OTHERS.color, linewidth=0.7, zorder=1)
    for each in grid.series.values():
        look = each.look
        if each.plain:
            x, y = [point.x for point in each.plain], [point.y for point in each.plain]
            axes.plot(x, y, color=style.BASELINE, linestyle=look.linestyle, linewidth=1, zorder=2)
        points = each.measured.get(name, ())
        if points:
            x, y = [point.x for point in points], [point.y for point in points]
            axes.plot(x, y, color=look.color, linestyle=look.linestyle, linewidth=1.4, zorder=3)
            bars = [
                ((point.x, point.low), (point.x, point.high), (nan, nan)) for point in points if point.low < point.high
            ]
            if bars:
                axes.plot(*zip(*chain(*bars), strict=True), color=look.color, linewidth=0.9, zorder=3)
            marked = points if each.marks is None else each.marks.get(name, ())
            curves.marks(axes, list(marked), look, area=MARK_AREA)


def _thin(axes: Axes) -> None:
    """Leave out ticks of the x axis where there are too many for a narrow panel; the largest one stays."""
    places = list(axes.xaxis.get_major_locator()())
    if isinstance(axes.xaxis.get_major_locator(), FixedLocator) and len(places) > MOST_TICKS:
        step = -(-len(places) // MOST_TICKS)
        axes.xaxis.set_major_locator(FixedLocator(places[::-1][::step][::-1]))
