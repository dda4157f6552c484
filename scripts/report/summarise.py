"""From records and manifests to the rows of the tables."""

import math
from collections import defaultdict
from dataclasses import asdict, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from scripts import backends as modules
from scripts import codecs
from scripts.backends import base
from scripts.common.cells import Cell, Store, image_size
from scripts.common.errors import UserError
from scripts.measure.operations.base import QUANTILES
from scripts.measure.stopping import block, median
from scripts.report import estimates, intact, tables, wording
from scripts.report.compare import answers, corrections
from scripts.report.compare.corrections import SUBJECTS, Job, Timed
from scripts.report.compare.results import Results
from scripts.report.records import comparability, disturbances, manifests, nodes, order, outdated
from scripts.report.records.comparability import Records
from scripts.report.records.manifests import Manifests, store_of
from scripts.report.records.reading import read as read_record
from scripts.report.rows import KINDS, CellName, DiskUsageRow, LatencyRow, SummaryRow, TimingRow, Way
from scripts.report.tables import Tables

RECORDS = "records"
COPIED = (
    "subject",
    "started_seconds",
    "block",
    "processes",
    "start_method",
    "images",
    "seconds",
    "open_seconds",
    "user_seconds",
    "system_seconds",
    "peak_memory_bytes",
    "peak_mapped_bytes",
    "state",
    "state_verified",
    "resident_fraction",
    "unsynced_fraction",
    "device_read_bytes",
    "device_written_bytes",
)
"""Fields of a sample that the table of timings takes as they are."""


def write_tables(
    records_directory: Path,
    machine: str,
    stores_directory: Path,
    backends: list[str],
    image_sizes: list[str],
    cutoffs: list[int],
    operations: list[str],
    directory: Path,
) -> None:
    """Write every table of all the cells of one machine into `directory`, and their digests.

    Raises UserError for a missing or damaged record or manifest, for those that don't fit together, and for records
    that were timed at the same moment; these are then among the outdated ones.
    """
    stores = [Store(*names) for names in product(backends, image_sizes, cutoffs)]
    cells = [
        Cell(machine, store.backend, store.image_size, store.cutoff, operation)
        for store in stores
        for operation in operations
    ]
    loaded = load_records(records_directory.parent, cells)
    _refuse_overlaps(loaded, records_directory.parent.parent)
    groups = comparability.comparison_groups(loaded, nodes.pools(nodes.compare(loaded)))
    disk_usage = disk_usage_rows(manifests.load(stores_directory, stores, loaded), stores, loaded)
    timings = timing_rows(loaded, groups)
    summary = with_best(summary_rows(loaded, groups, disk_usage), timings)
    tables.write(TimingRow, timings, directory)
    tables.write(SummaryRow, summary, directory)
    tables.write(LatencyRow, latency_rows(loaded, groups), directory)
    tables.write(DiskUsageRow, disk_usage, directory)
    intact.write(directory, [tables.path(directory, kind.TABLE) for kind in KINDS])


def load_records(directory: Path, cells: list[Cell]) -> Records:
    """Read the record of every cell below the directory of all machines' records, in order.

    Raises UserError where one is missing, malformed or the record of another cell.
    """
    found = {}
    for cell in cells:
        path = cell.record(directory)
        record = read_record(path)
        if record["cell"] != asdict(cell):
            raise UserError(f"{path} is the record of another cell, {record['cell']}; remove it and run again")
        found[path] = record
    return found


def _refuse_overlaps(records: Records, results: Path) -> None:
    """Raise UserError where jobs of one node were at the same moment: none of them was alone on the machine. All their
    records are moved to the outdated ones, so that the next run makes them again."""
    found = order.overlapping(records)
    paths = [path for own in found.values() for path in own]
    if paths:
        place = outdated.put(paths, results)
        raise UserError(
            f"{len(paths)} records were timed at the same moment as another one on node {wording.join(found)}, so none "
            f"of their jobs was alone (the first two: {paths[0]} and {paths[1]}); they are in {place} now: run again, "
            "and these cells alone are measured again"
        )


