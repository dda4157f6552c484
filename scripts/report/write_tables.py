"""The tables of one machine, from its records to the comparison with the best.

`records.selection` says which records count. `make_rows` computes the rows, with the times of `corrections` and the
statistics of `estimates`. Only the comparison needs answers, which are read from the rows.
"""

from collections.abc import Collection
from itertools import product
from pathlib import Path

import pandas as pd

from scripts.common.atomic import replacing
from scripts.common.cells import Cell, Store
from scripts.common.errors import UserError
from scripts.report import intact, make_rows, tables, wording
from scripts.report.compare import answers
from scripts.report.compare.results import Results
from scripts.report.records import conditions, manifests, order, outdated, reading, selection
from scripts.report.records.record import Records
from scripts.report.rows import SummaryRow, TimingRow, Values
from scripts.report.tables import Tables

DATA_TYPES = {"string": "string", "integer": "Int64", "number": "Float64", "boolean": "boolean"}
"""The data type of pandas, which knows an empty field, by type of column."""


def write_tables(
    records_directory: Path,
    machine: str,
    stores_directory: Path,
    backends: list[str],
    image_sizes: list[str],
    cutoffs: list[int],
    operations: list[str],
    left_out: Collection[str],
    directory: Path,
) -> None:
    """Write every table of all the cells of one machine into `directory`, the conditions, and the digests of both.

    Cutoffs that are `left_out` at an image size have no cells: `512x512/100000`.

    Raises UserError for a missing or damaged record or manifest, for records and manifests that don't fit together, and
    for records that were timed at the same moment; these are then among the outdated ones.
    """
    sizes = [pair for pair in product(image_sizes, cutoffs) if "{}/{}".format(*pair) not in left_out]
    stores = [Store(name, *pair) for name, pair in product(backends, sizes)]
    cells = [Cell(machine, one.backend, one.image_size, one.cutoff, name) for one in stores for name in operations]
    records = _read(records_directory.parent, cells)
    _refuse_overlaps(records, records_directory.parent.parent)
    found = manifests.load(stores_directory, stores, records)
    selected = selection.select(records, {store: content["files"] for store, content in found.items()})
    timings = make_rows.timings(records, selected.groups)
    rows = {
        "timings": timings,
        "summary": with_best(make_rows.summary(records, selected.groups, selected.disturbed), timings),
        "latencies": make_rows.latencies(records, selected.groups),
        "disk_usage": make_rows.disk_usage(found, stores, records),
        "selection": make_rows.selection(records, selected),
    }
    for table, of_table in rows.items():
        write(table, of_table, directory)
    conditions.write(directory, conditions.of(records, selected.main(records), selected.nodes))
    intact.write(directory, [*(tables.path(directory, table) for table in rows), directory / conditions.FILE])


def write(table: str, rows: list[Values], directory: Path) -> None:
    """Check all rows of one table and write its columns as CSV, whole or not at all. Raises ValueError as
    `tables.check` does."""
    tables.check(table, rows)
    columns = tables.columns(table)
    types = {name: DATA_TYPES[rule["type"]] for name, rule in columns.items()}
    frame = pd.DataFrame(rows, columns=list(columns)).astype(types)
    with replacing(tables.path(directory, table)) as file:
        frame.to_csv(file, index=False, lineterminator="\n")


def with_best(summary: list[Values], timings: list[Values]) -> list[Values]:
    """Return the rows of the summary with the columns that compare each cell of the main group, in its own way of
    sharing the work, with the best one of its group of stores at its image size, operation and cutoff."""
    rows = [SummaryRow.of(values) for values in summary]
    run = Results(Tables.of_run(rows, [], []), [TimingRow.of(values) for values in timings])
    compared: dict[SummaryRow, Values] = {}
    for results in run.by_size.values():
        tables = results.tables
        for operation, cutoff, among in product(tables.operations, tables.cutoffs, tables.groups.values()):
            if best := answers.fastest(results, operation, cutoff, among):
                for name, ratio in best.ratios.items():
                    compared[results.row((name, cutoff, operation))] = {
                        "ratio_to_best": ratio.value,
                        "ratio_to_best_low": ratio.low,
                        "ratio_to_best_high": ratio.high,
                        "outcome": best.outcome(name),
                    }
    return [values | compared.get(row, {}) for values, row in zip(summary, rows, strict=True)]


def _read(directory: Path, cells: list[Cell]) -> Records:
    """Read the record of every cell below the directory of all machines' records, in order.

    Raises UserError where a record is missing, malformed or of another cell.
    """
    found = {}
    for cell in cells:
        path = cell.record(directory)
        record = reading.read(path)
        if record.cell != cell:
            place = record.columns["record"]
            raise UserError(f"{path} is the record of another cell, {place}; remove it and run again")
        found[path] = record
    return found


def _refuse_overlaps(records: Records, results: Path) -> None:
    """Raise UserError where jobs of one node were at the same moment; their records are moved to the outdated ones."""
    found = order.overlapping(records)
    paths = [path for own in found.values() for path in own]
    if paths:
        place = outdated.put(paths, results)
        raise UserError(
            f"{len(paths)} records were timed at the same moment as another one on node {wording.join(found)}, so none "
            f"of their jobs was alone (the first two: {paths[0]} and {paths[1]}); they are in {place} now: run again, "
            "and only these cells are measured again"
        )
