"""How far apart are writing and reading?

Time per image of each operation that writes or reads all images. Each store has a panel; both axes are logarithmic.
Where a line falls, the fixed cost of a store is shared among more images. Where it is level, time is proportional to
their number. Grey: the same operations on the reference file.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.draw import curves, multiples, notes, style
from scripts.report.tables import Tables

POSITION = 13


def draw(tables: Tables) -> Figure:
    """A panel per store, a line per operation."""
    operations = [*tables.operations_of("write"), *tables.operations_of("read")]
    if nothing := notes.no_lines(tables, operations):
        return nothing
    series = {
        wording.operation(operation): multiples.Series(
            look,
            {name: curves.points(tables, name, operation, per_image=True) for name in tables.backends},
            curves.baseline(tables, operation, per_image=True),
        )
        for operation, look in style.looks(operations).items()
    }
    below = [
        *notes.source(tables),
        f"Panels by the time of {next(iter(series)).lower()} at the largest number of images, the shortest first.",
        f"{notes.intervals(tables, operations)} {notes.GREY} {notes.disturbed(tables, operations)}",
        *notes.gaps(tables, operations),
    ]
    grid = multiples.Grid("", multiples.by_last(series), series)

    def scale(axes: Axes) -> None:
        curves.scale(axes, tables.cutoffs, "Time per image")

    return multiples.draw([grid], scale, below, others=False)
