"""What the records of a run say of the machine, the backends, the settings and the time, in words for the page.

Where records differ, all values are named.
"""

from collections.abc import Iterable
from typing import Any

from scripts.report import wording
from scripts.report.records import order
from scripts.report.records.comparability import Records

KINDS = {"local": "local", "memory": "in memory", "network": "network", "unknown": "of an unknown kind"}
"""Kinds of file systems, in words."""


def of_machine(records: Records) -> dict[str, str]:
    """What the machine is, each fact once; several values where the nodes differ."""
    machines = [{**record["machine"], "cores": _cores(record["machine"])} for record in records.values()]
    stores = [record["file_system"] for record in records.values()]
    names = {"cpu": "CPU", "cores": "Cores", "kernel": "Kernel", "operating_system": "System", "python": "Python"}
    facts = {words: distinct(machine[name] for machine in machines) for name, words in names.items()}
    facts["Memory"] = distinct(map(_memory, machines))
    facts["Node"] = distinct(machine["node"] for machine in machines)
    facts["File system of the stores"] = distinct(
        f"{store['type']} at {store['mount_point']} ({KINDS[store['kind']]}; {store['options']})" for store in stores
    )
    copied = sum(record["store"]["copied"] for record in records.values())
    if copied:
        facts["Copies"] = f"{copied} of {len(records)} cells read a copy of their store, made for the job"
    return facts


def _cores(machine: dict) -> str:
    """How many cores a job may use, and of how many."""
    usable, all_of_them, limit = machine["cores"], machine["node_cores"], machine["cpu_limit"]
    which = str(usable) if usable == all_of_them else f"{usable} of {all_of_them}"
    return which if limit is None else f"{which}, with the time of {limit:.3g}"


def _memory(machine: dict) -> str:
    """How much memory there is, and how much of it a job may use."""
    there, limit = machine["memory_bytes"], machine["memory_limit_bytes"]
    limited = "" if limit is None else f", limited to {limit / 2**30:.1f} GiB"
    return f"{there / 2**30:.1f} GiB{limited}"


def of_backends(records: Records) -> dict[str, dict]:
    """What each backend was: module, options, versions of its libraries, digest."""
    return {record["cell"]["backend"]: record["backend"] for record in records.values()}


def digests(records: Records) -> dict[str, str]:
    """The digests of the images and of the measuring code, by what they are of."""
    return {
        "Image set": distinct(record["image_set"]["digest"] for record in records.values()),
        "Measuring code": distinct(record["measuring_digest"] for record in records.values()),
    }


def span(records: Records) -> tuple[str, str]:
    """When the first cell started and the last one ended, to the minute, UTC."""
    spans = order.spans(records).values()
    return order.moment(min(start for start, _ in spans)), order.moment(max(end for _, end in spans))


def clock_notes(records: Records) -> list[str]:
    """Sentences: when, on which node and by how much the wall clock was set during the run."""
    spans = order.spans(records)
    found = []
    for jump in order.jumps(records):
        direction = "back" if jump.seconds < 0 else "forward"
        by = wording.seconds(abs(jump.seconds))
        what = f"{'during' if jump.within else 'before'} {_cell(records[jump.path])}"
        when = order.moment(spans[jump.path][0])
        found.append(f"{when} UTC: the clock of {jump.node} was set {direction} by {by} {what}.")
    return found


def _cell(record: dict) -> str:
    cell = record["cell"]
    return f"{wording.operation(cell['operation'])} of {cell['backend']}, {wording.images(cell['cutoff'])}"


def settings(used: Iterable[dict[str, float]]) -> dict[str, str]:
    """Each setting in words, several values where records differ."""
    merged: dict[str, list[str]] = {}
    for each in used:
        for name, value in {**each, "interval_percent": 100 * each["interval_width"]}.items():
            merged.setdefault(name, []).append(f"{value:,.10g}")
    return {name: distinct(values) for name, values in merged.items()}


def distinct(values: Iterable[Any]) -> str:
    """Different values, joined."""
    return wording.join(dict.fromkeys(str(value) for value in values))
