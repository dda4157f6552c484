"""Times over the number of images: one panel per operation, a line per backend.

With many backends each has a panel instead, of small multiples, and what linear axes are for is shown by bars.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.measure.operations import catalogue
from scripts.report import wording
from scripts.report.compare import article
from scripts.report.draw import bars, curves, links, multiples, style
from scripts.report.tables import Tables

CLOSER = 4
"""Where the slowest backend takes more than so many times as long as the next, linear axes get a second row."""
COLUMNS = 2


def draw(tables: Tables, title: str, operations: Sequence[str], *, log: bool, per_image: bool = False) -> Figure:
    """Time (s) against number of images, intervals as bars, baseline in grey, the article's curves faint."""
    looks = style.looks(tables.backends)
    drawn = [operation for operation in operations if any(curves.points(tables, name, operation) for name in looks)]
    gaps = style.gaps(tables, operations)
    if not drawn:
        return style.empty(title, ["Nothing was measured for this figure.", *gaps], tables)
    if (log or not style.many(tables)) and (nothing := style.no_lines(title, tables, operations)):
        return nothing
    if style.many(tables):
        if not log:
            return _at_largest(tables, title, drawn)
        return _multiples(tables, title, drawn, gaps, per_image=per_image)
    published = any(_published(operation, name, tables.cutoffs) for operation in drawn for name in looks)
    notes = [
        *style.source(tables),
        f"{curves.bars_note(tables, drawn)} {curves.GREY_NOTE} {curves.disturbed_note(tables, drawn)}",
        f"Faint dots: published times of the article ({article.NAME}), from another machine." if published else "",
        *gaps,
    ]
    closer = 0 if log else _closer_limit(tables, drawn)
    shown = [*drawn, *drawn] if closer else drawn
    figure, panels = curves.canvas(title, len(shown), min(COLUMNS, len(drawn)), looks, notes)
    fast = {name: look for name, look in looks.items() if _longest(tables, drawn, name) <= closer}
    in_panel = [*[looks] * len(drawn), *[fast] * len(drawn)]
    ends = []
    for axes, operation, some in zip(panels, shown, in_panel[: len(shown)], strict=True):
        axes.set_title(wording.operation(operation))
        curves.scale(axes, tables.cutoffs, log=log, unit="Time per image" if per_image else "Time")
        for name, look in some.items():
            _in_faint(axes, _published(operation, name, tables.cutoffs), look)
        measured = {name: curves.points(tables, name, operation, per_image=per_image) for name in some}
        ends.append(curves.lines(axes, measured, some, curves.baseline(tables, operation, per_image=per_image)))
    curves.same_limits(panels[: len(drawn)], bottom=None if log else 0)
    for axes in panels[len(drawn) :]:
        axes.set_ylim(0, closer)
        axes.set_title(f"{axes.get_title(loc='left')}, closer")
    curves.label_panels(panels, ends)
    return figure


def time_bars(tables: Tables, operation: str, cutoff: int, per_second: float = 1.0) -> list[bars.Bar]:
    """A bar of each backend's time in an operation at a cutoff, and one of the baseline's, in units of which a second
    has `per_second`; where there are many backends, the shortest first."""
    colours = style.bar_colours(tables)
    shown = list(colours)
    if style.many(tables):
        measured = tables.by_time(operation, cutoff)
        shown = [*measured, *(name for name in colours if name not in measured)]
    found = []
    for name in shown:
        row = tables.cell(name, cutoff, operation)
        published = article.seconds(operation, name).get(cutoff)
        bracket = f"  ({wording.seconds(published)})" if published else ""
        if not row:
            found.append(bars.Bar(name, None, f"no value{bracket}", colours[name]))
            continue
        names = ("median_seconds", "interval_low_seconds", "interval_high_seconds")
        value, low, high = (row[each] * per_second for each in names)
        text = wording.seconds(row["median_seconds"]) + (" †" if row["disturbances"] else "") + bracket
        found.append(bars.Bar(name, value, text, colours[name], low, high, link=links.cell(row)))
    plain = plain_seconds(tables, operation, cutoff)
    if plain is not None:
        found.append(bars.Bar(curves.BASELINE, plain * per_second, wording.seconds(plain), style.BASELINE))
    return found


def plain_seconds(tables: Tables, operation: str, cutoff: int) -> float | None:
    """The baseline's time (s) in an operation at a cutoff."""
    return next((point.y for point in curves.baseline(tables, operation) if point.x == cutoff), None)