def timing_rows(records: Records, groups: dict[Path, int]) -> list[TimingRow]:
    """A row per sample."""
    return [row for path, record in records.items() for row in _samples_of(record, groups[path])]


def summary_rows(records: Records, groups: dict[Path, int], disk_usage: list[DiskUsageRow]) -> list[SummaryRow]:
    """A row per record and way of sharing the work; a record without a verified sample is a gap that says so.

    `disk_usage` are the rows of the stores.
    """
    files = {row.store: row.files for row in disk_usage}
    disturbed = disturbances.judge(records, files)
    times = _times_of(records, groups)
    return [
        row
        for path, record in records.items()
        for row in _summaries_of(record, groups[path], disturbed.get(path, []), times[path])
    ]


def with_best(summary: list[SummaryRow], timings: list[TimingRow]) -> list[SummaryRow]:
    """The rows of the summary, those of the main group's cells with how far each is from the best one at its operation
    and cutoff."""
    results = Results(Tables(summary, [], []), timings)
    read = results.tables
    found: dict[CellName, dict[str, Any]] = {}
    for operation, cutoff in product(read.operations, read.cutoffs):
        best = answers.fastest(results, operation, cutoff)
        for name, ratio in best.ratios.items() if best else ():
            found[name, cutoff, operation] = {
                "ratio_to_best": ratio.value,
                "ratio_to_best_low": ratio.low,
                "ratio_to_best_high": ratio.high,
                "outcome": best.outcome(name),
            }

    # The other rows of a cell are of other ways of sharing the work, or of records that stand apart.
    return [replace(row, **found.get(row.cell, {})) if row is read.cell(*row.cell) else row for row in summary]


def latency_rows(records: Records, groups: dict[Path, int]) -> list[LatencyRow]:
    """A row per quantile of the records that have them."""
    return [
        LatencyRow(
            **{name: value for name, value in _cell(record).items() if name != "machine"},
            subject=subject,
            probability=probability,
            seconds=seconds,
            record=record_path(record),
            comparison_group=groups[path],
        )
        for path, record in records.items()
        if record["latencies"]
        for subject in SUBJECTS
        for probability, seconds in zip(record["latencies"]["probabilities"], record["latencies"][subject], strict=True)
    ]


def record_path(record: dict) -> str:
    """Where the record is, from the directory of the tables."""
    return Cell(**record["cell"]).record(RECORDS).as_posix()


def disk_usage_rows(found: Manifests, stores: list[Store], records: Records) -> list[DiskUsageRow]:
    """A row per store, from its manifest; of one that has none, which can't be measured, an empty row."""
    rows = []
    for store in stores:
        if store in found:
            rows.append(DiskUsageRow.of(_disk_usage_of(found[store])))
            continue
        cells = [record for record in records.values() if store_of(record) == store]
        row = dict.fromkeys(tables.columns("disk_usage"))
        row |= {"backend": store.backend, **_kind(cells[0]["backend"]), **_image_set(cells[0])}
        row |= {"image_size": store.image_size, "cutoff_images": store.cutoff}
        rows.append(DiskUsageRow.of(row))
    return rows


def _samples_of(record: dict, group: int) -> list[TimingRow]:
    samples = _with_blocks(record)
    flags: dict[int, bool] = {}
    for subject, (processes, start_method) in product(SUBJECTS, _ways(samples)):
        own = [
            index
            for index, sample in enumerate(samples)
            if (sample["subject"], sample["processes"], sample["start_method"]) == (subject, processes, start_method)
            and sample["state_verified"]
        ]
        flags.update(zip(own, estimates.outliers([samples[index]["seconds"] for index in own]), strict=True))
    return [
        TimingRow(
            **_cell(record),
            **_image_set(record),
            node=record["machine"]["node"],
            sample=sample["order"],
            **{name: sample[name] for name in COPIED},
            **{f"latency_{name}_seconds": (sample["latency_seconds"] or {}).get(name) for name in QUANTILES},
            outlier=flags.get(index, False),
            started=record["started"],
            comparison_group=group,
        )
        for index, sample in enumerate(samples)
    ]


