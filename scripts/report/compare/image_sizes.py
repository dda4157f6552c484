"""What the cells of several image sizes say together: from which size on decoding takes most of the time.

A size stands for its side in pixels, the square root of height x width.
"""

import math
from itertools import product

from scripts.measure.operations import catalogue
from scripts.report import estimates, wording
from scripts.report.rows import MeasuredRow
from scripts.report.tables import Tables, pixels
from scripts.report.ties import Ratio

OPERATIONS = (
    *catalogue.answering("read-all", catalogue.WARM),
    *catalogue.answering("shuffle", catalogue.WARM)[:1],
    *catalogue.answering("shuffle", catalogue.COLD)[:1],
)
"""The operations whose time is looked at by image size."""

MOST = 1000.0
"""Decoding counts as at most this many times as long as the rest, or as the rest over as much."""


def side(image_size: str) -> float:
    """The side (pixels) of a square with as many pixels as an image of that size."""
    return math.sqrt(pixels(image_size))


def cutoff(tables: Tables) -> int | None:
    """The largest number of images at which each image size has a time; None where there is none."""
    known = [{row.cutoff_images for row in _rows(own)} for own in tables.by_size.values()]
    return max(set.intersection(*known), default=None) if known else None


def series(tables: Tables, store: str, operation: str, at: int) -> dict[str, MeasuredRow]:
    """The row of a store in an operation at a number of images, by image size."""
    return {size: row for size, own in tables.by_size.items() if (row := own.cell(store, at, operation))}


def dominated(tables: Tables) -> list[str]:
    """Sentences: from which image size on decoding takes more than half of the time, so that stores stop mattering."""
    at = cutoff(tables)
    if at is None or not tables.several_sizes:
        return []
    alike: dict[tuple[str, str], list[str]] = {}
    for operation, store in product(OPERATIONS, tables.backends):
        rows = series(tables, store, operation, at)
        points = [(side(size), ratio) for size, row in rows.items() if (ratio := _ratio(row))]
        if len(points) > 1:
            alike.setdefault((wording.operation(operation), _said(points)), []).append(store)
    return [f"{name}, {wording.all_of(stores)}: decoding takes {said}." for (name, said), stores in alike.items()]


def _said(points: list[tuple[float, Ratio]]) -> str:
    """From which side (pixels) on decoding takes more than half of the time, in words."""
    if crossings := estimates.crossovers(points):
        found = crossings[-1]
        about, low, high = (f"{place:.0f}" for place in (found.value, found.low, found.high))
        where = "from about" if found.rising else "up to about"
        return f"more than half of the time {where} {about} x {about} pixels (between {low} and {high})"
    if all(ratio.longer for _, ratio in points):
        return "more than half of the time at every size"
    if all(ratio.shorter for _, ratio in points):
        return "less than half of the time at every size"
    return "about half of the time, undecided from which size on more"


def _ratio(row: MeasuredRow) -> Ratio | None:
    """How many times as long decoding takes as the rest; None where nothing is decoded, or that isn't known."""
    ends = (
        (row.decoding_seconds_per_image, row.storage_seconds_per_image),
        (row.decoding_low_seconds_per_image, row.storage_high_seconds_per_image),
        (row.decoding_high_seconds_per_image, row.storage_low_seconds_per_image),
    )
    known = [(taken, rest) for taken, rest in ends if taken is not None and rest is not None]
    if len(known) < len(ends):
        return None
    # Decoding is sampled in each round, so the whole has no more samples that count: its kind holds for the parts too.
    # The rest is a difference of two times, so it may be nothing or less.
    value, low, high = (min(MOST, max(1 / MOST, taken / rest)) if rest > 0 else MOST for taken, rest in known)
    return Ratio(value, low, high, row.interval_kind)


def _rows(tables: Tables) -> list[MeasuredRow]:
    return [row for row in tables.measured_rows if row.operation in OPERATIONS]
