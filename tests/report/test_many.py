"""Figures and tables with few and with many stores: nothing overlaps and ranks are right."""

import json
from collections import namedtuple
from itertools import combinations
from math import exp, hypot, log
from statistics import geometric_mean, median

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from scripts.report import tables, wording, write_tables
from scripts.report.compare import answers
from scripts.report.draw import captions, heat, multiples, notes, style
from scripts.report.figures import ranking
from scripts.report.rows import MeasuredRow, TimingRow
from scripts.report.tables import Tables
from tests.support import shared
from tests.support.figures import fields, figure_of, notes_of, rows_of, titles_of
from tests.support.many_stores import CODECS, COMBINED, KINDS, MANY, PEAKS
from tests.support.report_run import MORE_OPERATIONS, OPERATIONS, Run

pytestmark = pytest.mark.slow


CUTOFFS = (1, 100, 10_000)


COUNTS = {1: MANY[:1], 4: ("lmdb", "lmdb-png", "sqlite", "sqlite-png"), 22: MANY}


SUBJECTS = ("backend", "baseline")


GAP = ("tar", 10_000, "workers-cold")


@pytest.fixture(scope="module")
def runs():
    """Runs of one, four and 22 stores, by their number; all tests share them."""
    made = {}
    for count, names in COUNTS.items():
        gaps = {GAP: "several processes can't read it"} if GAP[0] in names else {}
        more = {"cutoffs": CUTOFFS, "operations": (*OPERATIONS, *MORE_OPERATIONS), "gaps": gaps}
        made[count] = Run.of_many(shared.directory() / f"of-{count}", backends=names, **more)
        shared.once(f"of-{count}", lambda _, run=made[count]: run.write().summarise())
    return made


