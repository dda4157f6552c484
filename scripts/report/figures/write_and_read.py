"""How far apart are writing and reading?

Time per image of each writing and reading operation, a panel per backend, both axes logarithmic. Where a line falls,
the fixed cost of a store is shared among more images; where it is level, time is proportional to their number.
"""

from matplotlib.figure import Figure

from scripts.report import captions, curves, style, wording
from scripts.report.tables import Tables

POSITION = 5
COLUMNS = 3


def draw(tables: Tables) -> Figure:
    """A panel per backend, a line per operation, one legend."""
    title = captions.title("write_and_read")
    operations = [*tables.operations_like("write"), *tables.operations_like("read")]
    looks = style.looks(operations)
    measured = [
        backend
        for backend in tables.backends
        if any(curves.points(tables, backend, operation) for operation in operations)
    ]
    gaps = style.gaps(tables, operations)
    if not measured:
        return style.empty(title, ["Nothing was measured for this figure.", *gaps], tables)
    notes = [*style.source(tables), curves.bars_note(tables, operations), *gaps]
    legend_rows = style.legend_rows(operations)
    figure, panels = style.canvas(title, len(measured), COLUMNS, 2.8, notes, legend_rows=legend_rows)
    style.legend(figure, {wording.operation(operation): look for operation, look in looks.items()})
    for axes, backend in zip(panels, measured, strict=True):
        axes.set_title(backend)
        curves.scale(axes, tables.cutoffs, log=True, unit="Time per image")
        for operation, look in looks.items():
            points = curves.points(tables, backend, operation)
            if points:
                curves.with_bars(axes, [(n, *(value / n for value in times)) for n, *times in points], look)
    curves.same_limits(panels)
    return figure
