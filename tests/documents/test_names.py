"""Odd names: of images, in tables, figures and page; of the folder of a checkout, and of directories in the config."""

import html
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scripts.report import tables
from scripts.report.draw import captions
from scripts.report.rows import DiskUsageRow, SummaryRow
from tests.support.report_run import Run
from tests.support.workflow import copy_checkout

ODD = """-set_$a^^_$b {x} 'q' "d" `k` 100% & <i> &lt; \\n \\alpha #1; id="p" url(#c) ü Ω שלום 🐟 100.123456,x.tar.gz"""
LONG = "x" * 250


class Text(HTMLParser):
    """All text of a page that a browser would show."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += data


def run_of(directory: Path, label: str, **changes: object) -> Run:
    images = {"name": label, "label": label, "synthetic": False, "note": None}
    return Run(directory, backends=("png", "hdf5"), image_set=images, **changes).write().summarise()


def test_a_name_comes_back_from_the_tables(tmp_path: Path) -> None:
    for number, label in enumerate((ODD, LONG, "=1+1", "NA", "null", "a,b", '"', "1")):
        run = run_of(tmp_path / str(number), label, cutoffs=(1,), operations=("write",))
        for kind in (SummaryRow, DiskUsageRow):
            rows = tables.load(kind, run.directory)
            assert {row.image_set for row in rows} == {label}


@pytest.mark.slow
@pytest.mark.parametrize("label", [ODD, LONG], ids=["odd", "long"])
def test_a_name_stands_in_every_figure_and_on_the_page_as_it_is(tmp_path: Path, label: str) -> None:
    run = run_of(tmp_path, label, cutoffs=(1, 10))
    names = captions.names() if label is ODD else ["latency"]
    page = run.draw(*names).page(*names)
    squeezed = re.sub(r"\s", "", label)
    for name in names:
        drawn = ElementTree.parse(run.directory / "figures" / f"{name}.svg")
        assert squeezed in re.sub(r"\s", "", "".join(drawn.getroot().itertext())), name
    shown = re.sub(r"\s", "", Text(page).text)
    assert shown.count(squeezed) > len(names)
    assert "<i> &lt;" not in page
    assert html.escape(label, quote=False) in page or html.escape(label) in page


@pytest.mark.slow
def test_a_run_in_a_folder_of_an_odd_name_with_odd_names_in_its_config(disk: Path) -> None:
    workflow = copy_checkout(disk / "a b'c{d}")
    name = '-set_$a^^_$b {x}"q"%&<i>ü🐟.tar.gz'
    (workflow.directory / "archive.tar.gz").rename(workflow.directory / name)
    places = {
        "store_dir": "st*r [e]\"'&;|#%~",
        "download_dir": "d?w (n)`l`$o\\n",
        "scratch_dir": "s{c}r'a tch!",
    }
    (workflow.directory / places["download_dir"]).mkdir()
    workflow.configure(images=name, backends=["hdf5"], cutoffs=[2], operations=["write"], **places)
    said = workflow.finish()
    assert "Traceback" not in said
    assert f"The page is {workflow.directory}/results/report.html" in said
    assert (workflow.directory / places["store_dir"] / "hdf5/32x32/2/manifest.json").is_file()
    assert list((workflow.directory / places["download_dir"]).glob("*/32x32/provenance.json"))
    assert name in Text((workflow.directory / "results/report.html").read_text()).text
    assert workflow.planned() == set()


@pytest.mark.slow
def test_a_failed_run_in_such_a_folder_ends_without_a_traceback(disk: Path) -> None:
    workflow = copy_checkout(disk / "a b'c{d}")
    (workflow.directory / "archive.tar.gz").write_bytes(b"no archive")
    done = workflow.run("results/summary.csv")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert "error: images: archive.tar.gz is a file that begins with b'no archi'; looked for: " in done.stdout
