"""How much memory does it take?

The peak of anonymous memory while an operation runs on the largest store that was measured, beyond the interpreter, its
libraries and the arrays of pixels and labels, a panel per operation, each with its own scale or, with many stores, a
column. Pages of files that a backend maps stand beside it: the system takes them back when it needs them, so they count
for nothing.
"""

import statistics

from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.draw import bars, captions, heat, links, style
from scripts.report.tables import Row, Tables

POSITION = 10
COLUMNS = 3
BAR = 0.34
"""Inches that a row takes, a bar and a line of text below it."""
MAPPED = "Mapped pages of files are taken back by the system when it needs them, so they win or lose nothing."
SHADED_FROM_BYTES = 1e6
"""Less than this takes nobody's memory, and has the palest shade."""
MAPPED_FROM_BYTES = 1e5
"""Fewer mapped pages are a library's code rather than a store's."""


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
        "" if style.many(tables) else f"Bars: anonymous memory. {MAPPED}",
        *style.gaps(tables, operations, cutoff),
    ]
    if style.many(tables):
        return _heat(tables, title, operations, cutoff, notes)
    height = BAR * len(tables.backends)
    left = bars.name_width(tables.backends)
    figure, panels = style.canvas(title, len(operations), COLUMNS, height, notes, left=left)
    for axes, operation in zip(panels, operations, strict=True):
        axes.set_title(wording.operation(operation))
        bars.draw(axes, _bars(tables, cutoff, operation), "g", "MB")
    return figure


def _heat(tables: Tables, title: str, operations: list[str], cutoff: int, notes: list[str]) -> Figure:
    """A row per backend, by the median of what its operations take; below, the pages that it maps."""
    rows = {
        name: {operation: row for operation in operations if (row := _row(tables, name, cutoff, operation))}
        for name in tables.backends
    }
    typical = {
        name: statistics.median(row["peak_memory_bytes"] for row in known.values())
        for name, known in rows.items()
        if known
    }
    order = sorted(typical, key=typical.__getitem__)
    notes = [
        *notes,
        "In MB. Rows by the median of their operations, the least first. The darker, the more, up to "
        f"{heat.DARKEST:.0f} times {wording.size(SHADED_FROM_BYTES)}. {MAPPED}",
    ]
    columns = [heat.head(operation) for operation in operations]
    room = {"left": bars.name_width(order), "above": heat.heads(columns) + 0.3, "below": 0.15}
    figure, panels = style.canvas(title, 2, 1, heat.ROW * len(order), notes, **room)
    for axes, field, words in zip(panels, (_anonymous, _mapped), ("Anonymous memory", "Mapped pages"), strict=True):
        fields = [[field(rows[name].get(operation)) for operation in operations] for name in order]
        heat.draw(axes, order, columns, fields)
        axes.set_title(words, pad=8)
    return figure


def _anonymous(row: Row | None) -> heat.Field:
    if not row:
        return heat.GAP
    peak = row["peak_memory_bytes"]
    return heat.Field(wording.significant(peak / 1e6), peak / SHADED_FROM_BYTES, link=links.cell(row))


def _mapped(row: Row | None) -> heat.Field:
    """Mapped pages have no shade: who maps more takes nothing from anybody."""
    if not row or row["peak_mapped_bytes"] is None:
        return heat.GAP
    return heat.Field(wording.significant(row["peak_mapped_bytes"] / 1e6), link=links.cell(row))


def _row(tables: Tables, name: str, cutoff: int, operation: str) -> Row | None:
    """The row of a cell of which memory is known, None of another."""
    row = tables.cell(name, cutoff, operation)
    return row if row and row["peak_memory_bytes"] is not None else None


def _bars(tables: Tables, cutoff: int, operation: str) -> list[list[bars.Bar]]:
    """For each backend a bar of its anonymous memory, and mapped pages in grey words: they have no bar."""
    found = []
    for name, look in style.looks(tables.backends).items():
        row = _row(tables, name, cutoff, operation)
        if not row:
            found.append([bars.Bar(name, None, "no value", look.color)])
            continue
        mapped = row["peak_mapped_bytes"] or 0
        beside = f"mapped {wording.size(mapped)}" if mapped >= MAPPED_FROM_BYTES else ""
        peak = row["peak_memory_bytes"]
        bar = bars.Bar(name, peak / 1e6, wording.size(peak), look.color, link=links.cell(row))
        found.append([bar, bars.Bar(name, None, beside, look.color)])
    return found


def _known(tables: Tables, cutoff: int, operation: str) -> bool:
    return any(_row(tables, name, cutoff, operation) for name in tables.backends)


def _pixels(tables: Tables, cutoff: int) -> list[float]:
    """Bytes of the pixels that a sample wrote or read, by cell."""
    rows = [tables.cell(name, cutoff, operation) for name in tables.backends for operation in tables.operations]
    return [row["megabytes_per_second"] * 1e6 * row["median_seconds"] for row in rows if row]
