"""Every figure draws from every kind of run, shows its gaps and its source, and is the same when drawn again."""

import re
from itertools import pairwise

import pytest
from PIL import Image

from scripts.report import appearance, captions, curves, style
from tests.report_run import SYNTHETIC, Run

NAMES = captions.names()
MANY = ("png", "lmdb", "hdf5", *(f"backend-{letter}" for letter in "abcdefghijkl"))
READS = ("read-warm", "read-cold")
RUNS = {
    "fifteen backends": {"backends": MANY, "cutoffs": (1,)},
    "one backend": {"backends": ("hdf5",), "cutoffs": (1, 10)},
    "one cutoff": {"cutoffs": (100,)},
    "all gaps": {"cutoffs": (1, 10), "gaps": {(b, n, o): f"no {o}" for b in MANY for n in (1, 10) for o in READS}},
    "no reads": {"cutoffs": (1, 10), "operations": ("write",)},
    "no writes": {"cutoffs": (1, 10), "operations": READS},
    "unknown operation": {"cutoffs": (1, 10), "operations": ("write", "random-warm")},
}


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
    assert len(NAMES) == 7
    for name in NAMES:
        assert captions.title(name).endswith("?")
        assert captions.caption(name).endswith(".")
        assert "\n" not in captions.caption(name)


def test_figures_of_synthetic_images_say_so(tmp_path):
    Run(tmp_path, cutoffs=(1, 10), image_set=SYNTHETIC).write().summarise().draw()
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
    run = Run(tmp_path, cutoffs=(1, 10)).write().summarise()
    files = [tmp_path / "figures" / f"{name}.{kind}" for name in NAMES for kind in ("svg", "png")]
    run.draw()
    first = [file.read_bytes() for file in files]
    run.draw()
    assert [file.read_bytes() for file in files] == first


def test_looks_stay_unique_with_many_backends():
    looks = style.looks(MANY)
    assert len(set(looks.values())) == len(MANY)


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
