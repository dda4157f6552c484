"""From records and manifests to the rows of the tables. Rows are built from estimates alone: no answer is asked for."""

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from scripts import backends, codecs
from scripts.backends import base
from scripts.common.cells import Store
from scripts.measure.operations.base import QUANTILES
from scripts.report import corrections, estimates, tables, wording
from scripts.report.corrections import Job, Timed
from scripts.report.records import nodes
from scripts.report.records.manifests import Manifests
from scripts.report.records.record import BACKEND, DECODING, NODE, SUBJECTS, Record, Records, Sample, identity
from scripts.report.records.selection import Selection, differences
from scripts.report.rows import GAP, MEASURED, Values, Way
from scripts.report.tables import MAIN_GROUP
from scripts.report.ties import DIFFERENT, TIED

Groups = Mapping[Path, int]
"""The comparison group of each record."""
MEDIANS = ("open_seconds", "user_seconds", "system_seconds", "device_read_bytes", "device_written_bytes")
PEAKS = ("peak_memory_bytes", "peak_mapped_bytes")
"""The columns of the summary that are medians of the samples, and those that are maxima."""
FEWER_RECORDS = "backend version of fewer records"
"""Why a record stands apart that differs in nothing from all of the main group."""


def timings(records: Records, groups: Groups) -> list[Values]:
    """A row per sample."""
    rows = []
    for path, record in records.items():
        outliers = _outliers(record)
        common = _columns_of("timings", record.columns)
        for place, sample in enumerate(record.samples):
            own = _columns_of("timings", vars(sample))
            own |= {f"latency_{name}_seconds": taken for name, taken in (sample.latency_seconds or {}).items()}
            own |= {"sample": sample.order, "outlier": place in outliers, "comparison_group": groups[path]}
            rows.append(common | own)
    return rows


def summary(records: Records, groups: Groups, disturbed: Mapping[Path, list[str]]) -> list[Values]:
    """A row per record and way of sharing the work, without how far it is from the best; a record without a verified
    sample is a gap that says so. `disturbed` says what disturbed a record."""
    times = _times_of(records, groups)
    rows = []
    for path, record in records.items():
        scaled = _efficiencies(times[path])
        for way in record.ways:
            timed = times[path].get(way)
            reasons = disturbed.get(path, [])
            said = "; ".join([*reasons, *_effect(timed)]) if reasons else None
            of_others = {"comparison_group": groups[path], "disturbances": said, **scaled.get(way, {})}
            rows.append(_summary_of(record, way, timed) | of_others)
    return rows


def latencies(records: Records, groups: Groups) -> list[Values]:
    """A row per quantile of the records that have quantiles."""
    return [
        {
            **_columns_of("latencies", record.columns),
            "comparison_group": groups[path],
            "subject": subject,
            "probability": probability,
            "seconds": seconds,
        }
        for path, record in records.items()
        for subject in SUBJECTS
        for probability, seconds in record.quantiles(subject).items()
    ]


def disk_usage(found: Manifests, stores: list[Store], records: Records) -> list[Values]:
    """A row per store, from its manifest. The row of a store without a manifest, which couldn't be built, has no sizes;
    what it holds is said by its records."""
    rows = []
    for store in stores:
        row = {"backend": store.backend, "image_size": store.image_size, "cutoff_images": store.cutoff}
        if store in found:
            row |= _disk_usage_of(found[store])
        else:
            record = next(record for record in records.values() if record.cell.store == store)
            row |= _columns_of("disk_usage", record.columns) | _kind(record.backend.module, record.backend.options)
        rows.append(row)
    return rows


def selection(records: Records, selected: Selection) -> list[Values]:
    """A row per record: whether it counts, what decides that, and what disturbed it."""
    pools = nodes.pools(selected.nodes)
    known = {path: record.columns | {"pool": pools[record.host.node]} for path, record in records.items()}
    main = {identity(known[path]) for path in selected.main(records)}
    rows = []
    for path, own in known.items():
        row = _columns_of("selection", own) | {"comparison_group": selected.groups[path]}
        if row["comparison_group"] != MAIN_GROUP:
            apart = differences(identity(own), main)
            row["differs_in"] = (
                wording.join(f"{NODE} ({own['node']})" if name == NODE else name for name in apart) or FEWER_RECORDS
            )
        row["disturbances"] = "; ".join(selected.disturbed.get(path, [])) or None
        rows.append(row)
    return rows


def _columns_of(table: str, known: Values) -> Values:
    """Those of the values known, by column, that a table has a column for."""
    return {name: value for name, value in known.items() if name in tables.columns(table)}


def _outliers(record: Record) -> set[int]:
    """The places of the samples that are outliers among the verified ones of their subject and way."""
    alike = defaultdict(list)
    for place, sample in enumerate(record.samples):
        if sample.state_verified:
            alike[sample.subject, sample.way].append(place)
    return {
        place
        for places in alike.values()
        for place, flagged in zip(places, estimates.outliers([record.samples[i].seconds for i in places]), strict=True)
        if flagged
    }


def _times_of(records: Records, groups: Groups) -> dict[Path, dict[Way, Timed]]:
    """The time of each record, in each way of sharing the work, corrected by the other records of its group."""

    def alike(job: tuple[Path, Way]) -> Hashable:
        path, way = job
        cell = records[path].cell
        return groups[path], cell.image_size, cell.cutoff, cell.operation, way

    jobs = {
        (path, way): Job.of([sample for sample in record.samples if sample.way == way])
        for path, record in records.items()
        for way in record.ways
    }
    found: dict[Path, dict[Way, Timed]] = {path: {} for path in records}
    for (path, way), timed in corrections.correct(jobs, alike).items():
        found[path][way] = timed
    return found


