"""What a page says of the machine, the settings and the time, in words, from the conditions of the run.

Where records differ, all values are named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.common.cells import Cell
from scripts.report import wording
from scripts.report.records import order
from scripts.report.records.conditions import Conditions
from scripts.report.records.nodes import Node
from scripts.report.records.order import Jump
from scripts.report.records.record import Host

KINDS = {"local": "local", "memory": "in memory", "network": "network", "unknown": "of an unknown kind"}
"""Kinds of file systems, in words."""


@dataclass(frozen=True)
class MachineSection:
    """What the section on the machine shows: facts by name, the highest load before a cell, and all nodes."""

    facts: dict[str, str]
    load: float | None
    nodes: tuple[Node, ...]

    @property
    def apart(self) -> list[Node]:
        """The nodes whose records are compared with no others."""
        return [node for node in self.nodes if node.apart]


def section(measured: Conditions, cells: int) -> MachineSection:
    """Make the section on the machine. `cells` is the number of records that count."""
    return MachineSection(of_machine(measured, cells), measured.load, measured.nodes)


def of_machine(measured: Conditions, cells: int) -> dict[str, str]:
    """What the machine is, each fact once; several values where the nodes differ. `cells` is the number of records."""
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
        facts["Copies"] = f"{measured.copies} of {cells} cells read a copy of their store, made for the job"
    return facts


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


def span(measured: Conditions) -> tuple[str, str]:
    """When the first cell started and the last one ended, to the minute, UTC."""
    return order.moment(measured.started), order.moment(measured.ended)


def clock_notes(jumps: Iterable[Jump]) -> list[str]:
    """Sentences: when, on which node and by how much the wall clock was set during the run."""
    found = []
    for jump in jumps:
        direction = "back" if jump.seconds < 0 else "forward"
        by = wording.seconds(abs(jump.seconds))
        what = f"{'during' if jump.within else 'before'} {_cell(jump.cell)}"
        when = order.moment(jump.started)
        found.append(f"{when} UTC: the clock of {jump.node} was set {direction} by {by} {what}.")
    return found


def _cell(cell: Cell) -> str:
    return f"{wording.operation(cell.operation)} of {cell.backend}, {wording.images(cell.cutoff)}"


def settings(used: Iterable[Mapping[str, float]]) -> dict[str, str]:
    """Each setting in words, several values where records differ."""
    merged: dict[str, list[str]] = {}
    for each in used:
        for name, value in {**each, "interval_percent": 100 * each["interval_width"]}.items():
            merged.setdefault(name, []).append(f"{value:,.10g}")
    return {name: distinct(values) for name, values in merged.items()}


def distinct(values: Iterable[Any]) -> str:
    """Different values, joined."""
    return wording.join(dict.fromkeys(str(value) for value in values))
