"""How much memory does it take?

The peak of anonymous memory while an operation runs on the largest store that was measured, beyond the interpreter, its
libraries and the arrays of pixels and labels. Below it stand pages of files that a store maps. The system takes mapped
pages back when it needs them, so they count for nothing.
"""

import statistics

from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.draw import heat, links, notes, style
from scripts.report.rows import MeasuredRow
from scripts.report.tables import Tables

POSITION = 10
SHADED_FROM_BYTES = 1e6
"""Less anonymous memory than this has the palest shade: nobody notices it."""


def draw(tables: Tables) -> Figure:
    """A table of anonymous memory and one of mapped pages: a row per store, a column per operation."""
    cutoffs = [cutoff for cutoff in tables.cutoffs if any(_rows(tables, cutoff).values())]
    if not cutoffs:
        return notes.empty(tables, "The memory used is not known in this run.")
    rows = {name: known for name, known in _rows(tables, cutoffs[-1]).items() if known}
    operations = [operation for operation in tables.operations if any(operation in known for known in rows.values())]
    order = sorted(rows, key=lambda name: statistics.median(row.peak_memory_bytes or 0 for row in rows[name].values()))
    columns = [heat.head(operation) for operation in operations]
    below = _notes(tables, operations, cutoffs[-1])
    figure, panels = style.canvas(2, 1, notes=below, **heat.room(order, columns, titled=True))
    for axes, field, title in zip(panels, (_anonymous, _mapped), ("Anonymous memory", "Mapped pages"), strict=True):
        fields = [[field(rows[name].get(operation)) for operation in operations] for name in order]
        heat.draw(axes, order, columns, fields)
        axes.set_title(title, pad=8)
    return figure


def _notes(tables: Tables, operations: list[str], cutoff: int) -> list[str]:
    cells = [tables.cell(name, cutoff, operation) for name in tables.backends for operation in tables.operations]
    pixels = max(row.megabytes_per_second * 1e6 * row.median_seconds for row in cells if row)
    return [
        *notes.source(tables),
        f"Of {wording.images(cutoff)}; the pixels of all of them are {wording.size(pixels)}, which don't count.",
        "In MB. Rows by the median of their operations, the least first. The darker, the more, up to "
        f"{heat.DARKEST:.0f} times {wording.size(SHADED_FROM_BYTES)}. Mapped pages win or lose nothing.",
        *notes.gaps(tables, operations, cutoff),
    ]


def _rows(tables: Tables, cutoff: int) -> dict[str, dict[str, MeasuredRow]]:
    """By store and operation, the cells whose memory is known."""
    return {
        name: {
            operation: row
            for operation in tables.operations
            if (row := tables.cell(name, cutoff, operation)) and row.peak_memory_bytes is not None
        }
        for name in tables.backends
    }


def _anonymous(row: MeasuredRow | None) -> heat.Field:
    if row is None or row.peak_memory_bytes is None:
        return heat.GAP
    peak = row.peak_memory_bytes
    return heat.Field(wording.significant(peak / 1e6), peak / SHADED_FROM_BYTES, link=links.cell(row))


def _mapped(row: MeasuredRow | None) -> heat.Field:
    """Mapped pages have no shade: they are taken from nobody."""
    if row is None or row.peak_mapped_bytes is None:
        return heat.GAP
    return heat.Field(wording.significant(row.peak_mapped_bytes / 1e6), link=links.cell(row))
