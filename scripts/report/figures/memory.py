"""How much memory does it take?

The peak of resident memory while an operation runs on the largest store that was measured, beyond the interpreter, its
libraries and the arrays of pixels and labels, a panel per operation, each with its own scale or, with many stores, a
column. Pages of files that a backend maps count as well, though the system takes them back when it needs them.
"""

import statistics

from matplotlib.figure import Figure

from scripts.report import bars, captions, heat, links, style, wording
from scripts.report.tables import Tables

POSITION = 10
COLUMNS = 3
BAR = 0.22
"""Inches that a row takes: less than elsewhere, for there may be a dozen panels."""


def draw(tables: Tables) -> Figure:
    """A panel per operation, a bar per backend; with many, a table with the least first."""
    title = captions.title("memory")
    cutoffs = [cutoff for cutoff in tables.cutoffs if any(_known(tables, cutoff, name) for name in tables.operations)]
    if not cutoffs:
        return style.empty(title, ["The memory used is not known in this run."], tables)
    cutoff = cutoffs[-1]
    operations = [operation for operation in tables.operations if _known(tables, cutoff, operation)]
    pixels = max(_pixels(tables, cutoff))
    notes = [
        *style.source(tables),
        f"Of {wording.images(cutoff)}; the pixels of all of them are {wording.size(pixels)}, which don't count.",
        *style.gaps(tables, operations, cutoff),
    ]
    if style.many(tables):
        return _heat(tables, title, operations, cutoff, notes)
    height = BAR * len(tables.backends)
    left = bars.name_width(tables.backends)
    figure, panels = style.canvas(title, len(operations), COLUMNS, height, notes, left=left)
    for axes, operation in zip(panels, operations, strict=True):
        axes.set_title(wording.operation(operation))
        bars.draw(axes, [[bar] for bar in _bars(tables, cutoff, operation)], "g", "MB")
    return figure


def _heat(tables: Tables, title: str, operations: list[str], cutoff: int, notes: list[str]) -> Figure:
    """A row per backend, by the median of what its operations take."""
    peaks = {name: {} for name in tables.backends}
    links_of = {}
    for name in tables.backends:
        for operation in operations:
            row = tables.cell(name, cutoff, operation)
            if row and row["peak_memory_bytes"] is not None:
                peaks[name][operation] = row["peak_memory_bytes"]
                links_of[name, operation] = links.cell(row)
    known = [name for name in tables.backends if peaks[name]]
    order = sorted(known, key=lambda name: statistics.median(peaks[name].values()))
    least = {name: max(1, min(peak[name] for peak in peaks.values() if name in peak)) for name in operations}

    def field(name: str, operation: str) -> heat.Field:
        if operation not in peaks[name]:
            return heat.GAP
        peak = peaks[name][operation]
        return heat.of_size(peak, least[operation], wording.significant(peak / 1e6), links_of[name, operation])

    notes = [
        *notes,
        f"In MB. Rows by the median of their operations, the least first. {heat.LEAST} The darker, the more, up to "
        f"{heat.DARKEST:.0f} times.",
    ]
    columns = [heat.head(operation) for operation in operations]
    return heat.figure(
        title, order, columns, [[field(name, operation) for operation in operations] for name in order], notes
    )


def _bars(tables: Tables, cutoff: int, operation: str) -> list[bars.Bar]:
    found = []
    for name, look in style.looks(tables.backends).items():
        row = tables.cell(name, cutoff, operation)
        value = row["peak_memory_bytes"] if row else None
        if value is None:
            found.append(bars.Bar(name, None, "no value", look.color))
        else:
            found.append(bars.Bar(name, value / 1e6, wording.size(value), look.color, link=links.cell(row)))
    return found


def _known(tables: Tables, cutoff: int, operation: str) -> bool:
    rows = [tables.cell(name, cutoff, operation) for name in tables.backends]
    return any(row and row["peak_memory_bytes"] is not None for row in rows)


def _pixels(tables: Tables, cutoff: int) -> list[float]:
    """Bytes of the pixels that a sample wrote or read, by cell."""
    rows = [tables.cell(name, cutoff, operation) for name in tables.backends for operation in tables.operations]
    return [row["megabytes_per_second"] * 1e6 * row["median_seconds"] for row in rows if row]
