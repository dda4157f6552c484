"""The page: complete, self-contained, the same every time, and readable in a browser, wide and narrow."""

import html
import json
import re

import pytest

from scripts.common.errors import UserError
from scripts.report import tables, wording
from scripts.report.draw import captions
from scripts.report.rows import SummaryRow
from tests.support.page import Strict, browse, shown
from tests.support.report_run import MORE_OPERATIONS, NFS, OPERATIONS, STORE, SYNTHETIC, Run

LEFT_OUT = {"container_codec", "image_size", "workers"}
"""Figures that a run of three backends and the usual operations has nothing for."""
SHOWN = [name for name in captions.names() if name not in LEFT_OUT]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a gap, an outlier, a disturbed cell, a record apart, and what'd be markup if it weren't escaped."""
    gaps = {("png", 10, "read-cold"): "<script>alert('no')</script> isn't allowed"}
    run = Run(tmp_path_factory.mktemp("run"), cutoffs=(1, 10, 100), gaps=gaps).write()
    run.change(("lmdb", 100, "write"), measuring_digest="another")
    noise = json.loads(run.record_path("hdf5", 100, "read-warm").read_text())["noise"]
    run.change(("hdf5", 100, "read-warm"), noise={**noise, "other_user_seconds": 2.2})
    run.summarise().draw()
    run.text = run.page()
    return run


def row_of(text: str, place: str) -> str:
    """The text of a cell's row among all cells."""
    return shown(re.search(rf'<tr id="{place}">(.*?)</tr>', text, re.DOTALL)[1]).strip()


def test_the_page_is_well_formed_and_every_id_is_unique(run):
    parser = Strict()
    parser.feed(run.text)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert {target[1:] for target in parser.targets} <= set(parser.ids)
    references = set(re.findall(r"url\(#([^)]+)\)", run.text))
    assert references <= set(parser.ids)
    labels = re.findall(r'aria-labelledby="([^"]+)"', run.text)
    assert {name for label in labels for name in label.split()} <= set(parser.ids)


def test_the_page_loads_nothing(run):
    parser = Strict()
    parser.feed(run.text)
    assert parser.loads == []
    assert not re.search(r"@import|url\((?!#)", run.text)
    assert "<script" not in run.text
    assert len(run.text) < 1_000_000


def test_every_cell_has_a_row_that_leads_to_its_record(run):
    parser = Strict()
    parser.feed(run.text)
    records = [
        f"records/{run.machine}/{b}/32x32/{n}/{o}.json" for b in run.backends for n in run.cutoffs for o in OPERATIONS
    ]
    assert parser.files == records
    assert all((run.directory / name).is_file() for name in parser.files)
    places = [f"cell-{b}-{n}-{o}" for b in run.backends for n in run.cutoffs for o in OPERATIONS]
    assert [name for name in parser.ids if name.startswith("cell-")] == places


def test_marks_lead_to_rows_of_the_same_page(run):
    assert "_blank" not in run.text
    assert "report.html#" not in run.text
    figures = re.findall(r"<svg.*?</svg>", run.text, flags=re.DOTALL)
    led = [re.findall(r'<a href="#([^"]*)" tabindex="-1"><title>([^<]*)</title>', figure) for figure in figures]
    for name, figure, found in zip(SHOWN, figures, led, strict=True):
        svg = (run.directory / "figures" / f"{name}.svg").read_text()
        assert len(found) == figure.count("<a ") == svg.count("<a ") > 0, name
    said = dict(found for figure in led for found in figure)
    row = next(row for row in tables.load(SummaryRow, run.directory) if row.status == "measured")
    place = f"cell-{row.backend}-{row.cutoff_images}-{row.operation}"
    assert re.match(r"png; Write; 1 image: \d+ .s \(95 % interval \d+ to \d+ .s\)$", said[place])
    assert "; 100 images: " in said["store-png-100"]
    assert said["store-png-100"].endswith(" allocated")


def test_mapped_pages_stand_below_the_memory_of_a_cell(run):
    """Few of them are a library's code, and nothing is said of those."""
    assert "502 kB mapped 308 kB" in row_of(run.text, "cell-lmdb-100-read-warm")
    assert "mapped" not in row_of(run.text, "cell-lmdb-10-read-warm")


