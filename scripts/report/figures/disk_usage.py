"""How much disk does an image take?

Bytes per image of each store, by the number of images. Apparent size is the sum of the files' lengths, allocated the
space that the file system takes for them, in whole blocks. Bars are filled for the one and hatched for the other, each
panel has its own scale, and a line marks the raw pixels of one image; with many stores there is a table for each.
"""

import math

from matplotlib.figure import Figure

from scripts.report import wording
from scripts.report.compare import article
from scripts.report.draw import bars, captions, heat, links, style
from scripts.report.tables import Tables

POSITION = 9
MEASURES = ("apparent", "allocated")
HIDDEN = "not known: compressed"


def draw(tables: Tables) -> Figure:
    """A panel per cutoff, two bars per backend; with many, a table for each way of counting, the least first."""
    title = captions.title("disk_usage")
    cutoffs = [cutoff for cutoff in tables.cutoffs if any(tables.store(name, cutoff) for name in tables.backends)]
    if not cutoffs:
        return style.empty(title, ["No store was built."], tables)
    if style.many(tables):
        return _heat(tables, title, cutoffs)
    published = any(article.bytes_per_image(name, cutoff) for name in tables.backends for cutoff in cutoffs)
    notes = [
        *style.source(tables),
        "Filled: apparent size. Hatched: allocated by the file system. Line: raw pixels.",
        _compression(tables),
        f"In brackets: published sizes of the article ({article.NAME})." if published else "",
    ]
    height = 2 * 0.19 * len(tables.backends) + 0.1
    columns = 3 if len(cutoffs) > 2 else len(cutoffs)
    figure, panels = style.canvas(title, len(cutoffs), columns, height, notes, left=bars.name_width(tables.backends))
    for axes, cutoff in zip(panels, cutoffs, strict=True):
        axes.set_title(wording.images(cutoff))
        bars.draw(axes, [_bars(tables, name, cutoff) for name in tables.backends], ",.0f", "bytes per image")
        axes.axvline(_raw(tables, cutoff), color=style.TEXT, linewidth=0.9, linestyle=(0, (4, 2)), zorder=4)
    return figure


def _heat(tables: Tables, title: str, cutoffs: list[int]) -> Figure:
    """Rows by the size at the largest cutoff."""
    names = [name for name in tables.backends if any(tables.store(name, cutoff) for cutoff in cutoffs)]
    raw = f"{_raw(tables, cutoffs[-1]):,.0f}"
    first = "allocated" if tables.allocated_decides else "apparent"
    notes = [
        *style.source(tables),
        f"Bytes per image, by the number of images; the raw pixels of one are {raw} bytes. Rows by {first} bytes at "
        f"the largest number, the least first. {heat.LEAST} The darker, the more, up to {heat.DARKEST:.0f} times the "
        "least.",
        _compression(tables),
    ]
    left = bars.name_width(names)
    figure, panels = style.canvas(title, 2, 2, heat.ROW * len(names), notes, left=left, above=0.55, below=0.15)
    order = sorted(names, key=lambda name: _size(tables, name, cutoffs[-1], first) or math.inf)
    for axes, measure, words in zip(panels, MEASURES, ("Apparent size", "Allocated by the file system"), strict=True):
        least = {}
        for cutoff in cutoffs:
            sizes = [_size(tables, name, cutoff, measure) for name in names]
            least[cutoff] = min((size for size in sizes if size), default=1.0)
        fields = [[_field(tables, name, cutoff, measure, least[cutoff]) for cutoff in cutoffs] for name in order]
        heat.draw(axes, order, [wording.short_count(cutoff) for cutoff in cutoffs], fields)
        axes.set_title(words, pad=8)
    return figure


def _field(tables: Tables, name: str, cutoff: int, measure: str, least: float) -> heat.Field:
    size = _size(tables, name, cutoff, measure)
    if not size:
        return heat.GAP
    if measure == "allocated" and not tables.allocated_decides:
        return heat.Field(f"{size:,.0f}", link=links.store(tables.store(name, cutoff)))
    return heat.of_size(size, least, f"{size:,.0f}", links.store(tables.store(name, cutoff)))


def _compression(tables: Tables) -> str:
    """What the allocated sizes are where the file system compresses; empty where it doesn't."""
    if not tables.allocated_decides:
        return "The file system compresses and doesn't tell to how much, so allocated sizes are compared with nothing."
    compressed = any(row["allocation"] == "extents" for row in tables.disk_usage)
    return "The file system compresses: allocated is what lies on the disk." if compressed else ""


def _size(tables: Tables, name: str, cutoff: int, measure: str) -> float | None:
    row = tables.store(name, cutoff)
    return row[f"{measure}_bytes_per_image"] if row else None


def _raw(tables: Tables, cutoff: int) -> float:
    """Bytes of the raw pixels of one image."""
    return next(row["apparent_bytes_per_image"] / row["apparent_ratio_to_raw"] for row in _stores(tables, cutoff))


def _stores(tables: Tables, cutoff: int) -> list[dict]:
    stores = [tables.store(name, cutoff) for name in tables.backends]
    return [store for store in stores if store]


def _bars(tables: Tables, name: str, cutoff: int) -> list[bars.Bar]:
    colour = style.looks(tables.backends)[name].color
    published = article.bytes_per_image(name, cutoff)
    row = tables.store(name, cutoff)
    bracket = f"  ({published:,.0f})" if published else ""
    if not row:
        return [bars.Bar(name, None, f"no value{bracket}", colour)]
    apparent, allocated = row["apparent_bytes_per_image"], row["allocated_bytes_per_image"]
    said = HIDDEN if allocated is None else f"{allocated:,.0f}"
    return [
        bars.Bar(name, apparent, f"{apparent:,.0f}{bracket}", colour, link=links.store(row)),
        bars.Bar(name, allocated, said, colour, hatch="/////", link=links.store(row)),
    ]
