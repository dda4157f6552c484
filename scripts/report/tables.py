"""The tables in results/: read as CSV and checked against their columns, and the cells that they hold.

`scripts.report.write_tables` writes them.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from scripts import codecs
from scripts.common.errors import UserError
from scripts.measure.operations import catalogue
from scripts.report import intact, wording
from scripts.report.rows import (
    GAP,
    MEASURED,
    AnyRow,
    BuiltRow,
    CellName,
    DiskUsageRow,
    LatencyRow,
    MeasuredRow,
    SummaryRow,
)

DATA_FILES = ("../schemas/tables.columns.yaml",)
MAIN_GROUP = 1
"""Records of this comparison group make the answers and figures."""
ALLOCATION_UNKNOWN = "unknown"
USUAL_SIZE = "224x224"
"""The image size (height x width in pixels) that most networks are trained at."""
ORIGINAL = "original"
"""The end of the names of codecs that keep the files that the images came from."""
IN_PLACE = "in_place=true"
"""The option, in words, that has a store read the files where they lie."""
FILES_KEPT, DECODED = "files kept", "decoded pixels"
"""The groups of stores: those that keep the files as they were, and those of pixels of the image size."""
TYPES: dict[str, tuple[type | tuple[type, ...], Callable[[str], Any]]] = {
    "string": (str, str),
    "integer": (int, int),
    "number": ((int, float), float),
    "boolean": (bool, lambda text: {"True": True, "False": False}.get(text, text)),
}
"""Python's types, and how a field that isn't empty is read, by type of column."""


class Kind(NamedTuple):
    """What a backend or variant is.

    `module` is the backend's file. `codec` is None where the backend has no such option. `other_options` says what
    differs from the module's defaults in all other options, and is None where nothing does.
    """

    module: str
    codec: str | None
    other_options: str | None

    @property
    def keeps_files(self) -> bool:
        """Whether it keeps the files that the images came from, as they are; a codec that isn't known here, by its
        name."""
        known = _codec(self.codec)
        return known.keeps_originals if known else (self.codec or "").endswith(ORIGINAL)

    @property
    def is_lossy(self) -> bool:
        """Whether its pixels aren't exactly those of the image set; a codec that isn't known here passes for exact."""
        known = _codec(self.codec)
        return known is not None and not (known.is_lossless or known.keeps_originals)

    @property
    def in_place(self) -> bool:
        """Whether it reads the files where they lie."""
        return IN_PLACE in (self.other_options or "").split(", ")


@cache
def _codec(name: str | None) -> codecs.Codec | None:
    return codecs.load(name) if name and name in codecs.names() else None


def pixels(image_size: str) -> int:
    """Return how many pixels an image of that size has."""
    return math.prod(map(int, image_size.split("x")))


@cache
def columns(table: str) -> dict[str, dict[str, Any]]:
    """Return the columns of a table in order, each with its type, description and limits."""
    documented = yaml.safe_load(Path(__file__).parent.joinpath(*DATA_FILES).read_text())
    found: dict[str, dict[str, Any]] = documented[table]["columns"]
    return found


def check(table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise ValueError for the first field of a row that the table doesn't allow, or doesn't have."""
    for number, row in enumerate(rows, start=1):
        if unknown := row.keys() - columns(table):
            raise ValueError(f"{table} has no column {wording.all_of(sorted(unknown))}, which row {number} has")
        # A cell has a status, and a store that was built has a size.
        gap = row.get("status") != MEASURED and row.get("apparent_bytes") is None
        for name, rule in columns(table).items():
            value = row.get(name)
            if fault := _fault(value, rule, gap=gap):
                raise ValueError(f"{table}: row {number}, column {name}: {value!r} {fault}")


def load(kind: type[AnyRow], directory: Path) -> list[AnyRow]:
    """Return the rows of one table in a directory, checked. Raises UserError where the file is missing, isn't such a
    table, or isn't as it was written."""
    table, file_name = kind.TABLE, path(directory, kind.TABLE)
    if not file_name.is_file():
        raise UserError(f"{file_name} is missing; give the directory of a finished run's tables")
    intact.check(file_name)
    try:
        rows = list(_read(file_name, columns(table)))
        check(table, rows)
    except (ValueError, csv.Error) as error:
        raise UserError(
            f"{file_name} is not a {table} table of this version ({error}); run the workflow again"
        ) from None
    return [kind.of(row) for row in rows]


def path(directory: Path, table: str) -> Path:
    """Where a table is in a directory of tables."""
    return directory / f"{table}.csv"


