"""What does a single image cost?

Time to write a store of one image and to open it and read that image, a panel per operation, each with its own scale
or, with many stores, a column. At this size the fixed cost of creating and opening a store is nearly all there is.
First image, where it was measured, does so in a process that was just started.
"""

from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.compare import article
from scripts.report.draw import bars, captions, curves, heat, style, times
from scripts.report.tables import Row, Tables

POSITION = 14
KINDS = ("write", "read", "first-image")
"""Operations that a store of one image says something about; drawing from it at random does not."""


def draw(tables: Tables) -> Figure:
    """A panel per operation, a bar per backend, and one for the baseline; with many, a table with the fastest first."""
    title = captions.title("single_image")
    operations = [name for kind in KINDS for name in tables.operations_of(kind)]
    if 1 not in tables.cutoffs or not operations:
        return style.empty(title, ["The cutoffs of this run do not include a single image."], tables)
    published = any(article.seconds(operation, name) for operation in operations for name in tables.backends)
    many = style.many(tables)
    intervals = "" if many else curves.bars_note(tables, operations, 1)
    notes = [
        *style.source(tables),
        f"{intervals} {curves.BASELINE.capitalize()}: the same bytes in one file.".strip(),
        f"In brackets: published times of the article ({article.NAME}), from another machine." if published else "",
        curves.disturbed_note(tables, operations, 1, sign="†"),
        *style.gaps(tables, operations, 1),
    ]
    if many:
        return _heat(tables, title, operations, notes)
    height = bars.BAR * (len(tables.backends) + 1)
    left = bars.name_width([*tables.backends, curves.BASELINE])
    figure, panels = style.canvas(title, len(operations), 2, height, notes, left=left)
    for axes, operation in zip(panels, operations, strict=True):
        axes.set_title(wording.operation(operation))
        bars.draw(axes, [[bar] for bar in times.time_bars(tables, operation, 1, 1e3)], "g", "ms")
    return figure


def _heat(tables: Tables, title: str, operations: list[str], notes: list[str]) -> Figure:
    """A row per backend, by the geometric mean of its factors to the best of each operation."""
    order = heat.by_factors(tables, 1, operations)
    fields = []
    for name in order:
        rows = [tables.cell(name, 1, operation) for operation in operations]
        fields.append([heat.of_cell(row, _said(row, name)) if row else heat.GAP for row in rows])
    plain = [times.plain_seconds(tables, operation, 1) for operation in operations]
    fields.append([heat.Field(heat.NO_VALUE if time is None else wording.seconds(time)) for time in plain])
    columns = [heat.head(operation) for operation in operations]
    marked = [f"{name} {heat.LACKING}" if found.lacks else name for name, found in order.items()]
    notes = [
        f"{heat.LEGEND} Rows by the geometric mean of the factors, the least first.",
        heat.undecided_note([row for row in tables.main if row["cutoff_images"] == 1]),
        heat.lacking_note(order),
        *notes,
    ]
    return heat.figure(title, [*marked, curves.BASELINE], columns, fields, notes)


def _said(row: Row, name: str) -> str:
    """The time of a cell, with a mark where something disturbed it, and the article's."""
    published = article.seconds(row["operation"], name).get(1)
    bracket = f" ({wording.seconds(published)})" if published else ""
    return wording.seconds(row["median_seconds"]) + (" †" if row["disturbances"] else "") + bracket
