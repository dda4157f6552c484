"""How every figure looks: looks of backends by order of appearance, the canvas with its notes, deterministic files.

Markers and line styles repeat what colours tell, and with more backends than colours their combination stays unique.
"""

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.common.atomic import replacing
from scripts.report import wording
from scripts.report.draw.appearance import COLOURS, EMPTY, HIGHLIGHT, MOST_LINES, TITLE_INCHES, colour
from scripts.report.tables import Tables

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
LINES = ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (1.5, 1)), (0, (8, 1.5, 1, 1.5, 1, 1.5)))
GREY, BASELINE, FAINT, TEXT = "#707070", "#9a9a9a", "#dddddd", "#222222"
QUIET = (GREY, TEXT)
"""Colours of lines that are no backend's."""
TICK_PAD = 7
"""Points from an axis to the labels of its ticks; minor ones have no length."""
MARK_AREA = 30
"""Of a mark that is a link, in points squared."""
WIDTH = 10.0
LINE = 0.165
LINE_LETTERS = 165
LEGEND_COLUMNS = 6
MOST_GAPS = 5
"""With more reasons for gaps than these, those of one reason share a note."""
GAP_LETTERS = 300
"""At most so many letters of a note on gaps are in a figure; the page has all of them."""
ABOVE = 0.28
"""Inches above a panel, for its title."""
SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": TEXT,
    "text.parse_math": False,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "figure",
}


@dataclass(frozen=True)
class Look:
    """How one backend or operation is drawn."""

    color: str
    marker: str
    linestyle: str | tuple


PLAIN = Look(BASELINE, ".", "-")
"""The baseline's."""


