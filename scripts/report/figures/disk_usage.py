"""How much disk does an image take?

Bytes per image of each store, a panel per number of images, each with its own scale. Filled: apparent size, the sum of
the files' lengths. Hatched: the space that the file system allocates for them, in whole blocks. The line marks the raw
pixels of one image.
"""

from matplotlib.figure import Figure

from scripts.report import article, bars, captions, links, style, wording
from scripts.report.tables import Tables

POSITION = 7


def draw(tables: Tables) -> Figure:
    """A panel per cutoff, two bars per backend."""
    title = captions.title("disk_usage")
    cutoffs = [cutoff for cutoff in tables.cutoffs if any(tables.store(name, cutoff) for name in tables.backends)]
    if not cutoffs:
        return style.empty(title, ["No store was built."], tables)
    published = any(article.bytes_per_image(name, cutoff) for name in tables.backends for cutoff in cutoffs)
    notes = [
        *style.source(tables),
        "Filled: apparent size. Hatched: allocated by the file system. Line: raw pixels.",
        f"In brackets: published sizes of the article ({article.NAME})." if published else "",
    ]
    height = 2 * 0.19 * len(tables.backends) + 0.1
    columns = 3 if len(cutoffs) > 2 else len(cutoffs)
    figure, panels = style.canvas(title, len(cutoffs), columns, height, notes, left=bars.name_width(tables.backends))
    for axes, cutoff in zip(panels, cutoffs, strict=True):
        raw = next(row["apparent_bytes_per_image"] / row["apparent_ratio_to_raw"] for row in _stores(tables, cutoff))
        axes.set_title(wording.images(cutoff))
        bars.draw(axes, [_bars(tables, name, cutoff) for name in tables.backends], ",.0f", "bytes per image")
        axes.axvline(raw, color=style.TEXT, linewidth=0.9, linestyle=(0, (4, 2)), zorder=4)
    return figure


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
    return [
        bars.Bar(name, apparent, f"{apparent:,.0f}{bracket}", colour, link=links.store(row)),
        bars.Bar(name, allocated, f"{allocated:,.0f}", colour, hatch="/////", link=links.store(row)),
    ]
