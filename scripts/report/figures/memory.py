"""How much memory does it take?

The peak of anonymous memory while an operation runs on the largest store that was measured, beyond the interpreter, its
libraries and the arrays of pixels and labels. Below it stand pages of files that a store maps. The system takes mapped
pages back when it needs them, so they count for nothing.
"""

import statistics

from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.draw import heat, links, notes
from scripts.report.rows import MeasuredRow
from scripts.report.tables import Tables

POSITION = 10
SHADED_FROM_BYTES = 1e6
"""Less anonymous memory than this has the palest shade: nobody notices it."""


def draw(tables: Tables) -> Figure:
    """A table of anonymous memory and one of mapped pages: a row per store, a column per operation."""
    known = [row for row in tables.measured_rows if row.peak_memory_bytes is not None]
    if not known:
        return notes.empty(tables, "The memory used is not known in this run.")
    cutoff = max(row.cutoff_images for row in known)
    cells = {(row.backend, row.operation): row for row in known if row.cutoff_images == cutoff}
    peaks = {
        name: statistics.median(own)
        for name in tables.backends
        if (own := [row.peak_memory_bytes or 0 for row in cells.values() if row.backend == name])
    }
    order = sorted(peaks, key=peaks.__getitem__)
    operations = [one for one in tables.operations if any(operation == one for _, operation in cells)]
    pixels = max(row.megabytes_per_second * 1e6 * row.median_seconds for row in cells.values())
    below = [
        *notes.source(tables),
        f"Of {wording.images(cutoff)}; the pixels of all of them are {wording.size(pixels)}, which don't count.",
        "In MB. Rows by the median of their operations, the least first. The darker, the more, up to "
        f"{heat.DARKEST:.0f} times {wording.size(SHADED_FROM_BYTES)}. Mapped pages win or lose nothing.",
        *notes.gaps(tables, operations, cutoff),
    ]
    rows = [[cells.get((name, operation)) for operation in operations] for name in order]
    panels = {
        "Anonymous memory": [[_field(row, "peak_memory_bytes", shaded=True) for row in own] for own in rows],
        "Mapped pages": [[_field(row, "peak_mapped_bytes", shaded=False) for row in own] for own in rows],
    }
    return heat.draw(order, [heat.head(operation) for operation in operations], panels, below)


def _field(row: MeasuredRow | None, column: str, *, shaded: bool) -> heat.Field:
    """A peak of memory. Mapped pages have no shade: they are taken from nobody."""
    if row is None or (peak := getattr(row, column)) is None:
        return heat.GAP
    return heat.Field(
        wording.significant(peak / 1e6), peak / SHADED_FROM_BYTES if shaded else None, link=links.cell(row)
    )
