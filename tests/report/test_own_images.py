"""The answer for images that are files already, from planted times: leave them, pack them, or decode once."""

import re

import numpy as np
import pytest

from scripts.common import sealed
from scripts.dataset.sources import synthetic
from scripts.report import tables
from scripts.report.compare import answers, containers, own_images, trends
from scripts.report.compare.own_images import DECODE, LEAVE, PACK, UNPACK
from scripts.report.compare.results import Results
from scripts.report.draw import heat
from scripts.report.figures import ranking
from scripts.report.page import thumbnails
from scripts.report.rows import SummaryRow
from scripts.report.tables import DECODED, FILES_KEPT, Kind, Tables
from tests.support.figures import fields, figure_of, rows_of
from tests.support.page import Strict, shown
from tests.support.planted import load, planted, results
from tests.support.report_run import Run

OPERATIONS = ("write-durable", "read-warm", "batch-warm", "batch-cold")
COUNT = 1_000
KINDS = {
    "files-original": ("files", {"codec": "original", "in_place": True}),
    "lmdb-original": ("lmdb", {"codec": "original"}),
    "tar-original": ("tar", {"codec": "original"}),
    "memmap": ("memmap", {}),
    "lmdb": ("lmdb", {"codec": "raw"}),
}
USUAL = {"files-original": 1500, "lmdb-original": 1200, "tar-original": 1400, "memmap": 7, "lmdb": 12}
"""Microseconds to read an image."""
SIZES = {
    **dict.fromkeys(("files-original", "lmdb-original", "tar-original"), (4096, 5000, 5000)),
    **dict.fromkeys(("memmap", "lmdb"), (4096, 3072, 3072)),
}


def own(tmp_path, times: dict[str, float], cold: dict[str, float] | None = None, write=None, **more) -> Results:
    """A run of stores that read an image in these microseconds, cold in twice that, and write one in 10, where `cold`
    and `write` don't say otherwise."""

    def seconds(name: str, cutoff: int, operation: str) -> float:
        each = times.get(name, 1)
        if operation.endswith("cold"):
            each = (cold or {}).get(name, 2 * each)
        if operation.startswith("write"):
            each = (write or {}).get(name, 10)
        return 1e-6 * cutoff * each

    more = {"kinds": KINDS, "sizes": SIZES, **more}
    return results(Run(tmp_path, tuple(times), (COUNT,), OPERATIONS, seconds=seconds, **more))


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """A usual run, as a run and as its results."""
    place = tmp_path_factory.mktemp("own")
    return place, own(place, USUAL)


def test_the_choices_with_what_each_takes(usual):
    """Packing 1,000 files takes 1.5 s of reading and 10 ms of writing, and an epoch is shorter by 0.3 s."""
    found = own_images.find(usual[1])
    assert [(choice.title, choice.store) for choice in found.choices] == [
        (LEAVE, "files-original"),
        (PACK, "lmdb-original"),
        (DECODE, "memmap"),
    ]
    leave, pack, decode = found.choices
    assert [round(choice.warm.row.images_per_second, -1) for choice in found.choices] == pytest.approx(
        [670, 830, 143_000], rel=0.05
    )
    assert pack.cold.row.images_per_second == pytest.approx(1e6 / 2400, rel=0.05)
    assert (leave.warm.to_folder, leave.pays, leave.conversion_seconds, leave.lost) == ("", "", 0.0, "nothing")
    assert re.match(r"1\.2\d . as fast \(1\.2\d to 1\.[23]\d\)$", pack.warm.to_folder)
    assert decode.conversion_seconds == pytest.approx(1.51, rel=0.05)
    assert re.match(r"1\.0 epochs \(", decode.pays)
    assert re.match(r"5\.\d epochs \(", pack.pays)
    assert (leave.disk_to_folder, decode.bytes) == (None, 3_076_096)
    assert decode.disk_to_folder == pytest.approx(0.615, rel=0.01)
    assert decode.lost == "resolution above 32 x 32 pixels, edges, random crops of the whole image"
    assert [choice.lost for choice in own_images.find(usual[1], "32x32").choices] == ["nothing"] * 3
    assert own_images.find(usual[1], "64x64").choices[-1].lost == decode.lost
    assert found.limits == "1,000 images of 32 x 32 pixels, batch, warm, one process"


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({}, r"decode once into memmap, 1\d\d . as fast as lmdb-original .*, paid after 1\.0 epochs \([^)]*\), if you "
             r"need nothing of what is lost .*; else pack them into lmdb-original, 1\.2\d . as fast as the folder"),
        ({"lmdb-original": 1500, "tar-original": 1500}, "decode once .* as fast as the folder .*; else leave them"),
        ({"lmdb-original": 1500, "tar-original": 1700, "memmap": 1500, "lmdb": 1800},
         "leave them: from packed files reading is no faster; decoded once, reading is no faster"),
        ({"lmdb-original": 2000, "tar-original": 2500}, "decode once .*; else leave them: from packed"),
        (dict.fromkeys(USUAL, 0.001), "leave them, as every one of these needs [0-9.]+ .s at most for all images"),
    ],
)  # fmt: skip
def test_the_sentence_goes_by_rules(tmp_path, times, said):
    found = own_images.find(own(tmp_path, USUAL | times))
    assert re.match(f"Leave them, pack them, or decode once: {said}", found.sentence), found.sentence