def looks(names: Sequence[str], first: int = 0) -> dict[str, Look]:
    """A look for each name, by position; the first one has position `first`."""
    count = len(COLOURS)
    return {
        name: Look(colour(place), MARKERS[place % len(MARKERS)], LINES[(place + place // count) % len(LINES)])
        for place, name in enumerate(names, start=first)
    }


def many(tables: Tables) -> bool:
    """Whether there are too many backends for a line or colour of each: see `appearance.MOST_LINES`."""
    return len(tables.backends) > MOST_LINES


def bar_colours(tables: Tables) -> dict[str, str]:
    """The colour of each backend's bars: one for all where there are many."""
    found = {name: look.color for name, look in looks(tables.backends).items()}
    return dict.fromkeys(found, HIGHLIGHT) if many(tables) else found


@contextmanager
def applied() -> Iterator[None]:
    """The project's settings of matplotlib, whatever the user's own are; text is never mathematics.

    A letter that the font lacks is a box in the PNG; in the SVG, whose text stays text, a viewer finds another font.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


def canvas(
    title: str,
    panels: int,
    columns: int,
    height: float,
    notes: Sequence[str],
    *,
    left: float = 0.8,
    right: float = 0.2,
    above: float = ABOVE,
    below: float = 0.55,
    legend_rows: int = 0,
) -> tuple[Figure, list[Axes]]:
    """A figure with its title on top, room for a legend, `panels` axes of `height` inches, and notes at the bottom.

    `left`, `right`, `above` and `below` are the inches around each panel for tick labels, direct labels, titles and the
    x axis.
    """
    columns = max(1, min(columns, panels))
    rows = -(-panels // columns)
    top = TITLE_INCHES + 0.22 * legend_rows
    figure = sheet(title, top + rows * (above + height + below), notes)
    total = figure.get_figheight()
    width = WIDTH / columns - left - right
    axes = []
    for panel in range(panels):
        row, column = divmod(panel, columns)
        x = column * WIDTH / columns + left
        y = total - top - row * (above + height + below) - above - height
        axes.append(figure.add_axes((x / WIDTH, y / total, width / WIDTH, height / total)))
    return figure, axes


def sheet(title: str, height: float, notes: Sequence[str]) -> Figure:
    """A figure with its title on top and notes at the bottom, below the `height` inches for title and panels."""
    lines = [line for note in notes if note for line in textwrap.wrap(note, LINE_LETTERS)]
    bottom = 0.15 + LINE * len(lines)
    total = height + bottom
    figure = Figure(figsize=(WIDTH, total))
    figure.text(0.12 / WIDTH, 1 - 0.12 / total, title, size=13, weight="bold", va="top")
    for number, line in enumerate(lines):
        emphasis = {"weight": "bold", "color": TEXT} if line.startswith("synthetic") else {"color": "#555555"}
        y = (bottom - 0.05 - LINE * number) / total
        figure.text(0.12 / WIDTH, y, line, size=8, va="top", **emphasis)
    return figure


def empty(title: str, reasons: list[str], tables: Tables) -> Figure:
    """A figure that says why there is nothing to draw; the page leaves it out."""
    lines = [line for reason in reasons for line in textwrap.wrap(reason, 100)]
    figure, (axes,) = canvas(title, 1, 1, 0.3 + 0.22 * len(lines), source(tables))
    axes.set_axis_off()
    axes.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", color=GREY, size=11, transform=axes.transAxes)
    figure.set_label(EMPTY)
    return figure


def no_lines(title: str, tables: Tables, operations: Sequence[str]) -> Figure | None:
    """What stands for a figure of lines over the number of images where no line would have two points; else None."""
    measured = {row["cutoff_images"] for row in tables.main if row["operation"] in operations and row["images"]}
    if len(measured) > 1:
        return None
    said = (
        "This draws lines over the number of images, and one number has values" if measured else "Nothing was measured"
    )
    return empty(title, [f"{said}.", *gaps(tables, operations)], tables)


def source(tables: Tables) -> list[str]:
    """Notes on the image set and the machine, and on cells that stand apart."""
    images = [f"{label}." if label.startswith("synthetic") else f"Images: {label}." for label in tables.image_sets]
    repeated = sorted({row["distinct_images"] for row in tables.main if row["repeated_images"]})
    if repeated:
        images.append(f"More than {wording.join(f'{count:,}' for count in repeated)} are repetitions.")
    machine = f"Machine: {wording.join(tables.machines)}." if tables.machines else ""
    apart = len(tables.apart)
    apart_note = f"Cells not drawn because their records are not comparable with the others: {apart}." if apart else ""
    return [" ".join([*images, machine]), apart_note]


def gaps(tables: Tables, operations: Sequence[str], cutoff: int | None = None) -> list[str]:
    """A note for each reason why cells of these operations (at one cutoff, if given) have no number; where there are
    many, one for those of one reason."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for row in tables.main:
        asked = row["operation"] in operations and cutoff in (None, row["cutoff_images"])
        if asked and row["status"] == "gap":
            key = (row["backend"], row["operation"], row["gap_reason"] or "no reason recorded")
            found.setdefault(key, []).append(row["cutoff_images"])
    if len(found) <= MOST_GAPS:
        return [
            f"No value: {backend}, {wording.operation(operation).lower()}, {_at(cutoffs)}: {reason}."
            for (backend, operation, reason), cutoffs in found.items()
        ]
    shared: dict[str, dict[str, None]] = {}
    for backend, _, reason in found:
        shared.setdefault(reason, {})[backend] = None
    notes = [f"No value in some cells of {wording.join(names)}: {reason}." for reason, names in shared.items()]
    left = len(notes) - MOST_GAPS
    more = [f"{left} more reason{'' if left == 1 else 's'} for gaps: see the page."] if left > 0 else []
    return [textwrap.shorten(note, GAP_LETTERS, placeholder=" ...") for note in notes[:MOST_GAPS]] + more


def legend_rows(names: Sequence[str]) -> int:
    """How many rows a legend of these names takes."""
    return -(-len(names) // LEGEND_COLUMNS)


def legend(figure: Figure, names: dict[str, Look]) -> None:
    """One legend for all panels, below the title."""
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle=look.linestyle, label=name)
        for name, look in names.items()
    ]
    top = 1 - (TITLE_INCHES - 0.05) / figure.get_figheight()
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.005, top),
        ncols=LEGEND_COLUMNS,
        frameon=False,
        handlelength=3.2,
    )


def save(figure: Figure, svg: Path, png: Path, title: str, caption: str) -> None:
    """Write both files, the same bytes for the same figure; the SVG carries title and caption as its metadata."""
    metadata = {"Title": title, "Description": caption, "Date": None}
    if figure.get_label() == EMPTY:
        metadata["Keywords"] = [EMPTY]
    for path, options in ((svg, {"metadata": metadata}), (png, {"dpi": 160, "metadata": {"Title": title}})):
        with replacing(path) as file:
            figure.savefig(file, format=path.suffix[1:], facecolor="white", **options)


def _at(cutoffs: list[int]) -> str:
    return f"at {wording.join(f'{cutoff:,}' for cutoff in cutoffs)}"
