"""What does the container cost, and what the codec?

The same bytes in different containers, at the largest number of images that was measured: a row per container, a column
per codec, that is how an image becomes bytes. Along a row the container stays and the codec's cost shows; along a
column the codec stays and the container's shows. Times that are near each other may not surely differ, so none is
green; of disk green are the least and what is within 1 % of it. A dash: not measured.
"""

import statistics

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.compare import containers
from scripts.report.compare.containers import Combinations
from scripts.report.draw import bars, captions, curves, heat, links, style
from scripts.report.tables import Tables

POSITION = 2
DISK = "Disk, allocated"
FEW_CODECS = 6
"""With more codecs than these, each panel takes the whole width."""


def draw(tables: Tables) -> Figure:
    """A panel per operation that matters, and one for disk."""
    title = captions.title("container_codec")
    found = containers.combinations_of(tables)
    reason = containers.missing(found)
    if reason:
        return style.empty(title, [reason], tables)
    cutoff = containers.cutoff(tables, found)
    if cutoff is None:
        wanted = [operation for group in containers.WANTED for operation in group]
        said = "No two containers were measured with the same two codecs."
        return style.empty(title, [said, *style.gaps(tables, wanted)], tables)
    operations = containers.operations(tables, found, cutoff)
    stores = {
        name: row for name in found.variants.values() if (row := tables.store(name, cutoff)) and row["allocated_bytes"]
    }
    if not tables.allocated_decides:
        stores = {}
    sizes = {name: row["allocated_bytes_per_image"] for name, row in stores.items()}
    panels = len(operations) + bool(sizes)
    notes = [
        *style.source(tables),
        f"Of {wording.images(cutoff)}. The darker, the more, up to {heat.DARKEST:.0f} times the least of a panel.",
        curves.disturbed_note(tables, operations, cutoff, sign="†"),
        _others(tables, found),
        *style.gaps(tables, operations, cutoff),
    ]
    columns = 2 if len(found.codecs) <= FEW_CODECS else 1
    height = heat.ROW * len(found.containers)
    room = {"left": bars.name_width(found.containers), "above": 0.55, "below": 0.15}
    figure, drawn = style.canvas(title, panels, columns, height, notes, **room)
    for axes, operation in zip(drawn, operations, strict=False):
        _times(axes, tables, found, operation, cutoff)
    if sizes:
        _panel(drawn[-1], found, f"{DISK}: bytes per image", _sizes(tables, found, sizes, cutoff))
    return figure


def _times(axes: Axes, tables: Tables, found: Combinations, operation: str, cutoff: int) -> None:
    rows = {name: row for name in found.variants.values() if (row := tables.cell(name, cutoff, operation))}
    each = {name: row["median_seconds"] / row["images"] for name, row in rows.items()}
    least = min(each.values())
    scale, unit = wording.unit(statistics.median(each.values()))
    fields = {
        name: heat.Field(
            wording.significant(each[name] / scale) + (" †" if row["disturbances"] else ""),
            each[name] / least,
            link=links.cell(row),
        )
        for name, row in rows.items()
    }
    _panel(axes, found, f"{wording.operation(operation)}: {unit} per image", fields)


def _sizes(tables: Tables, found: Combinations, sizes: dict[str, float], cutoff: int) -> dict[str, heat.Field]:
    least = min(sizes.values())
    return {
        name: heat.of_size(size, least, f"{size:,.0f}", links.store(tables.store(name, cutoff)))
        for name, size in sizes.items()
    }


def _panel(axes: Axes, found: Combinations, title: str, fields: dict[str, heat.Field]) -> None:
    rows = [
        [fields.get(found.variants.get((container, codec), ""), heat.GAP) for codec in found.codecs]
        for container in found.containers
    ]
    heat.draw(axes, found.containers, found.codecs, rows)
    axes.set_title(title, pad=8)


def _others(tables: Tables, found: Combinations) -> str:
    """What else was measured and isn't here."""
    left: dict[str, list[str]] = {}
    for name in tables.backends:
        if name not in found.variants.values():
            kind = tables.kinds[name]
            why = "another variant is the same"
            if kind.codec is None:
                why = "they have no choice of codec"
            elif kind.other_options is not None:
                why = "other options of theirs aren't the defaults"
            left.setdefault(why, []).append(name)
    return " ".join(f"Not here, as {why}: {wording.join(names)}." for why, names in left.items())