def test_costs_and_latencies_stand_in_the_row_of_a_cell(run):
    row = row_of(run.text, "cell-lmdb-100-random-cold")
    (cell,) = [row for row in tables.load(SummaryRow, run.directory) if row.cell == ("lmdb", 100, "random-cold")]
    for name, words in {"p50": "p50", "p90": "p90", "p99": "p99"}.items():
        assert f"{words} {getattr(cell, f'latency_{name}_seconds') * 1e6:.0f} " in row
    assert re.search(rf"user {cell.user_seconds * 1e3:.2f} ms system {cell.system_seconds * 1e3:.2f} ms", row)
    assert "502 kB" in row
    assert re.search(r"4\.00 . read", row)
    assert "1 outlier" in run.text
    assert "written" in row_of(run.text, "cell-lmdb-100-write-durable")


def test_disturbed_cells_are_counted_named_and_marked(run, tmp_path):
    text = shown(run.text)
    assert "1 of 72 cells were disturbed" in text
    assert re.search(r"hdf5 † 100 Read, warm other processes used 50 % of a core", text)
    assert "other processes used 50 % of a core" in row_of(run.text, "cell-hdf5-100-read-warm")
    assert "†" in row_of(run.text, "cell-hdf5-100-read-warm")
    assert "†" not in row_of(run.text, "cell-hdf5-100-read-cold")
    marked = re.findall(r'<a href="#([^"]+)">[^<]*</a><span class="dagger"', run.text)
    assert marked
    assert set(marked) == {"cell-hdf5-100-read-warm"}
    assert "measure again on a quiet machine" not in text
    other = Run(tmp_path, cutoffs=(1,), operations=("write", "read-warm")).write().summarise().draw("single_image")
    assert "†" not in other.page("single_image")
    for backend in ("png", "hdf5"):
        noise = json.loads(other.record_path(backend, 1, "write").read_text())["noise"]
        other.change((backend, 1, "write"), noise={**noise, "throttle_events": 3})
    assert "2 of 6 cells were disturbed while they were timed" in shown(other.summarise().page("single_image"))


def test_writing_to_new_parts_of_the_disk_disturbs(tmp_path):
    """Where more than a quarter of the reference files took over three times as long as writing one again."""
    run = Run(tmp_path, cutoffs=(100,), operations=("write-durable", "read-warm")).write()
    for backend, slow in (("png", 2), ("hdf5", 3), ("lmdb", 10)):
        samples = json.loads(run.record_path(backend, 100, "write-durable").read_text())["samples"]
        for sample in [each for each in samples if each["subject"] == "baseline"][:slow]:
            sample["seconds"] = 0.0123
        run.change((backend, 100, "write-durable"), samples=samples, overwrite_seconds=0.002)
    text = shown(run.summarise().draw("single_image").page("single_image"))
    factor = wording.times(6.15)
    assert "3 of 6 cells were disturbed" in text
    assert "png † 100 Write, durable the reference file took up to " in text
    for backend, slow in (("hdf5", 3), ("lmdb", 10)):
        said = f"{slow} of 10 reference files took {factor} as long"
        assert f"{backend} † 100 Write, durable on a new part of the disk, {said}" in text


def test_growth_and_break_even(tmp_path):
    """An epoch saves 9 of 10 ms by 100 images, for reading the old store in 10 and writing the new one in 80."""
    each = {
        ("png", "read-warm"): 1e-4,
        ("hdf5", "read-warm"): 1e-5,
        ("hdf5", "write"): 8e-4,
        ("png", "write"): 8e-4,
    }
    run = Run(
        tmp_path,
        backends=("png", "hdf5"),
        cutoffs=(1, 10, 100),
        operations=("write", "read-warm"),
        seconds=lambda name, cutoff, operation: each.get((name, operation), 1e-6) * cutoff,
    )
    text = shown(run.write().summarise().draw("single_image").page("single_image"))
    assert re.search(r"How time grows .* Write (0\.9\d|1\.0\d) (0\.9\d|1\.0\d) to (0\.9\d|1\.0\d) ", text)
    assert "100 images; converting: read-warm and write; an epoch: read-warm From to png to hdf5 png 1" in text
    assert "After how many epochs does converting pay?" in text
    epochs, low, high = re.search(r"From to png to hdf5 png (\S+) (\S+) to (\S+) hdf5 never", text).groups()
    assert float(low) <= float(epochs) <= float(high)
    assert float(epochs) == pytest.approx(10, rel=0.1)


