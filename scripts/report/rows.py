"""The rows of the tables as types: a class for each table, with the table's columns as fields.

What a column means, its unit and its limits are in `scripts/schemas/tables.columns.yaml`. `tables.load` makes rows from
CSV and checks them once, and `tables.write` checks rows before it writes them. None stands for an empty field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from scripts.common.cells import Cell, Store
from scripts.report.estimates import Bounded, Ratio

CellName = tuple[str, int, str]
"""Backend, cutoff (images) and operation."""
Way = tuple[int, str | None]
"""How the work of a sample was shared: the number of processes, and how they were started."""
MEASURED, GAP = "measured", "gap"
"""The values of `SummaryRow.status`."""


@dataclass(frozen=True)
class Row:
    """A row of the table `TABLE`. Its fields are the table's columns, in the table's order."""

    TABLE: ClassVar[str]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make the row from its values by column, in any order."""
        return cls(**values)


@dataclass(frozen=True)
class TimingRow(Row):
    """One sample, of a backend or of the baseline. No sample is dropped."""

    TABLE = "timings"

    machine: str
    node: str
    backend: str
    image_size: str
    cutoff_images: int
    operation: str
    subject: str
    sample: int
    started_seconds: float
    block: int
    processes: int
    start_method: str | None
    images: int
    seconds: float
    open_seconds: float | None
    latency_p50_seconds: float | None
    latency_p90_seconds: float | None
    latency_p99_seconds: float | None
    user_seconds: float
    system_seconds: float
    peak_memory_bytes: int | None
    peak_mapped_bytes: int | None
    state: str
    state_verified: bool
    resident_fraction: float | None
    unsynced_fraction: float | None
    outlier: bool
    device_read_bytes: int | None
    device_written_bytes: int | None
    image_set: str
    synthetic: bool
    started: str
    comparison_group: int

    @property
    def cell(self) -> CellName:
        """The cell's backend, cutoff and operation."""
        return self.backend, self.cutoff_images, self.operation

    @property
    def way(self) -> Way:
        """How the work was shared."""
        return self.processes, self.start_method


@dataclass(frozen=True)
class SummaryRow(Row):
    """One cell, or one of several ways of sharing its work. `MeasuredRow` is a cell that has a number."""

    TABLE = "summary"

    machine: str
    backend: str
    module: str
    codec: str | None
    other_options: str | None
    image_size: str
    cutoff_images: int
    operation: str
    status: str
    gap_reason: str | None
    image_set: str
    synthetic: bool
    distinct_images: int
    repeated_images: int
    processes: int
    start_method: str | None
    images: int | None
    threads: int
    batch_size: int | None
    samples: int
    blocks: int
    outliers: int
    median_seconds: float | None
    interval_low_seconds: float | None
    interval_high_seconds: float | None
    interval_kind: str | None
    raw_median_seconds: float | None
    corrected: bool | None
    seconds_per_image: float | None
    images_per_second: float | None
    megabytes_per_second: float | None
    baseline_median_seconds: float | None
    raw_baseline_median_seconds: float | None
    pace: float | None
    pace_low: float | None
    pace_high: float | None
    ratio_to_baseline: float | None
    ratio_low: float | None
    ratio_high: float | None
    ratio_to_best: float | None
    ratio_to_best_low: float | None
    ratio_to_best_high: float | None
    outcome: str | None
    open_seconds: float | None
    latency_p50_seconds: float | None
    latency_p90_seconds: float | None
    latency_p99_seconds: float | None
    efficiency: float | None
    efficiency_low: float | None
    efficiency_high: float | None
    user_seconds: float | None
    system_seconds: float | None
    peak_memory_bytes: int | None
    peak_mapped_bytes: int | None
    device_read_bytes: float | None
    device_read_ratio: float | None
    device_written_bytes: float | None
    device_written_ratio: float | None
    eviction: str | None
    disturbances: str | None
    record: str
    measuring_digest: str
    comparison_group: int

    @property
    def full_cell(self) -> Cell:
        """The cell with its machine and image size."""
        return Cell(self.machine, self.backend, self.image_size, self.cutoff_images, self.operation)

    @property
    def cell(self) -> CellName:
        """The cell's backend, cutoff and operation."""
        return self.backend, self.cutoff_images, self.operation

    @property
    def way(self) -> Way:
        """How the work was shared."""
        return self.processes, self.start_method

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "SummaryRow":
        """Make the row from its values by column: a `MeasuredRow` where its status says so."""
        return MeasuredRow(**values) if values["status"] == MEASURED else SummaryRow(**values)