def written(figure: Figure) -> list[Text]:
    """All that is written in a figure, labels of ticks included."""
    hidden = set()
    for axes in figure.axes:
        if not axes.axison:
            hidden |= {text for axis in (axes.xaxis, axes.yaxis) for text in axis.findobj(Text)}
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            outside = [tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
            hidden |= {text for tick in outside for text in tick.findobj(Text)}
    return [
        text for text in figure.findobj(Text) if text not in hidden and text.get_visible() and text.get_text().strip()
    ]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that cover each other, and texts that leave the figure, beside its edge."""
    canvas = FigureCanvasAgg(figure)
    with style.applied():
        canvas.draw()
        boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in written(figure)]
    width, height = canvas.get_width_height()
    inside = [(text, box.padded(-1)) for text, box in boxes]
    pairs = [(one, other) for (one, a), (other, b) in combinations(inside, 2) if a.overlaps(b)]
    out = [text for text, box in inside if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]
    return [*pairs, *((text, "the edge") for text in out)]


@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.nightly), 4, 22])
@pytest.mark.parametrize("name", captions.names())
def test_nothing_that_is_written_overlaps(runs, name, count):
    assert overlapping(figure_of(runs[count], name)) == []


def test_the_check_for_overlaps_finds_some():
    figure = style.sheet(2.0, [])
    style.entitle(figure, "A question?")
    assert overlapping(figure) == []
    figure.text(0.05, 1 - 0.2 / figure.get_figheight(), "an answer", va="top")
    figure.text(0.99, 0.5, "over the edge")
    assert overlapping(figure) == [("A question?", "an answer"), ("over the edge", "the edge")]


def test_the_table_says_what_each_backend_is(runs):
    read = Tables.load(runs[22].directory)
    other = dict.fromkeys(KINDS) | {"hdf5-chunks-of-64-gz": "images_per_chunk=64, compression=gzip"}
    assert read.kinds == {
        name: (module, options.get("codec"), other[name]) for name, (module, options) in KINDS.items()
    }
    assert {row.codec for row in read.disk_usage} == {*CODECS, None}


Rounds = list[tuple[float, float]]
"""Times of a backend and of the reference file, in turns."""


def rounds(run: Run, name: str, cutoff: int, operation: str) -> Rounds:
    """Those of a record, each in a block of its own, in the way of sharing the work that comes last."""
    samples = json.loads(run.record_path(name, cutoff, operation).read_text())["samples"]
    way = {key: samples[-1][key] for key in ("processes", "start_method")}
    taken = [
        [s["seconds"] for s in samples if s["subject"] == subject and way.items() <= s.items()] for subject in SUBJECTS
    ]
    return list(zip(*taken, strict=True))


def ends(one: Rounds, other: Rounds) -> tuple[float, float]:
    """The interval of how many times as long the one takes, by Mann and Whitney's table (23 for ten and ten samples,
    two-sided, 5 %), or the range of few samples."""
    outside = 23 if len(one) == len(other) == 10 else 0
    ratios = sorted(x / y for x, _ in one for y, _ in other)
    return ratios[outside], ratios[-1 - outside]


def widened(value: float, interval: tuple[float, float], *factors: float) -> tuple[float, float]:
    """An interval that holds the value, and how far each of the factors is from 1, in squares on logarithms."""
    low, high = min(interval[0], value), max(interval[1], value)
    below = hypot(log(value / low), *(log(min(1, factor)) for factor in factors))
    above = hypot(log(high / value), *(log(max(1, factor)) for factor in factors))
    return value * exp(-below), value * exp(above)


@pytest.mark.parametrize("noise", [0.01, 0.06])
@pytest.mark.parametrize("operation", ["write", "read-warm", "read-cold", "workers-warm"])
def test_the_table_says_how_far_each_is_from_the_best(tmp_path, operation, noise):
    run = Run.of_many(tmp_path, cutoffs=(100, 10_000), operations=(operation,), noise=noise).write().summarise()
    read = Tables.load(tmp_path)
    taken = {name: rounds(run, name, 10_000, operation) for name in MANY}
    cells = {name: read.cell(name, 10_000, operation) for name in MANY}
    leader = min(MANY, key=lambda name: cells[name].median_seconds)
    table = (
        pd.read_csv(tmp_path / "summary.csv").query("cutoff_images == 10_000").drop_duplicates("backend", keep="last")
    )
    paces = table.set_index("backend")[["pace", "pace_low", "pace_high"]].T
    as_measured = [
        name
        for name, row in cells.items()
        if not row.corrected and paces[name].pace_low >= 1 / 1.05 and paces[name].pace_high <= 1.05
    ]
    for name, row in cells.items():
        assert row.raw_median_seconds == pytest.approx(median(own for own, _ in taken[name])), name
        assert row.ratio_to_best == pytest.approx(row.median_seconds / cells[leader].median_seconds), name
        low, value, high = row.ratio_to_best_low, row.ratio_to_best, row.ratio_to_best_high
        assert low <= value <= high
        if name != leader and {name, leader} <= set(as_measured):
            expected = widened(value, ends(taken[name], taken[leader]), 1 / paces[name].pace, paces[leader].pace)
            assert (low, high) == pytest.approx(expected), name
        within = 1.05 if row.interval_kind == cells[leader].interval_kind == "95 % interval" else 1.2
        outcome = "different" if low > within else "tied" if high <= within and low >= 1 / within else "undecided"
        assert row.outcome == ("best" if name == leader else outcome), name
    ways = [row for row in read.summary if row.backend == "lmdb" and row.cutoff_images == 100]
    last = [row.ratio_to_best is not None for row in ways]
    assert last == ([False, False, False, True] if operation.startswith("workers") else [True])


def test_of_two_that_take_exactly_as_long_one_is_the_best(tmp_path):
    run = Run(tmp_path, backends=("png", "lmdb", "hdf5"), cutoffs=(10_000,), operations=("write",)).write()
    for name in ("lmdb", "hdf5"):
        samples = json.loads(run.record_path(name, 10_000, "write").read_text())["samples"]
        for sample in samples:
            sample["seconds"] = 1e-4
        run.change((name, 10_000, "write"), samples=samples)
    read = Tables.load(run.summarise().directory)
    rows = [read.cell(name, 10_000, "write") for name in run.backends]
    assert [row.ratio_to_best == 1 for row in rows] == [False, True, True]
    assert [row.outcome for row in rows] == ["different", "best", "tied"]


def test_rows_without_the_best_stay_as_they_are(tmp_path):
    run = Run(tmp_path, cutoffs=(10,), operations=("write",)).write().summarise()
    summary, timings = (list(map(vars, tables.load(kind, tmp_path))) for kind in (MeasuredRow, TimingRow))
    columns = ("ratio_to_best", "ratio_to_best_low", "ratio_to_best_high", "outcome")
    bare = [row | dict.fromkeys(columns) for row in summary]
    copies = [dict(row) for row in bare]
    assert write_tables.with_best(bare, timings) == summary
    assert bare == copies
    assert run.backends == tuple(row["backend"] for row in summary)


def test_what_is_apart_is_not_compared_with_the_best(tmp_path):
    run = Run(tmp_path, cutoffs=(10,), operations=("write", "read-warm")).write()
    run.change(("hdf5", 10, "write"), measuring_digest="other")
    rows = {(row.backend, row.operation): row for row in Tables.load(run.summarise().directory).summary}
    assert rows["hdf5", "write"].ratio_to_best is None
    assert rows["hdf5", "write"].outcome is None
    assert rows["lmdb", "write"].ratio_to_best == 1


@pytest.mark.parametrize("count", COUNTS)
def test_the_ranking_is_by_the_mean_of_what_the_table_says(runs, count):
    (axes,) = figure_of(runs[count], "ranking").axes
    shown_fields = fields(axes)
    read = Tables.load(runs[count].directory)
    factors = {
        name: [
            row.ratio_to_best
            for operation in read.operations
            if (row := read.cell(name, CUTOFFS[-1], operation)) and row.outcome != answers.NEGLIGIBLE
        ]
        for name in read.backends
    }
    means = {name: geometric_mean(known) for name, known in factors.items()}
    rows = [label.get_text() for label in axes.get_yticklabels()]
    lacking = [name for name in read.backends if name == GAP[0]]
    complete = sorted(set(means) - set(lacking), key=means.__getitem__)
    assert rows == [ranking.BEST, *complete, *lacking, "reference file"]
    assert rows[1] == {1: "lmdb", 4: "lmdb", 22: "memmap"}[count]
    for name in read.backends:
        mean, *mark = shown_fields[name, "Overall"][0].split()
        assert float(mean) == pytest.approx(means[name], rel=0.05)
        assert mark == ["*"] * (name in lacking)
        for operation in read.operations:
            row = read.cell(name, CUTOFFS[-1], operation)
            text, colour = shown_fields[name, wording.operation(operation)]
            if row is None:
                assert (name, CUTOFFS[-1], operation) == GAP
                assert (text, colour) == (heat.NO_VALUE, "#ffffff")
                continue
            assert float(text.replace(",", "").removesuffix(" ?")) == pytest.approx(row.ratio_to_best, rel=0.051)
            assert (colour == heat.BEST) is (row.outcome in answers.WINNING)
    for operation in read.operations:
        rows_of = [row for name in read.backends if (row := read.cell(name, CUTOFFS[-1], operation))]
        (best,) = [row for row in rows_of if row.ratio_to_best == 1]
        assert shown_fields[ranking.BEST, wording.operation(operation)][0] == wording.seconds(
            best.median_seconds / best.images
        )
        plain = float(shown_fields["reference file", wording.operation(operation)][0].replace(",", ""))
        assert plain == pytest.approx(1 / best.ratio_to_baseline, rel=0.051)


def test_who_lacks_an_operation_comes_after_those_that_lack_none(tmp_path):
    """The last one is the best of all at what it was measured in, and the figure says what it lacks."""
    names = MANY[:9]
    factor = {name: 2 + place for place, name in enumerate(names)} | {names[-1]: 1, "baseline": 1}
    gaps = {(names[-1], 1, "read-cold"): "no <permission>", (names[-2], 1, "write"): "no room"}
    run = Run.of_many(
        tmp_path,
        backends=names,
        cutoffs=(1,),
        operations=("write", "read-warm", "read-cold"),
        seconds=lambda name, *_: factor[name] * 1e-3,
        gaps=gaps,
    )
    run.write().summarise()
    figure = figure_of(run, "ranking")
    assert rows_of(figure.axes[0])[1:-1] == [*names[:-2], names[-1], names[-2]]
    assert (
        f"* Below all others, as the mean is one of fewer operations: {names[-1]} without read-cold; {names[-2]} "
        "without write." in notes_of(figure)
    )
    found = fields(figure_of(run, "ranking").axes[0])
    assert [found[name, "Overall"][0].endswith("*") for name in names] == [False] * 7 + [True] * 2
    assert "asterisk" in captions.caption("ranking")
    assert "near each other may tie" in captions.caption("ranking")


def test_rows_that_lack_nothing_have_no_note(runs):
    assert not [text for text in figure_of(runs[4], "ranking").texts if "*" in text.get_text()]
    assert ranking.lacking_note(ranking.ranked({"a": {"x": 2.0}, "b": {"x": 1.0}, "c": {}})) == ""
    assert list(ranking.ranked({"a": {"x": 2.0}, "b": {"x": 1.0}, "c": {}})) == ["b", "a"]


@pytest.mark.parametrize("name", ["ranking", "latency", "workers"])
def test_gaps_are_those_of_the_number_of_images_that_is_shown(tmp_path, name):
    operations = ("random-warm", "workers-warm")
    gaps = {(backend, 100, operation): "too many" for backend in ("png", "lmdb", "hdf5") for operation in operations}
    gaps |= {("png", 10, operation): "too few" for operation in operations}
    run = Run(tmp_path, cutoffs=(10, 100), operations=operations, gaps=gaps).write().summarise()
    said = notes_of(figure_of(run, name))
    assert "too few" in said
    assert "too many" not in said
    for backend, operation in (("lmdb", "random-warm"), ("hdf5", "random-warm"), ("lmdb", "workers-warm")):
        run.gaps[backend, 10, operation] = "too few"
    run.gaps["hdf5", 10, "workers-warm"] = "too few"
    figure = figure_of(run.write().summarise(), name)
    assert "too many" in figure.axes[0].texts[0].get_text()


def test_sizes_within_one_percent_of_the_least_are_green():
    sizes = (1000.0, 1009.9, 1010.1, 2000.0, None)
    row = namedtuple("row", ("backend", "cutoff_images", "apparent_bytes_per_image"))
    stores = [row(str(place), 1, size) for place, size in enumerate(sizes)]
    fields = heat.of_sizes(stores, "apparent_bytes")
    assert {name: field.best for name, field in fields.items()} == {"0": True, "1": True, "2": False, "3": False}


@pytest.mark.parametrize("count", COUNTS)
def test_each_store_has_a_panel_and_the_others_are_grey(runs, count):
    read = Tables.load(runs[count].directory)
    figure = figure_of(runs[count], "read_time_log")
    assert titles_of(figure) == read.by_time("read-warm", 10_000)
    assert len(figure.axes) == count
    for axes, name in zip(figure.axes, titles_of(figure), strict=True):
        for colour, operation in zip(style.COLOURS, ("read-warm", "read-cold"), strict=False):
            own, *_ = [
                line for line in axes.lines if line.get_color() == colour and line.get_alpha() != multiples.FAINT
            ]
            expected = [read.cell(name, cutoff, operation).median_seconds for cutoff in CUTOFFS]
            assert own.get_ydata().tolist() == pytest.approx(expected)
        behind = [line for line in axes.lines if line.get_color() == multiples.OTHERS.color]
        heights = [value for line in behind for value in line.get_ydata() if value == value]
        assert len(heights) == 2 * (count - 1) * len(CUTOFFS)
        assert len([line for line in axes.lines if line.get_color() == style.BASELINE]) == 2
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("name", "grids"), [("random_time", 2), ("workers", 2), ("latency", 1), ("write_time_log", 1)])
def test_every_store_has_a_panel_in_every_grid(runs, name, grids, count):
    missing = [GAP[0]] if name == "workers" and GAP[0] in COUNTS[count] else []
    assert sorted([*titles_of(figure_of(runs[count], name)), *missing]) == sorted(grids * COUNTS[count])


@pytest.mark.parametrize(
    ("name", "cutoff"), [("read_time_linear", 10_000), ("write_time_linear", 10_000), ("single_image", 1)]
)
@pytest.mark.parametrize("count", COUNTS)
def test_bars_are_sorted_by_value(runs, name, cutoff, count):
    read = Tables.load(runs[count].directory)
    headings = {wording.operation(operation): operation for operation in read.operations}
    for axes in figure_of(runs[count], name).axes:
        operation = headings[axes.get_title(loc="left")]
        assert rows_of(axes) == [*read.by_time(operation, cutoff), "reference file"]


@pytest.mark.parametrize("count", COUNTS)
def test_disk_and_memory_are_sorted_and_as_in_the_table(runs, count):
    read = Tables.load(runs[count].directory)
    apparent, allocated = figure_of(runs[count], "disk_usage").axes
    names = rows_of(allocated)[:count]
    sizes = [read.store(name, 10_000).allocated_bytes for name in names]
    assert sizes == sorted(sizes)
    assert sorted(names) == sorted(read.backends)
    for name in names:
        assert fields(apparent)[name, "100"][0] == f"{read.store(name, 100).apparent_bytes_per_image:,.0f}"
    memory, mapped = figure_of(runs[count], "memory").axes
    names = rows_of(memory)
    assert sorted(names) == sorted(read.backends)
    assert [PEAKS[name] for name in names] == sorted(PEAKS[name] for name in names)
    for name in names:
        text, colour = fields(memory)[name, "Write"]
        assert text == wording.significant(read.cell(name, 10_000, "write").peak_memory_bytes / 1e6)
        assert colour != heat.BEST
        text, colour = fields(mapped)[name, "Read, warm"]
        assert text == wording.significant(read.cell(name, 10_000, "read-warm").peak_mapped_bytes / 1e6)
        assert colour == "#ffffff"


def test_many_gaps_share_notes(tmp_path):
    gaps = {(name, 10, "read-cold"): "no permission" for name in MANY}
    run = Run.of_many(tmp_path, cutoffs=(10,), operations=("read-warm", "read-cold"), gaps=gaps).write().summarise()
    found = notes.gaps(Tables.load(tmp_path), run.operations)
    assert len(found) == 1
    assert found[0].startswith(f"No value for some numbers of {MANY[0]}, {MANY[1]}, ")
    assert len(found[0]) <= notes.GAP_LETTERS


def test_made_up_names_are_many_and_long():
    assert (len(MANY), max(map(len, MANY))) == (22, 20)
    assert set(COMBINED) < set(MANY)
