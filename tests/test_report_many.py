"""Figures and page with few and with many stores: nothing overlaps, ranks are right, and the page stays small."""

import html
import importlib
import re
from itertools import combinations
from statistics import geometric_mean

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy import isnan

from scripts.report import answers, appearance, captions, decomposition, heat, multiples, style, tables, wording
from scripts.report.comparison import Results
from scripts.report.tables import Tables
from tests.report_run import (
    CODECS,
    COMBINED,
    CONTAINERS,
    KINDS,
    MANY,
    MORE_OPERATIONS,
    OPERATIONS,
    PEAKS,
    UNMADE,
    Run,
    many_seconds,
    named,
)
from tests.test_report_page import Strict, browse, shown

CUTOFFS = (1, 100, 10_000)
COUNTS = {1: MANY[:1], 4: ("lmdb", "lmdb-png", "sqlite", "sqlite-png"), 22: MANY}
PAGE_BYTES = 4_000_000 * len(MANY) / 24
"""With 24 stores, the operations and numbers of images of a plain run, the page has 4 MB at most."""
GAP = ("tar", 10_000, "workers-cold")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of one, four and 22 stores, by their number."""
    made = {}
    for count, names in COUNTS.items():
        gaps = {GAP: "several processes can't read it"} if GAP[0] in names else {}
        more = {"cutoffs": CUTOFFS, "operations": (*OPERATIONS, *MORE_OPERATIONS), "gaps": gaps}
        made[count] = Run.of_many(tmp_path_factory.mktemp(f"run{count}"), backends=names, **more).write().summarise()
    return made


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A plain run of 22 stores, with its page; two backends can't run."""
    run = Run.of_many(tmp_path_factory.mktemp("many")).write().summarise().draw()
    run.missing = {"this-one": "there is no `tool` on the PATH; install <it>", "that-one": "no package"}
    run.text = run.page()
    return run


def figure_of(run: Run, name: str) -> Figure:
    with style.applied():
        return importlib.import_module(f"scripts.report.figures.{name}").draw(Tables.load(run.directory))


