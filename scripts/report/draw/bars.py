"""Horizontal bars with their values written beside them; what has no value says so in its place."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scripts.report.draw import links, style

BAR = 0.3
"""Inches that a row takes."""
SMALL = 0.22
"""Inches that a row takes where there are many."""
ROOM = 0.045
"""Room on the right for each letter of the text beside a bar, as a part of the longest bar."""


@dataclass(frozen=True)
class Bar:
    """One bar: a row's name, its value with an interval, the text beside it; `value` None is a gap.

    `link` is the place on the page that it leads to.
    """

    name: str
    value: float | None
    text: str
    colour: str
    low: float | None = None
    high: float | None = None
    hatch: str = ""
    link: str = ""


BEHIND_TEXT = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}


def name_width(names: Sequence[str]) -> float:
    """Inches that the longest of these names needs to the left of the bars."""
    return 0.3 + 0.085 * max(map(len, names))


def draw(axes: Axes, rows: Sequence[Sequence[Bar]], number: str, unit: str) -> None:
    """Draw rows of one or more bars from the top; the x axis starts at 0, `number` formats its ticks."""
    most = max([value for row in rows for bar in row for value in (bar.value, bar.high) if value] or [1])
    for place, row in enumerate(rows):
        thickness = 0.76 / len(row)
        for position, bar in enumerate(row):
            y = place - 0.38 + thickness * (position + 0.5)
            _bar(axes, bar, y, thickness, most)
    axes.set(
        xlim=(0, most * (1 + ROOM * max(len(bar.text) for row in rows for bar in row))),
        ylim=(len(rows) - 0.45, -0.55),
        xlabel=unit,
    )
    axes.set_yticks(range(len(rows)), [row[0].name for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format(value, number)))


def _bar(axes: Axes, bar: Bar, y: float, thickness: float, most: float) -> None:
    if bar.value is None:
        axes.text(most * 0.01, y, bar.text, va="center", size=8, color=style.GREY, style="italic")
        return
    faces = {"facecolor": bar.colour, "edgecolor": bar.colour}
    if bar.hatch:
        faces = {"facecolor": "white", "edgecolor": bar.colour, "hatch": bar.hatch}
    url = links.from_figure(bar.link) if bar.link else None
    axes.barh(y, bar.value, height=thickness * 0.92, linewidth=0.8, url=url, **faces)
    end = bar.value
    if bar.low is not None and bar.high is not None:
        axes.plot([bar.low, bar.high], [y, y], color=style.TEXT, linewidth=1.2, marker="|", markersize=5)
        end = max(end, bar.high)
    axes.annotate(
        bar.text, (end, y), xytext=(5, 0), textcoords="offset points", va="center", size=8, bbox=BEHIND_TEXT, zorder=5
    )
