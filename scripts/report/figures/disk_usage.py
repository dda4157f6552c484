"""How much disk does an image take?

Bytes per image of each store, by the number of images. Apparent size is the sum of the files' lengths. Allocated is the
space that the file system takes for them, in whole blocks. The darker, the more.
"""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.compare import article
from scripts.report.draw import heat, notes
from scripts.report.rows import BuiltRow
from scripts.report.tables import Tables

POSITION = 9
PANELS = {"apparent_bytes": "Apparent size", "allocated_bytes": "Allocated by the file system"}
RAW, PUBLISHED = "raw pixels", "in the article"


def draw(tables: Tables) -> Figure:
    """A table for each way of counting: a row per store, the least first, and a column per number of images."""
    cutoffs = [cutoff for cutoff in tables.cutoffs if _stores(tables, cutoff)]
    if not cutoffs:
        return notes.empty(tables, "No store was built.")
    first = "allocated_bytes" if tables.allocated_decides else "apparent_bytes"
    names = [name for name in tables.backends if any(tables.store(name, cutoff) for cutoff in cutoffs)]
    sizes = tables.sizes(first, cutoffs[-1])
    order = sorted(names, key=lambda name: sizes.get(name, math.inf))
    beside = _beside(tables, cutoffs)
    below = [
        *notes.source(tables),
        f"Rows by {first.replace('_', ' ')} at the largest number of images, the least first. {heat.LEAST} The "
        f"darker, the more, up to {heat.DARKEST:.0f} times the least.",
        _compression(tables),
        notes.published("Last rows") if len(beside) > 1 else "",
    ]
    panels = {}
    for measure, title in PANELS.items():
        by_cutoff = [_fields(tables, order, cutoff, measure) for cutoff in cutoffs]
        panels[title] = [*zip(*by_cutoff, strict=True), *beside.values()]
    return heat.draw([*order, *beside], [wording.short_count(cutoff) for cutoff in cutoffs], panels, below, beside=2)


def _fields(tables: Tables, order: Sequence[str], cutoff: int, measure: str) -> list[heat.Field]:
    """The column of a cutoff: a field for each of these stores."""
    stores = _stores(tables, cutoff)
    found: dict[str, heat.Field] = {}
    for among in tables.groups.values():
        found |= heat.of_sizes([store for store in stores if store.backend in among], measure)
    if measure == "allocated_bytes" and not tables.allocated_decides:
        found = {name: heat.Field(field.text, link=field.link) for name, field in found.items()}
    return [found.get(name, heat.GAP) for name in order]


def _beside(tables: Tables, cutoffs: Sequence[int]) -> dict[str, list[heat.Field]]:
    """Rows to compare with, by name: the raw pixels of an image, and the article's published sizes."""
    sizes: dict[str, list[float | None]] = {RAW: []}
    for cutoff in cutoffs:
        store = _stores(tables, cutoff)[0]
        sizes[RAW].append(store.apparent_bytes_per_image / store.apparent_ratio_to_raw)
    for name in tables.backends:
        sizes[f"{name} {PUBLISHED}"] = [article.bytes_per_image(name, cutoff) for cutoff in cutoffs]
    return {
        name: [heat.GAP if size is None else heat.Field(f"{size:,.0f}") for size in found]
        for name, found in sizes.items()
        if any(found)
    }


def _compression(tables: Tables) -> str:
    """What the allocated sizes are where the file system compresses; empty where it doesn't."""
    if not tables.allocated_decides:
        return "The file system compresses and doesn't tell to how much, so allocated sizes are compared with nothing."
    compressed = "extents" in tables.allocations
    return "The file system compresses: allocated is what lies on the disk." if compressed else ""


def _stores(tables: Tables, cutoff: int) -> list[BuiltRow]:
    """The stores that were built at a cutoff."""
    return [store for name in tables.backends if (store := tables.store(name, cutoff))]
