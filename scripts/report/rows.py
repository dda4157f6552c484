"""From records and manifests to the rows of the three tables."""

import json
import math
from itertools import product
from pathlib import Path

from scripts.errors import UserError
from scripts.report import comparability, statistics, tables
from scripts.report.comparability import Records
from scripts.report.records import read as read_record
from scripts.report.tables import Row


def write_tables(
    records_directory: Path,
    machine: str,
    stores_directory: Path,
    backends: list[str],
    cutoffs: list[int],
    operations: list[str],
    outputs: dict[str, Path],
) -> None:
    """Write timings, summary and disk usage (the keys of `outputs`) of all the cells of one machine.

    Raises UserError for a missing or malformed record or manifest and for records that were timed at the same moment.
    """
    cells = list(product(backends, cutoffs, operations))
    loaded = load_records(records_directory, machine, cells)
    comparability.refuse_overlaps(loaded)
    groups = comparability.comparison_groups(loaded)
    tables.write("timings", timing_rows(loaded, groups), outputs["timings"])
    tables.write("summary", summary_rows(loaded, groups), outputs["summary"])
    stores = list(product(backends, cutoffs))
    tables.write("disk_usage", disk_usage_rows(stores_directory, stores, loaded), outputs["disk_usage"])


def load_records(directory: Path, machine: str, cells: list[tuple[str, int, str]]) -> Records:
    """Read the record of every cell (backend, cutoff, operation), in order.

    Raises UserError where one is missing, malformed or the record of another cell.
    """
    found = {}
    for backend, cutoff, operation in cells:
        path = directory / backend / str(cutoff) / f"{operation}.json"
        record = read_record(path)
        expected = {"machine": machine, "backend": backend, "cutoff": cutoff, "operation": operation}
        if record["cell"] != expected:
            raise UserError(f"{path} is the record of another cell, {record['cell']}; remove it and run again")
        found[path] = record
    return found


def counted(record: dict, subject: str) -> list[float]:
    """The samples (s) of backend or baseline that may be summarised: those whose state was verified."""
    return [
        sample["seconds"] for sample in record["samples"] if sample["subject"] == subject and sample["state_verified"]
    ]


def timing_rows(records: Records, groups: dict[Path, int]) -> list[Row]:
    """A row per sample."""
    return [row for path, record in records.items() for row in _samples_of(record, groups[path])]


def summary_rows(records: Records, groups: dict[Path, int]) -> list[Row]:
    """A row per record; a record without a verified sample is a gap that says so."""
    return [_summary_of(record, groups[path]) for path, record in records.items()]


def disk_usage_rows(directory: Path, stores: list[tuple[str, int]], records: Records) -> list[Row]:
    """A row per store (backend, cutoff), from its manifest.

    A store without a manifest has an empty row if all its cells are gaps; otherwise a UserError names the file.
    """
    rows = []
    for backend, cutoff in stores:
        path = directory / backend / str(cutoff) / "manifest.json"
        if path.is_file():
            rows.append(_disk_usage_of(path))
            continue
        cells = [record for record in records.values() if _store_of(record) == (backend, cutoff)]
        if not cells or any(record["status"] == "measured" for record in cells):
            raise UserError(f"the manifest {path} is missing; run the workflow again to build this store")
        empty = dict.fromkeys(tables.columns("disk_usage"))
        rows.append({**empty, "backend": backend, "cutoff_images": cutoff, **_image_set(cells[0])})
    return rows


def _samples_of(record: dict, group: int) -> list[Row]:
    samples = record["samples"]
    flags = {}
    for subject in ("backend", "baseline"):
        own = [
            index for index, sample in enumerate(samples) if sample["subject"] == subject and sample["state_verified"]
        ]
        flags.update(zip(own, statistics.outliers([samples[index]["seconds"] for index in own]), strict=True))
    cell = record["cell"]
    return [
        {
            "machine": cell["machine"],
            "node": record["machine"]["node"],
            "backend": cell["backend"],
            "cutoff_images": cell["cutoff"],
            "operation": cell["operation"],
            "subject": sample["subject"],
            "sample": sample["order"],
            "seconds": sample["seconds"],
            "open_seconds": sample["open_seconds"],
            "state": sample["state"],
            "state_verified": sample["state_verified"],
            "resident_fraction": sample["resident_fraction"],
            "outlier": flags.get(index, False),
            "device_read_bytes": sample["device_read_bytes"],
            "device_written_bytes": sample["device_written_bytes"],
            **_image_set(record),
            "started": record["started"],
            "comparison_group": group,
        }
        for index, sample in enumerate(samples)
    ]


def _summary_of(record: dict, group: int) -> Row:
    cell, image_set = record["cell"], record["image_set"]
    measured = record["status"] == "measured"
    samples = counted(record, "backend") if measured else []
    baseline = counted(record, "baseline")
    unverified = sum(sample["subject"] == "backend" and not sample["state_verified"] for sample in record["samples"])
    reason = record["gap_reason"]
    if measured and not samples:
        reason = f"the state of none of its {unverified} samples could be verified"
    row = dict.fromkeys(tables.columns("summary"))
    row |= {
        "machine": cell["machine"],
        "backend": cell["backend"],
        "cutoff_images": cell["cutoff"],
        "operation": cell["operation"],
        "status": "measured" if samples else "gap",
        "gap_reason": reason,
        **_image_set(record),
        "distinct_images": image_set["distinct_images"],
        "repeated_images": image_set["repeated_images"],
        "samples": len(samples),
        "outliers": sum(statistics.outliers(samples)),
        "comparison_group": group,
    }
    if samples:
        median = statistics.estimate(samples)
        raw_bytes = cell["cutoff"] * math.prod(image_set["image_shape"])
        row |= {
            "median_seconds": median.median,
            "interval_low_seconds": median.low,
            "interval_high_seconds": median.high,
            "interval_kind": median.kind,
            "images_per_second": cell["cutoff"] / median.median,
            "megabytes_per_second": raw_bytes / 1e6 / median.median,
        }
    if samples and baseline:
        ratio = statistics.ratio(samples, baseline)
        row |= {
            "baseline_median_seconds": statistics.estimate(baseline).median,
            "ratio_to_baseline": ratio.value,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
        }
    return row


def _disk_usage_of(path: Path) -> Row:
    try:
        manifest = json.loads(path.read_text())
        images, raw = manifest["cutoff"], manifest["cutoff"] * math.prod(manifest["image_set"]["image_shape"])
        apparent, allocated = manifest["apparent_bytes"], manifest["allocated_bytes"]
        return {
            "backend": manifest["backend"],
            "cutoff_images": images,
            **_image_set(manifest),
            "apparent_bytes": apparent,
            "allocated_bytes": allocated,
            "files": manifest["files"],
            "apparent_bytes_per_image": apparent / images,
            "allocated_bytes_per_image": allocated / images,
            "apparent_ratio_to_raw": apparent / raw,
            "allocated_ratio_to_raw": allocated / raw,
            "file_system": manifest["file_system"]["type"],
        }
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a manifest of this version ({error!r}); remove it and run again") from None


def _image_set(source: dict) -> Row:
    return {"image_set": source["image_set"]["label"], "synthetic": source["image_set"]["synthetic"]}


def _store_of(record: dict) -> tuple[str, int]:
    return record["cell"]["backend"], record["cell"]["cutoff"]
