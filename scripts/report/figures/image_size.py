"""How does time grow with the size of images?

Time per image against image size, at the largest number of images that every size has. Both axes are logarithmic; an
image of height x width pixels stands at the side of a square with as many pixels. Each store has a panel, one for each
codec; the others are in grey behind it. Where it was measured, decoding alone has a line of its own: where it comes
near to the whole, stores stop mattering.
"""

import textwrap
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.compare import image_sizes
from scripts.report.draw import curves, links, multiples, notes, style
from scripts.report.draw.curves import Point
from scripts.report.rows import MeasuredRow
from scripts.report.tables import Tables

POSITION = 15
ONE_SIZE = "This run has one image size. To measure more, list several in image_sizes in config.yaml."
DECODING = "Decoding alone"


def draw(tables: Tables) -> Figure:
    """A panel per store, a line for each operation and for decoding alone."""
    if not tables.several_sizes:
        return notes.empty(tables, ONE_SIZE)
    operations = [name for name in image_sizes.OPERATIONS if name in tables.operations]
    cutoff = image_sizes.cutoff(tables)
    if cutoff is None:
        return notes.empty(tables, "No number of images was measured at every image size.", operations)
    rows = {
        name: {one: image_sizes.series(tables, one, name, cutoff) for one in tables.backends} for name in operations
    }
    series = {}
    for (name, own), look in zip(rows.items(), style.looks(operations).values(), strict=True):
        measured = {one: _points(tables, found) for one, found in own.items()}
        series[wording.operation(name)] = multiples.Series(look, measured, _plain(tables, name, cutoff))
    if decoding := _decoding(rows):
        series[DECODING] = multiples.Series(style.looks([*operations, DECODING])[DECODING], decoding)
    sides = [image_sizes.side(size) for size in tables.by_size]
    of_all = Tables([row for own in tables.by_size.values() for row in own.summary], [], [])
    below = notes.below(
        of_all,
        operations,
        cutoff,
        f"Of {wording.images(cutoff)}. {notes.intervals(of_all, operations, cutoff)} {notes.GREY}",
        textwrap.shorten(" ".join(image_sizes.dominated(tables)), notes.GAP_LETTERS, placeholder=" ..."),
        sign=notes.HOLLOW,
    )
    grid = multiples.Grid("", multiples.by_last(series), series)
    return multiples.draw([grid], lambda axes: _scale(axes, sides), below)


def _scale(axes: Axes, sides: list[float]) -> None:
    curves.scale(axes, [round(side) for side in sides], "Time per image")
    axes.set_xlabel("Side of an image (pixels)")


def _points(tables: Tables, rows: Mapping[str, MeasuredRow]) -> list[Point]:
    return [
        Point(
            image_sizes.side(size),
            row.seconds_per_image,
            row.interval_low_seconds / row.images,
            row.interval_high_seconds / row.images,
            links.cell(row, tables.image_size),
            bool(row.disturbances),
        )
        for size, row in rows.items()
    ]


def _plain(tables: Tables, operation: str, cutoff: int) -> list[Point]:
    """The baseline's time of an image (s) by image size."""
    times = {
        size: curves.plain_time(own.measured(operation, cutoff), per_image=True) for size, own in tables.by_size.items()
    }
    return [Point(image_sizes.side(size), time) for size, time in times.items() if time is not None]


def _decoding(rows: Mapping[str, Mapping[str, Mapping[str, MeasuredRow]]]) -> dict[str, list[Point]]:
    """The time of decoding alone (s) by image size, of each store whose codec decodes, in the first operation that has
    it."""
    found: dict[str, list[Point]] = {}
    for own in rows.values():
        for store, sizes in own.items():
            points = [
                Point(
                    image_sizes.side(size),
                    row.decoding_seconds_per_image,
                    row.decoding_low_seconds_per_image or row.decoding_seconds_per_image,
                    row.decoding_high_seconds_per_image or row.decoding_seconds_per_image,
                )
                for size, row in sizes.items()
                if row.decoding_seconds_per_image
            ]
            if points:
                found.setdefault(store, points)
    return found