def _times_of(records: Records, groups: dict[Path, int]) -> dict[Path, dict[Way, Timed]]:
    """The time of each record, in each way of sharing the work, corrected by the others of its group."""
    alike: dict[tuple, dict[Path, Job]] = defaultdict(dict)
    for path, record in records.items():
        cell = record["cell"]
        for way, samples in _shared(record).items():
            alike[groups[path], cell["cutoff"], cell["operation"], way][path] = Job.of(samples)
    found: dict[Path, dict[Way, Timed]] = {path: {} for path in records}
    for (*_, way), jobs in alike.items():
        for path, timed in corrections.correct(jobs).items():
            found[path][way] = timed
    return found


def _shared(record: dict) -> dict[Way, list[dict]]:
    """The samples of a record by how the work was shared."""
    samples = _with_blocks(record)
    return {
        way: [sample for sample in samples if way == (sample["processes"], sample["start_method"])]
        for way in _ways(samples)
    }


def _summaries_of(record: dict, group: int, disturbed: list[str], times: dict[Way, Timed]) -> list[SummaryRow]:
    rows = {
        way: _summary_of(record, group, disturbed, way, own, times.get(way)) for way, own in _shared(record).items()
    }
    for (processes, start_method), row in rows.items():
        alone, together = (times.get((count, start_method)) for count in (1, processes))
        if start_method and alone and together:
            scaled = corrections.ratio(alone, together)
            ends = (value / processes for value in (scaled.value, scaled.low, scaled.high))
            row |= dict(zip(("efficiency", "efficiency_low", "efficiency_high"), ends, strict=True))
    return [SummaryRow.of(row) for row in rows.values()]


def _summary_of(
    record: dict, group: int, disturbed: list[str], way: Way, samples: list[dict], timed: Timed | None
) -> dict[str, Any]:
    image_set = record["image_set"]
    processes, start_method = way
    own = [sample for sample in samples if sample["subject"] == "backend"]
    taken = [sample for sample in own if sample["state_verified"]] if record["status"] == "measured" else []
    reason = record["gap_reason"]
    if record["status"] == "measured" and not taken:
        reason = f"the state of none of its {len(own)} samples could be verified"
    row = dict.fromkeys(tables.columns("summary"))
    row |= {
        **_cell(record),
        **_kind(record["backend"]),
        "status": "measured" if taken else "gap",
        "gap_reason": reason,
        **_image_set(record),
        "distinct_images": image_set["distinct_images"],
        "repeated_images": image_set["repeated_images"],
        "processes": processes,
        "start_method": start_method,
        "threads": record["process"]["threads"],
        "batch_size": record["settings"].get("batch_size"),
        "samples": len(taken),
        "blocks": len(timed.measured) if taken else 0,
        "outliers": sum(estimates.outliers([sample["seconds"] for sample in taken])),
        "eviction": record["eviction"],
        "disturbances": "; ".join([*disturbed, *disturbances.effect(timed)] if disturbed else []) or None,
        "record": record_path(record),
        "measuring_digest": record["measuring_digest"],
        "comparison_group": group,
    }
    if taken:
        row |= _times(timed, taken[0]["images"], math.prod(image_set["image_shape"])) | _costs(record, taken)
        row |= {"open_seconds": _median(taken, "open_seconds")} | _latency(record)
    return row


def _times(timed: Timed, images: int, image_bytes: int) -> dict[str, Any]:
    row = {"images": images, **corrections.columns(timed)}
    rate = images / row["median_seconds"]
    rates = {"images_per_second": rate, "megabytes_per_second": rate * image_bytes / 1e6}
    return {**row, "seconds_per_image": row["median_seconds"] / images, **rates}


