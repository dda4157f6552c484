"""The section with the tables: the times of each operation and the sizes of all stores."""

from dataclasses import dataclass

from scripts.report import printed, wording
from scripts.report.draw import links
from scripts.report.estimates import UNDECIDED
from scripts.report.page.answer import TOP
from scripts.report.page.run import Run
from scripts.report.rows import BuiltRow, MeasuredRow, SummaryRow
from scripts.report.tables import Tables


@dataclass(frozen=True)
class Order:
    """The stores of a table: those in sight, and the others, below a line that opens."""

    in_sight: list[str]
    others: list[str]


@dataclass(frozen=True)
class TablesSection:
    """What the section with the tables shows: the order of the stores for each operation, and for disk usage."""

    times: dict[str, Order]
    disk_usage: Order


def section(run: Run) -> TablesSection:
    """Make the section of a run. Many stores are ordered by time or size, few stand in the order of the run."""
    tables = run.tables
    if not run.many:
        everything = Order(tables.backends, [])
        return TablesSection(dict.fromkeys(tables.operations, everything), everything)
    times = {operation: _ordered(_by_time(tables, operation)) for operation in tables.operations}
    return TablesSection(times, _ordered(_by_disk(tables)))


def places(tables: Tables) -> dict[str, str]:
    """What each place that a mark in a figure leads to holds, in a line."""
    found = {links.cell(row): _said(tables, row) for row in tables.summary}
    for row in tables.disk_usage:
        if isinstance(row, BuiltRow):
            sizes = {"apparent": row.apparent_bytes, "allocated": row.allocated_bytes}
            known = [f"{wording.size(size)} {measure}" for measure, size in sizes.items() if size is not None]
            found[links.store(row)] = f"{row.backend}; {wording.images(row.cutoff_images)}: {', '.join(known)}"
    return found


def _said(tables: Tables, row: SummaryRow) -> str:
    """What a cell is and its time, or why it has none."""
    way = wording.way(row.processes, row.start_method)
    what = [row.backend, wording.operation(row.operation), wording.images(row.cutoff_images), way]
    value = row.gap_reason or "no value"
    if isinstance(row, MeasuredRow):
        value = f"{printed.time(tables, row)} ({row.interval_kind} {printed.between(tables, row)})"
        if row.outcome == UNDECIDED and row.ratio_to_best_low and row.ratio_to_best_high:
            between = wording.times_between(row.ratio_to_best_low, row.ratio_to_best_high)
            value += f"; undecided, {between} times as long as the best"
    return f"{'; '.join(filter(None, what))}: {value}"


def _ordered(ranked: list[str]) -> Order:
    return Order(ranked[:TOP], ranked[TOP:])


def _by_time(tables: Tables, operation: str) -> list[str]:
    """All backends by their time at the largest cutoff that they were measured at."""
    ranked = (name for cutoff in reversed(tables.cutoffs) for name in tables.by_time(operation, cutoff))
    return list(dict.fromkeys([*ranked, *tables.backends]))


def _by_disk(tables: Tables) -> list[str]:
    """All backends by allocated bytes at the largest cutoff, or by apparent bytes where allocated ones don't decide."""
    measure = "allocated_bytes" if tables.allocated_decides else "apparent_bytes"
    sizes = tables.sizes(measure, tables.cutoffs[-1])
    return list(dict.fromkeys([*sorted(sizes, key=sizes.__getitem__), *tables.backends]))
