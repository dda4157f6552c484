"""The rows of the tables as types: a class for each table, with the columns that the report reads as fields.

All columns, with meanings, units and limits, are in `scripts/schemas/tables.columns.yaml`. Rows are written as `Values`
and read as these classes, by `write_tables.write` and `tables.load`. None stands for an empty field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from scripts.common.cells import Cell, Store
from scripts.report.ties import Bounded, Ratio

CellName = tuple[str, int, str]
"""Backend, cutoff (images) and operation, of cells of one image size."""
Way = tuple[int, str | None]
"""How the work of a sample was shared: the number of processes, and how they were started."""
Values = dict[str, Any]
"""A row, or a part of one, by column."""
MEASURED, GAP = "measured", "gap"
"""The values of `SummaryRow.status`."""
AnyRow = TypeVar("AnyRow", bound="Row")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table `TABLE`. Its fields are columns of the table; only optional columns have a default."""

    TABLE: ClassVar[str]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make the row from its values by column, of which there may be more. Raises TypeError for a missing column."""
        return cls(**{name: values[name] for name in cls._names() if name in values})

    @classmethod
    @cache
    def _names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))


@dataclass(frozen=True, kw_only=True)
class CellRow(Row):
    """A row about a cell, and the comparison group of the cell's record."""

    backend: str
    image_size: str
    cutoff_images: int
    operation: str
    comparison_group: int

    @property
    def cell(self) -> CellName:
        """The cell's backend, cutoff and operation: what names it among the cells of one image size."""
        return self.backend, self.cutoff_images, self.operation


@dataclass(frozen=True, kw_only=True)
class SharedRow(CellRow):
    """A row about a cell in one way of sharing its work."""

    processes: int
    start_method: str | None = None

    @property
    def way(self) -> Way:
        """How the work was shared."""
        return self.processes, self.start_method


@dataclass(frozen=True, kw_only=True)
class RecordRow(CellRow):
    """A row about the record of a cell."""

    machine: str
    measuring_digest: str
    threads: int
    batch_size: int | None = None
    eviction: str | None = None
    record: str
    disturbances: str | None = None

    @property
    def full_cell(self) -> Cell:
        """The cell with its machine and image size."""
        return Cell(self.machine, self.backend, self.image_size, self.cutoff_images, self.operation)


@dataclass(frozen=True, kw_only=True)
class TimingRow(SharedRow):
    """One sample, of a backend, of the baseline or of decoding alone. No sample is dropped."""

    TABLE = "timings"

    subject: str
    started_seconds: float
    block: int
    images: int
    seconds: float
    state_verified: bool
    outlier: bool


@dataclass(frozen=True, kw_only=True)
class SummaryRow(RecordRow, SharedRow):
    """One cell, or one of several ways of sharing its work. `MeasuredRow` is a cell that has a number."""

    TABLE = "summary"

    module: str
    codec: str | None = None
    other_options: str | None = None
    status: str
    gap_reason: str | None = None
    image_set: str
    synthetic: bool
    distinct_images: int
    repeated_images: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "SummaryRow":
        """Make the row from its values by column: a `MeasuredRow` where its status says so."""
        if cls is SummaryRow and values["status"] == MEASURED:
            return MeasuredRow.of(values)
        return super().of(values)


@dataclass(frozen=True, kw_only=True)
class MeasuredRow(SummaryRow):
    """The row of a cell with a number."""

    images: int
    samples: int
    outliers: int
    median_seconds: float
    interval_low_seconds: float
    interval_high_seconds: float
    interval_kind: str
    raw_median_seconds: float
    corrected: bool
    seconds_per_image: float
    images_per_second: float
    megabytes_per_second: float
    decoding_seconds_per_image: float | None = None
    decoding_low_seconds_per_image: float | None = None
    decoding_high_seconds_per_image: float | None = None
    storage_seconds_per_image: float | None = None
    storage_low_seconds_per_image: float | None = None
    storage_high_seconds_per_image: float | None = None
    baseline_median_seconds: float | None = None
    ratio_to_baseline: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    ratio_to_best: float | None = None
    ratio_to_best_low: float | None = None
    ratio_to_best_high: float | None = None
    outcome: str | None = None
    open_seconds: float | None = None
    latency_p50_seconds: float | None = None
    latency_p90_seconds: float | None = None
    latency_p99_seconds: float | None = None
    efficiency: float | None = None
    efficiency_low: float | None = None
    efficiency_high: float | None = None
    user_seconds: float
    system_seconds: float
    peak_memory_bytes: int | None = None
    peak_mapped_bytes: int | None = None
    device_read_ratio: float | None = None
    device_written_ratio: float | None = None

    @property
    def to_baseline(self) -> Ratio | None:
        """How many times as long it takes as the reference file; None where no sample of the reference file counts."""
        if self.ratio_to_baseline is None or self.ratio_low is None or self.ratio_high is None:
            return None
        return Ratio(self.ratio_to_baseline, self.ratio_low, self.ratio_high, self.interval_kind)

    @property
    def speedup(self) -> Bounded | None:
        """How many times as fast the processes read as one process; None where that is unknown."""
        if self.efficiency is None or self.efficiency_low is None or self.efficiency_high is None:
            return None
        ends = (self.efficiency, self.efficiency_low, self.efficiency_high)
        return Bounded(*(self.processes * efficiency for efficiency in ends))


@dataclass(frozen=True, kw_only=True)
class LatencyRow(CellRow):
    """One quantile of the time of one call, of a backend or of the baseline."""

    TABLE = "latencies"

    subject: str
    probability: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class DiskUsageRow(Row):
    """One store. `BuiltRow` is a store that was built."""

    TABLE = "disk_usage"

    backend: str
    module: str
    codec: str | None = None
    other_options: str | None = None
    image_size: str
    cutoff_images: int
    image_set: str
    synthetic: bool

    @property
    def full_store(self) -> Store:
        """The store with its image size."""
        return Store(self.backend, self.image_size, self.cutoff_images)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "DiskUsageRow":
        """Make the row from its values by column: a `BuiltRow` where it has a size."""
        if cls is DiskUsageRow and values["apparent_bytes"] is not None:
            return BuiltRow.of(values)
        return super().of(values)


@dataclass(frozen=True, kw_only=True)
class BuiltRow(DiskUsageRow):
    """The row of a store that was built."""

    apparent_bytes: int
    allocated_bytes: int | None = None
    allocation: str
    files: int
    apparent_bytes_per_image: float
    allocated_bytes_per_image: float | None = None
    apparent_ratio_to_raw: float
    allocated_ratio_to_raw: float | None = None
    file_system: str
    psnr_db: float | None = None
    ssim: float | None = None


@dataclass(frozen=True, kw_only=True)
class SelectionRow(RecordRow):
    """One record: whether it counts, what decides that, and what disturbed it; see `records.selection`."""

    TABLE = "selection"

    node: str
    pool: str
    started: str
    budget_seconds: float
    file_system: str
    mount_point: str
    image_set_digest: str
    backend_digest: str
    random_images: int | None = None
    differs_in: str | None = None
