"""The tables in results/: read and written as CSV and checked against their schema, and the cells that they hold."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from scripts.common.atomic import replacing
from scripts.common.errors import UserError
from scripts.report import intact, wording

Row = dict[str, Any]

DATA_FILES = ("../schemas/tables.columns.yaml",)
MAIN_GROUP = 1
ALLOCATION_UNKNOWN = "unknown"
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
DATA_TYPES = {"string": "string", "integer": "Int64", "number": "Float64", "boolean": "boolean"}
"""The pandas data types, all of which know an empty field."""


class Kind(NamedTuple):
    """What a backend or variant is: its module, its codec (None without that option), and what differs from the
    module's defaults in its other options (None: nothing)."""

    module: str
    codec: str | None
    other_options: str | None


@cache
def columns(table: str) -> dict[str, dict]:
    """Return the columns of a table in order, each with its type, description and limits."""
    return yaml.safe_load(Path(__file__).parent.joinpath(*DATA_FILES).read_text())[table]["columns"]


def check(table: str, rows: Iterable[Row]) -> None:
    """Raise ValueError for the first field that the schema of the table doesn't allow."""
    schema = columns(table)
    for number, row in enumerate(rows, start=1):
        if list(row) != list(schema):
            raise ValueError(f"{table}: row {number} {_other_columns(list(row), list(schema))}")
        for name, rule in schema.items():
            fault = _fault(row[name], rule)
            if fault:
                raise ValueError(f"{table}: row {number}, column {name}: {row[name]!r} {fault}")


def write(table: str, rows: list[Row], file_name: Path) -> None:
    """Check the rows and write them as CSV, whole or not at all. Raises ValueError as `check` does."""
    check(table, rows)
    frame = pd.DataFrame(rows, columns=list(columns(table))).astype(_data_types(table))
    with replacing(file_name) as file:
        frame.to_csv(file, index=False, lineterminator="\n")


def read(table: str, file_name: Path) -> list[Row]:
    """Return the rows of a CSV file with typed values, None for empty fields; UserError where it isn't such a table, or
    not as it was written."""
    intact.check(file_name)
    try:
        frame = pd.read_csv(file_name, dtype=_data_types(table), keep_default_na=False, na_values=[""])
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        check(table, rows)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{file_name} is not a {table} table of this version ({error}); run the workflow again"
        ) from None
    return rows


def path(directory: Path, table: str) -> Path:
    """Where a table is in a directory of tables."""
    return directory / f"{table}.csv"


