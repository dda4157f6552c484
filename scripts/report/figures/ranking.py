"""Which store is best at what?

How many times as long each store takes as the best one, at the largest number of images that was measured. Each
operation has a column; the last column says how many times as much disk a store takes. Lower is better. The first row
is the time per image of the best store. Green: the best, and what is surely as fast. Hatched, with a question mark:
undecided. The darker, the farther behind. Rows are in the order of the first column: the geometric mean of the factors
of all operations, each of which counts the same; disk doesn't count. A row with an asterisk lacks an operation that
others have, and comes after all rows that lack none. Rows near each other may tie. The last row is a plain file of the
same bytes; for disk it is the raw pixels.
"""

from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.draw import heat, links, notes, style
from scripts.report.draw.curves import BASELINE
from scripts.report.rows import MeasuredRow
from scripts.report.tables import Tables

POSITION = 1
BEST = "the best, an image"
OVERALL, DISK = "Overall", "Disk,\nallocated"


def draw(tables: Tables) -> Figure:
    """A row per store, the best first."""
    measured = [row.cutoff_images for row in tables.main if row.ratio_to_best is not None]
    if not measured:
        return notes.empty(tables, notes.NOTHING, tables.operations)
    cutoff = max(measured)
    operations = [name for name in tables.operations if tables.by_time(name, cutoff)]
    order = heat.by_factors(tables, cutoff, operations)
    table = [
        (OVERALL, [heat.Field(""), *map(_overall, order.values()), heat.Field("")]),
        *((heat.head(name), _operation(tables, list(order), cutoff, name)) for name in operations),
    ]
    if disk := _disk(tables, list(order), cutoff):
        table.append((DISK, disk))
    below = [
        *notes.source(tables),
        f"Of {wording.images(cutoff)}. {heat.LEGEND}",
        heat.undecided_note([row for row in tables.main if row.cutoff_images == cutoff]),
        heat.lacking_note(order),
        notes.disturbed(tables, tables.operations, cutoff, sign=notes.DAGGER),
        *notes.gaps(tables, tables.operations, cutoff),
    ]
    rows, columns = [BEST, *order, BASELINE], [head for head, _ in table]
    figure, (axes,) = style.canvas(1, 1, notes=below, **heat.room(rows, columns))
    fields = [list(row) for row in zip(*(column for _, column in table), strict=True)]
    heat.draw(axes, rows, columns, fields)
    return figure


def _overall(found: heat.Overall) -> heat.Field:
    mark = f" {heat.LACKING}" if found.lacks else ""
    return heat.Field(_factor(found.mean) + mark, found.mean, bold=True)


def _operation(tables: Tables, names: list[str], cutoff: int, operation: str) -> list[heat.Field]:
    """The column of an operation: the best one's time, the factors to it, and the baseline's."""
    best = _leader(tables, cutoff, operation)
    if best is None:
        return [heat.GAP] * (len(names) + 2)
    baseline = heat.Field(_factor(1 / best.ratio_to_baseline)) if best.ratio_to_baseline else heat.GAP
    fields = [_field(tables.cell(name, cutoff, operation)) for name in names]
    return [heat.Field(wording.seconds(best.seconds_per_image)), *fields, baseline]


def _field(row: MeasuredRow | None) -> heat.Field:
    if row is None or row.ratio_to_best is None:
        return heat.GAP
    return heat.of_cell(row, _factor(row.ratio_to_best) + notes.dagger(row))


def _leader(tables: Tables, cutoff: int, operation: str) -> MeasuredRow | None:
    """The row of the best, which the others' factors are to."""
    rows = (tables.cell(name, cutoff, operation) for name in tables.by_time(operation, cutoff))
    return next((row for row in rows if row and row.ratio_to_best is not None), None)


def _disk(tables: Tables, names: list[str], cutoff: int) -> list[heat.Field]:
    """The column of disk usage: the least of an image, the factors to it, and the raw pixels'; none where allocated
    bytes say nothing."""
    stores = {name: row for name in names if (row := tables.store(name, cutoff))}
    sizes = {name: row.allocated_bytes for name, row in stores.items() if row.allocated_bytes}
    if not sizes or not tables.allocated_decides:
        return []
    least = min(sizes.values())
    fields = [heat.GAP] * len(names)
    for place, name in enumerate(names):
        if name in sizes:
            text = wording.significant(sizes[name] / least)
            fields[place] = heat.of_size(sizes[name], least, text, links.store(stores[name]))
    store = next(iter(stores.values()))
    raw = store.apparent_bytes / store.apparent_ratio_to_raw
    return [heat.Field(wording.size(least / cutoff)), *fields, heat.Field(wording.significant(raw / least))]


def _factor(times: float) -> str:
    """A factor with two digits: what rounds to 1 is `1.0`."""
    return wording.significant(float(f"{times:.2g}"), 2)
