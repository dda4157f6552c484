"""Every figure draws from every kind of run, shows its gaps and its source, and is the same when drawn again."""

import json
import re
from itertools import pairwise

import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from PIL import Image

from scripts.report import wording
from scripts.report.draw import captions, heat, multiples, style
from scripts.report.tables import Tables
from tests.support import shared
from tests.support.figures import fields, figure_of, notes_of, rows_of, titles_of
from tests.support.report_run import MORE_OPERATIONS, OPERATIONS, SYNTHETIC, Run

pytestmark = pytest.mark.slow

NAMES = captions.names()
MANY = ("png", "lmdb", "hdf5", *(f"backend-{letter}" for letter in "abcdefghijkl"))
READS = ("read-warm", "read-cold")
ALL_OPERATIONS = (*OPERATIONS, *MORE_OPERATIONS)
RUNS = {
    "fifteen backends, one cutoff": {"backends": MANY, "cutoffs": (1,)},
    "one backend": {"backends": ("hdf5",), "cutoffs": (1, 10)},
    "all gaps": {"cutoffs": (1, 10), "gaps": {(b, n, o): f"no {o}" for b in MANY for n in (1, 10) for o in READS}},
    "no reads": {"cutoffs": (1, 10), "operations": ("write",)},
    "no writes, and an unknown operation": {"cutoffs": (1, 10), "operations": (*READS, "scan-warm")},
}


@pytest.fixture(scope="module")
def run():
    """A run of everything there is, with sizes from which random draws some images only, all of it drawn; all tests
    share it."""
    run = Run(shared.directory() / "drawn", cutoffs=(1, 10, 10_000), operations=ALL_OPERATIONS)
    shared.once("drawn", lambda _: run.write().summarise().draw())
    return run


def panels(run: Run, name: str) -> list[dict[str, Axes]]:
    """The panels of each grid of a figure, by the name of their store."""
    grids: list[dict[str, Axes]] = []
    for axes in figure_of(run, name).axes:
        store = axes.get_title(loc="left")
        if not grids or store in grids[-1]:
            grids.append({})
        grids[-1][store] = axes
    return grids


def marks(axes: Axes, place: int) -> list[tuple[float, float]]:
    """Where the marks of a panel's line are; lines are counted from 0, as in the legend."""
    drawn = [one for one in axes.collections if isinstance(one, PathCollection)]
    (found,) = [one for one in drawn if to_hex(one.get_facecolor()[0]) == style.COLOURS[place]]
    return [tuple(point) for point in found.get_offsets().tolist()]


def lines(axes: Axes, colour: str) -> list[list[tuple[float, float]]]:
    """The points of each line of that colour."""
    found = [one.get_data() for one in axes.lines if one.get_color() == colour]
    return [list(zip(map(float, x), map(float, y), strict=True)) for x, y in found]


def links(run: Run, name: str) -> list[str]:
    """The places on the page that the marks of a figure lead to."""
    svg = (run.directory / "figures" / f"{name}.svg").read_text()
    return re.findall(r'<a xlink:href="\.\./report\.html#([^"]+)"', svg)


def cells(run: Run, operations: list[str], cutoffs: tuple[int, ...] | None = None) -> list[str]:
    """The places of the rows of cells."""
    return [f"cell-{b}-{n}-{o}" for b in run.backends for n in cutoffs or run.cutoffs for o in operations]


def texts(svg: str) -> str:
    return "\n".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


@pytest.mark.parametrize("kind", RUNS)
def test_every_figure_draws(tmp_path, kind):
    run = Run(tmp_path, **RUNS[kind]).write().summarise().draw()
    for name in NAMES:
        svg = (tmp_path / "figures" / f"{name}.svg").read_text()
        assert captions.title(name) in texts(svg)
        assert run.machine in texts(svg)
        with Image.open(tmp_path / "figures" / f"{name}.png") as image:
            assert image.width == 1600


def test_titles_are_questions_and_captions_are_sentences():
    assert len(NAMES) == 15
    assert len({captions.position(name) for name in NAMES}) == 15
    assert NAMES[0] == "ranking"
    for name in NAMES:
        assert captions.title(name).endswith("?")
        assert captions.caption(name).endswith(".")
        assert "\n" not in captions.caption(name)


def test_figures_of_synthetic_images_say_so(tmp_path):
    Run(tmp_path, cutoffs=(1,), image_set=SYNTHETIC).write().summarise().draw()
    for name in NAMES:
        assert "synthetic images, not CIFAR-10" in texts((tmp_path / "figures" / f"{name}.svg").read_text())


