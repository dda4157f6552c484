"""What a run was measured under, from its records: machine, code, settings and time, in one file beside the tables.

`summarise` writes the file and the page reads it, so that the page reads no record of its own machine.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from scripts.common.atomic import write_json
from scripts.common.errors import UserError
from scripts.report import intact
from scripts.report.records import order
from scripts.report.records.nodes import Node
from scripts.report.records.order import Jump
from scripts.report.records.record import BackendCode, FileSystem, Host, Records, made

FILE = "conditions.json"
VERSION = 1
Value = TypeVar("Value")


@dataclass(frozen=True)
class Conditions:
    """What the records of a run say of the conditions, each different value once, in the order of the records.

    The fields up to `load` are of the main group, the others of all records. `copies` is the number of records whose
    job read a copy of its store. `note` says how to get the real images, where they are synthetic. `load` is the
    highest load average of one minute before a cell. `limits` are what can't be shown on these file systems. `started`
    and `ended` are in seconds since 1970.
    """

    hosts: tuple[Host, ...]
    file_systems: tuple[FileSystem, ...]
    copies: int
    backends: Mapping[str, BackendCode]
    settings: tuple[Mapping[str, float], ...]
    note: str | None
    load: float | None
    limits: tuple[str, ...]
    started: float
    ended: float
    jumps: tuple[Jump, ...]
    nodes: tuple[Node, ...]


def of(records: Records, main: Records, nodes: Iterable[Node]) -> Conditions:
    """Gather the conditions from all records of a run, from those of the main group, and from its nodes."""
    counted = main.values()
    spans = order.spans(records).values()
    return Conditions(
        hosts=_distinct(record.host for record in counted),
        file_systems=_distinct(record.file_system for record in counted),
        copies=sum(record.store.copied for record in counted),
        backends={record.cell.backend: record.backend for record in counted},
        settings=tuple({str(record.settings): record.settings for record in counted}.values()),
        note=next((record.image_set.note for record in counted if record.image_set.note), None),
        load=max((record.noise.before.load_average for record in counted), default=None),
        limits=_distinct(limit for record in records.values() for limit in record.file_system.limits),
        started=min(start for start, _ in spans),
        ended=max(end for _, end in spans),
        jumps=tuple(order.jumps(records)),
        nodes=tuple(nodes),
    )


def write(directory: Path, found: Conditions) -> None:
    """Write the conditions into a directory of tables, whole or not at all."""
    write_json(directory / FILE, {"conditions_version": VERSION, **asdict(found)})


def read(directory: Path) -> Conditions:
    """Return the conditions in a directory of tables.

    Raises UserError where the file is missing, or isn't as this version wrote it.
    """
    file = directory / FILE
    intact.check(file)
    try:
        content = json.loads(file.read_bytes())
        if content.pop("conditions_version") != VERSION:
            raise ValueError(f"not of version {VERSION}")
        return made(Conditions, content)
    except FileNotFoundError:
        raise UserError(f"{file} is missing; run the workflow again") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file} isn't what this version writes ({error}); run the workflow again") from None


def _distinct(values: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(dict.fromkeys(values))
