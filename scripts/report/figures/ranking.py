"""Which store is best at what?

How many times as long each store takes as the best one, at the largest number of images that was measured. Each
operation has a column; the last column says how many times as much disk a store takes. Lower is better. The first row
is the time per image of the best store. Green: the best, and what is surely as fast. Hatched, with a question mark:
undecided. The darker, the farther behind. Rows are in the order of the first column: the geometric mean of the factors
of all operations, each of which counts the same; disk doesn't count. A row with an asterisk lacks an operation that
others have, and comes after all rows that lack none; files that stay where they lie aren't written, so they lack no
write. Rows near each other may tie. The last row is the reference
file: the same pixels in one file; for disk it is the raw pixels.
"""

import statistics
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.compare.answers import NEGLIGIBLE, WINNING
from scripts.report.draw import heat, links, notes
from scripts.report.draw.curves import BASELINE
from scripts.report.rows import MeasuredRow
from scripts.report.tables import Tables
from scripts.report.ties import INTERVAL, NOTICEABLE_SECONDS, RANGE, UNDECIDED

POSITION = 1
BEST = "the best, an image"
OVERALL, DISK = "Overall", "Disk,\nallocated"
LACKING = "*"
"""The mark of a row whose mean is one of fewer columns than the others' means."""
MOST_UNDECIDED = 6
"""A figure says the intervals of at most this many undecided fields, the nearest ones; the page has all."""
LEGEND = (
    f"Green: the best, and what is surely within {wording.threshold(INTERVAL)} of it (with ranges, "
    f"{wording.threshold(RANGE)}). Hatched, with a question mark: undecided, this run can't tell. The darker, the "
    f"farther from the best, up to {heat.DARKEST:.0f} times. No colour: nobody wins, as every store needs less than "
    f"{wording.tick(NOTICEABLE_SECONDS)} for all images."
)


@dataclass(frozen=True)
class Overall:
    """How far a row is from the best of all columns: the geometric mean of its factors, and the columns in which others
    have a factor and it has none."""

    mean: float
    lacks: tuple[str, ...]


def draw(tables: Tables) -> Figure:
    """A row per store, the best first."""
    measured = [row.cutoff_images for row in tables.measured_rows if row.ratio_to_best is not None]
    if not measured:
        return notes.empty(tables, notes.NOTHING, tables.operations)
    cutoff = max(measured)
    operations = [name for name in tables.operations if tables.by_time(name, cutoff)]
    rows: list[str] = []
    everything: dict[str, Overall] = {}
    columns: dict[str, list[heat.Field]] = {}
    for group, among in tables.groups.items():
        order = by_factors(tables, cutoff, operations, among)
        everything |= order
        table = {OVERALL: [heat.Field(""), *map(_overall, order.values()), heat.Field("")]}
        table |= {heat.head(name): _operation(tables, list(order), cutoff, name) for name in operations}
        if disk := _disk(tables, list(order), cutoff):
            table[DISK] = disk
        rows += [f"{BEST}, {group}" if group else BEST, *order, BASELINE]
        for head, fields in table.items():
            columns.setdefault(head, []).extend(fields)
    below = notes.below(
        tables,
        tables.operations,
        cutoff,
        f"Of {wording.images(cutoff)}. {LEGEND}",
        undecided_note([row for row in tables.measured_rows if row.cutoff_images == cutoff]),
        lacking_note(everything),
        "Stores that keep the files are compared with each other, and so are stores of decoded pixels."
        if len(tables.groups) > 1
        else "",
    )
    return heat.draw(rows, list(columns), {"": list(zip(*columns.values(), strict=True))}, below)


def ranked(
    factors: Mapping[str, Mapping[str, float]], needless: Mapping[str, Collection[str]] = {}
) -> dict[str, Overall]:
    """Each row with any factor, in order, given its factors by column, and the columns that a row need not have.

    Rows that lack no column come first, by their means, the least first. The others follow in the same way: their means
    are of other columns and compare with nothing.
    """
    columns = list(dict.fromkeys(column for known in factors.values() for column in known))
    found = {
        name: Overall(
            statistics.geometric_mean(known.values()),
            tuple(one for one in columns if one not in (*known, *needless.get(name, ()))),
        )
        for name, known in factors.items()
        if known
    }
    return dict(sorted(found.items(), key=lambda item: (bool(item[1].lacks), item[1].mean)))