@dataclass(frozen=True)
class MeasuredRow(SummaryRow):
    """The row of a cell with a number. The fields that are declared here are never empty."""

    images: int
    median_seconds: float
    interval_low_seconds: float
    interval_high_seconds: float
    interval_kind: str
    raw_median_seconds: float
    corrected: bool
    seconds_per_image: float
    images_per_second: float
    megabytes_per_second: float
    user_seconds: float
    system_seconds: float

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


@dataclass(frozen=True)
class LatencyRow(Row):
    """One quantile of the time of one call, of a backend or of the baseline."""

    TABLE = "latencies"

    backend: str
    image_size: str
    cutoff_images: int
    operation: str
    subject: str
    probability: float
    seconds: float
    record: str
    comparison_group: int

    @property
    def cell(self) -> CellName:
        """The cell's backend, cutoff and operation."""
        return self.backend, self.cutoff_images, self.operation


@dataclass(frozen=True)
class DiskUsageRow(Row):
    """One store. `BuiltRow` is a store that was built."""

    TABLE = "disk_usage"

    backend: str
    module: str
    codec: str | None
    other_options: str | None
    image_size: str
    cutoff_images: int
    image_set: str
    synthetic: bool
    apparent_bytes: int | None
    allocated_bytes: int | None
    allocation: str | None
    files: int | None
    apparent_bytes_per_image: float | None
    allocated_bytes_per_image: float | None
    apparent_ratio_to_raw: float | None
    allocated_ratio_to_raw: float | None
    file_system: str | None

    @property
    def full_store(self) -> Store:
        """The store with its image size."""
        return Store(self.backend, self.image_size, self.cutoff_images)

    @property
    def store(self) -> tuple[str, int]:
        """The store's backend and cutoff."""
        return self.backend, self.cutoff_images

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "DiskUsageRow":
        """Make the row from its values by column: a `BuiltRow` where it has a size."""
        return DiskUsageRow(**values) if values["apparent_bytes"] is None else BuiltRow(**values)


@dataclass(frozen=True)
class BuiltRow(DiskUsageRow):
    """The row of a store that was built. The fields that are declared here are never empty."""

    apparent_bytes: int
    allocation: str
    files: int
    apparent_bytes_per_image: float
    apparent_ratio_to_raw: float
    file_system: str

    def size(self, measure: str) -> int | None:
        """The store's `apparent_bytes` or `allocated_bytes`; None where the file system doesn't tell them."""
        return {"apparent_bytes": self.apparent_bytes, "allocated_bytes": self.allocated_bytes}[measure]

    def to_raw(self, measure: str) -> float | None:
        """The store's `apparent_bytes` or `allocated_bytes` over the bytes of the raw pixels."""
        return {"apparent_bytes": self.apparent_ratio_to_raw, "allocated_bytes": self.allocated_ratio_to_raw}[measure]


@dataclass(frozen=True)
class SelectionRow(Row):
    """One record: whether it counts, what decides that, and what disturbed it; see `records.selection`."""

    TABLE = "selection"

    record: str
    machine: str
    node: str
    pool: str
    backend: str
    image_size: str
    cutoff_images: int
    operation: str
    started: str
    budget_seconds: float
    file_system: str
    mount_point: str
    image_set_digest: str
    measuring_digest: str
    threads: int
    backend_digest: str
    eviction: str | None
    random_images: int | None
    batch_size: int | None
    comparison_group: int
    differs_in: str | None
    disturbances: str | None

    @property
    def full_cell(self) -> Cell:
        """The cell with its machine and image size."""
        return Cell(self.machine, self.backend, self.image_size, self.cutoff_images, self.operation)

    @property
    def cell(self) -> CellName:
        """The cell's backend, cutoff and operation."""
        return self.backend, self.cutoff_images, self.operation


KINDS: tuple[type[Row], ...] = (TimingRow, SummaryRow, LatencyRow, DiskUsageRow, SelectionRow)
"""One kind of row for each table."""
