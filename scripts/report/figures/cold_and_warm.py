"""How much slower is a cold read?

How many times as long an operation takes when the store was evicted from the page cache before as when it is in it, a
panel for each way of reading or, with many stores, for each of them, both axes logarithmic. At the line of 1 the disk
doesn't matter. Cold includes opening the store, which weighs where images are few; warm does only where all are read.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.draw import captions, curves, links, multiples, style
from scripts.report.draw.curves import Point
from scripts.report.tables import Tables

POSITION = 8
COLUMNS = 3
STATES = (catalogue.WARM, catalogue.COLD)


def draw(tables: Tables) -> Figure:
    """A panel per kind of reading that was measured both cold and warm, a line per backend; with many, the reverse."""
    title = captions.title("cold_and_warm")
    known = filter(None, map(catalogue.get, tables.operations))
    cold = [entry.kind for entry in known if entry.state == catalogue.COLD]
    kinds = [kind for kind in cold if len(_warm_and_cold(kind)) == len(STATES)]
    looks = style.looks(tables.backends)
    drawn = {kind: {name: _points(tables, name, kind) for name in looks} for kind in kinds}
    drawn = {kind: measured for kind, measured in drawn.items() if any(measured.values())}
    operations = [name for kind in kinds for name in _warm_and_cold(kind)]
    gaps = style.gaps(tables, operations)
    if not drawn:
        return style.empty(title, ["No way of reading was measured both cold and warm.", *gaps], tables)
    if nothing := style.no_lines(title, tables, operations):
        return nothing
    many = style.many(tables)
    notes = [
        *style.source(tables),
        "Panels by the factor of the first way of reading at the largest number of images, the least first."
        if many
        else "",
        f"Bars: between the farthest ends of the two intervals, so wider than 95 %. {curves.GREY_NOTE}",
        curves.disturbed_note(tables, operations),
        *gaps,
    ]
    if many:
        return _multiples(tables, title, drawn, notes)
    columns = 2 if len(drawn) in (2, 4) else COLUMNS
    named = {**looks, curves.BASELINE: style.PLAIN}
    legend_rows = style.legend_rows(named)
    figure, panels = style.canvas(title, len(drawn), columns, 2.6, notes, legend_rows=legend_rows)
    style.legend(figure, named)
    for axes, (kind, measured) in zip(panels, drawn.items(), strict=True):
        axes.set_title(wording.kind(kind))
        _scale(axes, tables)
        curves.lines(axes, measured, looks, _plain(tables, kind))
    curves.same_limits(panels)
    return figure


def _multiples(tables: Tables, title: str, drawn: dict[str, dict[str, list[Point]]], notes: list[str]) -> Figure:
    """A panel per backend, a line for each way of reading."""
    looks = style.looks(list(drawn))
    series = {
        wording.kind(kind): multiples.Series(looks[kind], measured, _plain(tables, kind))
        for kind, measured in drawn.items()
    }
    order = dict.fromkeys(name for measured in drawn.values() for name in multiples.by_last(measured))
    grid = multiples.Grid("", list(order), series)
    return multiples.draw(title, [grid], lambda axes: _scale(axes, tables), notes, others=False)


def _scale(axes: Axes, tables: Tables) -> None:
    curves.scale(axes, tables.cutoffs, log=True, unit="Cold over warm")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.3g} {wording.TIMES}"))
    axes.axhline(1, color=style.TEXT, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)


def _warm_and_cold(kind: str) -> list[str]:
    """The operations of a kind, the warm one first."""
    names = {each.state: each.name for each in catalogue.of_kind(kind)}
    return [names[state] for state in STATES if state in names]


def _points(tables: Tables, name: str, kind: str) -> list[Point]:
    found = []
    for cutoff in tables.cutoffs:
        warm, cold = (tables.cell(name, cutoff, operation) for operation in _warm_and_cold(kind))
        if warm and cold:
            found.append(
                Point(
                    cutoff,
                    cold["median_seconds"] / warm["median_seconds"],
                    cold["interval_low_seconds"] / warm["interval_high_seconds"],
                    cold["interval_high_seconds"] / warm["interval_low_seconds"],
                    links.cell(cold),
                    bool(cold["disturbances"] or warm["disturbances"]),
                )
            )
    return found


def _plain(tables: Tables, kind: str) -> list[Point]:
    warm, cold = (
        {point.x: point.y for point in curves.baseline(tables, operation)} for operation in _warm_and_cold(kind)
    )
    ratios = {cutoff: cold[cutoff] / warm[cutoff] for cutoff in cold if cutoff in warm}
    return [Point(cutoff, ratio, ratio, ratio) for cutoff, ratio in ratios.items()]
