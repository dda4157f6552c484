"""How a cell's time is printed: the one place, so that it is the same in answers, tables, figures and claims.

Operations that draw some of the images say the time of one image, as a time of 2,000 images would stand under 100,000
otherwise. All others say the time of the whole operation, which handles all images.
"""

from scripts.report import wording
from scripts.report.rows import MeasuredRow
from scripts.report.tables import Tables


def time(tables: Tables, row: MeasuredRow, seconds: float | None = None) -> str:
    """A cell's median time, or another one of its times (s), in words: `24.2 ms`, or `1.43 µs an image`."""
    shown = row.median_seconds if seconds is None else seconds
    return f"{wording.seconds(shown / _images(tables, row))}{' an image' if tables.draws(row.operation) else ''}"


def between(tables: Tables, row: MeasuredRow) -> str:
    """The interval or range of a cell's median time, in words: `1.88 to 1.97 ms`."""
    images = _images(tables, row)
    return wording.seconds_between(row.interval_low_seconds / images, row.interval_high_seconds / images)


def _images(tables: Tables, row: MeasuredRow) -> int:
    """The number of images that a printed time is divided by."""
    return row.images if tables.draws(row.operation) else 1
