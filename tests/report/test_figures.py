"""Every figure draws from every kind of run, shows its gaps and its source, and is the same when drawn again."""

import importlib
import json
import re
from itertools import pairwise

import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from PIL import Image

from scripts.report.draw import appearance, captions, curves, style
from scripts.report.tables import Tables
from tests.support.report_run import MORE_OPERATIONS, OPERATIONS, SYNTHETIC, Run

NAMES = captions.names()
MANY = ("png", "lmdb", "hdf5", *(f"backend-{letter}" for letter in "abcdefghijkl"))
READS = ("read-warm", "read-cold")
ALL_OPERATIONS = (*OPERATIONS, *MORE_OPERATIONS)
RUNS = {
    "fifteen backends": {"backends": MANY, "cutoffs": (1,)},
    "one backend": {"backends": ("hdf5",), "cutoffs": (1, 10)},
    "one cutoff": {"cutoffs": (100,)},
    "all gaps": {"cutoffs": (1, 10), "gaps": {(b, n, o): f"no {o}" for b in MANY for n in (1, 10) for o in READS}},
    "no reads": {"cutoffs": (1, 10), "operations": ("write",)},
    "no writes": {"cutoffs": (1, 10), "operations": READS},
    "unknown operation": {"cutoffs": (1, 10), "operations": ("write", "scan-warm")},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of everything there is, with sizes from which random draws some images only, all of it drawn."""
    directory = tmp_path_factory.mktemp("run")
    return Run(directory, cutoffs=(1, 10, 10_000), operations=ALL_OPERATIONS).write().summarise().draw()


def drawn(run: Run, name: str) -> dict[str, Axes]:
    """The panels of a figure, by title."""
    with style.applied():
        figure = importlib.import_module(f"scripts.report.figures.{name}").draw(Tables.load(run.directory))
    return {axes.get_title(loc="left"): axes for axes in figure.axes}


def marks(axes: Axes, backend: str) -> list[tuple[float, float]]:
    """Where the marks of a backend are."""
    colour = style.looks(("png", "lmdb", "hdf5"))[backend].color
    drawn = [one for one in axes.collections if isinstance(one, PathCollection)]
    (found,) = [one for one in drawn if to_hex(one.get_facecolor()[0]) == colour]
    return [tuple(point) for point in found.get_offsets().tolist()]


def line(axes: Axes, colour: str) -> list[tuple[float, float]]:
    """The points of the one line of that colour."""
    (found,) = [one for one in axes.lines if one.get_color() == colour]
    return list(zip(*(list(map(float, values)) for values in found.get_data()), strict=True))


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
    assert len(NAMES) == 14
    assert len({captions._position(name) for name in NAMES}) == 14
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


def test_the_same_tables_give_the_same_bytes(run):
    files = [run.directory / "figures" / f"{name}.{kind}" for name in NAMES for kind in ("svg", "png")]
    first = [file.read_bytes() for file in files]
    run.draw()
    assert [file.read_bytes() for file in files] == first


def test_looks_stay_unique_with_many_backends():
    looks = style.looks(MANY)
    assert len(set(looks.values())) == len(MANY)


def test_the_figure_of_operations_has_no_colour_of_a_store(run):
    svg = (run.directory / "figures" / "write_and_read.svg").read_text()
    assert not [colour for colour in (appearance.colour(place) for place in range(3)) if colour in svg]


def test_colours_are_told_apart_in_greyscale_and_their_text_is_readable():
    def grey(colour):
        red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    shades = sorted(grey(colour) for colour in appearance.COLOURS[:6])
    assert min(above - below for below, above in pairwise(shades)) > 20
    assert appearance.ink("#16387c") == "#16387c"
    assert grey(appearance.ink("#93c9ee")) < 125


def test_crowded_labels_are_pushed_apart():
    places = curves.spread([0.0, 0.01, 0.02, 0.5, 0.9, 0.91], 0.05)
    assert all(above - below >= 0.05 - 1e-9 for below, above in pairwise(places))
    assert places[0] == 0
    assert places[3] == 0.5
    assert sum(places[4:]) == pytest.approx(1.81)


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
        "memory": cells(run, [name for name in ALL_OPERATIONS if "workers" not in name], (10_000,)),
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
        assert bool(links(run, name)) is (name != "container_codec"), name


def test_disturbed_cells_have_hollow_marks_and_a_note(tmp_path):
    other = Run(tmp_path, cutoffs=(1, 10), operations=("write", "read-warm", "read-cold")).write()
    noise = json.loads(other.record_path("lmdb", 10, "read-cold").read_text())["noise"]
    other.change(("lmdb", 10, "read-cold"), noise={**noise, "throttle_events": 3})
    other.change(("lmdb", 1, "write"), noise={**noise, "throttle_events": 3})
    other.summarise()

    def hollow(name: str) -> dict[str, list[float]]:
        """The numbers of images at the hollow marks of each panel that has some."""
        found = {
            title: [
                place[0]
                for one in axes.collections
                if isinstance(one, PathCollection)
                for place, face in zip(one.get_offsets().tolist(), one.get_facecolor(), strict=True)
                if to_hex(face) == "#ffffff"
            ]
            for title, axes in drawn(other, name).items()
        }
        return {title: places for title, places in found.items() if places}

    assert hollow("read_time_log") == {"Read, cold": [10]}
    assert hollow("write_time_log") == {"Write": [1]}
    assert hollow("cold_and_warm") == {"Read": [10]}
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
    panels = drawn(run, "random_time")
    assert list(panels) == ["Random, warm", "Random, cold", "Batch, warm", "Batch, cold"]
    tables = Tables.load(run.directory)
    for title, operation in zip(panels, ("random-warm", "random-cold", "batch-warm", "batch-cold"), strict=True):
        for name in run.backends:
            rows = [tables.cell(name, cutoff, operation) for cutoff in run.cutoffs]
            assert marks(panels[title], name) == [
                pytest.approx((row.cutoff_images, row.median_seconds / min(2000, row.cutoff_images))) for row in rows
            ]
        plain = line(panels[title], style.BASELINE)
        rows = [tables.cell(name, 10_000, operation) for name in run.backends]
        typical = sorted(row.baseline_median_seconds / 2000 for row in rows)[1]
        assert plain[-1] == pytest.approx((10_000, typical))


def test_latencies_are_the_quantiles_of_the_largest_store(run):
    tables = Tables.load(run.directory)
    panels = drawn(run, "latency")
    assert list(panels) == ["Random, warm", "Random, cold"]
    rows = {row.probability: row.seconds for row in tables.quantiles("lmdb", 10_000, "random-cold")}
    found = marks(panels["Random, cold"], "lmdb")
    assert found == [pytest.approx((rows[part], height)) for part, height in ((0.5, 0.30103), (0.9, 1), (0.99, 2))]
    assert [label.get_text() for label in panels["Random, cold"].get_yticklabels()] == ["half", "90 %", "99 %", "all"]
    slowest = max(x for x, _ in line(panels["Random, cold"], style.looks(run.backends)["lmdb"].color))
    assert slowest == pytest.approx(rows[1])
    assert max(x for x, _ in line(panels["Random, cold"], style.BASELINE)) < slowest


def test_cold_over_warm(run):
    tables = Tables.load(run.directory)
    panels = drawn(run, "cold_and_warm")
    assert list(panels) == ["Read", "Random", "Batch", "Workers", "First image"]
    cold, warm = (tables.cell("png", 10, f"random-{state}").median_seconds for state in ("cold", "warm"))
    assert marks(panels["Random"], "png")[1] == pytest.approx((10, cold / warm))
    cold, warm = (
        sorted(tables.cell(name, 10, f"read-{state}").baseline_median_seconds for name in run.backends)[1]
        for state in ("cold", "warm")
    )
    assert line(panels["Read"], style.BASELINE)[1] == pytest.approx((10, cold / warm))


def test_workers_have_a_panel_for_each_way_of_starting_and_an_ideal(run):
    panels = drawn(run, "workers")
    assert list(panels) == [f"Workers, {state}, {way}" for state in ("warm", "cold") for way in ("forked", "spawned")]
    one, two = marks(panels["Workers, warm, spawned"], "hdf5")
    assert (one[0], two[0]) == (1, 2)
    assert two[1] == pytest.approx(one[1] * 2**0.9, rel=0.1)
    best = max(marks(panels["Workers, warm, forked"], name)[0][1] for name in ("png", "lmdb"))
    assert line(panels["Workers, warm, forked"], style.TEXT) == [(1, pytest.approx(best)), (2, pytest.approx(2 * best))]
    assert len(line(panels["Workers, cold, spawned"], style.BASELINE)) == 2
    with pytest.raises(ValueError, match="unpack"):
        marks(panels["Workers, warm, forked"], "hdf5")


def test_a_run_without_workers_says_how_to_measure_them(tmp_path):
    Run(tmp_path, cutoffs=(10,)).write().summarise().draw("workers")
    assert "add workers-warm to operations in config.yaml" in texts((tmp_path / "figures" / "workers.svg").read_text())


def test_memory_is_that_of_the_largest_store(run, tmp_path):
    other = Run(tmp_path, cutoffs=(1, 10), operations=("write", "read-warm")).write()
    for operation, peak in (("write", 7_000_000), ("read-warm", None)):
        record = json.loads(other.record_path("lmdb", 10, operation).read_text())
        peaks = {"peak_memory_bytes": peak, "peak_mapped_bytes": 12_000_000}
        other.change(("lmdb", 10, operation), samples=[{**one, **peaks} for one in record["samples"]])
    other.summarise().draw("memory")
    svg = texts((tmp_path / "figures" / "memory.svg").read_text())
    assert "7.00 MB" in svg
    assert "mapped 12.0 MB" in svg
    assert svg.count("no value") == 1
    assert len(drawn(run, "memory")) == len(ALL_OPERATIONS)


def test_a_single_image_has_no_panels_of_random_images(run):
    titles = list(drawn(run, "single_image"))
    assert titles == [
        *("Write", "Write, durable", "Read, warm", "Read, cold", "First image, warm", "First image, cold")
    ]


def test_writing_and_reading_show_the_plain_file_of_each_operation(run):
    tables = Tables.load(run.directory)
    panels = drawn(run, "write_and_read")
    assert list(panels) == list(run.backends)
    grey = [one for one in panels["png"].lines if one.get_color() == style.BASELINE]
    assert len(grey) == 4
    cells_of = [tables.cell(name, 10_000, "write") for name in run.backends]
    plain = sorted(row.baseline_median_seconds for row in cells_of)[1] / 10_000
    assert grey[0].get_ydata()[-1] == pytest.approx(plain)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"memory", "disk_usage", "container_codec"}))
def test_the_plain_file_is_drawn_wherever_it_was_timed(run, name):
    svg = (run.directory / "figures" / f"{name}.svg").read_text()
    assert (style.BASELINE in svg) is (name != "ranking")
    assert "lain file" in texts(svg)


def test_the_article_is_named_only_where_its_times_are_drawn(run, tmp_path):
    assert "published times" in texts((run.directory / "figures" / "read_time_log.svg").read_text())
    Run(tmp_path, cutoffs=(20, 400)).write().summarise().draw("read_time_log")
    assert "published times" not in texts((tmp_path / "figures" / "read_time_log.svg").read_text())
