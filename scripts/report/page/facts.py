"""What a page says of a run beside its answers: the order of stores in tables, what marks in figures lead to, machine,
code, settings and time, gaps, and what is left out.

Where records differ, all values are named.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from scripts.backends.shared import descriptions
from scripts.backends.shared.descriptions import Described
from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.draw import links
from scripts.report.page.run import Run
from scripts.report.records import order
from scripts.report.records.conditions import Conditions
from scripts.report.records.record import BACKEND, Host
from scripts.report.rows import BuiltRow, CellName, MeasuredRow, SummaryRow
from scripts.report.tables import Tables, gaps_of
from scripts.report.ties import UNDECIDED

KINDS = {"local": "local", "memory": "in memory", "network": "network", "unknown": "of an unknown kind"}
"""Kinds of file systems, in words."""


def machine(run: Run) -> dict[str, str]:
    """What the machine is, each fact once; several values where the nodes differ."""
    measured = run.conditions
    hosts = measured.hosts
    facts = {
        "CPU": distinct(host.cpu for host in hosts),
        "Cores": distinct(map(_cores, hosts)),
        "Kernel": distinct(host.kernel for host in hosts),
        "System": distinct(host.operating_system for host in hosts),
        "Python": distinct(host.python for host in hosts),
        "Memory": distinct(map(_memory, hosts)),
        "Node": distinct(host.node for host in hosts),
        "File system of the stores": distinct(
            f"{store.type} at {store.mount_point} ({KINDS[store.kind]}; {store.options})"
            for store in measured.file_systems
        ),
    }
    if measured.copies:
        facts["Copies"] = f"{measured.copies} of {len(run.main)} cells read a copy of their store, made for the job"
    return facts


def clock_notes(measured: Conditions) -> Iterator[str]:
    """Sentences: when, on which node and by how much the wall clock was set during the run."""
    for jump in measured.jumps:
        direction = "back" if jump.seconds < 0 else "forward"
        cell = f"{wording.operation(jump.cell.operation)} of {jump.cell.backend}, {wording.images(jump.cell.cutoff)}"
        yield (
            f"{order.moment(jump.started)} UTC: the clock of {jump.node} was set {direction} by "
            f"{wording.seconds(abs(jump.seconds))} {'during' if jump.within else 'before'} {cell}."
        )


def settings(measured: Conditions) -> dict[str, str]:
    """Each setting in words, several values where records differ."""
    merged = defaultdict(list)
    for used in measured.settings:
        for name, value in {**used, "interval_percent": 100 * used["interval_width"]}.items():
            merged[name].append(f"{value:,.10g}")
    return {name: distinct(values) for name, values in merged.items()}


def distinct(values: Iterable[Any]) -> str:
    """Different values, joined."""
    return wording.join(dict.fromkeys(str(value) for value in values))


def backends(run: Run) -> list[tuple[Described, dict[str, str]]]:
    """Each backend as its own code describes it, with what else a page says of it: the names that it was measured as,
    and the versions of its libraries."""
    used = run.conditions.backends
    found = []
    for backend in descriptions.backends_of(code.module for code in used.values()):
        own = {name: code for name, code in used.items() if code.module == backend.name}
        versions = {library: version for code in own.values() for library, version in code.versions.items()}
        said = ", ".join(f"{library} {version}" for library, version in versions.items())
        found.append((backend, {"Measured as": wording.join(own), "Versions": said}))
    return found


def codecs(tables: Tables) -> list[Described]:
    """The codecs of the run as their own code describes them."""
    return descriptions.codecs_of(kind.codec for kind in tables.kinds.values() if kind.codec)


def gaps(tables: Tables) -> dict[tuple[str, str, str], list[int]]:
    """The cutoffs of cells and stores without a number, by backend, operation and reason."""
    found = gaps_of(tables.summary)
    for store in tables.disk_usage:
        if not isinstance(store, BuiltRow):
            found.setdefault((store.backend, "disk usage", "the store was not built"), []).append(store.cutoff_images)
    return found


def flagged(run: Run) -> dict[tuple[str, CellName], Counter[str]]:
    """How many samples a cell has, and how many are outliers or unverified, for cells that have such samples, by image
    size and cell."""
    found: dict[tuple[str, CellName], Counter[str]] = defaultdict(Counter)
    for row in run.results.timings:
        if row.subject == BACKEND:
            outlier = row.outlier and row.state_verified
            found[row.image_size, row.cell].update(samples=1, outliers=outlier, unverified=not row.state_verified)
    return {cell: counts for cell, counts in found.items() if counts["outliers"] or counts["unverified"]}


def unmeasured(run: Run) -> Iterator[tuple[list[str], str, int, str]]:
    """The operations that a run left out: what they add, how many timing jobs they take, and how long each one takes.

    Operations that differ only in the state that a sample starts from are in one group.
    """
    missing = defaultdict(list)
    for entry in catalogue.entries().values():
        if entry.name not in run.tables.operations:
            missing[entry.kind, entry.durable].append(entry.name)
    stores = len({row.full_cell.store for row in run.main})
    for (kind, durable), names in missing.items():
        takes = catalogue.entry(names[0]).takes or f"{run.budget_seconds:g} s or more for each"
        yield names, catalogue.adds(kind, durable=durable), stores * len(names), takes


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
    found = {
        links.cell(row, tables.image_size): _said(own, row) for own in tables.by_size.values() for row in own.summary
    }
    for row in tables.disk_usage:
        if isinstance(row, BuiltRow):
            sizes = {"apparent": row.apparent_bytes, "allocated": row.allocated_bytes}
            known = [f"{wording.size(size)} {measure}" for measure, size in sizes.items() if size is not None]
            found[links.store(row)] = f"{row.backend}; {wording.images(row.cutoff_images)}: {', '.join(known)}"
    return found


def _cores(host: Host) -> str:
    """How many cores a job may use, and of how many."""
    usable, all_of_them, limit = host.cores, host.node_cores, host.cpu_limit
    which = str(usable) if usable == all_of_them else f"{usable} of {all_of_them}"
    return which if limit is None else f"{which}, with the time of {limit:.3g}"


def _memory(host: Host) -> str:
    """How much memory there is, and how much of it a job may use."""
    there, limit = host.memory_bytes, host.memory_limit_bytes
    limited = "" if limit is None else f", limited to {limit / 2**30:.1f} GiB"
    return f"{there / 2**30:.1f} GiB{limited}"


def _in_sight(run: Run, ranked: list[str]) -> tuple[list[str], list[str]]:
    """The first of many stores, and the others; few stores stand in the order of the run."""
    order = list(dict.fromkeys(ranked))
    return (order[: run.top], order[run.top :]) if run.many else (run.tables.backends, [])


def _said(tables: Tables, row: SummaryRow) -> str:
    """What a cell is and its time, or why it has none."""
    way = wording.way(row.processes, row.start_method)
    what = [row.backend, wording.operation(row.operation), wording.images(row.cutoff_images), way]
    if tables.several_sizes:
        what.append(wording.pixels(row.image_size))
    value = row.gap_reason or "no value"
    if isinstance(row, MeasuredRow):
        value = f"{tables.time(row)} ({row.interval_kind} {tables.between(row)})"
        if row.outcome == UNDECIDED and row.ratio_to_best_low and row.ratio_to_best_high:
            between = wording.times_between(row.ratio_to_best_low, row.ratio_to_best_high)
            value += f"; undecided, {between} times as long as the best"
    return f"{'; '.join(filter(None, what))}: {value}"