def test_what_is_undecided_is_chosen_by_nobody(tmp_path):
    """Of so noisy jobs the interval of the ratio allows both."""
    times = USUAL | {"lmdb-original": 1380, "tar-original": 2500, "memmap": 1390, "lmdb": 2600}
    found = own_images.find(own(tmp_path, times, noise=0.12))
    assert re.search(
        r"once: leave or pack them: whether reading from lmdb-original is faster is undecided, [\d.]+ .\? \([^)]*\); "
        r"whether reading from memmap is faster is undecided, [\d.]+ .\?",
        found.sentence,
    ), found.sentence
    assert [choice.pays for choice in found.choices] == ["", "undecided", "undecided"]


def test_stores_that_may_be_as_good_are_named_within_a_choice(tmp_path):
    found = own_images.find(own(tmp_path, USUAL | {"tar-original": 1205}))
    assert "else pack them into lmdb-original or tar-original, lmdb-original 1.2" in found.sentence


@pytest.mark.parametrize(
    ("cold", "write", "store"),
    [
        ({"tar-original": 1900}, {}, "tar-original"),
        (dict.fromkeys(("lmdb-original", "tar-original"), 2400), {"tar-original": 5}, "tar-original"),
        (dict.fromkeys(("lmdb-original", "tar-original"), 2400), {"lmdb-original": 5}, "lmdb-original"),
    ],
)
def test_of_stores_that_may_be_as_fast_the_best_from_the_disk_stands_for_all(tmp_path, cold, write, store):
    """Warm, the stores tie; of those that tie cold too, the fastest to write stands for all."""
    write = dict.fromkeys(USUAL, 20) | write
    found = own_images.find(own(tmp_path, USUAL | {"tar-original": 1205, "lmdb-original": 1200}, cold, write))
    (_, pack, _) = found.choices
    assert (pack.store, set(pack.ties)) == (store, {"lmdb-original", "tar-original"} - {store})
    assert f"pack them into {pack.said}, {store} 1.2" in found.sentence


def test_what_the_disk_says_otherwise_is_said(tmp_path):
    found = own_images.find(own(tmp_path, USUAL, {"lmdb-original": 3000, "tar-original": 3100}))
    assert re.search(r"From the disk it differs, compared with the folder: lmdb-original as fast\.$", found.sentence), (
        found.sentence
    )
    assert "From the disk" not in own_images.find(own(tmp_path / "alike", USUAL)).sentence


def test_files_that_come_from_an_archive_are_unpacked_which_costs(tmp_path):
    kinds = KINDS | {"files-original": ("files", {"codec": "original"})}
    found = own_images.find(own(tmp_path, USUAL, kinds=kinds))
    (unpack, *_) = found.choices
    assert unpack.title == UNPACK
    assert unpack.conversion_seconds == pytest.approx(0.01, rel=0.05)
    assert found.sentence.startswith("Unpack them, pack them, or decode once: ")


def test_lossy_pixels_are_said_to_be_lost(tmp_path):
    times = {"files-original": 1500, "memmap-jpeg": 7, "memmap-fastoriginal": 900}
    kinds = KINDS | {name: ("memmap", {"codec": name.partition("-")[2]}) for name in times if name not in KINDS}
    run = Run(tmp_path, tuple(times), (COUNT,), OPERATIONS, kinds=kinds, sizes=SIZES)
    run.seconds = lambda name, n, _: 1e-6 * n * times.get(name, 1)
    run.write().change_manifest("memmap-jpeg", COUNT, psnr_db=38.52, ssim=0.97)
    found = load(run)
    assert found.tables.groups == {FILES_KEPT: ["files-original", "memmap-fastoriginal"], DECODED: ["memmap-jpeg"]}
    (_, pack, decode) = own_images.find(found, "32x32").choices
    assert (pack.store, pack.lost, decode.lost) == ("memmap-fastoriginal", "nothing", "exact pixels (PSNR 38.5 dB)")
    said = shown(run.draw("ranking").page("ranking"))
    assert re.search(r"memmap-jpeg [\d,]+ apparent, [^P]* PSNR 38\.5 dB SSIM 0\.970", said)