def _efficiencies(times: Mapping[Way, Timed]) -> dict[Way, Values]:
    """The rate of each number of processes over the rate of one, started in the same way, divided by the number."""
    found: dict[Way, Values] = {}
    for (processes, start_method), together in times.items():
        alone = times.get((1, start_method))
        if start_method and alone:
            scaled = corrections.ratio(alone, together)
            found[processes, start_method] = {
                "efficiency": scaled.value / processes,
                "efficiency_low": scaled.low / processes,
                "efficiency_high": scaled.high / processes,
            }
    return found


def _summary_of(record: Record, way: Way, timed: Timed | None) -> Values:
    """The fields of a row, in one way of sharing the work, without what depends on other records."""
    own = [sample for sample in record.samples_of(BACKEND) if sample.way == way]
    taken = [sample for sample in own if sample.state_verified] if record.measured else []
    reason = record.gap_reason
    if record.measured and not taken:
        reason = f"the state of none of its {len(own)} samples could be verified"
    processes, start_method = way
    values = {
        **_columns_of("summary", record.columns),
        **_kind(record.backend.module, record.backend.options),
        "status": MEASURED if taken else GAP,
        "gap_reason": reason,
        "processes": processes,
        "start_method": start_method,
        "samples": len(taken),
        "blocks": len(timed.measured) if taken and timed else 0,
        "outliers": sum(estimates.outliers([sample.seconds for sample in taken])),
    }
    if taken and timed:
        images = taken[0].images
        values |= corrections.columns(timed) | _costs(record, taken)
        rate = images / values["median_seconds"]
        values |= {
            "images": images,
            "seconds_per_image": values["median_seconds"] / images,
            "images_per_second": rate,
            "megabytes_per_second": rate * record.image_set.image_bytes / 1e6,
        }
        values |= corrections.parts(timed, images, record.samples_of(DECODING))
        quantiles = record.quantiles(BACKEND)
        values |= {f"latency_{name}_seconds": quantiles.get(share) for name, share in QUANTILES.items()}
    return values


def _costs(record: Record, samples: Sequence[Sample]) -> Values:
    """Opening, CPU time, memory, and bytes of the device, these also by the bytes of pixels and labels asked for."""
    known = {
        name: [value for sample in samples if (value := getattr(sample, name)) is not None]
        for name in (*MEDIANS, *PEAKS)
    }
    costs: Values = {name: float(median(known[name])) if known[name] else None for name in MEDIANS}
    costs |= {name: max(known[name], default=None) for name in PEAKS}
    moved = "written" if samples[0].state == "fresh" else "read"
    if (total := costs[f"device_{moved}_bytes"]) is not None:
        needed = samples[0].images * (record.image_set.image_bytes + base.LABEL_BYTES)
        costs[f"device_{moved}_ratio"] = total / needed
    return costs


def _effect(timed: Timed | None) -> list[str]:
    """What a disturbance did to a time, as far as the reference file shows it, in words."""
    if not timed or not timed.pace:
        return []
    pace = timed.pace
    between = f"{pace.kind} {wording.times_between(pace.low, pace.high)}"
    said = f"in this job the reference file took {wording.times(pace.value)} as long as usual ({between})"
    if pace.outcome == TIED:
        return [f"effect: none that shows, as {said}"]
    if pace.outcome == DIFFERENT and timed.corrected:
        return [f"effect: {said}, so the time is corrected"]
    done = "the time is corrected round by round" if timed.corrected else "the time stays as it was measured"
    return [f"effect: {said}, which leaves it open; {done}"]


def _disk_usage_of(content: Mapping[str, Any]) -> Values:
    """What the manifest of a store says of it, by column."""
    images, raw = content["cutoff"], content["cutoff"] * math.prod(content["image_set"]["image_shape"])
    # What a store reads where it lies counts as the store's.
    parts = [content, *([content["in_place"]] if content["in_place"] else [])]
    known = {name: [part[name] for part in parts] for name in ("apparent_bytes", "allocated_bytes", "files")}
    total = {name: None if None in values else sum(values) for name, values in known.items()}
    # Of these, the names and labels that the store has beside the user's files are no files of the user.
    total["files"] = parts[-1]["files"]
    sizes = {measure: total[f"{measure}_bytes"] for measure in ("apparent", "allocated")}
    return {
        "image_set": content["image_set"]["label"],
        "synthetic": content["image_set"]["synthetic"],
        **{f"{measure}_bytes": size for measure, size in sizes.items()},
        **{f"{measure}_bytes_per_image": size and size / images for measure, size in sizes.items()},
        **{f"{measure}_ratio_to_raw": size and size / raw for measure, size in sizes.items()},
        "allocation": content["allocation"],
        "files": total["files"],
        "file_system": content["file_system"]["type"],
        **{name: content[name] for name in ("psnr_db", "ssim")},
        **_kind(content["module"], content["options"]),
    }


def _kind(module: str, options: Mapping[str, Any]) -> Values:
    """What a backend or variant is, by its module and options."""
    usual = _defaults(module)
    others = {name: value for name, value in options.items() if name != codecs.OPTION}
    differing = [f"{name}={wording.setting(value)}" for name, value in others.items() if usual.get(name, ...) != value]
    return {"module": module, "codec": options.get(codecs.OPTION), "other_options": ", ".join(differing) or None}


@cache
def _defaults(module: str) -> Values:
    """The defaults of a backend's options; none of a backend that doesn't exist any more."""
    known = backends.load(module).options if module in backends.names() else {}
    return {name: option.default for name, option in known.items()}