@dataclass(frozen=True)
class Tables:
    """Summary, latencies and disk usage of one image size; the cells of the main comparison group, in the order of the
    config. Tables of a run have in `by_size` the tables of each of its image sizes, these too, the smallest first."""

    summary: list[SummaryRow]
    latencies: list[LatencyRow]
    disk_usage: list[DiskUsageRow]
    by_size: Mapping[str, "Tables"] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, directory: Path) -> "Tables":
        """Load the tables in a directory. Raises UserError as `load` does."""
        return cls.of_run(load(SummaryRow, directory), load(LatencyRow, directory), load(DiskUsageRow, directory))

    @classmethod
    def of_run(cls, summary: list[SummaryRow], latencies: list[LatencyRow], disk_usage: list[DiskUsageRow]) -> "Tables":
        """Return the tables of the image size that a run shows: the usual one of training where it was measured, else
        the largest one that was. Rows may be of several sizes."""
        by_size: dict[str, Tables] = {}
        known = {row.image_size for row in summary} | {row.image_size for row in disk_usage}
        for size in sorted(known, key=pixels):
            by_size[size] = cls(
                [row for row in summary if row.image_size == size],
                [row for row in latencies if row.image_size == size],
                [row for row in disk_usage if row.image_size == size],
                by_size,
            )
        measured = [size for size, tables in by_size.items() if tables.measured_rows] or list(by_size)
        return by_size[USUAL_SIZE if USUAL_SIZE in measured else measured[-1]] if by_size else cls([], [], [])

    @cached_property
    def image_size(self) -> str:
        """The image size; empty without any row."""
        return next((row.image_size for row in self._cells_and_stores), "")

    @property
    def several_sizes(self) -> bool:
        """Whether the run has other image sizes too."""
        return len(self.by_size) > 1

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """The backends whose times compare with each other, by what they have in common. Those that keep files as they
        were give more than those of decoded pixels; a run without both has one group, without a name."""
        found: dict[str, list[str]] = {FILES_KEPT: [], DECODED: []}
        for name in self.backends:
            found[FILES_KEPT if self.kinds[name].keeps_files else DECODED].append(name)
        return found if all(found.values()) else {"": self.backends}

    @cached_property
    def main(self) -> list[SummaryRow]:
        """The summary rows that may be compared with each other."""
        return [row for row in self.summary if row.comparison_group == MAIN_GROUP]

    @cached_property
    def measured_rows(self) -> list[MeasuredRow]:
        """The rows of `main` that have a number."""
        return [row for row in self.main if isinstance(row, MeasuredRow)]

    @cached_property
    def backends(self) -> list[str]:
        """Backends by order of appearance."""
        return list(dict.fromkeys(row.backend for row in self._cells_and_stores))

    @cached_property
    def cutoffs(self) -> list[int]:
        """Cutoffs (images), ascending."""
        return sorted({row.cutoff_images for row in self._cells_and_stores})

    @cached_property
    def operations(self) -> list[str]:
        """Operations by order of appearance."""
        return list(dict.fromkeys(row.operation for row in self.summary))

    def operations_of(self, kind: str) -> list[str]:
        """Operations of a kind, by order of appearance."""
        known = {each.name for each in catalogue.of_kind(kind)}
        return [name for name in self.operations if name in known]

    def largest(self, operations: Sequence[str]) -> int | None:
        """The largest cutoff at which any of these operations was measured."""
        return max((row.cutoff_images for row in self.measured_rows if row.operation in operations), default=None)

    def time(self, row: MeasuredRow, seconds: float | None = None) -> str:
        """A cell's median time, or another one of its times (s), in words: `24.2 ms`, or `1.43 µs an image`.

        Operations that draw some of the images say the time of one image, as a time of 2,000 images would stand under
        100,000 otherwise. All others say the time of the whole operation, which handles all images.
        """
        images, said = (row.images, " an image") if row.operation in self.drawing else (1, "")
        return f"{wording.seconds((row.median_seconds if seconds is None else seconds) / images)}{said}"

    def between(self, row: MeasuredRow) -> str:
        """The interval or range of a cell's median time, in words like `time`: `1.88 to 1.97 ms`."""
        images = row.images if row.operation in self.drawing else 1
        return wording.seconds_between(row.interval_low_seconds / images, row.interval_high_seconds / images)

    @cached_property
    def drawing(self) -> set[str]:
        """The operations that handle some of the images only, at any cutoff of this run."""
        of_run = self.by_size.values() or [self]
        return {row.operation for tables in of_run for row in tables.measured_rows if row.images < row.cutoff_images}

    @cached_property
    def image_sets(self) -> list[str]:
        """Labels of the image sets that the numbers come from."""
        return sorted({row.image_set for row in self.main} | {row.image_set for row in self.disk_usage})

    @cached_property
    def machines(self) -> list[str]:
        """Machines that the numbers come from."""
        return sorted({row.machine for row in self.main})

    @cached_property
    def synthetic(self) -> bool:
        """Whether any number comes from synthetic images."""
        return any(row.synthetic for row in self._cells_and_stores)

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """What each backend is, by its comparable cells where it has any."""
        known: list[SummaryRow | DiskUsageRow] = [*self._cells_and_stores, *self.main]
        return {row.backend: Kind(row.module, row.codec, row.other_options) for row in known}

    def by_time(self, operation: str, cutoff: int) -> list[str]:
        """The backends that were measured in an operation at a cutoff, the shortest median time first."""
        return [row.backend for row in self.measured(operation, cutoff)]

    def measured(self, operation: str, cutoff: int) -> list[MeasuredRow]:
        """The rows of an operation at a cutoff, the shortest median time of an image first."""
        rows = (self.cell(name, cutoff, operation) for name in self.backends)
        return sorted(filter(None, rows), key=lambda row: row.median_seconds / row.images)

    def cell(self, backend: str, cutoff: int, operation: str) -> MeasuredRow | None:
        """The row of a cell of the main group, or None where it has no number."""
        row = self._cells.get((backend, cutoff, operation))
        return row if isinstance(row, MeasuredRow) else None

    def quantiles(self, backend: str, cutoff: int, operation: str, subject: str = "backend") -> list[LatencyRow]:
        """The quantiles (s) of a cell's time for one call, by probability; empty for a cell without quantiles."""
        return self._quantiles.get(((backend, cutoff, operation), subject), [])

    def store(self, backend: str, cutoff: int) -> BuiltRow | None:
        """The disk usage of a store, or None where it wasn't built."""
        return self._stores.get((backend, cutoff))

    def sizes(self, measure: str, cutoff: int) -> dict[str, int]:
        """The `apparent_bytes` or `allocated_bytes` of the stores at a cutoff, by backend, where they are known."""
        stores = (self.store(name, cutoff) for name in self.backends)
        sizes = {store.backend: getattr(store, measure) for store in stores if store}
        return {name: size for name, size in sizes.items() if size}

    @cached_property
    def allocations(self) -> set[str]:
        """Where the allocated bytes of the stores are from."""
        return {row.allocation for row in self._stores.values()}

    @cached_property
    def allocated_decides(self) -> bool:
        """Whether allocated bytes say which store is smallest: not where the file system hides them of some store."""
        return ALLOCATION_UNKNOWN not in self.allocations

    @cached_property
    def _cells_and_stores(self) -> list[SummaryRow | DiskUsageRow]:
        return [*self.summary, *self.disk_usage]

    @cached_property
    def _cells(self) -> dict[CellName, SummaryRow]:
        # Of a cell's ways of sharing the work, its own comes last in the table.
        return {row.cell: row for row in self.main}

    @cached_property
    def _quantiles(self) -> dict[tuple[CellName, str], list[LatencyRow]]:
        found = defaultdict(list)
        for row in self.latencies:
            if row.comparison_group == MAIN_GROUP:
                found[row.cell, row.subject].append(row)
        return found

    @cached_property
    def _stores(self) -> dict[tuple[str, int], BuiltRow]:
        return {(row.backend, row.cutoff_images): row for row in self.disk_usage if isinstance(row, BuiltRow)}


