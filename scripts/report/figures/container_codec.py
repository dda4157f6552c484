"""What does the container cost, and what the codec?

The same bytes in different containers, at the largest number of images that was measured: a row per container, a column
per codec. The codec is the way in which an image becomes bytes. Along a row the container stays and the codec's cost
shows; along a column the codec stays and the container's cost shows. Times that are near each other may not surely
differ, so none is green. Of disk, the least is green, and what is as small; files kept and decoded pixels each have a
least. A dash: not measured.
"""

import statistics
from collections.abc import Mapping

from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.compare import containers
from scripts.report.compare.containers import Combinations
from scripts.report.draw import heat, links, notes
from scripts.report.tables import Tables

POSITION = 2
DISK = "Disk, allocated: bytes per image"
FEW_CODECS = 6
"""With more codecs than these, each panel takes the whole width."""


def draw(tables: Tables) -> Figure:
    """A panel per operation that matters, and one for disk."""
    found = containers.combinations_of(tables)
    if reason := containers.missing(found):
        return notes.empty(tables, reason)
    cutoff = containers.cutoff(tables, found)
    if cutoff is None:
        wanted = [operation for group in containers.WANTED for operation in group]
        return notes.empty(tables, "No two containers were measured with the same two codecs.", wanted)
    operations = containers.operations(tables, found, cutoff)
    shown = dict(_times(tables, found, operation, cutoff) for operation in operations)
    stores = [row for name in found.variants.values() if (row := tables.store(name, cutoff))]
    sizes: dict[str, heat.Field] = {}
    for among in tables.groups.values():
        sizes |= heat.of_sizes([store for store in stores if store.backend in among], "allocated_bytes")
    if sizes and tables.allocated_decides:
        shown[DISK] = sizes
    panels = {
        title: [
            [fields.get(found.variants.get((container, codec), ""), heat.GAP) for codec in found.codecs]
            for container in found.containers
        ]
        for title, fields in shown.items()
    }
    below = notes.below(
        tables,
        operations,
        cutoff,
        f"Of {wording.images(cutoff)}. The darker, the more, up to {heat.DARKEST:.0f} times the least of a panel.",
        _others(tables, found),
    )
    return heat.draw(found.containers, found.codecs, panels, below, beside=2 if len(found.codecs) <= FEW_CODECS else 1)


def _times(tables: Tables, found: Combinations, operation: str, cutoff: int) -> tuple[str, Mapping[str, heat.Field]]:
    """The title of an operation's panel, with the unit of its times, and a field for each variant."""
    rows = {name: row for name in found.variants.values() if (row := tables.cell(name, cutoff, operation))}
    seconds = {name: row.median_seconds / row.images for name, row in rows.items()}
    least = min(seconds.values())
    scale, unit = wording.unit(statistics.median(seconds.values()))
    fields = {
        name: heat.Field(
            wording.significant(seconds[name] / scale) + notes.dagger(row),
            seconds[name] / least,
            link=links.cell(row),
        )
        for name, row in rows.items()
    }
    return f"{wording.operation(operation)}: {unit} per image", fields


def _others(tables: Tables, found: Combinations) -> str:
    """Which stores were measured and aren't here, and why."""
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