def test_gaps_and_records_apart_are_named_in_the_figures(tmp_path):
    run = Run(tmp_path, cutoffs=(1, 10), gaps={("lmdb", 1, "read-cold"): "no permission to evict"}).write()
    run.change(("hdf5", 10, "write"), measuring_digest="other")
    run.summarise().draw("read_time_log", "single_image", "write_time_linear")
    for name in ("read_time_log", "single_image"):
        svg = texts((tmp_path / "figures" / f"{name}.svg").read_text())
        assert "No value: lmdb, read, cold, at 1: no permission to evict." in svg
    assert "not comparable with the others: 1." in texts((tmp_path / "figures" / "write_time_linear.svg").read_text())


def test_a_run_without_reads_says_so_in_the_figure(tmp_path):
    Run(tmp_path, cutoffs=(1,), operations=("write",)).write().summarise().draw("read_time_log")
    assert "Nothing was measured for this figure." in texts((tmp_path / "figures" / "read_time_log.svg").read_text())


def test_the_same_tables_give_the_same_bytes(tmp_path):
    run = Run(tmp_path, cutoffs=(1, 10)).write().summarise().draw()
    files = [run.directory / "figures" / f"{name}.{kind}" for name in NAMES for kind in ("svg", "png")]
    first = [file.read_bytes() for file in files]
    run.draw()
    assert [file.read_bytes() for file in files] == first


def test_looks_of_all_operations_are_unique():
    looks = style.looks(ALL_OPERATIONS)
    assert len(set(looks.values())) == len(ALL_OPERATIONS)


def test_colours_are_told_apart_in_greyscale():
    def grey(colour):
        red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    shades = sorted(grey(colour) for colour in style.COLOURS[:6])
    assert min(above - below for below, above in pairwise(shades)) > 20


@pytest.mark.parametrize(("stores", "columns"), {1: 2, 3: 3, 4: 4, 6: 3, 7: 4, 8: 4, 18: 5, 40: 5}.items())
def test_panels_fill_their_rows_evenly(stores, columns):
    assert multiples.columns(stores) == columns


def test_every_mark_leads_to_its_cell(run):
    like = Tables.load(run.directory).operations_of
    expected = {
        "ranking": [
            *cells(run, [name for name in ALL_OPERATIONS if "workers" not in name], (10_000,)),
            *(f"store-{b}-10000" for b in run.backends),
        ],
        "read_time_log": cells(run, READS),
        "write_time_log": cells(run, like("write")),
        "write_and_read": cells(run, [*like("write"), *READS]),
        "random_time": cells(run, [*like("random"), *like("batch")]),
        "latency": 3 * cells(run, like("random"), (10_000,)),
        "cold_and_warm": cells(
            run, [name for name in ALL_OPERATIONS if name.endswith("cold") and "workers" not in name]
        ),
        "memory": 2 * cells(run, [name for name in ALL_OPERATIONS if "workers" not in name], (10_000,)),
        "single_image": cells(run, [*like("write"), *READS, *like("first-image")], (1,)),
        "disk_usage": 2 * [f"store-{b}-{n}" for b in run.backends for n in run.cutoffs],
    }
    ways = [f"{processes}-{method}" for processes in (1, 2) for method in ("fork", "spawn")]
    places = [f"{place}-{way}" for place in cells(run, like("workers"), (10_000,)) for way in ways]
    expected["workers"] = [place for place in places if not (place.startswith("cell-hdf5") and place.endswith("fork"))]
    for name, places in expected.items():
        found = links(run, name)
        own = [place for place in found if "workers" not in place or name == "workers"]
        assert sorted(own) == sorted(places), name
    for name in NAMES:
        assert bool(links(run, name)) is (name not in ("container_codec", "image_size")), name