def gaps_of(rows: Iterable[SummaryRow]) -> dict[tuple[str, str, str], list[int]]:
    """The cutoffs of the cells that have no number, by backend, operation and reason."""
    found = defaultdict(list)
    for row in rows:
        if row.status == GAP:
            found[row.backend, row.operation, row.gap_reason or "no reason recorded"].append(row.cutoff_images)
    return found


def _read(file_name: Path, known: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of a file, by column. A field of another type than its column's stays text; `check` names it.

    Raises ValueError for a column that is missing, unknown or there twice, and for a line of more or fewer fields.
    Raises csv.Error for a file that isn't CSV.
    """
    # To import pandas would take longer than to read all that a figure shows.
    with file_name.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        names = next(lines, [])
        if missing := known.keys() - names:
            raise ValueError(f"without {wording.all_of(sorted(missing))}")
        if unknown := set(names) - known.keys():
            raise ValueError(f"with {wording.all_of(sorted(unknown))}")
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"with {wording.all_of(sorted(twice))} more than once")
        parsers = [TYPES[known[name]["type"]][1] for name in names]
        for line in lines:
            if len(line) != len(names):
                raise ValueError(f"line {lines.line_num} has {len(line)} fields for {len(names)} columns")
            yield {name: _value(text, parse) for name, text, parse in zip(names, line, parsers, strict=True)}


def _value(text: str, parse: Callable[[str], Any]) -> Any:
    if not text:
        return None
    try:
        return parse(text)
    except ValueError:
        return text


def _fault(value: Any, rule: Mapping[str, Any], *, gap: bool) -> str | None:
    """What is wrong with a field, or None. Some columns are only optional in the row of a gap."""
    if value is None:
        optional = rule.get("optional", False)
        return None if optional is True or (gap and optional == GAP) else "may not be empty"
    if not isinstance(value, TYPES[rule["type"]][0]) or (isinstance(value, bool) and rule["type"] != "boolean"):
        return f"is not of type {rule['type']}"
    if "values" in rule and value not in rule["values"]:
        return f"is not one of {rule['values']}"
    if not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        return "is out of bounds"
    return None