def test_where_one_overtakes_another(tmp_path):
    times = {"png": {10: 0.1, 1000: 1.0}, "hdf5": {10: 0.3, 1000: 0.3}}  # on logarithmic axes 1 is at 90
    run = Run(tmp_path, ("png", "hdf5"), (10, 1000), ("write",), seconds=lambda b, n, _: times.get(b, {}).get(n, 1e-3))
    text = shown(run.write().summarise().draw("single_image").page("single_image"))
    low, high = re.search(r"Write hdf5 overtakes png 9\d images \((\d+) to (\d+)\)", text).groups()
    assert int(low) <= 90 <= int(high)


def test_the_method_says_what_else_can_be_measured_and_how_cold_is_cold(run, tmp_path):
    text = shown(run.text)
    assert "first-image-warm , first-image-cold" in text
    assert f"operations: [{', '.join((*OPERATIONS, *MORE_OPERATIONS))}]" in text
    assert "about five seconds for each" in text
    assert "workers-warm , workers-cold Whether 2, 4 and more processes read faster than one." in text
    assert "evicted by posix_fadvise" in text
    assert "directory entries stay cached, so this is data-cold" in text
    assert "cache was dropped" not in text
    other = Run(tmp_path, cutoffs=(1,), operations=(*OPERATIONS, *MORE_OPERATIONS)).write()
    for backend in other.backends:
        for operation in other.operations:
            if operation.endswith("cold"):
                other.change((backend, 1, operation), eviction="drop_caches")
    text = other.summarise().draw("container_codec", "workers").page("container_codec", "workers")
    assert '<figure id="workers">' in text
    text = shown(text)
    assert "This run left these operations out" not in text
    assert "What else can be measured What does the container cost, and what the codec?" in text
    assert "the system's whole cache was dropped, directory entries and inodes included" in text
    assert "data-cold" not in text
    assert "2 processes, forked" in text
    assert "% of ideal" in text


def test_everything_promised_is_there(run):
    text = shown(run.text)
    for heading in (
        "The answer",
        "What you do, and the best store for it",
        "How time grows",
        "Figures",
        "Tables",
        "The article's claims",
        "The machine",
        "The method",
        "Reproduce",
    ):
        assert heading in text
    for name in SHOWN:
        assert captions.title(name) in text
        assert f'id="{name}"' in run.text
    assert run.text.count("<svg") == len(SHOWN)
    assert "Intel(R) Xeon(R) CPU @ 2.20GHz" in text
    assert "snakemake --cores 4 --config budget_seconds=1" in text
    assert "h5py 3.16.0" in text
    assert "95 % interval" in text


def test_gaps_and_records_apart_are_visible(run):
    text = shown(run.text)
    assert "<script>alert('no')</script> isn't allowed" in text
    assert "1 of 72 records stand apart" in text
    assert f"records/{run.machine}/lmdb/32x32/100/write.json measuring code" in text
    assert "delete these files and run snakemake --cores 4 --config budget_seconds=1 --forcerun summarise" in text
    assert "lie outside Tukey's fences" in text


def test_the_page_says_what_was_timed_on_and_what_that_cannot_show(run, tmp_path):
    text = shown(run.text)
    assert "File system of the stores ext4 at / (local; rw,relatime)" in text
    assert "Copies" not in text
    assert "can't show" not in text
    other = Run(tmp_path, cutoffs=(1, 10), operations=("write", "read-cold"), file_system=NFS).write()
    for backend in other.backends:
        other.change((backend, 10, "read-cold"), store={**STORE, "copied": True})
    local = {**NFS, "type": "ext4", "kind": "local", "mount_point": "/local", "limits": ["ext4: something else."]}
    other.change(("png", 1, "write"), file_system=local)
    text = shown(other.summarise().draw("single_image").page("single_image"))
    assert "File system of the stores nfs4 at /shared (network; rw,vers=4.2)" in text
    assert "Copies 3 of 11 cells read a copy of their store, made for the job" in text
    assert "What this file system can't show ext4: something else. nfs4: what its servers keep" in text
    assert text.count("can't be evicted from a node.") == 1
    assert "png/32x32/1/write.json file system 2025" in text