def by_factors(tables: Tables, cutoff: int, operations: Sequence[str], among: Sequence[str]) -> dict[str, Overall]:
    """These stores in order, by how many times as long as the best they take in each of these operations.

    Operations in which nobody wins count only where nobody wins in any.
    """
    rows = [row for name in among for operation in operations if (row := tables.cell(name, cutoff, operation))]
    nobody_wins = all(row.outcome == NEGLIGIBLE for row in rows if row.ratio_to_best)
    factors: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.ratio_to_best:
            known = factors.setdefault(row.backend, {})
            if nobody_wins or row.outcome != NEGLIGIBLE:
                known[row.operation] = row.ratio_to_best
    writes = [name for name in operations if (entry := catalogue.get(name)) and entry.writes]
    return ranked(factors, {name: writes for name in among if tables.kinds[name].in_place})


def undecided_note(rows: Sequence[MeasuredRow]) -> str:
    """The intervals of those of these cells that are undecided; empty where none is."""
    found = [
        (row.ratio_to_best, row, wording.times_between(row.ratio_to_best_low, row.ratio_to_best_high))
        for row in rows
        if row.outcome == UNDECIDED and row.ratio_to_best and row.ratio_to_best_low and row.ratio_to_best_high
    ]
    if not found:
        return ""
    nearest = sorted(found, key=lambda one: one[0])[:MOST_UNDECIDED]
    said = [f"{row.backend}, {wording.operation(row.operation).lower()}, {between}" for _, row, between in nearest]
    more = f"; and {len(found) - len(nearest)} more" if len(found) > len(nearest) else ""
    return f"Undecided, with the interval of the factor: {'; '.join(said)}{more}. The page says what would decide it."


def lacking_note(overall: Mapping[str, Overall]) -> str:
    """What rows lack, rows that lack the same together; empty where no row lacks anything."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, found in overall.items():
        if found.lacks:
            alike.setdefault(found.lacks, []).append(name)
    said = [f"{wording.join(names)} without {wording.join(lacks)}" for lacks, names in alike.items()]
    note = f"{LACKING} Below all others, as the mean is one of fewer operations: {'; '.join(said)}."
    return textwrap.shorten(note, notes.GAP_LETTERS, placeholder=" ...") if said else ""


def _overall(found: Overall) -> heat.Field:
    mark = f" {LACKING}" if found.lacks else ""
    return heat.Field(_factor(found.mean) + mark, found.mean, bold=True)


def _operation(tables: Tables, names: list[str], cutoff: int, operation: str) -> list[heat.Field]:
    """The column of an operation: the best one's time, the factors to it, and the baseline's."""
    rows = [row for row in tables.measured(operation, cutoff) if row.backend in names]
    best = next((row for row in rows if row.ratio_to_best is not None), None)
    if best is None:
        return [heat.GAP] * (len(names) + 2)
    baseline = heat.Field(_factor(1 / best.ratio_to_baseline)) if best.ratio_to_baseline else heat.GAP
    fields = [_field(tables.cell(name, cutoff, operation)) for name in names]
    return [heat.Field(wording.seconds(best.seconds_per_image)), *fields, baseline]


def _field(row: MeasuredRow | None) -> heat.Field:
    """How far a cell is from the best of its operation; no shade where nobody wins."""
    if row is None or row.ratio_to_best is None:
        return heat.GAP
    undecided = row.outcome == UNDECIDED
    return heat.Field(
        _factor(row.ratio_to_best) + notes.dagger(row) + (" ?" if undecided else ""),
        None if row.outcome == NEGLIGIBLE else row.ratio_to_best,
        row.outcome in WINNING,
        links.cell(row),
        undecided=undecided,
    )


def _disk(tables: Tables, names: list[str], cutoff: int) -> list[heat.Field]:
    """The column of disk usage: the least of an image, the factors to it, and the raw pixels'; none where allocated
    bytes say nothing."""
    stores = [row for name in names if (row := tables.store(name, cutoff))]
    sizes = [row.allocated_bytes_per_image for row in stores if row.allocated_bytes_per_image]
    if not sizes or not tables.allocated_decides:
        return []
    least = min(sizes)
    fields = heat.of_sizes(stores, "allocated_bytes", lambda size, least: wording.significant(size / least))
    raw = stores[0].apparent_bytes_per_image / stores[0].apparent_ratio_to_raw
    return [
        heat.Field(wording.size(least)),
        *(fields.get(name, heat.GAP) for name in names),
        heat.Field(wording.significant(raw / least)),
    ]


def _factor(times: float) -> str:
    """A factor with two digits: what rounds to 1 is `1.0`."""
    return wording.significant(float(f"{times:.2g}"), 2)
