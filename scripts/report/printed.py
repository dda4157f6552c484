"""How a cell's time is printed: the one place, so that it is the same in answers, tables, figures and claims.

Operations that draw some of the images say the time of one image, as a time of 2,000 images would stand under 100,000
otherwise. All others say the time of the whole operation, which handles all images.
"""

from scripts.report import wording
from scripts.report.tables import Row, Tables


def seconds(tables: Tables, row: Row, name: str = "median_seconds") -> float:
    """One of a measured cell's times (s), of one image where its operation draws some."""
    return row[name] / row["images"] if tables.draws(row["operation"]) else row[name]


def time(tables: Tables, row: Row, name: str = "median_seconds") -> str:
    """The same in words: `24.2 ms`, or `1.43 µs an image`."""
    return f"{wording.seconds(seconds(tables, row, name))}{_each(tables, row)}"


def between(tables: Tables, row: Row) -> str:
    """The interval or range of a measured cell's time, in words."""
    return wording.seconds_between(*(seconds(tables, row, f"interval_{end}_seconds") for end in ("low", "high")))


def _each(tables: Tables, row: Row) -> str:
    return " an image" if tables.draws(row["operation"]) else ""
