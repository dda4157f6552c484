"""The tables on the page: the order of their stores, and what marks in figures say of their rows."""

from scripts.report import printed, wording
from scripts.report.draw import links
from scripts.report.estimates import UNDECIDED
from scripts.report.page.run import Run
from scripts.report.rows import BuiltRow, MeasuredRow, SummaryRow
from scripts.report.tables import Tables


def by_time(run: Run, operation: str) -> tuple[list[str], list[str]]:
    """All backends by their time at the largest cutoff that they were measured at: those in sight, and the others."""
    tables = run.tables
    ranked = (name for cutoff in reversed(tables.cutoffs) for name in tables.by_time(operation, cutoff))
    return _in_sight(run, [*ranked, *tables.backends])


def by_disk(run: Run) -> tuple[list[str], list[str]]:
    """All backends by allocated bytes at the largest cutoff, or by apparent bytes where allocated ones don't decide:
    those in sight, and the others."""
    tables = run.tables
    measure = "allocated_bytes" if tables.allocated_decides else "apparent_bytes"
    sizes = tables.sizes(measure, tables.cutoffs[-1])
    return _in_sight(run, [*sorted(sizes, key=sizes.__getitem__), *tables.backends])


def places(tables: Tables) -> dict[str, str]:
    """What each place that a mark in a figure leads to holds, in a line."""
    found = {links.cell(row): _said(tables, row) for row in tables.summary}
    for row in tables.disk_usage:
        if isinstance(row, BuiltRow):
            sizes = {"apparent": row.apparent_bytes, "allocated": row.allocated_bytes}
            known = [f"{wording.size(size)} {measure}" for measure, size in sizes.items() if size is not None]
            found[links.store(row)] = f"{row.backend}; {wording.images(row.cutoff_images)}: {', '.join(known)}"
    return found


def _in_sight(run: Run, ranked: list[str]) -> tuple[list[str], list[str]]:
    """The first of many stores, and the others; few stores stand in the order of the run."""
    order = list(dict.fromkeys(ranked))
    return (order[: run.top], order[run.top :]) if run.many else (run.tables.backends, [])


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
