"""How much slower is a cold read?

How many times as long an operation takes on disk (cold), evicted from the page cache before, as in memory (warm). Each
store has a panel; both axes are logarithmic. At the line of 1 the disk doesn't matter. Cold includes opening the store,
which weighs where images are few; warm does only where all images are read.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.draw import curves, links, multiples, notes, style
from scripts.report.draw.curves import Point
from scripts.report.tables import Tables
from scripts.report.ties import INTERVAL

POSITION = 8
STATES = (catalogue.WARM, catalogue.COLD)


def draw(tables: Tables) -> Figure:
    """A panel per store, a line per kind of reading that was measured both cold and warm."""
    known = filter(None, map(catalogue.get, tables.operations))
    cold = [entry.kind for entry in known if entry.state == catalogue.COLD]
    kinds = [kind for kind in cold if len(_warm_and_cold(kind)) == len(STATES)]
    operations = [name for kind in kinds for name in _warm_and_cold(kind)]
    measured = {kind: {name: _points(tables, name, kind) for name in tables.backends} for kind in kinds}
    drawn = [kind for kind in kinds if any(measured[kind].values())]
    if not drawn:
        return notes.empty(tables, "No way of reading was measured both cold and warm.", operations)
    if nothing := notes.no_lines(tables, operations):
        return nothing
    series = {
        wording.kind(kind): multiples.Series(look, measured[kind], _plain(tables, kind))
        for kind, look in style.looks(drawn).items()
    }
    below = notes.below(
        tables,
        operations,
        None,
        f"Panels by the factor of {next(iter(series)).lower()} at the largest number of images, the least first.",
        f"Bars: between the farthest ends of the two intervals, so wider than a {INTERVAL}. {notes.GREY}",
        sign=notes.HOLLOW,
    )
    grid = multiples.Grid("", multiples.by_last(series), series)
    return multiples.draw([grid], lambda axes: _scale(axes, tables), below, others=False)


def _scale(axes: Axes, tables: Tables) -> None:
    curves.scale(axes, tables.cutoffs, "Cold over warm")
    curves.ticks(axes.yaxis, lambda factor: f"{factor:,.3g} {wording.TIMES}")
    axes.axhline(1, color=style.TEXT, linewidth=0.9, linestyle=style.DASHED, zorder=1)


def _warm_and_cold(kind: str) -> list[str]:
    """The operations of a kind, the warm one first."""
    names = {each.state: each.name for each in catalogue.of_kind(kind)}
    return [names[state] for state in STATES if state in names]


def _points(tables: Tables, name: str, kind: str) -> list[Point]:
    pairs = ([tables.cell(name, cutoff, operation) for operation in _warm_and_cold(kind)] for cutoff in tables.cutoffs)
    return [
        Point(
            cold.cutoff_images,
            cold.median_seconds / warm.median_seconds,
            cold.interval_low_seconds / warm.interval_high_seconds,
            cold.interval_high_seconds / warm.interval_low_seconds,
            links.cell(cold),
            bool(cold.disturbances or warm.disturbances),
        )
        for warm, cold in pairs
        if warm and cold
    ]


def _plain(tables: Tables, kind: str) -> list[Point]:
    warm, cold = (
        {point.x: point.y for point in curves.baseline(tables, operation)} for operation in _warm_and_cold(kind)
    )
    return [Point(cutoff, cold[cutoff] / warm[cutoff]) for cutoff in cold if cutoff in warm]