def test_disturbed_cells_have_hollow_marks_and_a_note(tmp_path):
    other = Run(tmp_path, cutoffs=(1, 10), operations=("write", "read-warm", "read-cold")).write()
    noise = json.loads(other.record_path("lmdb", 10, "read-cold").read_text())["noise"]
    other.change(("lmdb", 10, "read-cold"), noise={**noise, "throttle_events": 3})
    other.change(("lmdb", 1, "write"), noise={**noise, "throttle_events": 3})
    other.summarise()

    def hollow(name: str) -> dict[str, list[float]]:
        """The numbers of images at the hollow marks of each store that has some."""
        found = {
            store: [
                place[0]
                for one in axes.collections
                if isinstance(one, PathCollection)
                for place, face in zip(one.get_offsets().tolist(), one.get_facecolor(), strict=True)
                if to_hex(face) == "#ffffff"
            ]
            for grid in panels(other, name)
            for store, axes in grid.items()
        }
        return {store: places for store, places in found.items() if places}

    assert hollow("read_time_log") == {"lmdb": [10]}
    assert hollow("write_time_log") == {"lmdb": [1]}
    assert hollow("cold_and_warm") == {"lmdb": [10]}
    assert hollow("write_and_read") == {"lmdb": [1, 10]}
    other.draw()
    for name, note in (
        *((name, "Hollow marks: ") for name in ("read_time_log", "write_time_log", "cold_and_warm", "write_and_read")),
        ("single_image", "†: "),
    ):
        svg = texts((other.directory / "figures" / f"{name}.svg").read_text())
        assert f"{note}something disturbed the timing job." in svg.replace("\n", " ")
    assert svg.count("†") == 2


def test_random_images_cost_time_by_the_images_read_not_by_those_stored(run):
    tables = Tables.load(run.directory)
    for kind, grid in zip(("random", "batch"), panels(run, "random_time"), strict=True):
        assert list(grid) == tables.by_time(f"{kind}-warm", 10_000)
        for place, state in enumerate(("warm", "cold")):
            for name in run.backends:
                rows = [tables.cell(name, cutoff, f"{kind}-{state}") for cutoff in run.cutoffs]
                assert marks(grid[name], place) == [
                    pytest.approx((row.cutoff_images, row.median_seconds / min(2000, row.cutoff_images)))
                    for row in rows
                ]
            rows = [tables.cell(name, 10_000, f"{kind}-{state}") for name in run.backends]
            typical = sorted(row.baseline_median_seconds / 2000 for row in rows)[1]
            for axes in grid.values():
                assert lines(axes, style.BASELINE)[place][-1] == pytest.approx((10_000, typical))


def test_latencies_are_the_quantiles_of_the_largest_store(run):
    tables = Tables.load(run.directory)
    (grid,) = panels(run, "latency")
    assert list(grid) == tables.by_time("random-warm", 10_000)
    rows = {row.probability: row.seconds for row in tables.quantiles("lmdb", 10_000, "random-cold")}
    found = marks(grid["lmdb"], 1)
    assert found == [pytest.approx((rows[part], height)) for part, height in ((0.5, 0.30103), (0.9, 1), (0.99, 2))]
    assert rows_of(grid["lmdb"]) == ["half", "90 %", "99 %", "all"]
    (curve,) = lines(grid["lmdb"], style.COLOURS[1])
    slowest = max(x for x, _ in curve)
    assert slowest == pytest.approx(rows[1])
    assert max(x for x, _ in lines(grid["lmdb"], style.BASELINE)[1]) < slowest


def test_cold_over_warm(run):
    tables = Tables.load(run.directory)
    (grid,) = panels(run, "cold_and_warm")
    legend = [text.get_text() for text in figure_of(run, "cold_and_warm").legends[0].get_texts()]
    assert legend == ["Read", "Random", "Batch", "Workers", "First image", "reference file"]
    cold, warm = (tables.cell("png", 10, f"random-{state}").median_seconds for state in ("cold", "warm"))
    assert marks(grid["png"], legend.index("Random"))[1] == pytest.approx((10, cold / warm))
    cold, warm = (
        sorted(tables.cell(name, 10, f"read-{state}").baseline_median_seconds for name in run.backends)[1]
        for state in ("cold", "warm")
    )
    assert lines(grid["png"], style.BASELINE)[legend.index("Read")][1] == pytest.approx((10, cold / warm))


def test_workers_have_a_grid_for_each_cache_state_and_an_ideal_in_each_panel(run):
    grids = panels(run, "workers")
    assert [sorted(grid) for grid in grids] == 2 * [sorted(run.backends)]
    assert "Workers, warm Workers, cold" in notes_of(figure_of(run, "workers"))
    forked, spawned = 0, 1
    one, two = marks(grids[0]["hdf5"], spawned)
    assert (one[0], two[0]) == (1, 2)
    assert two[1] == pytest.approx(one[1] * 2**0.9, rel=0.1)
    best = max(marks(grids[0]["lmdb"], way)[0][1] for way in (forked, spawned))
    assert lines(grids[0]["lmdb"], style.TEXT) == [[(1, pytest.approx(best)), (2, pytest.approx(2 * best))]]
    assert [len(line) for line in lines(grids[1]["png"], style.BASELINE)] == [2, 2]
    with pytest.raises(ValueError, match="unpack"):
        marks(grids[0]["hdf5"], forked)


