"""Horizontal bars with their values written beside them; a row without a value says so in its place."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scripts.report.draw import links, style

ROW = 0.22
"""Inches that a row takes."""
THICKNESS = 0.7
"""The thickness of a bar is this share of its row."""
LETTER = 0.045
"""Room on the right for each letter of the text beside a bar, as a share of the longest bar."""
BEHIND_TEXT = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}


@dataclass(frozen=True)
class Bar:
    """One row: its name, a value between `low` and `high`, the text beside the bar; `value` None is a gap.

    `link` is the place on the page that the bar leads to.
    """

    name: str
    value: float | None
    text: str
    colour: str
    low: float | None = None
    high: float | None = None
    link: str = ""

    @property
    def end(self) -> float:
        """Where the bar and its interval end."""
        return max(self.value or 0.0, self.high or 0.0)


def draw(axes: Axes, rows: Sequence[Bar], unit: str) -> None:
    """Draw bars from the top; the x axis starts at 0 and shows `unit`."""
    longest = max((bar.end for bar in rows), default=0.0) or 1.0
    for place, bar in enumerate(rows):
        _bar(axes, bar, place, longest)
    axes.set_xlim(0, longest * (1 + LETTER * max(len(bar.text) for bar in rows)))
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlabel(unit)
    axes.set_yticks(range(len(rows)), [bar.name for bar in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _bar(axes: Axes, bar: Bar, y: float, longest: float) -> None:
    if bar.value is None:
        axes.text(longest * 0.01, y, bar.text, va="center", size=8, color=style.GREY, style="italic")
        return
    url = links.from_figure(bar.link)
    axes.barh(y, bar.value, height=THICKNESS, color=bar.colour, url=url)
    if bar.low is not None and bar.high is not None:
        axes.plot([bar.low, bar.high], [y, y], color=style.TEXT, linewidth=1.2, marker="|", markersize=5)
    axes.annotate(
        bar.text,
        (bar.end, y),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        size=8,
        bbox=BEHIND_TEXT,
        zorder=5,
    )
