"""How long does one random image take, and how long at worst?

How the times of single calls are spread, each reading one image in shuffled order from the largest store that was
measured. A curve climbs at the time by which so many images had come; the scale widens towards the top, where the slow
ones are. Marks: half of the images, 90 %, 99 % and 99.9 %. Steep is dependable, a tail to the right is not.
"""

import statistics
from collections import defaultdict
from math import log10

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from scripts.report import wording
from scripts.report.draw import captions, curves, links, multiples, style
from scripts.report.draw.curves import Point
from scripts.report.tables import Row, Tables

POSITION = 5
MARKED = {0.5: "half", 0.9: "90 %", 0.99: "99 %", 0.999: "99.9 %"}
ALL = "all"
MOST_LABELS = 6
"""With more lines than this between the powers of ten, those have no number."""
ABOVE = 0.5
"""How far above the last part of the images their slowest is drawn, in decades."""


def draw(tables: Tables) -> Figure:
    """A panel per cache state, a curve per backend and one of the baseline; with many, a panel per backend."""
    title = captions.title("latency")
    operations = tables.operations_of("random")
    cutoffs = [n for n in tables.cutoffs if any(_measured(tables, n, operation) for operation in operations)]
    if not cutoffs:
        gaps = style.gaps(tables, operations)
        return style.empty(title, ["No single random image was read in this run.", *gaps], tables)
    cutoff = cutoffs[-1]
    gaps = style.gaps(tables, operations, cutoff)
    drawn = [operation for operation in operations if _measured(tables, cutoff, operation)]
    if style.many(tables):
        return _multiples(tables, title, drawn, cutoff, gaps)
    looks = {**style.looks(tables.backends), curves.BASELINE: style.PLAIN}
    notes = [
        *style.source(tables),
        f"Of {wording.images(cutoff)}. {curves.GREY_NOTE}",
        *gaps,
    ]
    legend_rows = style.legend_rows(looks)
    figure, panels = style.canvas(title, len(drawn), 2, 3.4, notes, left=0.9, legend_rows=legend_rows)
    style.legend(figure, looks)
    for axes, operation in zip(panels, drawn, strict=True):
        axes.set_title(wording.operation(operation))
        _panel(axes, tables, operation, cutoff, looks)
    return figure


def _multiples(tables: Tables, title: str, operations: list[str], cutoff: int, gaps: list[str]) -> Figure:
    """A panel per backend, a curve for each cache state."""
    parts: set[float] = set()
    series = {}
    for operation, look in zip(operations, multiples.LOOKS, strict=False):
        measured = _measured(tables, cutoff, operation)
        parts |= {row["probability"] for rows in measured.values() for row in rows}
        top = _top(measured)
        marks = {}
        for name, rows in measured.items():
            link = links.cell(tables.cell(name, cutoff, operation))
            marks[name] = [_mark(row, link) for row in rows if row["probability"] in MARKED]
        series[wording.operation(operation)] = multiples.Series(
            look,
            {
                name: _points({row["probability"]: row["seconds"] for row in rows}, top)
                for name, rows in measured.items()
            },
            _points(_plain(tables, operation, cutoff), top),
            marks,
        )
    first = _measured(tables, cutoff, operations[0])
    ranked = [name for operation in operations for name in tables.by_time(operation, cutoff)]
    order = list(dict.fromkeys([*(name for name in ranked if name in first), *ranked]))
    notes = [
        *style.source(tables),
        f"Of {wording.images(cutoff)}. Panels by the time of {wording.operation(operations[0]).lower()}, the shortest "
        f"first. {curves.GREY_NOTE}",
        *gaps,
    ]
    top = _height(max(part for part in parts if part < 1)) + ABOVE

    def scale(axes: Axes) -> None:
        axes.set_xscale("log")
        _heights(axes, parts, top)
        axes.xaxis.set_major_locator(LogLocator(numticks=4))
        axes.xaxis.set_minor_locator(NullLocator())

    grid = multiples.Grid("", order, series)
    return multiples.draw(title, [grid], scale, notes, same_x=True)


def _panel(axes: Axes, tables: Tables, operation: str, cutoff: int, looks: dict[str, style.Look]) -> None:
    curves_of = _measured(tables, cutoff, operation)
    parts = {row["probability"] for rows in curves_of.values() for row in rows}
    top = _top(curves_of)
    axes.set_xscale("log")
    plain = _plain(tables, operation, cutoff)
    if plain:
        _curve(axes, plain, looks[curves.BASELINE], top, zorder=2)
    for name, rows in curves_of.items():
        _curve(axes, {row["probability"]: row["seconds"] for row in rows}, looks[name], top, zorder=3)
        link = links.cell(tables.cell(name, cutoff, operation))
        marked = [row for row in rows if row["probability"] in MARKED]
        curves.marks(axes, [_mark(row, link) for row in marked], looks[name])
    _heights(axes, parts, top)
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    few = len(axes.xaxis.get_minorticklocs()) <= MOST_LABELS
    axes.xaxis.set_minor_formatter(axes.xaxis.get_major_formatter() if few else NullFormatter())
    axes.tick_params(axis="x", which="minor", pad=style.TICK_PAD)
    axes.grid(which="minor", axis="x")


def _heights(axes: Axes, parts: set[float], top: float) -> None:
    """Labels of both axes, and the ticks of the parts of images."""
    places = {_height(part): words for part, words in MARKED.items() if part in parts} | {top: ALL}
    axes.yaxis.set_major_locator(FixedLocator(list(places)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: places.get(value, "")))
    axes.set_ylim(0, top + 0.1)
    axes.set(xlabel="Time of one call", ylabel="Part of the images")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.tick(value)))


def _top(measured: dict[str, list[Row]]) -> float:
    """Where the slowest of all images is drawn."""
    return (
        _height(max(row["probability"] for rows in measured.values() for row in rows if row["probability"] < 1)) + ABOVE
    )


def _curve(axes: Axes, times: dict[float, float], look: style.Look, top: float, zorder: int) -> None:
    points = _points(times, top)
    x, y = [point.x for point in points], [point.y for point in points]
    axes.plot(x, y, color=look.color, linestyle=look.linestyle, zorder=zorder)


def _points(times: dict[float, float], top: float) -> list[Point]:
    """The curve of some times by the part of the images that take at most so long."""
    heights = [top if part == 1 else _height(part) for part in times]
    return [Point(time, height, height, height) for time, height in zip(times.values(), heights, strict=True)]


def _plain(tables: Tables, operation: str, cutoff: int) -> dict[float, float]:
    """The baseline's quantiles (s) by probability: medians over the backends' timing jobs."""
    found: dict[float, list[float]] = defaultdict(list)
    for name in tables.backends:
        for row in tables.quantiles(name, cutoff, operation, "baseline"):
            found[row["probability"]].append(row["seconds"])
    return {part: statistics.median(times) for part, times in sorted(found.items())}


def _measured(tables: Tables, cutoff: int, operation: str) -> dict[str, list[Row]]:
    """The quantiles of each backend that has them."""
    known = {name: tables.quantiles(name, cutoff, operation) for name in tables.backends}
    return {name: rows for name, rows in known.items() if rows and tables.cell(name, cutoff, operation)}


def _mark(row: Row, link: str) -> Point:
    return Point(row["seconds"], _height(row["probability"]), 0, 0, link)


def _height(part: float) -> float:
    """Where a part of the images is drawn: a decade up for each tenth of them that is left."""
    return -log10(1 - part)