def test_a_run_without_workers_says_how_to_measure_them(tmp_path):
    Run(tmp_path, cutoffs=(10,)).write().summarise().draw("workers")
    assert "add workers-warm to operations in config.yaml" in texts((tmp_path / "figures" / "workers.svg").read_text())


def test_memory_is_that_of_the_largest_store(run, tmp_path):
    other = Run(tmp_path, cutoffs=(1, 10), operations=("write", "read-warm")).write()
    for operation, peak in (("write", 7_000_000), ("read-warm", None)):
        record = json.loads(other.record_path("lmdb", 10, operation).read_text())
        peaks = {"peak_memory_bytes": peak, "peak_mapped_bytes": 12_000_000}
        other.change(("lmdb", 10, operation), samples=[{**one, **peaks} for one in record["samples"]])
    anonymous, mapped = map(fields, figure_of(other.summarise(), "memory").axes)
    assert anonymous["lmdb", "Write"][0] == "7.00"
    assert mapped["lmdb", "Write"][0] == "12.0"
    assert anonymous["lmdb", "Read, warm"][0] == heat.NO_VALUE
    columns = {operation for _, operation in fields(figure_of(run, "memory").axes[0])}
    assert columns == {wording.operation(operation) for operation in ALL_OPERATIONS}


def test_a_single_image_has_no_panels_of_random_images(run):
    assert titles_of(figure_of(run, "single_image")) == [
        "Write",
        "Write, durable",
        "Read, warm",
        "Read, cold",
        "First image, warm",
        "First image, cold",
    ]


def test_writing_and_reading_show_the_plain_file_of_each_operation(run):
    tables = Tables.load(run.directory)
    (grid,) = panels(run, "write_and_read")
    assert list(grid) == tables.by_time("write", 10_000)
    grey = lines(grid["png"], style.BASELINE)
    assert len(grey) == 4
    cells_of = [tables.cell(name, 10_000, "write") for name in run.backends]
    plain = sorted(row.baseline_median_seconds for row in cells_of)[1] / 10_000
    assert grey[0][-1][1] == pytest.approx(plain)


def test_bars_show_gaps_below_the_stores_that_were_measured(tmp_path):
    gaps = {("lmdb", 10, "write"): "no room"}
    run = Run(tmp_path, cutoffs=(1, 10), operations=("write",), gaps=gaps).write().summarise()
    figure = figure_of(run, "write_time_linear")
    (axes,) = figure.axes
    assert rows_of(axes) == [*Tables.load(tmp_path).by_time("write", 10), "lmdb", "reference file"]
    assert "no value  (1.50 ms)" in [text.get_text() for text in axes.texts]
    assert "No value: lmdb, write, at 10: no room." in notes_of(figure)


def test_sizes_stand_beside_raw_pixels_and_the_articles(run):
    for axes in figure_of(run, "disk_usage").axes:
        found = fields(axes)
        assert found["raw pixels", "10k"][0] == "3,072"
        assert found["png in the article", "10"][0] == "2,458"
    assert "Last rows: published in the article (Real Python, 2019)" in notes_of(figure_of(run, "disk_usage"))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"memory", "disk_usage", "container_codec", "image_size"}))
def test_the_plain_file_is_drawn_wherever_it_was_timed(run, name):
    svg = (run.directory / "figures" / f"{name}.svg").read_text()
    assert (style.BASELINE in svg) is (name != "ranking")
    assert "reference file" in texts(svg).lower()


def test_the_article_is_named_only_where_its_times_are_drawn(run, tmp_path):
    figure = figure_of(run, "read_time_log")
    assert "Dots: published in the article" in notes_of(figure)
    (grid,) = panels(run, "read_time_log")
    dotted = [one for one in grid["png"].lines if one.get_alpha() == multiples.FAINT]
    assert [one.get_xdata().tolist() for one in dotted] == [[1, 10, 10_000]]
    other = Run(tmp_path, cutoffs=(20, 400)).write().summarise()
    assert "published" not in notes_of(figure_of(other, "read_time_log"))