@dataclass(frozen=True)
class Tables:
    """Summary, latencies and disk usage; the cells of the main comparison group, in the order of the config."""

    summary: list[Row]
    latencies: list[Row]
    disk_usage: list[Row]

    @classmethod
    def load(cls, directory: Path) -> "Tables":
        """Read the tables in a directory; UserError as `read` raises it."""
        return cls(*(read(table, path(directory, table)) for table in ("summary", "latencies", "disk_usage")))

    @cached_property
    def main(self) -> list[Row]:
        """The summary rows that may be compared with each other."""
        return [row for row in self.summary if row["comparison_group"] == MAIN_GROUP]

    @cached_property
    def apart(self) -> list[Row]:
        """The summary rows that may not be compared with the main group."""
        return [row for row in self.summary if row["comparison_group"] != MAIN_GROUP]

    @cached_property
    def backends(self) -> list[str]:
        """Backends by order of appearance."""
        return list(dict.fromkeys(row["backend"] for row in [*self.summary, *self.disk_usage]))

    @cached_property
    def cutoffs(self) -> list[int]:
        """Cutoffs (images), ascending."""
        return sorted({row["cutoff_images"] for row in [*self.summary, *self.disk_usage]})

    @cached_property
    def operations(self) -> list[str]:
        """Operations by order of appearance."""
        return list(dict.fromkeys(row["operation"] for row in self.summary))

    def operations_like(self, kind: str) -> list[str]:
        """Operations whose name is `kind` or starts with it and a hyphen."""
        return [name for name in self.operations if name.split("-")[0] == kind]

    def draws(self, operation: str) -> bool:
        """Whether an operation handles some of the images only, at any cutoff of this run."""
        return operation in self._drawing

    @cached_property
    def image_sets(self) -> list[str]:
        """Labels of the image sets that the numbers come from."""
        return sorted({row["image_set"] for row in [*self.main, *self.disk_usage]})

    @cached_property
    def machines(self) -> list[str]:
        """Machines that the numbers come from."""
        return sorted({row["machine"] for row in self.main})

    @cached_property
    def synthetic(self) -> bool:
        """Whether any number comes from synthetic images."""
        return any(row["synthetic"] for row in [*self.summary, *self.disk_usage])

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """What each backend is, by its comparable cells where it has any."""
        known = [*self.disk_usage, *self.apart, *self.main]
        return {row["backend"]: Kind(*(row[name] for name in Kind._fields)) for row in known}

    def by_time(self, operation: str, cutoff: int) -> list[str]:
        """The backends that were measured in an operation at a cutoff, the shortest median time first."""
        rows = {name: self.cell(name, cutoff, operation) for name in self.backends}
        measured = {name: row["median_seconds"] / row["images"] for name, row in rows.items() if row}
        return sorted(measured, key=measured.__getitem__)

    def cell(self, backend: str, cutoff: int, operation: str) -> Row | None:
        """The measured row of a cell of the main group, or None."""
        row = self._cells.get((backend, cutoff, operation))
        return row if row and row["status"] == "measured" else None

    def ways(self, backend: str, cutoff: int, operation: str) -> list[Row]:
        """The measured rows of a cell, one for each way of sharing the work among processes; the cell's own is last."""
        return self._cells_in_all_ways.get((backend, cutoff, operation), [])

    def quantiles(self, backend: str, cutoff: int, operation: str, subject: str = "backend") -> list[Row]:
        """The rows of a cell's latencies, by probability; none where it has none."""
        return self._quantiles.get((backend, cutoff, operation, subject), [])

    def store(self, backend: str, cutoff: int) -> Row | None:
        """The disk usage of a store, or None where it wasn't built."""
        row = self._stores.get((backend, cutoff))
        return row if row and row["apparent_bytes"] is not None else None

    @cached_property
    def allocated_decides(self) -> bool:
        """Whether allocated bytes may say which store is smallest: not where the file system hides those of some."""
        return not any(row["allocation"] == ALLOCATION_UNKNOWN for row in self.disk_usage)

    @cached_property
    def _drawing(self) -> set[str]:
        return {row["operation"] for row in self.main if row["images"] and row["images"] < row["cutoff_images"]}

    @cached_property
    def _cells(self) -> dict[tuple[str, int, str], Row]:
        return {(row["backend"], row["cutoff_images"], row["operation"]): row for row in self.main}

    @cached_property
    def _cells_in_all_ways(self) -> dict[tuple[str, int, str], list[Row]]:
        found = defaultdict(list)
        for row in self.main:
            if row["status"] == "measured":
                found[row["backend"], row["cutoff_images"], row["operation"]].append(row)
        return found

    @cached_property
    def _quantiles(self) -> dict[tuple[str, int, str, str], list[Row]]:
        found = defaultdict(list)
        for row in self.latencies:
            if row["comparison_group"] == MAIN_GROUP:
                found[row["backend"], row["cutoff_images"], row["operation"], row["subject"]].append(row)
        return found

    @cached_property
    def _stores(self) -> dict[tuple[str, int], Row]:
        return {(row["backend"], row["cutoff_images"]): row for row in self.disk_usage}


def _other_columns(found: list[str], expected: list[str]) -> str:
    """What sets the columns of a row apart from those of the schema."""
    lacking, unknown = (
        [name for name in ours if name not in theirs] for ours, theirs in ((expected, found), (found, expected))
    )
    parts = [f"{word} {wording.all_of(names)}" for word, names in (("without", lacking), ("with", unknown)) if names]
    return f"has other columns, {', '.join(parts)}" if parts else "has its columns in another order"


def _fault(value: Any, rule: dict) -> str | None:
    if value is None:
        return None if rule.get("optional") else "may not be empty"
    if not isinstance(value, TYPES[rule["type"]]) or (isinstance(value, bool) and rule["type"] != "boolean"):
        return f"is not of type {rule['type']}"
    if "values" in rule and value not in rule["values"]:
        return f"is not one of {rule['values']}"
    if not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        return "is out of bounds"
    return None


def _data_types(table: str) -> dict[str, str]:
    return {name: DATA_TYPES[rule["type"]] for name, rule in columns(table).items()}
