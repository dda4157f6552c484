"""What does a single image cost?

Time to write a store of one image and to open it and read that image, a panel per operation, each with its own scale.
At this size the fixed cost of creating and opening a store is nearly all there is. First image, where it was measured,
does so in a process that was just started.
"""

from matplotlib.figure import Figure

from scripts.report import article, bars, captions, curves, links, style, wording
from scripts.report.tables import Tables

POSITION = 12
KINDS = ("write", "read", "first")
"""Operations that a store of one image says something about; drawing from it at random does not."""


def draw(tables: Tables) -> Figure:
    """A panel per operation, a bar per backend, and one for the baseline."""
    title = captions.title("single_image")
    operations = [name for kind in KINDS for name in tables.operations_like(kind)]
    if 1 not in tables.cutoffs or not operations:
        return style.empty(title, ["The cutoffs of this run do not include a single image."], tables)
    published = any(article.seconds(operation, name) for operation in operations for name in tables.backends)
    notes = [
        *style.source(tables),
        f"{curves.bars_note(tables, operations, 1)} {curves.BASELINE.capitalize()}: the same bytes in one file.",
        f"In brackets: published times of the article ({article.NAME}), from another machine." if published else "",
        curves.disturbed_note(tables, operations, 1, sign="†"),
        *style.gaps(tables, operations, 1),
    ]
    height = bars.BAR * (len(tables.backends) + 1)
    left = bars.name_width([*tables.backends, curves.BASELINE])
    figure, panels = style.canvas(title, len(operations), 2, height, notes, left=left)
    for axes, operation in zip(panels, operations, strict=True):
        axes.set_title(wording.operation(operation))
        bars.draw(axes, [[bar] for bar in _bars(tables, operation)], "g", "ms")
    return figure


def _bars(tables: Tables, operation: str) -> list[bars.Bar]:
    found = []
    for name, look in style.looks(tables.backends).items():
        row = tables.cell(name, 1, operation)
        published = article.seconds(operation, name).get(1)
        bracket = f"  ({wording.seconds(published)})" if published else ""
        if not row:
            found.append(bars.Bar(name, None, f"no value{bracket}", look.color))
            continue
        low, high = row["interval_low_seconds"] * 1e3, row["interval_high_seconds"] * 1e3
        text = wording.seconds(row["median_seconds"]) + (" †" if row["disturbances"] else "") + bracket
        found.append(bars.Bar(name, row["median_seconds"] * 1e3, text, look.color, low, high, link=links.cell(row)))
    baseline = next((point.y for point in curves.baseline(tables, operation) if point.x == 1), None)
    if baseline is not None:
        found.append(bars.Bar(curves.BASELINE, baseline * 1e3, wording.seconds(baseline), style.BASELINE))
    return found
