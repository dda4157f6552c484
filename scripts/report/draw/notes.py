"""What stands below a figure: where its numbers come from, what its marks mean, and what has no number."""

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.compare import article
from scripts.report.draw import style
from scripts.report.draw.curves import BASELINE
from scripts.report.rows import MEASURED, MeasuredRow, SummaryRow
from scripts.report.tables import Tables, gaps_of
from scripts.report.ties import INTERVAL, RANGE

NOTHING = "Nothing was measured for this figure."
GREY = f"Grey: {BASELINE}, the same pixels in one file, timed in turn with each store."
HOLLOW, DAGGER = "Hollow marks", "†"
"""What says that something disturbed a timing job: the marks of its points, or a sign beside its number."""
MOST_GAPS = 5
"""With more reasons for gaps than these, stores that share a reason share a note."""
GAP_LETTERS = 300
"""A note on gaps has at most this many letters in a figure; the page has all of them."""


def source(tables: Tables) -> list[str]:
    """Notes on the image set and the machine, and on measurements that are not comparable."""
    images = [f"{label}." if label.startswith("synthetic") else f"Images: {label}." for label in tables.image_sets]
    repeated = sorted({row.distinct_images for row in tables.main if row.repeated_images})
    if repeated:
        images.append(f"More than {wording.join(f'{count:,}' for count in repeated)} are repetitions.")
    if tables.several_sizes:
        images.append(f"Image size: {wording.pixels(tables.image_size)}.")
    machine = f"Machine: {wording.join(tables.machines)}." if tables.machines else ""
    apart = len(tables.summary) - len(tables.main)
    apart_note = f"Measurements not drawn, as they are not comparable with the others: {apart}." if apart else ""
    return [" ".join([*images, machine]), apart_note]


def intervals(tables: Tables, operations: Sequence[str], cutoff: int | None = None) -> str:
    """What the error bars of these operations (at one cutoff, if given) show."""
    shown = {INTERVAL: "the 95 % interval of the median", RANGE: "the range where there are fewer than six blocks"}
    kinds = {row.interval_kind for row in _asked(tables, operations, cutoff) if isinstance(row, MeasuredRow)}
    return f"Bars: {wording.join(shown[kind] for kind in sorted(kinds))}." if kinds else ""


def disturbed(tables: Tables, operations: Sequence[str], cutoff: int | None = None, *, sign: str = HOLLOW) -> str:
    """What the sign of disturbed cells says, if there are any of these operations (at one cutoff, if given)."""
    found = any(row.disturbances for row in _asked(tables, operations, cutoff))
    return f"{sign}: something disturbed the timing job." if found else ""


def dagger(row: MeasuredRow) -> str:
    """The sign beside a number of a disturbed cell; empty beside others."""
    return f" {DAGGER}" if row.disturbances else ""


def published(sign: str) -> str:
    """What the sign of the article's numbers says."""
    return f"{sign}: published in the article ({article.NAME}), from another machine."


def gaps(tables: Tables, operations: Sequence[str], cutoff: int | None = None) -> list[str]:
    """A note for each reason why cells of these operations (at one cutoff, if given) have no number; where there are
    many, one for all stores that share a reason."""
    found = gaps_of(_asked(tables, operations, cutoff))
    if len(found) <= MOST_GAPS:
        return [
            f"No value: {backend}, {wording.operation(operation).lower()}, at "
            f"{wording.join(f'{cutoff:,}' for cutoff in cutoffs)}: {reason}."
            for (backend, operation, reason), cutoffs in found.items()
        ]
    shared: dict[str, dict[str, None]] = {}
    for backend, _, reason in found:
        shared.setdefault(reason, {})[backend] = None
    said = [f"No value for some numbers of {wording.join(names)}: {reason}." for reason, names in shared.items()]
    left = len(said) - MOST_GAPS
    more = [f"{left} more reason{'' if left == 1 else 's'} for gaps: see the page."] if left > 0 else []
    return [textwrap.shorten(note, GAP_LETTERS, placeholder=" ...") for note in said[:MOST_GAPS]] + more


def below(tables: Tables, operations: Sequence[str], cutoff: int | None, *own: str, sign: str = DAGGER) -> list[str]:
    """All that stands below a figure of these operations (at one cutoff, if given): its own notes, between source and
    gaps."""
    return [*source(tables), *own, disturbed(tables, operations, cutoff, sign=sign), *gaps(tables, operations, cutoff)]


def empty(tables: Tables, reason: str, operations: Sequence[str] = ()) -> Figure:
    """A figure that says why there is nothing to draw, with the gaps of these operations."""
    return style.empty([reason, *gaps(tables, operations)], source(tables))


def no_lines(tables: Tables, operations: Sequence[str]) -> Figure | None:
    """What stands for a figure of lines over the number of images where no line would have two points; else None."""
    measured = {row.cutoff_images for row in _asked(tables, operations) if row.status == MEASURED}
    if len(measured) > 1:
        return None
    one = "This draws lines over the number of images, and only one number has values."
    return empty(tables, one if measured else NOTHING, operations)


def _asked(tables: Tables, operations: Sequence[str], cutoff: int | None = None) -> list[SummaryRow]:
    """The cells of these operations, at one cutoff, if given."""
    return [row for row in tables.main if row.operation in operations and cutoff in (None, row.cutoff_images)]
