"""How far apart are writing and reading?

Time per image of each operation that writes or reads all images, a panel per backend, both axes logarithmic. Where a
line falls, the fixed cost of a store is shared among more images; where it is level, time is proportional to their
number. Grey: the same operations on a plain file.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.draw import captions, curves, multiples, style
from scripts.report.tables import Tables

POSITION = 13
COLUMNS = 3


def draw(tables: Tables) -> Figure:
    """A panel per backend, a line per operation, one legend; with many, smaller panels."""
    title = captions.title("write_and_read")
    operations = [*tables.operations_of("write"), *tables.operations_of("read")]
    if nothing := style.no_lines(title, tables, operations):
        return nothing
    many = style.many(tables)
    looks = style.looks(operations, first=0 if many else len(tables.backends))
    measured = [
        backend
        for backend in tables.backends
        if any(curves.points(tables, backend, operation) for operation in operations)
    ]
    gaps = style.gaps(tables, operations)
    notes = [
        *style.source(tables),
        f"{curves.bars_note(tables, operations)} Grey, with the same marks: {curves.BASELINE}.",
        curves.disturbed_note(tables, operations),
        *gaps,
    ]
    if many:
        return _multiples(tables, title, looks, notes)
    legend_rows = style.legend_rows(operations)
    columns = 2 if len(measured) in (2, 4) else COLUMNS
    figure, panels = style.canvas(title, len(measured), columns, 2.8, notes, legend_rows=legend_rows)
    style.legend(figure, {wording.operation(operation): look for operation, look in looks.items()})
    for axes, backend in zip(panels, measured, strict=True):
        axes.set_title(backend)
        curves.scale(axes, tables.cutoffs, log=True, unit="Time per image")
        for operation, look in looks.items():
            curves.in_grey(axes, curves.baseline(tables, operation, per_image=True), look.marker, look.linestyle)
            points = curves.points(tables, backend, operation, per_image=True)
            if points:
                curves.with_bars(axes, points, look)
    curves.same_limits(panels)
    return figure


def _multiples(tables: Tables, title: str, looks: dict[str, style.Look], notes: list[str]) -> Figure:
    """Panels by the time of the operation that was asked for first, at the largest cutoff."""
    series = {
        wording.operation(operation): multiples.Series(
            look,
            {name: curves.points(tables, name, operation, per_image=True) for name in tables.backends},
            curves.baseline(tables, operation, per_image=True),
        )
        for operation, look in looks.items()
    }
    order = dict.fromkeys(name for each in series.values() for name in multiples.by_last(each.measured))
    notes = [f"Panels by the time of {next(iter(series)).lower()} at the largest number of images.", *notes]
    grid = multiples.Grid("", list(order), series)

    def scale(axes: Axes) -> None:
        curves.scale(axes, tables.cutoffs, log=True, unit="Time per image")

    return multiples.draw(title, [grid], scale, notes, others=False)
