"""A run of several image sizes: nothing that is computed mixes them, and what they say together."""

import csv
import re
from dataclasses import replace
from itertools import product

import pytest

from scripts.report import tables
from scripts.report.compare import answers, claims, image_sizes, purposes, trends, two_runs
from scripts.report.compare.results import Results
from scripts.report.draw import style
from scripts.report.figures import image_size
from scripts.report.rows import LatencyRow, SelectionRow, SummaryRow, TimingRow
from scripts.report.tables import Tables
from scripts.steps import compare
from tests.support.figures import notes_of, titles_of
from tests.support.page import Strict, shown
from tests.support.report_run import Run, images_of

OPERATIONS = ("write", "read-warm", "batch-warm")
FACTORS = {"32x32": {"lmdb": 1, "hdf5": 2}, "256x256": {"lmdb": 120, "hdf5": 60}, "512x512": {"lmdb": 300, "hdf5": 300}}
"""How long reading takes each store, by image size: another store is fastest at each."""
PLAIN = {"32x32": 1e-3, "256x256": 6e-2, "512x512": 0.25}
"""The reference file's time (s)."""


def seconds_of(size: str):
    """The times (s) of a size: the cells of one size share a reference file, those of two sizes don't."""
    return lambda name, n, _: PLAIN[size] if name == "baseline" else 1e-4 * n * FACTORS[size][name]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of three image sizes, with a gap and a disturbed cell at the largest, and its page."""
    place = tmp_path_factory.mktemp("sizes")
    sizes = {size: seconds_of(size) for size in FACTORS}
    run = Run(place, ("lmdb", "hdf5"), (1, 100), OPERATIONS, image_sizes=sizes).write()
    run.change(("lmdb", 1, "write", "512x512"), status="gap", gap_reason="no room", samples=[])
    run.change(("hdf5", 1, "write", "256x256"), measuring_digest="older")
    run.summarise().draw("image_size", "read_time_log")
    run.text = run.page("image_size", "read_time_log")
    return run


def results(run: Run) -> Results:
    return Results(Tables.load(run.directory), tables.load(TimingRow, run.directory))


def test_records_of_every_size_count_and_are_kept_apart_by_size(run):
    rows = tables.load(SelectionRow, run.directory)
    apart = [(row.image_size, *row.cell) for row in rows if row.comparison_group != 1]
    assert apart == [("256x256", "hdf5", 1, "write")]
    by_size = Tables.load(run.directory).by_size
    assert list(by_size) == list(FACTORS)
    assert {size: {row.image_size for row in own.main} for size, own in by_size.items()} == {
        size: {size} for size in FACTORS
    }
    assert {row.image_size for row in tables.load(LatencyRow, run.directory)} == set(FACTORS)


def test_a_time_is_corrected_by_the_reference_file_of_its_own_size(run):
    """The reference file takes 60 to 250 times as long at the larger sizes: no job is slow for that."""
    for size, own in Tables.load(run.directory).by_size.items():
        row = own.cell("lmdb", 100, "read-warm")
        assert not row.corrected
        assert row.baseline_median_seconds == pytest.approx(PLAIN[size], rel=0.05)
        assert row.median_seconds == pytest.approx(1e-2 * FACTORS[size]["lmdb"], rel=0.05)


def test_each_size_has_its_own_best_and_ratios_to_it(run):
    leaders = {
        size: answers.fastest(own, "read-warm", 100, ("lmdb", "hdf5")).leader
        for size, own in results(run).by_size.items()
    }
    assert (leaders["32x32"], leaders["256x256"]) == ("lmdb", "hdf5")
    ratios = {
        (row.image_size, row.backend): row.ratio_to_best
        for row in tables.load(SummaryRow, run.directory)
        if row.cell[1:] == (100, "read-warm")
    }
    assert ratios["32x32", "hdf5"] == pytest.approx(2, rel=0.05)
    assert ratios["256x256", "lmdb"] == pytest.approx(2, rel=0.05)
    assert {ratios["32x32", "lmdb"], ratios["256x256", "hdf5"]} == {1.0}


def test_the_usual_size_is_shown_where_it_was_measured_else_the_largest(run):
    read = Tables.load(run.directory)
    assert read.image_size == "512x512"
    rows = [row for own in read.by_size.values() for row in own.summary]
    usual = [replace(row, image_size="224x224") if row.image_size == "256x256" else row for row in rows]
    assert Tables.of_run(usual, [], []).image_size == "224x224"
    gaps = [row for row in rows if row.image_size != "512x512" or row.status == "gap"]
    assert Tables.of_run(gaps, [], []).image_size == "256x256"


def test_trends_and_sizes_of_stores_are_of_one_image_size(run):
    for size, own in results(run).by_size.items():
        found = trends.break_evens(own)[100]["lmdb", "hdf5"]
        assert (found.epochs is not None) is (size == "256x256")
        larger = tables.pixels(size) / 1024
        assert own.tables.sizes("apparent_bytes", 100)["hdf5"] == int(2048 + larger * 3080 * 100)


def test_two_runs_are_compared_size_by_size(run, tmp_path, capsys):
    """The second run has the sizes in another order, and one more slow store at one of them."""
    slow = lambda name, n, what: seconds_of("256x256")(name, n, what) * (2 if name == "lmdb" else 1)  # noqa: E731
    sizes = {"256x256": slow, "32x32": seconds_of("32x32"), "64x64": seconds_of("32x32")}
    Run(tmp_path, run.backends, run.cutoffs, OPERATIONS, image_sizes=sizes).write().summarise()
    found = two_runs.by_size(two_runs.load(run.directory), two_runs.load(tmp_path))
    assert {size: {name for name, *_ in one.listed} for size, one in found.items()} == {
        "32x32": set(),
        "256x256": {"lmdb"},
    }
    with pytest.raises(SystemExit):
        compare.main([str(run.directory), str(tmp_path)])
    said = capsys.readouterr().out
    assert said.index("Images of 32x32 pixels:") < said.index("Images of 256x256 pixels:")


def test_the_page_answers_at_the_shown_size_and_at_each_further_one(run):
    parser = Strict()
    parser.feed(run.text)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert {target[1:] for target in parser.targets} <= set(parser.ids)
    assert len([name for name in parser.ids if name.startswith("cell-")]) == len(parser.files) == 36
    text = shown(run.text)
    assert "at 512 x 512 pixels , where they don't say otherwise" in text
    assert "measured at 32 x 32 pixels, 256 x 256 pixels and 512 x 512 pixels" in text
    assert re.search(r"At 100 images of 512 x 512 pixels take (lmdb or hdf5|hdf5 or lmdb|[^.]*undecided)", text)
    assert re.search(r"The answer at 256 x 256 pixels At 100 images of 256 x 256 pixels take [^.]*hdf5", text)
    assert re.search(r"The answer at 32 x 32 pixels At 100 images of 32 x 32 pixels take lmdb", text)
    assert "lmdb Write 1 512 x 512 pixels no room" in text


def test_the_figure_draws_each_store_over_the_sizes_and_links_every_mark(run):
    svg = (run.directory / "figures" / "image_size.svg").read_text()
    links = re.findall(r'<a xlink:href="\.\./report\.html#([^"]+)"', svg)
    sizes = ("-32x32", "-256x256", "")
    expected = [f"cell-{b}{s}-100-{o}" for b in run.backends for s in sizes for o in OPERATIONS[1:]]
    assert sorted(links) == sorted(expected)
    assert set(links) <= set(re.findall(r'<tr id="([^"]+)"', run.text))


def decoded(run: Run, shares: dict[str, tuple[float, float, float]]) -> Tables:
    """The tables of a run in which decoding takes these shares of the time of lmdb, and their ends, by image size."""
    rows = []
    for own in Tables.load(run.directory).by_size.values():
        for row in own.summary:
            if row.backend == "lmdb" and row.operation == "read-warm" and row.status == "measured":
                share, low, high = shares[row.image_size]
                whole = row.seconds_per_image
                names = (
                    "decoding_seconds_per_image",
                    "decoding_low_seconds_per_image",
                    "decoding_high_seconds_per_image",
                )
                times = dict(zip(names, (share * whole, low * whole, high * whole), strict=True))
                rest = ("storage_seconds_per_image", "storage_low_seconds_per_image", "storage_high_seconds_per_image")
                times |= dict(
                    zip(rest, (whole - share * whole, whole - high * whole, whole - low * whole), strict=True)
                )
                row = replace(row, **times)
            rows.append(row)
    return Tables.of_run(rows, [], [])


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        (
            (0.1, 0.5, 0.9),
            r"lmdb: decoding takes more than half of the time from about (2\d\d) x \1 pixels \(between \d+ and \d+\)",
        ),
        ((0.8, 0.9, 1.0), "Read, warm, lmdb: decoding takes more than half of the time at every size"),
        ((0.1, 0.2, 0.3), "lmdb: decoding takes less than half of the time at every size"),
        ((0.5, 0.5, 0.5), "about half of the time, undecided"),
    ],
)
def test_where_decoding_dominates_is_said_with_its_interval(run, shares, said):
    ends = {size: (share, 0.97 * share, min(1.0, 1.03 * share)) for size, share in zip(FACTORS, shares, strict=True)}
    read = decoded(run, ends)
    (sentence,) = image_sizes.dominated(read)
    assert re.search(said, sentence), sentence
    with style.applied():
        figure = image_size.draw(read)
    assert sorted(titles_of(figure)) == ["hdf5", "lmdb"]
    assert sentence in notes_of(figure).replace("\n", " ")
    assert "Image size: " not in notes_of(figure)
    assert "Decoding alone" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_one_size_says_what_the_figure_needs(tmp_path):
    run = Run(tmp_path, cutoffs=(10,), operations=("read-warm",)).write().summarise()
    read = Tables.load(tmp_path)
    assert image_sizes.dominated(read) == []
    assert "image_sizes in config.yaml" in notes_of(image_size.draw(read)) + " ".join(
        text.get_text() for axes in image_size.draw(read).axes for text in axes.texts
    )
    assert "Answers, figures and tables are at" not in shown(run.draw("image_size").page("image_size"))


@pytest.mark.parametrize(
    ("lmdb", "sizes", "verdict"),
    [
        ((20480, 4120, 4120), ("32x32", "64x64"), "not measured"),
        ((20480, 3100, 3100), ("32x32", "256x256", "512x512"), "refuted"),
        ((20480, 9000, 9000), ("32x32", "256x256", "512x512"), "confirmed"),
        ((20480, 3100, 9000), ("32x32", "512x512"), "depends"),
    ],
)
def test_the_claim_on_large_images_is_judged_at_large_sizes(tmp_path, lmdb, sizes, verdict):
    stores = {"lmdb": lmdb, "hdf5": (2048, 3080, 3081)}
    Run(
        tmp_path, ("lmdb", "hdf5"), (10, 100), ("write",), sizes=stores, image_sizes=dict.fromkeys(sizes)
    ).write().summarise()
    found = results(Run(tmp_path))
    (claim,) = [one for says, one in claims.judge(found).items() if "larger images" in says]
    assert claim.verdict == verdict
    if verdict != "not measured":
        for size in sizes:
            of_size = f"100 images of {size.replace('x', ' x ')} pixels: "
            assert re.search(rf"{of_size}apparent lmdb [\d.]+ . and hdf5 [\d.]+ ., allocated lmdb", claim.evidence)


def test_sizes_that_one_store_lacks_are_not_said_to_be_in_the_claim(tmp_path):
    Run(tmp_path, ("lmdb", "hdf5"), (10,), ("write",), image_sizes={"32x32": None, "512x512": None}).write().summarise()
    read = Tables.load(tmp_path).by_size.values()
    stores = [row for own in read for row in own.disk_usage if (row.backend, row.image_size) != ("hdf5", "512x512")]
    found = Results(Tables.of_run([row for own in read for row in own.summary], [], stores), [])
    (claim,) = [one for says, one in claims.judge(found).items() if "larger images" in says]
    assert claim.evidence == "The largest images that both stores hold here have 32 x 32 pixels."


def test_the_answer_in_short_names_the_size_only_if_it_is_asked_to(run):
    lines = purposes.lines(answers.questions(results(run)))
    assert purposes.in_short(lines).startswith("At 100 images take")
    assert purposes.in_short(lines, "512x512").startswith("At 100 images of 512 x 512 pixels take")


def test_a_table_has_its_rows_of_every_size(run):
    with (run.directory / "disk_usage.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["image_size"], row["cutoff_images"]) for row in rows if row["backend"] == "lmdb"] == [
        (size, count) for size in FACTORS for count in ("1", "100")
    ]


def test_larger_images_may_have_fewer_of_them_and_what_is_undecided_is_measured_again_at_its_size(tmp_path):
    """Of the shown size 100,000 images are left out, so that no sample there draws some of them only."""
    run = Run(tmp_path, ("lmdb", "hdf5"), (1_000, 10_000), ("batch-warm", "read-warm"), noise=0.2)
    run.seconds = lambda name, n, what: {"hdf5": 1.04}.get(name, 1) * 1e-4 * images_of(n, what)
    run.image_sizes = {"224x224": None, "512x512": None}
    run.fewer_cutoffs = {"224x224": (1_000,)}
    run.left_out = {"10,000 images of 224x224": "its pixels would take 1.51 GB, more than `largest_store_gb` (1)"}
    run.write()
    for name, kind in product(run.backends, run.operations):
        run.record_path(name, 10_000, kind, "224x224").unlink()
    text = run.summarise().draw("image_size").page("image_size")
    commands = re.findall(r"python scripts again [^<]*", text)
    assert commands
    assert all("/224x224/" in one and "/512x512/" not in one for one in commands)
    said = shown(text)
    assert "10,000 images of 224x224 its pixels would take 1.51 GB" in said
    row = Tables.load(tmp_path).by_size["512x512"].cell("lmdb", 10_000, "batch-warm")
    assert re.search(
        rf'id="cell-lmdb-512x512-10000-batch-warm".*?<td>{row.seconds_per_image * 1e6:.3g}', text, re.DOTALL
    )
    assert "Of 1,000 images." in (tmp_path / "figures" / "image_size.svg").read_text()
