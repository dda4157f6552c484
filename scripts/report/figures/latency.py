"""How long does one random image take, and how long at worst?

How the times of single calls are spread, each reading one image in shuffled order from the largest store that was
measured. Each store has a panel; the others are in grey behind it. A curve climbs at the time by which that share of
the images had come. The scale widens towards the top, where the slow images are. Marks: half of the images, 90 %, 99 %
and 99.9 %. A steep curve is dependable; one with a tail to the right is not.
"""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import log10

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from scripts.report import wording
from scripts.report.draw import curves, links, multiples, notes, style
from scripts.report.draw.curves import Point
from scripts.report.draw.multiples import Series
from scripts.report.rows import LatencyRow
from scripts.report.tables import Tables

POSITION = 5
MARKED = {0.5: "half", 0.9: "90 %", 0.99: "99 %", 0.999: "99.9 %"}
"""The shares of the images that have a mark."""
ALL = "all"
ABOVE = 0.5
"""How far above the last share of the images the slowest image is drawn, in decades."""
MOST_TICKS = 4
"""The time axis has at most this many ticks."""
MARGIN = 1.15
"""The time axis reaches beyond the shortest and the longest time by this factor."""


def draw(tables: Tables) -> Figure:
    """A panel per store, a curve for each cache state."""
    operations = tables.operations_of("random")
    cutoffs = [n for n in tables.cutoffs if any(_measured(tables, n, operation) for operation in operations)]
    if not cutoffs:
        return notes.empty(tables, "No single random image was read in this run.", operations)
    cutoff = cutoffs[-1]
    measured = {operation: rows for operation in operations if (rows := _measured(tables, cutoff, operation))}
    shares = {row.probability for of_stores in measured.values() for rows in of_stores.values() for row in rows}
    top = _height(max(share for share in shares if share < 1)) + ABOVE
    series = {
        wording.operation(operation): _series(tables, operation, cutoff, measured[operation], look, top)
        for operation, look in style.looks(list(measured)).items()
    }
    order = dict.fromkeys(name for one in measured for name in tables.by_time(one, cutoff) if name in measured[one])
    below = [
        *notes.source(tables),
        f"Of {wording.images(cutoff)}. Panels by the time of {next(iter(series)).lower()}, the shortest first. "
        f"{notes.GREY}",
        *notes.gaps(tables, operations, cutoff),
    ]
    times = [
        point.x for each in series.values() for points in (*each.measured.values(), each.plain) for point in points
    ]
    ticks = {_height(share): words for share, words in MARKED.items() if share in shares} | {top: ALL}
    grid = multiples.Grid("", list(order), series)
    return multiples.draw([grid], lambda axes: _scale(axes, times, ticks), below)


def _series(
    tables: Tables,
    operation: str,
    cutoff: int,
    measured: Mapping[str, Sequence[LatencyRow]],
    look: style.Look,
    top: float,
) -> Series:
    """The curves of an operation, with the links of their marks."""
    own = {}
    for name, rows in measured.items():
        row = tables.cell(name, cutoff, operation)
        own[name] = _points({row.probability: row.seconds for row in rows}, top, links.cell(row) if row else "")
    return Series(look, own, _points(_plain(tables, operation, cutoff), top))


def _scale(axes: Axes, times: Sequence[float], ticks: Mapping[float, str]) -> None:
    """A logarithmic axis of these times, and an axis of the shares of the images."""
    axes.set(xscale="log", xlim=(min(times) / MARGIN, max(times) * MARGIN), ylim=(0, max(ticks) + 0.1))
    axes.set(xlabel="Time of one call", ylabel="Share of the images")
    axes.xaxis.set_major_locator(LogLocator(numticks=MOST_TICKS))
    curves.ticks(axes.xaxis, wording.tick)
    curves.ticks(axes.yaxis, lambda height: ticks.get(height, ""), list(ticks))


def _measured(tables: Tables, cutoff: int, operation: str) -> dict[str, list[LatencyRow]]:
    """The quantiles of each store that has them."""
    known = {name: tables.quantiles(name, cutoff, operation) for name in tables.backends}
    return {name: rows for name, rows in known.items() if rows and tables.cell(name, cutoff, operation)}


def _plain(tables: Tables, operation: str, cutoff: int) -> dict[float, float]:
    """The baseline's quantiles (s) by probability: medians over the stores' timing jobs."""
    found: dict[float, list[float]] = defaultdict(list)
    for name in tables.backends:
        for row in tables.quantiles(name, cutoff, operation, "baseline"):
            found[row.probability].append(row.seconds)
    return {share: statistics.median(times) for share, times in sorted(found.items())}


def _points(times: Mapping[float, float], top: float, link: str = "") -> list[Point]:
    """The curve of times (s) by the share of the images that take at most so long; all images are at `top`."""
    return [
        Point(time, top if share == 1 else _height(share), link=link, marked=share in MARKED)
        for share, time in times.items()
    ]


def _height(share: float) -> float:
    """Where a share of the images is drawn: a decade up for each tenth of them that is left."""
    return -log10(1 - share)