def _multiples(
    tables: Tables, title: str, operations: Sequence[str], gaps: Sequence[str], *, per_image: bool
) -> Figure:
    """A grid of panels for each kind of operation, with a line in each panel for each of its operations."""
    kinds: dict[str, list[str]] = {}
    for operation in operations:
        kinds.setdefault(catalogue.entry(operation).kind, []).append(operation)
    grids = []
    for kind, own in kinds.items():
        series = {
            wording.operation(operation) if len(kinds) == 1 else wording.state(operation): multiples.Series(
                look,
                {name: curves.points(tables, name, operation, per_image=per_image) for name in tables.backends},
                curves.baseline(tables, operation, per_image=per_image),
            )
            for operation, look in zip(own, multiples.LOOKS, strict=False)
        }
        grids.append(multiples.Grid(wording.kind(kind), _order(tables, own), series))
    first = wording.join(wording.operation(own[0]).lower() for own in kinds.values())
    notes = [
        *style.source(tables),
        f"Panels by the time of {first} at the largest number of images, the shortest first.",
        f"{curves.bars_note(tables, operations)} {curves.GREY_NOTE} {curves.disturbed_note(tables, operations)}",
        *gaps,
    ]
    unit = "Time per image" if per_image else "Time"
    return multiples.draw(title, grids, lambda axes: curves.scale(axes, tables.cutoffs, log=True, unit=unit), notes)


def _order(tables: Tables, operations: Sequence[str]) -> list[str]:
    """The backends measured in any of these operations, by time in the first at the largest cutoff, then the others."""
    found: dict[str, None] = {}
    for operation in operations:
        for cutoff in reversed(tables.cutoffs):
            found |= dict.fromkeys(tables.by_time(operation, cutoff))
    return list(found)


def _at_largest(tables: Tables, title: str, operations: Sequence[str]) -> Figure:
    """Bars of the time at the largest cutoff of all backends, a panel per operation."""
    cutoff = max(
        row["cutoff_images"] for row in tables.main if row["operation"] in operations and row["status"] == "measured"
    )
    published = any(
        article.seconds(operation, name).get(cutoff) for operation in operations for name in tables.backends
    )
    notes = [
        *style.source(tables),
        f"Of {wording.images(cutoff)}; fewer are in the figure with logarithmic axes. "
        f"{curves.bars_note(tables, operations, cutoff)} {curves.GREY_NOTE}",
        f"In brackets: published times of the article ({article.NAME}), from another machine." if published else "",
        curves.disturbed_note(tables, operations, cutoff, sign="†"),
        *style.gaps(tables, operations, cutoff),
    ]
    height = bars.SMALL * (len(tables.backends) + 1)
    left = bars.name_width([*tables.backends, curves.BASELINE])
    figure, panels = style.canvas(title, len(operations), COLUMNS, height, notes, left=left)
    for axes, operation in zip(panels, operations, strict=True):
        axes.set_title(wording.operation(operation))
        bars.draw(axes, [[bar] for bar in time_bars(tables, operation, cutoff)], "g", "s")
    return figure


def _published(operation: str, name: str, cutoffs: list[int]) -> dict[int, float]:
    """The article's times (s) at the cutoffs of this run."""
    return {cutoff: time for cutoff, time in article.seconds(operation, name).items() if cutoff in cutoffs}


def _in_faint(axes: Axes, times: dict[int, float], look: style.Look) -> None:
    """Draw the article's times behind all else."""
    axes.plot(
        *(list(times), list(times.values())),
        color=look.color,
        alpha=0.4,
        linestyle=":",
        linewidth=1.2,
        marker=look.marker,
        markersize=2.5,
        zorder=1,
    )


def _closer_limit(tables: Tables, operations: Sequence[str]) -> float:
    """Upper limit (s) of a second row that leaves the slowest backend out; 0 where one row shows all of them well."""
    *_, second, slowest = sorted([0, *(_longest(tables, operations, name) for name in tables.backends)])
    return 1.1 * second if second and slowest > CLOSER * second else 0


def _longest(tables: Tables, operations: Sequence[str], name: str) -> float:
    """The longest time (s) of a backend in these operations, its interval included."""
    return max((point.high for operation in operations for point in curves.points(tables, name, operation)), default=0)
