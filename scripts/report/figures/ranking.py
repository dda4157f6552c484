"""Which store is best at what?

How many times as long each store takes as the best one, at the largest number of images that was measured, a column per
operation; on the right how many times as much disk it takes. Lower is better; the first row is what one image takes of
the best. Green: the best, and what is surely as fast. Hatched, with a question mark: undecided. The darker, the farther
behind. Rows are in the order of the first column, the geometric mean of the factors of all operations, each of which
counts the same, disk not; those with an asterisk lack an operation that others have, and come after all that lack none.
Rows near each other may tie. The last row is a plain file of the same bytes, for disk the raw pixels.
"""

from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.draw import captions, curves, heat, links, style
from scripts.report.tables import Row, Tables

POSITION = 1
BEST = "the best, an image"
OVERALL, DISK = "Overall", "Disk,\nallocated"


def draw(tables: Tables) -> Figure:
    """A row per backend, the best first."""
    title = captions.title("ranking")
    measured = [row["cutoff_images"] for row in tables.main if row["ratio_to_best"] is not None]
    if not measured:
        gaps = style.gaps(tables, tables.operations)
        return style.empty(title, ["Nothing was measured for this figure.", *gaps], tables)
    cutoff = max(measured)
    operations = [name for name in tables.operations if tables.by_time(name, cutoff)]
    order = heat.by_factors(tables, cutoff, operations)
    columns = [OVERALL, *(heat.head(name) for name in operations)]
    fields = [
        [_overall(found), *(_field(tables, name, cutoff, operation) for operation in operations)]
        for name, found in order.items()
    ]
    best = [heat.Field(""), *(_best(tables, cutoff, operation) for operation in operations)]
    plain = [heat.Field(""), *(_plain(tables, cutoff, operation) for operation in operations)]
    sizes = {name: row["allocated_bytes"] for name in order if (row := tables.store(name, cutoff))}
    if any(sizes.values()) and tables.allocated_decides:
        least = min(size for size in sizes.values() if size)
        columns.append(DISK)
        for name, row in zip(order, fields, strict=True):
            row.append(_disk(tables, name, cutoff, least))
        best.append(heat.Field(wording.size(least / cutoff)))
        store = tables.store(next(iter(sizes)), cutoff)
        raw = store["apparent_bytes"] / store["apparent_ratio_to_raw"]
        plain.append(heat.Field(wording.significant(raw / least)))
    disturbed = any(row["disturbances"] for row in tables.main if row["cutoff_images"] == cutoff)
    notes = [
        *style.source(tables),
        f"Of {wording.images(cutoff)}. {heat.LEGEND}",
        heat.undecided_note([row for row in tables.main if row["cutoff_images"] == cutoff]),
        heat.lacking_note(order),
        "†: something disturbed the timing job." if disturbed else "",
        *style.gaps(tables, tables.operations, cutoff),
    ]
    rows = [BEST, *order, curves.BASELINE]
    return heat.figure(title, rows, columns, [best, *fields, plain], notes)


def _overall(found: heat.Overall) -> heat.Field:
    mark = f" {heat.LACKING}" if found.lacks else ""
    return heat.Field(_factor(found.mean) + mark, found.mean, bold=True)


def _field(tables: Tables, name: str, cutoff: int, operation: str) -> heat.Field:
    row = tables.cell(name, cutoff, operation)
    if not row or row["ratio_to_best"] is None:
        return heat.GAP
    return heat.of_cell(row, _factor(row["ratio_to_best"]) + (" †" if row["disturbances"] else ""))


def _best(tables: Tables, cutoff: int, operation: str) -> heat.Field:
    row = _leader(tables, cutoff, operation)
    return heat.Field(wording.seconds(row["seconds_per_image"]) if row else heat.NO_VALUE)


def _plain(tables: Tables, cutoff: int, operation: str) -> heat.Field:
    """The plain file's factor to the best: the other way round as the best one's to the plain file."""
    row = _leader(tables, cutoff, operation)
    known = row and row["ratio_to_baseline"]
    return heat.Field(_factor(1 / known) if known else heat.NO_VALUE)


def _leader(tables: Tables, cutoff: int, operation: str) -> Row | None:
    """The row of the best, which the others' factors are to."""
    rows = (tables.cell(name, cutoff, operation) for name in tables.by_time(operation, cutoff))
    return next((row for row in rows if row["ratio_to_best"] is not None), None)


def _disk(tables: Tables, name: str, cutoff: int, least: float) -> heat.Field:
    row = tables.store(name, cutoff)
    if not row or not row["allocated_bytes"]:
        return heat.GAP
    size = row["allocated_bytes"]
    return heat.of_size(size, least, wording.significant(size / least), links.store(row))


def _factor(times: float) -> str:
    """A factor with two digits: what rounds to 1 is `1.0`."""
    return wording.significant(float(f"{times:.2g}"), 2)
