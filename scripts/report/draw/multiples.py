"""Small multiples: a panel for each store, all on one scale, in which the store's own lines stand out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import nan

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from matplotlib.typing import LineStyleType

from scripts.report.draw import curves, style
from scripts.report.draw.curves import BASELINE, Point
from scripts.report.draw.links import TITLE_INCHES
from scripts.report.draw.style import Look

FEWEST_COLUMNS, MOST_COLUMNS = 2, 5
HEIGHT_TO_WIDTH = 0.8
"""The height of a panel is this share of its width."""
LEFT, RIGHT, BETWEEN = 0.78, 0.14, 0.22
"""Inches to the left of the first panel of a row, to the right of the last one, and between two panels."""
HEADING, NO_HEADING, ABOVE, BELOW = 0.36, 0.05, 0.24, 0.5
"""Inches that a grid's heading takes, that a grid without one takes, above each panel, and below a grid."""
TITLE_LETTER = 0.0105
"""Inches that a letter of a panel's title takes, for each point of its size."""
LARGEST_TITLE = 9.0
"""The largest size of a panel's title in points."""
MOST_TICKS = 6
"""A panel has at most this many ticks on its x axis."""
OTHERS = Look("#d4d4d4", "", "-")
ALL_OTHERS = "all others"
DOTTED: LineStyleType = (0, (1, 1.5))
"""The line style of the article's times."""
FAINT = 0.5
"""The opacity of the article's times."""

Scale = Callable[[Axes], None]


@dataclass(frozen=True)
class Series:
    """One line of each panel: `measured` are the points of each store.

    - `plain` are the points of the baseline, the same in every panel.
    - `published` are the article's points, by store.
    """

    look: Look
    measured: Mapping[str, Sequence[Point]]
    plain: Sequence[Point] = ()
    published: Mapping[str, Sequence[Point]] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """Panels below one heading: `order` are their stores, `series` their lines by name in the legend."""

    heading: str
    order: Sequence[str]
    series: Mapping[str, Series]