def test_codecs_that_are_not_known_here_keep_files_by_their_name():
    assert Kind("lmdb", "tinyoriginal", None).keeps_files
    assert not Kind("lmdb", "tiny", None).keeps_files
    assert not Kind("memmap", None, None).keeps_files
    assert not Kind("lmdb", "raw", None).is_lossy


def test_packing_costs_no_less_than_writing(usual):
    """Storage, a difference of two times, may be negative in noise."""
    place, _ = usual
    rows = [
        type(row)(**{**vars(row), "storage_seconds_per_image": -1e-5}) if row.cell[2] == "read-warm" else row
        for row in tables.load(SummaryRow, place)
    ]
    found = Results(Tables.of_run(rows, [], []), usual[1].timings)
    costs = trends.conversion(found, COUNT, "files-original", "lmdb-original")
    assert set(costs["read-warm"]) == {0}


def test_packing_does_not_pay_for_decoding_where_it_is_known(usual):
    """Of 1,500 us to read an image 1,450 are decoding: to read the files as they are takes 50 ms, to write them 10."""
    place, _ = usual
    rows = [
        row if row.cell != ("files-original", COUNT, "read-warm") else
        type(row)(**{**vars(row), "storage_seconds_per_image": row.seconds_per_image / 30})
        for row in tables.load(SummaryRow, place)
    ]  # fmt: skip
    found = Results(Tables.of_run(rows, [], []), usual[1].timings)
    packed, decoded = (trends.conversion(found, COUNT, "files-original", name) for name in ("lmdb-original", "memmap"))
    assert packed["read-warm"][0] == pytest.approx(0.05, rel=0.05)
    assert decoded["read-warm"][0] == pytest.approx(1.5, rel=0.05)
    assert trends.conversion(found, COUNT, "memmap", "lmdb-original") is None


def test_a_copy_of_the_folder_is_compared_in_its_place(tmp_path):
    names = {"files-original": 1500, "files-original-copy": 1300, "memmap": 7}
    kinds = KINDS | {"files-original-copy": ("files", {"codec": "original"})}
    run = Run(tmp_path, tuple(names), (COUNT,), OPERATIONS, kinds=kinds, sizes=SIZES)
    run.seconds = lambda name, n, _: 1e-6 * n * names.get(name, 1)
    found = own_images.find(results(run))
    assert [choice.store for choice in found.choices] == ["files-original-copy", "memmap"]


def test_without_a_folder_there_is_no_such_answer(tmp_path):
    assert own_images.find(own(tmp_path, {"memmap": 7, "lmdb": 12})) is None
    assert own_images.find(own(tmp_path / "alone", {"files-original": 1500})) is None


def test_the_best_is_the_best_of_its_group(usual):
    place, found = usual
    groups = found.tables.groups
    assert {group: names[0] for group, names in groups.items()} == {FILES_KEPT: "files-original", DECODED: "memmap"}
    asked = {(one.name, one.group): one for one in answers.questions(found)}
    assert asked["batch-warm", FILES_KEPT].at(COUNT).leader == "lmdb-original"
    assert asked["batch-warm", DECODED].at(COUNT).leader == "memmap"
    best = {row.backend for row in found.tables.measured(*("batch-warm", COUNT)) if row.outcome == "best"}
    assert best == {"lmdb-original", "memmap"}
    (axes,) = figure_of(Run(place), "ranking").axes
    rows = rows_of(axes)
    assert rows.index("the best, an image, files kept") < rows.index("lmdb-original")
    assert rows.index("lmdb-original") < rows.index("the best, an image, decoded pixels") < rows.index("memmap")


def test_files_that_are_not_written_lack_no_write_in_the_ranking(tmp_path):
    """The folder is as fast as the best in all that it has."""
    times = {"files-original": 1200, "lmdb-original": 1500, "memmap": 7}
    gaps = {("files-original", COUNT, "write-durable"): "its files stay where they lie, so there is nothing to write"}
    found = own(tmp_path, times, gaps=gaps).tables
    order = ranking.by_factors(found, COUNT, OPERATIONS, found.groups[FILES_KEPT])
    assert [(name, overall.lacks) for name, overall in order.items()] == [("files-original", ()), ("lmdb-original", ())]
    assert order["files-original"].mean == pytest.approx(1)


