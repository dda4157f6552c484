"""The page: complete, self-contained, the same every time, and readable in a browser, wide and narrow."""

import html
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from scripts.errors import UserError
from scripts.report import captions
from tests.report_run import SYNTHETIC, Run

VOID = {"meta", "br", "link", "img", "hr", "input"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Strict(HTMLParser):
    """Collects ids and what would be loaded; refuses tags that don't close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.loads, self.targets = [], [], [], []

    def handle_starttag(self, tag, attrs):
        """Note ids and links, and that the tag is open."""
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        for name in ("src", "srcset", "data", "poster", "action"):
            if name in given:
                self.loads.append(given[name])
        for name in ("href", "xlink:href"):
            if name in given:
                (self.targets if given[name].startswith("#") else self.loads).append(given[name])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note ids and links; the tag closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        """Close the tag that was opened last."""
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a gap, an outlier, a record apart, and a name that would be markup if it weren't escaped."""
    gaps = {("png", 10, "read-cold"): "<script>alert('no')</script> isn't allowed"}
    run = Run(tmp_path_factory.mktemp("run"), cutoffs=(1, 10, 100), gaps=gaps).write()
    run.change(("lmdb", 100, "write"), measuring_digest="another")
    run.summarise().draw()
    run.text = run.page()
    return run


def shown(text: str) -> str:
    """The page's text without tags."""
    body = re.sub(r"<(style|svg)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


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


def test_everything_promised_is_there(run):
    text = shown(run.text)
    for heading in (
        "The answer",
        "Figures",
        "Tables",
        "The article's claims",
        "The machine",
        "The method",
        "Reproduce",
    ):
        assert heading in text
    for name in captions.names():
        assert captions.title(name) in text
        assert f'id="{name}"' in run.text
    assert run.text.count("<svg") == len(captions.names())
    assert "Intel(R) Xeon(R) CPU @ 2.20GHz" in text
    assert "snakemake --cores 4 --config quick=true" in text
    assert "h5py 3.16.0" in text
    assert "95 % interval" in text


def test_gaps_and_records_apart_are_visible(run):
    text = shown(run.text)
    assert "<script>alert('no')</script> isn't allowed" in text
    assert "1 of 36 records stand apart" in text
    assert f"records/{run.machine}/lmdb/100/write.json measuring code" in text
    assert "delete these files and run snakemake --cores 4 --forcerun summarise" in text
    assert "lie outside Tukey's fences" in text


def test_synthetic_images_are_announced(run, tmp_path):
    assert "synthetic" not in shown(run.text)
    other = Run(tmp_path, cutoffs=(1, 10), image_set=SYNTHETIC).write().summarise().draw()
    text = shown(other.page())
    assert "These are synthetic images, not CIFAR-10." in text
    assert "To get the real images, download the archive" in text
    assert text.count("synthetic images, not CIFAR-10") >= 4


def test_the_same_inputs_give_the_same_page(run):
    assert run.page() == run.text


@pytest.mark.parametrize(
    "more",
    [
        {"backends": ("hdf5",), "cutoffs": (7,)},
        {"operations": ("write", "random-warm"), "cutoffs": (1, 10)},
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


@pytest.mark.parametrize("width", [1280, 375])
def test_the_page_fits_the_window(run, tmp_path, width):
    """In a real browser the page, framed at that width, is no wider than its frame; figures scroll in a box."""
    if BROWSER is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium found, and CI is set")
        pytest.skip("no Chromium found: install it to check the page's layout")
    script = (
        "<script>addEventListener('load', () => { const page = frames[0].document;"
        "document.body.dataset.widths = [page.documentElement.clientWidth, page.documentElement.scrollWidth,"
        "page.querySelectorAll('svg').length, page.querySelector('.drawing').scrollWidth]; });</script>"
    )
    document = html.escape(run.text, quote=True)
    frame = f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{document}"></iframe>'
    (tmp_path / "frame.html").write_text(f"<!DOCTYPE html><body>{frame}{script}</body>", encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    command += ["--disable-background-networking", "--disable-component-update"]
    command += [f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--hide-scrollbars", "--virtual-time-budget=5000", "--dump-dom", (tmp_path / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    widths = re.search(r'data-widths="([\d,]+)"', done.stdout)
    assert widths, "the page didn't load in the browser"
    inner, needed, drawings, drawing = map(int, widths[1].split(","))
    assert inner == width
    assert needed <= inner
    assert drawings == len(captions.names())
    assert (drawing > width) is (width == 375)