@pytest.mark.slow
def test_synthetic_images_are_announced(run, tmp_path):
    assert "synthetic" not in shown(run.text)
    other = Run(tmp_path, cutoffs=(1, 10), image_set=SYNTHETIC).write().summarise().draw()
    text = shown(other.page())
    assert "These are synthetic images, not CIFAR-10." in text
    assert "To get the real images, download the archive" in text
    assert text.count("synthetic images, not CIFAR-10") >= 4


def test_the_same_inputs_give_the_same_page(run):
    assert run.page() == run.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        {"backends": ("hdf5",), "cutoffs": (7,)},
        {"operations": ("write", "scan-warm"), "cutoffs": (1, 10)},
        {"backends": tuple(f"backend-{number}" for number in range(15)), "cutoffs": (10,)},
        {"cutoffs": (1,), "gaps": {(b, 1, "write"): "none" for b in ("png", "lmdb", "hdf5")}, "operations": ("write",)},
    ],
)
def test_unusual_runs_have_a_page(tmp_path, more):
    text = Run(tmp_path, **more).write().summarise().draw("single_image").page("single_image")
    Strict().feed(text)


def test_a_figure_without_metadata_is_refused(run, tmp_path):
    other = Run(tmp_path, cutoffs=(1,)).write().summarise().draw("single_image")
    path = tmp_path / "figures" / "single_image.svg"
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    with pytest.raises(UserError, match=str(path)):
        other.page("single_image")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 375])
def test_the_page_fits_the_window(run, tmp_path, width):
    """The page, framed at that width, is no wider than its frame; figures scroll in a box, headings of tables don't."""
    script = (
        "<script>addEventListener('load', () => { const page = frames[0].document;"
        "document.body.dataset.widths = [page.documentElement.clientWidth, page.documentElement.scrollWidth,"
        "page.querySelectorAll('svg').length, page.querySelector('.drawing').scrollWidth,"
        "page.querySelectorAll('.scroll .caption').length,"
        "Math.max(...[...page.querySelectorAll('.caption, .matrix')].map(one => one.scrollWidth))]; });</script>"
    )
    document = html.escape(run.text, quote=True)
    frame = f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{document}"></iframe>'
    widths = re.search(r'data-widths="([\d,]+)"', browse(f"<!DOCTYPE html><body>{frame}{script}</body>", tmp_path))
    assert widths, "the page didn't load in the browser"
    inner, needed, drawings, drawing, scrolling, widest = map(int, widths[1].split(","))
    assert inner == width
    assert needed <= inner
    assert drawings == len(SHOWN)
    assert (drawing > width) is (width == 375)
    assert scrolling == 0
    assert widest <= inner


@pytest.mark.slow
def test_a_click_on_a_mark_opens_the_row_of_its_cell(run, tmp_path):
    script = (
        "<script>addEventListener('load', () => { const mark = document.querySelector('svg a');"
        "mark.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));"
        "setTimeout(() => { const row = document.querySelector(':target'); const place = row.getBoundingClientRect();"
        "document.body.dataset.row = [mark.getAttribute('href') === '#' + row.id, row.tagName,"
        "row.closest('details').open, place.top >= 0 && place.bottom <= innerHeight]; }, 200); });</script>"
    )
    assert '<details id="cells">' in run.text
    shown = browse(run.text.replace("</body>", f"{script}</body>"), tmp_path)
    assert 'data-row="true,TR,true,true"' in shown


@pytest.mark.slow
def test_figures_with_nothing_to_show_are_not_on_the_page(tmp_path):
    """One number of images, and nothing but warm reads: no line has two points, and nothing is cold."""
    run = Run(tmp_path, cutoffs=(1000,), operations=("write", "read-warm")).write().summarise()
    shown_on = re.findall(r'<figure id="([^"]+)">', run.draw().page())
    assert {"ranking", "disk_usage", "read_time_linear", "write_time_linear"} <= set(shown_on)
    gone = {"cold_and_warm", "latency", "single_image", "workers", "container_codec", "random_time", "write_and_read"}
    assert not set(shown_on) & (gone | {"read_time_log", "write_time_log"})
    assert "No way of reading was measured both cold and warm" in (tmp_path / "figures/cold_and_warm.svg").read_text()
