"""The summarise step: records and manifests in, checked tables and the run's conditions out."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import get_type_hints

import pytest

from scripts.common.cells import Cell
from scripts.common.errors import UserError
from scripts.report import tables, write_tables
from scripts.report.rows import (
    BuiltRow,
    DiskUsageRow,
    LatencyRow,
    MeasuredRow,
    SelectionRow,
    SummaryRow,
    TimingRow,
)
from scripts.report.tables import Tables
from tests.support.checkout import CHECKOUT
from tests.support.report_run import NFS, REAL, Run

TABLES = ("timings", "summary", "latencies", "disk_usage", "selection")
SMALL = {"cutoffs": (1, 10), "operations": ("write", "read-warm")}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path, **SMALL).write()


def load(run):
    return Tables.load(run.directory)


def lines(run):
    """The lines of the summary, as text by column."""
    with (run.directory / "summary.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_cell_has_a_row_in_the_order_of_the_config(run):
    run.backends = ("lmdb", "png", "hdf5")
    read = load(run.summarise())
    assert [row.backend for row in read.summary] == [name for name in run.backends for _ in range(4)]
    assert read.backends == list(run.backends)
    assert len(read.disk_usage) == 6
    assert {row.comparison_group for row in read.summary} == {1}


def test_summary_holds_what_the_samples_say(run):
    seconds = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    record = json.loads(run.record_path("png", 10, "write").read_text())
    samples = [
        {**record["samples"][order % 2], "order": order, "seconds": seconds[order // 2] if order % 2 else 0.2}
        for order in range(14)
    ]
    for order, sample in enumerate(samples):
        sample["started_seconds"] = 0.2 * (order // 2)
    run.change(("png", 10, "write"), samples=samples)
    run.backends = ("png",)
    row = load(run.summarise()).cell("png", 10, "write")
    assert row.median_seconds == 0.4
    assert (row.interval_low_seconds, row.interval_high_seconds) == (0.1, 0.7)
    assert row.images_per_second == pytest.approx(25)
    assert row.megabytes_per_second == pytest.approx(25 * 3072 / 1e6)
    assert row.baseline_median_seconds == 0.2
    assert (row.ratio_low, row.ratio_to_baseline, row.ratio_high) == pytest.approx((0.5, 2, 3.5))
    assert row.raw_median_seconds == 0.4
    (line,) = [line for line in lines(run) if (line["cutoff_images"], line["operation"]) == ("10", "write")]
    assert (line["raw_baseline_median_seconds"], line["blocks"]) == ("0.2", "7")
    assert row.samples == 7


def test_storage_and_decoding_make_the_whole_time_of_an_image(run):
    where = ("lmdb", 10, "read-warm")
    run.add_decoding(where, 0.5)
    read = load(run.summarise())
    row = read.cell(*where)
    assert row.decoding_seconds_per_image == pytest.approx(row.seconds_per_image / 2)
    assert row.storage_seconds_per_image + row.decoding_seconds_per_image == pytest.approx(row.seconds_per_image)
    assert row.decoding_low_seconds_per_image < row.decoding_seconds_per_image < row.decoding_high_seconds_per_image
    assert row.storage_low_seconds_per_image < row.storage_seconds_per_image < row.storage_high_seconds_per_image
    assert row.samples == run.samples
    assert read.cell("lmdb", 1, "read-warm").storage_seconds_per_image is None
    timings = [row for row in tables.load(TimingRow, run.directory) if row.subject == "decoding"]
    assert [(row.cell, row.images) for row in timings] == [(where, 2)] * run.samples


def test_disk_usage_is_the_manifests(run):
    row = load(run.summarise()).store("png", 10)
    manifest = json.loads((run.directory / "stores/png/32x32/10/manifest.json").read_text())
    assert row.apparent_bytes == manifest["apparent_bytes"]
    assert row.allocated_ratio_to_raw == pytest.approx(manifest["allocated_bytes"] / 30_720)
    assert (row.psnr_db, row.ssim) == (None, None)
    assert row.file_system == "ext4"


def test_disk_usage_has_the_quality_of_a_lossy_store_and_counts_what_is_read_where_it_lies(run):
    beside = {"apparent_bytes": 5_000, "allocated_bytes": 8_192, "files": 10, "allocation": "blocks", "inline_bytes": 0}
    manifest = json.loads(run.manifest_path("png", 10).read_text())
    run.change_manifest("png", 10, psnr_db=38.5, ssim=0.97, in_place=beside)
    row = load(run.summarise()).store("png", 10)
    assert (row.psnr_db, row.ssim) == (38.5, 0.97)
    assert row.apparent_bytes == manifest["apparent_bytes"] + 5_000
    assert row.allocated_bytes == manifest["allocated_bytes"] + 8_192
    assert row.files == 10


def test_stores_may_differ_only_where_their_codecs_lose_something_else(run):
    for name, codec in (("png", "jpeg"), ("lmdb", "webp")):
        run.change_manifest(name, 10, digest=name, lossless=False, options={"codec": codec})
        for operation in SMALL["operations"]:
            run.change((name, 10, operation), store={"key": "0123456789abcdef", "digest": name, "copied": False})
    run.summarise()
    run.change_manifest("lmdb", 10, options={"codec": "jpeg"})
    with pytest.raises(UserError, match="hold different images"):
        run.summarise()


def test_columns_are_the_documented_ones(run):
    run.summarise()
    for name in TABLES:
        with (run.directory / f"{name}.csv").open() as file:
            assert next(csv.reader(file)) == list(tables.columns(name))
        assert all(rule["description"].endswith(".") for rule in tables.columns(name).values())


@pytest.mark.parametrize(
    ("column", "value"),
    [("samples", -1), ("status", "zero"), ("backend", None), ("median_seconds", "fast"), ("synthetic", 1)],
)
def test_a_field_outside_the_schema_is_refused(run, column, value):
    columns = tables.columns("summary").items()
    rows = [{name: _read(rule["type"], line[name]) for name, rule in columns} for line in lines(run.summarise())]
    tables.check("summary", rows)
    rows[3] |= {column: value}
    with pytest.raises(ValueError, match=f"row 4, column {column}"):
        tables.check("summary", rows)


def test_a_row_with_a_misspelt_column_is_not_written(tmp_path):
    row = {"backend": "png", "operation_": "read-warm", "seconds": 0.1}
    with pytest.raises(ValueError, match="latencies has no column operation_, which row 1 has"):
        write_tables.write("latencies", [row], tmp_path)
    assert not list(tmp_path.iterdir())


def _read(kind: str, text: str):
    return {"string": str, "integer": int, "number": float, "boolean": "True".__eq__}[kind](text) if text else None


def test_a_table_of_another_version_is_refused(run):
    run.summarise()
    path = run.directory / "summary.csv"
    path.write_text(path.read_text().replace("median_seconds", "median_minutes"))
    (run.directory / "tables.json").unlink()
    with pytest.raises(UserError, match=r"summary\.csv is not a summary table"):
        load(run)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (",status,", ",state,", "without status"),
        (",status,", ",status,state,", "with state"),
        (",status,", ",status,status,", "with status more than once"),
        (",measured,", ',measured,"one', "unexpected end of data"),
        (",measured,", ",measured,1,", r"line 2 has \d+ fields for \d+ columns"),
        (",measured,", ",", r"line 2 has \d+ fields for \d+ columns"),
        (",False,", ",no,", "row 1, column synthetic: 'no' is not of type boolean"),
        (",32x32,1,", ",32x32,one,", "row 1, column cutoff_images: 'one' is not of type integer"),
    ],
)
def test_a_changed_table_is_refused_with_the_place(run, before, after, said):
    path = run.summarise().directory / "summary.csv"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    (run.directory / "tables.json").unlink()
    with pytest.raises(UserError, match=rf"summary\.csv is not a summary table of this version \(.*{said}\)"):
        load(run)


def test_what_reads_tables_is_quick_to_start():
    """Pandas, which writes them, takes longer to import than all that a figure needs."""
    check = "import sys; from scripts.steps import compare, figure, page; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=CHECKOUT, check=False).returncode == 0


def test_a_missing_record_is_named(run):
    path = run.record_path("hdf5", 10, "write")
    path.unlink()
    with pytest.raises(UserError, match=str(path)):
        run.summarise()


def test_the_record_of_another_cell_is_refused(run):
    path = run.change(("hdf5", 10, "write"), cell=asdict(Cell("m", "png", "32x32", 1, "write")))
    with pytest.raises(UserError, match=f"{path} is the record of another cell"):
        run.summarise()


def set_back(run, seconds: float, after: int) -> list:
    """Let the clock on the wall be set back after so many records; returns the paths of the later ones, in order."""
    paths = sorted(run.records.rglob("*.json"), key=lambda path: json.loads(path.read_text())["started"])
    for path in paths[after:]:
        record = json.loads(path.read_text())
        for name in ("started", "ended"):
            moment = datetime.fromisoformat(record[name]) - timedelta(seconds=seconds)
            record[name] = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        path.write_text(json.dumps(record))
    return paths[after:]


@pytest.mark.parametrize("seconds", [3, 6, 3600])
def test_a_clock_that_was_set_back_between_two_records_loses_none(run, seconds):
    run.summarise()
    before = {name: (run.directory / f"{name}.csv").read_bytes() for name in ("summary", "latencies", "disk_usage")}
    set_back(run, seconds, after=10)
    run.summarise()
    assert {name: (run.directory / f"{name}.csv").read_bytes() for name in before} == before


def test_all_overlapping_records_of_one_node_are_refused_at_once_and_measured_again(run):
    """One record of 100 s lasts into those after it; another pair meets elsewhere."""
    first = json.loads(run.record_path("png", 1, "write").read_text())["clock"]
    run.change_clock(("png", 1, "write"), ended_seconds=first["started_seconds"] + 12)
    last = json.loads(run.record_path("hdf5", 10, "read-warm").read_text())["clock"]
    run.change_clock(("lmdb", 10, "read-warm"), ended_seconds=last["started_seconds"] + 0.5)
    cells = [("png", 1, "write"), ("lmdb", 1, "write"), ("hdf5", 1, "write"), ("lmdb", 10, "read-warm")]
    paths = [run.record_path(*cell) for cell in [*cells, ("hdf5", 10, "read-warm")]]
    with pytest.raises(UserError, match=r"5 records were timed at the same moment .* on node node-1") as error:
        run.summarise()
    assert "run again" in str(error.value)
    (place,) = (run.directory / "outdated").iterdir()
    assert str(place) in str(error.value)
    moved = sorted(path.relative_to(place / run.machine) for path in place.rglob("*.json"))
    assert moved == sorted(path.relative_to(run.records) for path in paths)
    assert not any(path.exists() for path in paths)


@pytest.mark.parametrize("changed", ["boot", "node"])
def test_records_of_other_boots_or_nodes_cannot_overlap(run, changed):
    first = json.loads(run.record_path("png", 1, "write").read_text())
    where = ("hdf5", 10, "read-warm")
    run.change(where, **{name: first[name] for name in ("started", "ended", "clock")})
    if changed == "boot":
        run.change_clock(where, boot="boot-2")
    else:
        run.change(where, machine={**first["machine"], "node": "node-2"})
    run.summarise()


def test_records_without_a_boot_are_not_taken_for_overlapping(run):
    for path in run.records.rglob("*.json"):
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"clock": record["clock"] | {"boot": None, "started_seconds": 0.0}}))
    run.summarise()


def test_a_clock_that_is_set_during_a_record_is_noted_on_the_page_and_loses_nothing(run):
    run.summarise().draw("single_image")
    assert "The clock was set" not in run.page("single_image")
    changed = run.change_clock(("lmdb", 10, "write"), jump_seconds=-6.0)
    ended = json.loads(changed.read_text())["ended"].replace(":24.", ":18.")
    run.change(("lmdb", 10, "write"), ended=ended)
    set_back(run, 6, after=5)
    text = run.summarise().page("single_image")
    assert "12:00 UTC: the clock of node-1 was set back by 6.00 s during Write of lmdb, 10 images." in text
    assert text.count("was set back") == 1


def test_the_latest_of_equal_groups_counts_whatever_the_clock_on_the_wall_said(run):
    """Half of the records were measured by other code, the later half, while the clock was set back by an hour."""
    for path in set_back(run, 3600, after=6):
        path.write_text(json.dumps({**json.loads(path.read_text()), "measuring_digest": "feedfacecafe0002"}))
    summary = load(run.summarise()).summary
    assert {row.comparison_group for row in summary if row.measuring_digest == "feedfacecafe0002"} == {1}


def test_jobs_that_meet_without_a_gap_do_not_overlap(run):
    started = json.loads(run.record_path("lmdb", 1, "write").read_text())["clock"]["started_seconds"]
    run.change_clock(("png", 1, "write"), ended_seconds=started)
    run.summarise()


def test_samples_of_an_unverified_state_are_kept_but_not_summarised(run):
    samples = json.loads(run.record_path("png", 1, "read-warm").read_text())["samples"]
    for sample in samples[:4]:
        sample["state_verified"] = False
        sample["seconds"] = 99.0
    run.change(("png", 1, "read-warm"), samples=samples)
    for sample in (other := json.loads(json.dumps(samples))):
        sample["state_verified"] = False
    run.change(("lmdb", 1, "read-warm"), samples=other)
    read = load(run.summarise())
    row = read.cell("png", 1, "read-warm")
    assert row.samples == run.samples - 2
    assert row.interval_high_seconds < 1
    timings = tables.load(TimingRow, run.directory)
    kept = [row for row in timings if (row.backend, row.cutoff_images, row.seconds) == ("png", 1, 99.0)]
    assert len(kept) == 4
    gap = next(row for row in read.summary if (row.backend, row.operation) == ("lmdb", "read-warm"))
    assert (gap.status, isinstance(gap, MeasuredRow)) == ("gap", False)
    assert "none of its 10 samples" in gap.gap_reason


def test_a_gap_has_a_row_with_its_reason_and_no_zero(run):
    run.gaps[("lmdb", 10, "write")] = "no room"
    read = load(run.write().summarise())
    assert read.cell("lmdb", 10, "write") is None
    row = next(row for row in read.summary if row.status == "gap")
    assert (row.backend, row.gap_reason, isinstance(row, MeasuredRow)) == ("lmdb", "no room", False)


def test_a_missing_manifest_is_an_error_unless_the_store_is_a_gap(run):
    manifest = run.directory / "stores/lmdb/32x32/10/manifest.json"
    manifest.unlink()
    with pytest.raises(UserError, match=str(manifest)):
        run.summarise()
    for operation in run.operations:
        run.change(("lmdb", 10, operation), status="gap", gap_reason="no library", samples=[])
    read = load(run.summarise())
    assert read.store("lmdb", 10) is None
    assert len(read.disk_usage) == 6


@pytest.mark.parametrize("what", ["image_set", "measuring_digest", "backend", "file_system"])
def test_stale_records_stand_apart(run, what):
    record = json.loads(run.record_path("png", 1, "write").read_text())
    others = {"image_set": {**REAL, "digest": "other"}, "backend": {"digest": "other"}, "file_system": NFS}
    other = others.get(what)
    run.change(("png", 1, "write"), **{what: {**record[what], **other} if other else "other"})
    read = load(run.summarise())
    groups = {(row.backend, row.cutoff_images, row.operation): row.comparison_group for row in read.summary}
    assert groups.pop(("png", 1, "write")) == 2
    assert set(groups.values()) == {1}
    assert read.cell("png", 1, "write") is None


@pytest.mark.parametrize("what", ["eviction", "batch_size"])
def test_a_record_whose_samples_were_taken_otherwise_stands_apart(tmp_path, what):
    """Of the same code on the same machine, but the cache was emptied by other means, or the batches are others."""
    run = Run(tmp_path, cutoffs=(1000,), operations=("read-cold", "batch-cold")).write()
    settings = json.loads(run.record_path("png", 1000, "batch-cold").read_text())["settings"]
    other = {"eviction": "drop_caches"} if what == "eviction" else {"settings": {**settings, "batch_size": 8}}
    run.change(("png", 1000, "batch-cold"), **other)
    groups = {(row.backend, row.operation): row.comparison_group for row in load(run.summarise()).summary}
    assert groups.pop(("png", "batch-cold")) == 2
    assert set(groups.values()) == {1}
    assert "size of a batch" in run.draw("read_time_log").page("read_time_log")


def test_the_larger_group_is_the_main_one_and_of_equals_the_later(run):
    run.backends = ("png",)
    for operation in run.operations:
        run.change(("png", 1, operation), measuring_digest="older")
    later = {(1, "write"): 2, (1, "read-warm"): 2, (10, "write"): 1, (10, "read-warm"): 1}
    rows = load(run.summarise()).summary
    assert {(row.cutoff_images, row.operation): row.comparison_group for row in rows} == later
    run.change(("png", 10, "write"), measuring_digest="older")
    rows = load(run.summarise()).summary
    assert {row.operation for row in rows if row.comparison_group == 2} == {"read-warm"}


def test_the_selection_says_of_each_record_whether_it_counts_and_what_sets_it_apart(run):
    """One record by other code, one on another node of other hardware, one with another version of a library."""
    run.change(("png", 1, "write"), measuring_digest="older")
    hosts = {"node": "n2", "kernel": "Linux 6.8.0"}
    where = ("lmdb", 1, "write")
    run.change(where, machine={**json.loads(run.record_path(*where).read_text())["machine"], **hosts})
    where = ("hdf5", 10, "write")
    code = json.loads(run.record_path(*where).read_text())["backend"]
    run.change(where, backend={**code, "versions": {"h5py": "4.0.0"}})
    rows = tables.load(SelectionRow, run.summarise().directory)
    assert [(run.directory / row.record).is_file() for row in rows] == [True] * 12
    apart = {row.cell: row.differs_in for row in rows if row.comparison_group != 1}
    assert apart == {
        ("png", 1, "write"): "measuring code",
        ("lmdb", 1, "write"): "node (n2)",
        ("hdf5", 10, "write"): "backend code, options or library versions",
    }
    assert all(row.differs_in is None for row in rows if row.comparison_group == 1)
    groups = {row.record: row.comparison_group for row in rows}
    assert groups == {row.record: row.comparison_group for row in load(run).summary}


def test_the_page_reads_no_record_of_its_own_machine(run):
    nodes = {"n1": (1.0, 1.0), "n2": (1.3, 1.0)}
    run = Run(run.directory, **{**SMALL, "cutoffs": (1, 10, 100)}, nodes=nodes).write()
    run.change_clock(("lmdb", 10, "write"), jump_seconds=-6.0, asleep_seconds=7.5)
    run.change(("hdf5", 10, "write"), measuring_digest="older")
    text = run.summarise().draw("single_image").page("single_image")
    for said in ("was set back by 6.00 s", "n2 is kept apart", "records stand apart", "the machine slept for 7.5 s"):
        assert said in text
    shutil.rmtree(run.records)
    assert run.page("single_image") == text


def test_the_same_records_give_the_same_bytes(run):
    names = (*(f"{name}.csv" for name in TABLES), "conditions.json", "tables.json")
    first = {name: (run.summarise().directory / name).read_bytes() for name in names}
    assert first == {name: (run.summarise().directory / name).read_bytes() for name in names}


@pytest.mark.parametrize("kind", [TimingRow, SummaryRow, MeasuredRow, LatencyRow, DiskUsageRow, BuiltRow, SelectionRow])
def test_the_fields_of_a_row_are_columns_of_its_table(kind):
    python = {"string": str, "integer": int, "number": float, "boolean": bool}
    documented = tables.columns(kind.TABLE)
    hints = get_type_hints(kind)
    for field in fields(kind):
        rule = documented[field.name]
        optional = rule.get("optional", False)
        never_empty = optional == "gap" and kind in (MeasuredRow, BuiltRow)
        expected = python[rule["type"]] | None if optional and not never_empty else python[rule["type"]]
        assert hints[field.name] == expected, field.name


def test_a_measured_cell_without_its_time_is_refused(run):
    path = run.summarise().directory / "summary.csv"
    rows = lines(run)
    with path.open("w") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows[:2], rows[2] | {"median_seconds": ""}])
    (run.directory / "tables.json").unlink()
    with pytest.raises(UserError, match="row 3, column median_seconds: None may not be empty"):
        load(run)