def test_containers_and_codecs_are_compared_within_a_group(tmp_path):
    """Decoded pixels are 100 times as fast, but give less."""
    names = {"lmdb": 12, "lmdb-original": 1200, "memmap": 7, "memmap-original": 1300}
    kinds = {name: (name.partition("-")[0], {"codec": "original" if "-" in name else "raw"}) for name in names}
    sizes = {name: (0, 5000, 5000) if "-" in name else (0, 3072, 3072) for name in names}
    found = own(tmp_path, names, kinds=kinds, sizes=sizes)
    (sentence,) = containers.costs(found).sentences
    assert sentence.startswith("From the fastest container to the slowest: with codec ")
    *_, disk = figure_of(Run(tmp_path), "container_codec").axes
    assert {colour for _, colour in fields(disk).values()} == {heat.BEST}


def test_a_crossover_that_nobody_of_the_group_notices_is_none(tmp_path):
    """From 2 to 1/2 times as long, but in at most 8 ms; the files take seconds."""
    times = {"memmap": {10: 1e-3, 100: 4e-3}, "lmdb": {10: 5e-4, 100: 8e-3}, "files-original": {10: 1.0, 100: 1.5}}
    found = planted(tmp_path, times, kinds=KINDS)
    assert trends.crossovers(found, "read-warm", "memmap", "lmdb")
    assert trends.crossovers(found, "read-warm", "memmap", "lmdb", ("memmap", "lmdb")) == []


def test_the_disk_figure_has_the_least_of_each_group(usual):
    place, _ = usual
    colours = {row: colour for (row, _), (_, colour) in fields(figure_of(Run(place), "disk_usage").axes[0]).items()}
    assert colours["lmdb-original"] == colours["memmap"] == colours["files-original"] == heat.BEST


IMAGES = {
    "bad_images": {"count": 1, "first": [{"name": "a/<cut>.jpg", "reason": "cut short"}]},
    "upscaled_images": {"count": 2, "first": ["a/1.jpg", "a/2.jpg"]},
    "images": 20,
    "label_names": ["cat & dog"],
}


def test_the_page_says_what_to_do_and_shows_the_images(usual):
    place, _ = usual
    run = Run(place, tuple(USUAL), (COUNT,), OPERATIONS, kinds=KINDS, sizes=SIZES).draw("ranking")
    provenance = run.provenance_path()
    plain = sealed.read(provenance)
    assert "The images" not in shown(run.page("ranking"))
    sealed.write(provenance, {**plain, **IMAGES})
    np.save(provenance.with_name("images.npy"), synthetic.generate(20))
    np.save(provenance.with_name("labels.npy"), np.arange(20) % 2)
    text = run.page("ranking", with_thumbnails=True)
    parser = Strict()
    parser.feed(text)
    assert parser.open == []
    assert len(parser.loads) == 12
    assert all(one.startswith("data:image/jpeg;base64,") for one in parser.loads)
    said = shown(text)
    assert said.index("Leave them, pack them, or decode once: decode once into memmap") < said.index("take memmap")
    assert re.search(r"Leave the folder alone files-original 6[4-8]\d Batch, warm 3[2-4]\d Batch, cold", said)
    assert re.search(r"Files kept: at 1,000 images take [^.]*; lmdb-original to read everything", said)
    assert re.search(r"Decoded pixels: at 1,000 images take [^.]*; memmap to read everything", said)
    assert "1 image is bad and left out." in said
    assert "a/<cut>.jpg cut short" in said
    assert "2 images are smaller than 32 x 32 pixels and were made larger: a/1.jpg, a/2.jpg" in said
    assert '<a href="#images">' in text
    assert text.count('alt="cat &amp; dog"') == 6
    assert "data:image/jpeg" not in run.page("ranking")
    counted = {
        "bad_images": {"count": 300, "first": [{"name": "cut\udce4.jpg", "reason": "cut short"}]},
        "upscaled_images": {"count": 9, "first": [f"{number}.jpg" for number in range(9)]},
        "label_names": ["no\udce4me"],
    }
    sealed.write(provenance, {**plain, **IMAGES, **counted})
    text = run.page("ranking", with_thumbnails=True)
    assert "300 images are bad and left out. Which, and why: the first 1" in shown(text)
    assert "made larger: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg ..." in shown(text)
    assert text.count("no\\udce4me") == 18
    assert "cut\\udce4.jpg cut short" in shown(text)


def test_images_without_labels_are_shown_without(tmp_path):
    run = Run(tmp_path).write()
    provenance = run.provenance_path()
    sealed.write(provenance, sealed.read(provenance) | {"images": 20, "label_names": []})
    np.save(provenance.with_name("images.npy"), synthetic.generate(20))
    for labels, said in ((np.zeros(20, np.int64), {""}), (np.arange(20) % 3 - 1, {"", "0", "1"})):
        np.save(provenance.with_name("labels.npy"), labels)
        assert {thumbnail.label for thumbnail in thumbnails.of(provenance.parent)} == said