def _costs(record: dict, samples: list[dict]) -> dict[str, Any]:
    """CPU time, memory, and bytes of the device, these also by the bytes of pixels and labels asked for."""
    needed = samples[0]["images"] * (math.prod(record["image_set"]["image_shape"]) + base.LABEL_BYTES)
    writes = samples[0]["state"] == "fresh"
    row = {name: _median(samples, name) for name in ("user_seconds", "system_seconds")}
    for kind in ("memory", "mapped"):
        peaks = [sample[f"peak_{kind}_bytes"] for sample in samples]
        row[f"peak_{kind}_bytes"] = max((peak for peak in peaks if peak is not None), default=None)
    for direction, counts in (("read", not writes), ("written", writes)):
        moved = _median(samples, f"device_{direction}_bytes")
        row[f"device_{direction}_bytes"] = moved
        row[f"device_{direction}_ratio"] = moved / needed if counts and moved is not None else None
    return row


def _latency(record: dict) -> dict[str, Any]:
    """The quantiles of one call over all samples, as far as the record has them."""
    if not record["latencies"]:
        return {}
    found = dict(zip(record["latencies"]["probabilities"], record["latencies"]["backend"], strict=True))
    return {f"latency_{name}_seconds": found.get(probability) for name, probability in QUANTILES.items()}


def _ways(samples: list[dict]) -> list[tuple[int, str | None]]:
    """How the work was shared: numbers of processes and start methods, in the order of the samples."""
    return list(dict.fromkeys((sample["processes"], sample["start_method"]) for sample in samples)) or [(1, None)]


def _with_blocks(record: dict) -> list[dict]:
    """The samples of a record, each with the number of its block."""
    budget = record["settings"]["budget_seconds"]
    return [{**sample, "block": block(sample["started_seconds"], budget)} for sample in record["samples"]]


def _median(samples: list[dict], name: str) -> float | None:
    """The median of what is known of a field."""
    known = [sample[name] for sample in samples if sample[name] is not None]
    return float(median(known)) if known else None


def _cell(record: dict) -> dict[str, Any]:
    cell = record["cell"]
    return {
        "machine": cell["machine"],
        "backend": cell["backend"],
        "image_size": cell["image_size"],
        "cutoff_images": cell["cutoff"],
        "operation": cell["operation"],
    }


def _disk_usage_of(content: dict[str, Any]) -> dict[str, Any]:
    """The row of a store, from the content of its manifest."""
    images, raw = content["cutoff"], content["cutoff"] * math.prod(content["image_set"]["image_shape"])
    apparent, allocated = content["apparent_bytes"], content["allocated_bytes"]
    return {
        "backend": content["backend"],
        **_kind(content),
        "image_size": image_size(content["image_set"]["image_shape"]),
        "cutoff_images": images,
        **_image_set(content),
        "apparent_bytes": apparent,
        "allocated_bytes": allocated,
        "allocation": content["allocation"],
        "files": content["files"],
        "apparent_bytes_per_image": apparent / images,
        "allocated_bytes_per_image": None if allocated is None else allocated / images,
        "apparent_ratio_to_raw": apparent / raw,
        "allocated_ratio_to_raw": None if allocated is None else allocated / raw,
        "file_system": content["file_system"]["type"],
    }


def _kind(source: dict) -> dict[str, Any]:
    """What a backend or variant is, from a manifest or from what a record says of the backend."""
    usual = _defaults(source["module"])
    others = {name: value for name, value in source["options"].items() if name != codecs.OPTION}
    differing = [f"{name}={wording.setting(value)}" for name, value in others.items() if usual.get(name, ...) != value]
    return {
        "module": source["module"],
        "codec": source["options"].get(codecs.OPTION),
        "other_options": ", ".join(differing) or None,
    }


@cache
def _defaults(module: str) -> dict[str, Any]:
    """The defaults of a backend's options; none of one that there isn't any more."""
    known = modules.load(module).options if module in modules.names() else {}
    return {name: option.default for name, option in known.items()}


def _image_set(source: dict) -> dict[str, Any]:
    return {"image_set": source["image_set"]["label"], "synthetic": source["image_set"]["synthetic"]}