def written(figure: Figure) -> list[Text]:
    """All that is written in a figure, labels of ticks included."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        if axes.axison:
            for axis in (axes.xaxis, axes.yaxis):
                labels = [label for tick in axis._update_ticks() for label in (tick.label1, tick.label2)]
                found += [axis.label, *labels]
        found += [*axes.texts, axes.title, axes._left_title, axes._right_title]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


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


def fields(axes: Axes) -> dict[tuple[str, str], tuple[str, str]]:
    """Text and colour of each field of a table that is drawn, by the names of its row and column."""
    rows, columns = ([label.get_text() for label in axis.get_ticklabels()] for axis in (axes.yaxis, axes.xaxis))
    colours = {patch.get_xy(): to_hex(patch.get_facecolor()) for patch in axes.patches if isinstance(patch, Rectangle)}
    found = {}
    for text in axes.texts:
        x, y = (int(place) for place in text.get_position())
        found[rows[y], columns[x].replace("\n", " ")] = (text.get_text(), colours[x, y])
    assert len(found) == len(rows) * len(columns)
    return found


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", captions.names())
def test_nothing_that_is_written_overlaps(runs, name, count):
    assert overlapping(figure_of(runs[count], name)) == []


def test_the_check_for_overlaps_finds_some():
    figure = style.sheet("A question?", 2.0, [])
    assert overlapping(figure) == []
    figure.text(0.05, 1 - 0.2 / figure.get_figheight(), "an answer", va="top")
    figure.text(0.99, 0.5, "over the edge")
    assert overlapping(figure) == [("A question?", "an answer"), ("over the edge", "the edge")]


def test_the_table_has_module_codec_and_what_the_answers_say(runs):
    read = Tables.load(runs[22].directory)
    results = Results(read, tables.read("timings", runs[22].directory / "timings.csv"))
    assert read.kinds == {name: (module, options.get("codec")) for name, (module, options) in KINDS.items()}
    assert {row["codec"] for row in read.disk_usage} == {*CODECS, None}
    for operation in ("write", "read-cold", "workers-warm"):
        answer = answers.fastest(results, operation, 10_000)
        rows = {name: read.cell(name, 10_000, operation) for name in MANY}
        assert [name for name in MANY if rows[name]["ties_with_best"]] == list(answer.best)
        assert rows[answer.leader]["ratio_to_best"] == 1
        for name in MANY:
            if name != answer.leader:
                ratio = results.ratio(operation, 10_000, name, answer.leader).value
                assert rows[name]["ratio_to_best"] == pytest.approx(ratio)
    ways = [row for row in read.summary if row["operation"] == "workers-warm" and row["backend"] == "lmdb"]
    assert [row["ratio_to_best"] is None for row in ways if row["cutoff_images"] == 100] == [True, True, True, False]


def test_what_is_apart_is_not_compared_with_the_best(tmp_path):
    run = Run(tmp_path, cutoffs=(10,), operations=("write", "read-warm")).write()
    run.change(("hdf5", 10, "write"), measuring_digest="other")
    rows = {(row["backend"], row["operation"]): row for row in Tables.load(run.summarise().directory).summary}
    assert rows["hdf5", "write"]["ratio_to_best"] is None
    assert rows["hdf5", "write"]["ties_with_best"] is None
    assert rows["lmdb", "write"]["ratio_to_best"] == 1


@pytest.mark.parametrize("count", COUNTS)
def test_the_ranking_is_by_the_mean_of_what_the_table_says(runs, count):
    (axes,) = figure_of(runs[count], "ranking").axes
    shown_fields = fields(axes)
    read = Tables.load(runs[count].directory)
    factors = {
        name: [
            row["ratio_to_best"] for operation in read.operations if (row := read.cell(name, CUTOFFS[-1], operation))
        ]
        for name in read.backends
    }
    means = {name: geometric_mean(known) for name, known in factors.items()}
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["the best takes", *sorted(means, key=means.__getitem__), "plain file"]
    assert rows[1] == {1: "lmdb", 4: "lmdb", 22: "memmap"}[count]
    for name in read.backends:
        assert float(shown_fields[name, "Overall"][0]) == pytest.approx(means[name], rel=0.05)
        for operation in read.operations:
            row = read.cell(name, CUTOFFS[-1], operation)
            text, colour = shown_fields[name, wording.operation(operation)]
            if row is None:
                assert (name, CUTOFFS[-1], operation) == GAP
                assert (text, colour) == (heat.NO_VALUE, "#ffffff")
                continue
            assert float(text.replace(",", "")) == pytest.approx(row["ratio_to_best"], rel=0.051)
            assert (colour == heat.BEST) is row["ties_with_best"]
    for operation in read.operations:
        rows_of = [row for name in read.backends if (row := read.cell(name, CUTOFFS[-1], operation))]
        best = next(row for row in rows_of if row["ratio_to_best"] == 1)
        assert shown_fields["the best takes", wording.operation(operation)][0] == wording.seconds(
            best["median_seconds"]
        )
        plain = float(shown_fields["plain file", wording.operation(operation)][0].replace(",", ""))
        assert plain == pytest.approx(1 / best["ratio_to_baseline"], rel=0.051)


@pytest.mark.parametrize("count", [4, 22])
def test_containers_and_codecs_show_the_numbers_of_the_table(runs, count):
    read = Tables.load(runs[count].directory)
    panels = {axes.get_title(loc="left"): axes for axes in figure_of(runs[count], "container_codec").axes}
    assert [title.split(":")[0] for title in panels] == ["Read, warm", "Batch, warm", "Write", "Disk, allocated"]
    containers, codecs = {4: (("lmdb", "sqlite"), ("raw", "png")), 22: (CONTAINERS, CODECS)}[count]
    for (title, axes), operation in zip(panels.items(), ("read-warm", "batch-warm", "write", None), strict=True):
        found = fields(axes)
        assert {pair for pair, (text, _) in found.items() if text == heat.NO_VALUE} == {
            pair for name in UNMADE if count == 22 for pair in [tuple(name.split("-"))]
        }
        assert set(found) == {(container, codec) for container in containers for codec in codecs}
        unit = {"µs": 1e-6, "ns": 1e-9}[title.split(": ")[1].split()[0]] if operation else 1
        numbers = {}
        for (container, codec), (text, _) in found.items():
            if text != heat.NO_VALUE:
                name = named(container, codec)
                row = read.cell(name, 10_000, operation) if operation else read.store(name, 10_000)
                value = row["median_seconds"] / row["images"] if operation else row["allocated_bytes_per_image"]
                numbers[container, codec] = float(text.replace(",", "")) * unit
                assert numbers[container, codec] == pytest.approx(value, rel=0.006), (title, name)
        green = [pair for pair, (_, colour) in found.items() if colour == heat.BEST]
        assert min(numbers, key=numbers.__getitem__) in green


def test_of_variants_alike_in_container_and_codec_the_first_is_shown(tmp_path):
    names = ("lmdb", "again", "lmdb-png", "sqlite", "sqlite-png")
    kinds = {**KINDS, "again": ("lmdb", {"codec": "raw", "level": 9})}
    more = {"cutoffs": (10,), "operations": ("read-warm",)}
    run = Run.of_many(
        tmp_path,
        backends=names,
        kinds=kinds,
        seconds=lambda name, *cell: many_seconds("lmdb-zstd" if name == "again" else name, *cell),
        **more,
    )
    figure = figure_of(run.write().summarise(), "container_codec")
    read = Tables.load(tmp_path)
    per_image = [read.cell(name, 10, "read-warm")["median_seconds"] / 10 for name in names[:2]]
    assert per_image[0] != pytest.approx(per_image[1], rel=0.01)
    assert float(fields(figure.axes[0])["lmdb", "raw"][0]) * 1e-6 == pytest.approx(per_image[0], rel=0.006)
    assert "another variant has the same container and codec: again." in "".join(
        text.get_text() for text in figure.texts
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("lmdb", "lmdb-png", "hdf5"), "this run has one container."),
        (("lmdb", "sqlite"), "this run has one codec."),
        (("hdf5", "memmap"), "this run has no containers and no codecs."),
    ],
)
def test_too_few_containers_or_codecs_are_said(tmp_path, names, said):
    run = Run.of_many(tmp_path, backends=names, cutoffs=(10,), operations=("read-warm",)).write().summarise()
    (axes,) = figure_of(run, "container_codec").axes
    assert said in axes.texts[0].get_text().replace("\n", " ")
    assert decomposition.of(Results(Tables.load(tmp_path), tables.read("timings", tmp_path / "timings.csv"))) is None


def test_the_costs_of_codecs_and_containers_are_those_of_the_formula(runs):
    """Reading 10,000 from lmdb takes 1.7 µs an image and opening, decoding png 58 and raw 0.3 more."""
    read = Tables.load(runs[22].directory)
    found = decomposition.of(Results(read, tables.read("timings", runs[22].directory / "timings.csv")))
    assert (found.operation, found.cutoff) == ("read-warm", 10_000)

    def each(container: str, codec: str) -> float:
        opening, image = CONTAINERS[container]
        return opening / 10_000 + image + CODECS[codec][1]

    said = " ".join(found.sentences)
    share = {name: round(100 * (1 - each(name, "raw") / each(name, "png"))) for name in ("lmdb", "tar")}
    low, high = map(
        int, re.search(r"codec png, (\d+) % \(tar\) to (\d+) % \(lmdb\) is what it takes more than raw", said).groups()
    )
    assert (low, high) == (pytest.approx(share["tar"], abs=1), pytest.approx(share["lmdb"], abs=1))
    apart = float(re.search(rf"with codec raw ([\d.]+) {wording.TIMES} \(tar over lmdb\)", said)[1])
    assert apart == pytest.approx(each("tar", "raw") / each("lmdb", "raw"), rel=0.03)
    assert "with codec png they tie" not in said
    assert len(found.sentences) == len(CODECS)


def test_with_many_each_has_a_panel_and_the_others_are_grey(runs):
    read = Tables.load(runs[22].directory)
    figure = figure_of(runs[22], "read_time_log")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == read.by_time("read-warm", 10_000)
    assert len(titles) == 22
    seconds = [read.cell(name, 10_000, "read-warm")["median_seconds"] for name in titles]
    assert seconds == sorted(seconds)
    for axes, name in zip(figure.axes, titles, strict=True):
        coloured = [line for line in axes.lines if line.get_color() == appearance.HIGHLIGHT]
        own = [line for line in coloured if not isnan(line.get_ydata()).any()]
        for line, operation in zip(own, ("read-warm", "read-cold"), strict=True):
            expected = [read.cell(name, cutoff, operation)["median_seconds"] for cutoff in CUTOFFS]
            assert line.get_ydata().tolist() == pytest.approx(expected)
        (others,) = [line for line in axes.lines if line.get_color() == multiples.OTHERS.color]
        heights = [value for value in others.get_ydata() if value == value]
        assert len(heights) == 2 * 21 * len(CUTOFFS)
        assert len([line for line in axes.lines if line.get_color() == style.BASELINE]) == 2
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


@pytest.mark.parametrize(("name", "grids"), [("random_time", 2), ("workers", 2), ("latency", 1), ("write_time_log", 1)])
def test_every_store_has_a_panel_in_every_grid(runs, name, grids):
    titles = [axes.get_title(loc="left") for axes in figure_of(runs[22], name).axes]
    missing = [GAP[0]] if name == "workers" else []
    assert sorted([*titles, *missing]) == sorted(grids * MANY)


def test_seven_stores_share_a_panel_and_eight_have_one_each(tmp_path):
    for count, panels in ((appearance.MOST_LINES, 2), (appearance.MOST_LINES + 1, 8)):
        run = Run.of_many(
            tmp_path / str(count), backends=MANY[:count], cutoffs=(1, 10), operations=("read-warm", "read-cold")
        )
        assert len(figure_of(run.write().summarise(), "read_time_log").axes) == panels


@pytest.mark.parametrize("name", ["read_time_linear", "write_time_linear"])
def test_bars_of_many_are_sorted_by_value(runs, name):
    for axes in figure_of(runs[22], name).axes:
        *names, plain = (label.get_text() for label in axes.get_yticklabels())
        operation = next(key for key, words in wording.OPERATIONS.items() if words == axes.get_title(loc="left"))
        assert plain == "plain file"
        assert names == Tables.load(runs[22].directory).by_time(operation, 10_000)


def test_disk_and_memory_of_many_are_sorted_and_as_in_the_table(runs):
    read = Tables.load(runs[22].directory)
    apparent, allocated = figure_of(runs[22], "disk_usage").axes
    names = [label.get_text() for label in allocated.get_yticklabels()]
    sizes = [read.store(name, 10_000)["allocated_bytes"] for name in names]
    assert sizes == sorted(sizes)
    assert len(sizes) == 22
    assert fields(apparent)["tar-png", "100"][0] == f"{read.store('tar-png', 100)['apparent_bytes_per_image']:,.0f}"
    (memory,) = figure_of(runs[22], "memory").axes
    names = [label.get_text() for label in memory.get_yticklabels()]
    assert sorted(names) == sorted(MANY)
    assert [PEAKS[name] for name in names] == sorted(PEAKS.values())
    for name in names:
        text, colour = fields(memory)[name, "Write"]
        assert text == wording.significant(read.cell(name, 10_000, "write")["peak_memory_bytes"] / 1e6)
        assert (colour == heat.BEST) is (PEAKS[name] == 1)


def test_many_gaps_share_notes(tmp_path):
    gaps = {(name, 10, "read-cold"): "no permission" for name in MANY}
    run = Run.of_many(tmp_path, cutoffs=(10,), operations=("read-warm", "read-cold"), gaps=gaps).write().summarise()
    notes = style.gaps(Tables.load(tmp_path), run.operations)
    assert len(notes) == 1
    assert notes[0].startswith(f"No value in some cells of {MANY[0]}, {MANY[1]}, ")
    assert len(notes[0]) <= style.GAP_LETTERS


def test_the_page_of_many_is_well_formed_and_small(many):
    parser = Strict()
    parser.feed(many.text)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert {target[1:] for target in parser.targets} <= set(parser.ids)
    assert len(many.text.encode()) < PAGE_BYTES


def test_what_is_written_in_figures_is_the_same_on_the_page(many):
    for name in captions.names():
        svg = (many.directory / "figures" / f"{name}.svg").read_text()
        inlined = re.search(rf'<figure id="{name}">.*?(<svg.*?</svg>)', many.text, re.DOTALL)[1]
        written_in = [re.findall(r"<text[^>]*>([^<]*)</text>", text) for text in (svg, inlined)]
        assert written_in[0] == written_in[1], name
        assert inlined.count("<path") + inlined.count("<use") == svg.count("<path") + svg.count("<use"), name
    assert re.search(r">0\.\d\d\d<", (many.directory / "figures" / "memory.svg").read_text())


def test_the_page_of_many_names_no_colours_and_folds_its_tables(many):
    assert 'class="dot"' not in many.text
    text = shown(many.text)
    assert "22 stores compared on one machine" in text
    assert text.count(": the other 17") == len(many.operations) + 1
    first = re.search(r"<p class=\"caption\">Read, warm.*?</table>", many.text, re.DOTALL)[0]
    names = re.findall(r'<th scope="row">([^<]+)</th>', first)
    assert names == Tables.load(many.directory).by_time("read-warm", 100_000)[:5]
    assert '<td class="number top"><a href="#cell-memmap-100000-read-warm">' in first
    assert first.count('class="number top"') == len(many.cutoffs)


def test_backends_that_cannot_run_are_on_the_page_with_their_reasons(many, runs):
    text = shown(many.text)
    assert "Backends that can't run here" in text
    assert "this-one there is no tool on the PATH; install <it>" in text
    assert "that-one no package" in text
    assert "Backends that can't run here" not in shown(runs[4].draw("single_image").page("single_image"))


def test_ties_of_many_are_short(tmp_path):
    run = Run.of_many(tmp_path, cutoffs=(10,), operations=("read-warm",), seconds=lambda *_: 1e-3)
    text = run.write().summarise().draw("single_image").page("single_image")
    sentence = re.search(r'<p class="short">(.*?)</p>', text)[1]
    assert re.search(r"any of 22, such as \S+, \S+ or \S+ to read everything", sentence)
    assert len(sentence) < 200
    assert "and 21 that tie" in shown(text)
    few = Run.of_many(
        tmp_path / "few", backends=MANY[:5], cutoffs=(10,), operations=("read-warm",), seconds=lambda *_: 1e-3
    )
    sentence = re.search(
        r'<p class="short">(.*?)</p>', few.write().summarise().draw("single_image").page("single_image")
    )[1]
    assert f"any of five: {wording.join(MANY[:5], 'or')} to read everything" in sentence


def test_choices_and_lists_in_words():
    names = list("abcdefghi")
    assert wording.any_of(names[:1]) == "a"
    assert wording.any_of(names[:3]) == "a, b or c"
    assert wording.any_of(names[:4]) == "any of four: a, b, c or d"
    assert wording.any_of(names) == "any of nine, such as a, b or c"
    assert wording.all_of(names[:5]) == "a, b, c, d and e"
    assert wording.all_of(names) == "a, b, c and six others"
    assert wording.number(12) == "twelve"
    assert wording.number(13) == "13"


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_of_many_fits_the_window(many, tmp_path, width):
    """Also with everything unfolded, and heads of long tables stay in sight while these scroll."""
    script = (
        "<script>addEventListener('load', () => { const page = frames[0].document;"
        "page.querySelectorAll('details').forEach(one => { one.open = true; });"
        "const tall = page.querySelector('#cells .tall'); tall.scrollTop = 2000;"
        "const head = tall.querySelector('thead th:nth-child(2)').getBoundingClientRect().top;"
        "const box = tall.getBoundingClientRect().top;"
        "document.body.dataset.found = [page.documentElement.clientWidth, page.documentElement.scrollWidth,"
        "tall.scrollTop, Math.round(head - box)]; });</script>"
    )
    document = html.escape(many.text, quote=True)
    frame = f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{document}"></iframe>'
    found = re.search(r'data-found="([\d,-]+)"', browse(f"<!DOCTYPE html><body>{frame}{script}</body>", tmp_path))
    assert found, "the page didn't load in the browser"
    inner, needed, scrolled, head = map(int, found[1].split(","))
    assert inner == width
    assert needed <= inner
    assert (scrolled, head) == (2000, 0)


def test_made_up_names_are_many_and_long():
    assert (len(MANY), max(map(len, MANY))) == (22, 20)
    assert set(COMBINED) < set(MANY)