def columns(panels: int) -> int:
    """How many panels stand beside each other: as many as fit and fill their rows evenly."""
    return max(FEWEST_COLUMNS, -(-panels // -(-panels // MOST_COLUMNS)))


def by_last(series: Mapping[str, Series]) -> list[str]:
    """The stores of a grid, by the last point in the first line: the farthest along x first, and of these the lowest.

    Stores without a point in that line follow, by the second one, and so on.
    """
    found: dict[str, None] = {}
    for each in series.values():
        last = {name: points[-1] for name, points in each.measured.items() if points}
        found |= dict.fromkeys(sorted(last, key=lambda name: (-last[name].x, last[name].y)))
    return list(found)


def draw(grids: Sequence[Grid], scale: Scale, notes: Sequence[str], *, others: bool = True) -> Figure:
    """The grids below each other, with one legend for all. All panels have the same y axis.

    `scale` sets scales, ticks and labels of a panel's axes. `others` says whether all other stores are in grey behind a
    panel's own.
    """
    named = _legend(grids, others=others)
    across = columns(max(len(grid.order) for grid in grids))
    width = (style.WIDTH - LEFT - RIGHT - BETWEEN * (across - 1)) / across
    heading = HEADING if len(grids) > 1 else NO_HEADING
    heights = [heading + -(-len(grid.order) // across) * (ABOVE + HEIGHT_TO_WIDTH * width) + BELOW for grid in grids]
    y = TITLE_INCHES + style.LEGEND_ROW * -(-len(named) // style.LEGEND_COLUMNS)
    figure = style.sheet(y + sum(heights), notes)
    style.legend(figure, named)
    total = figure.get_figheight()
    panels: list[Axes] = []
    for grid, height in zip(grids, heights, strict=True):
        if len(grids) > 1:
            figure.text(0.12 / style.WIDTH, 1 - (y + 0.14) / total, grid.heading, size=11, weight="bold", va="top")
        panels += _grid(figure, grid, across, width, y + heading, scale, others=others)
        y += height
    curves.same_limits(panels)
    return figure


def _legend(grids: Sequence[Grid], *, others: bool) -> dict[str, Look]:
    """The looks of all lines, by their names."""
    named = {name: each.look for grid in grids for name, each in grid.series.items()}
    if any(each.plain for grid in grids for each in grid.series.values()):
        named[BASELINE] = style.PLAIN
    return named | ({ALL_OTHERS: OTHERS} if others else {})


def _grid(
    figure: Figure, grid: Grid, across: int, width: float, top: float, scale: Scale, *, others: bool
) -> list[Axes]:
    """The panels of a grid, `across` beside each other; `top` is in inches from the upper edge of the figure."""
    total, count, height = figure.get_figheight(), len(grid.order), HEIGHT_TO_WIDTH * width
    size = min(LARGEST_TITLE, width / (TITLE_LETTER * max(map(len, grid.order))))
    panels = []
    for place, name in enumerate(grid.order):
        row, column = divmod(place, across)
        x = LEFT + column * (width + BETWEEN)
        y = total - top - (row + 1) * (ABOVE + height)
        box = (x / style.WIDTH, y / total, width / style.WIDTH, height / total)
        axes = figure.add_axes(box)
        axes.set_title(name, size=size, pad=3)
        _lines(axes, name, grid, others=others)
        scale(axes)
        _labels(axes, first_column=column == 0, last_row=place + across >= count)
        panels.append(axes)
    return panels


def _labels(axes: Axes, *, first_column: bool, last_row: bool) -> None:
    """Small labels of both axes, at the edges of the grid only."""
    axes.tick_params(axis="both", labelsize=7, pad=2)
    axes.xaxis.label.set_fontsize(8)
    axes.yaxis.label.set_fontsize(8)
    if not first_column:
        axes.set_ylabel("")
        axes.tick_params(axis="y", labelleft=False, length=0)
    if not last_row:
        axes.set_xlabel("")
        axes.tick_params(axis="x", labelbottom=False, length=0)
    locator = axes.xaxis.get_major_locator()
    if isinstance(locator, FixedLocator):
        places = list(locator())
        # The largest number stays, whatever else is left out.
        step = -(-len(places) // MOST_TICKS)
        axes.xaxis.set_major_locator(FixedLocator(places[::-1][::step][::-1]))


def _lines(axes: Axes, name: str, grid: Grid, *, others: bool) -> None:
    """Draw all lines of a store's panel."""
    if others:
        behind = (
            points
            for each in grid.series.values()
            for other, points in each.measured.items()
            if other != name and points
        )
        _broken(axes, ([(point.x, point.y) for point in points] for points in behind), OTHERS.color, 0.7, zorder=1)
    for each in grid.series.values():
        _line(axes, each.plain, Look(style.BASELINE, "", each.look.linestyle), 1.0, zorder=2)
        _line(axes, each.published.get(name, ()), Look(each.look.color, ".", DOTTED), 1.0, zorder=2, opacity=FAINT)
        points = each.measured.get(name, ())
        _line(axes, points, Look(each.look.color, "", each.look.linestyle), 1.4, zorder=3)
        bars = ([(point.x, point.low), (point.x, point.high)] for point in points if point.low < point.high)
        _broken(axes, bars, each.look.color, 0.9, zorder=3)
        curves.marks(axes, points, each.look)


def _line(axes: Axes, points: Sequence[Point], look: Look, width: float, *, zorder: int, opacity: float = 1.0) -> None:
    """Draw a line through points, where there are any."""
    if points:
        axes.plot(
            [point.x for point in points],
            [point.y for point in points],
            color=look.color,
            alpha=opacity,
            marker=look.marker,
            markersize=4,
            linestyle=look.linestyle,
            linewidth=width,
            zorder=zorder,
        )


def _broken(axes: Axes, parts: Iterable[list[tuple[float, float]]], color: str, width: float, *, zorder: int) -> None:
    """Draw several lines as one with breaks: drawn one by one, they would be most of the file."""
    places = list(chain.from_iterable([*part, (nan, nan)] for part in parts))
    if places:
        x, y = zip(*places, strict=True)
        axes.plot(x, y, color=color, linewidth=width, zorder=zorder)
