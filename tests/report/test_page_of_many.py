"""The page of many stores: it stays small, folds its tables, and says what is the same once."""

import html
import re

import pytest

from scripts.report import wording
from scripts.report.compare import answers
from scripts.report.draw import captions
from scripts.report.tables import Tables
from tests.support.many_stores import MANY
from tests.support.page import Strict, browse, shown
from tests.support.report_run import Run

pytestmark = pytest.mark.slow


CUTOFFS = (1, 1_000, 100_000)
"""Half as many as in a plain run."""
PAGE_BYTES = 2_600_000
"""With as many it would be 4 MB: figures, which take most of it, are as large with few numbers of images."""


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A run of 22 stores, with its page; two backends can't run."""
    run = Run.of_many(tmp_path_factory.mktemp("many"), cutoffs=CUTOFFS).write().summarise().draw()
    run.missing = {"this-one": "there is no `tool` on the PATH; install <it>", "that-one": "no package"}
    run.text = run.page()
    return run


def test_options_are_written_as_in_the_config(tmp_path):
    run = Run.of_many(tmp_path, backends=("sqlite",), cutoffs=(1,), operations=("write",)).write().summarise()
    text = shown(run.draw("single_image").page("single_image"))
    assert "memory_map: false" in text
    assert "by default false" in text
    assert "False" not in text


def test_the_page_of_many_is_well_formed_and_small(many):
    parser = Strict()
    parser.feed(many.text)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert {target[1:] for target in parser.targets} <= set(parser.ids)
    assert len(many.text.encode()) < PAGE_BYTES


def test_what_is_written_in_figures_is_the_same_on_the_page(many):
    for name in set(captions.names()) - {"image_size", "workers"}:
        svg = (many.directory / "figures" / f"{name}.svg").read_text()
        inlined = re.search(rf'<figure id="{name}">.*?(<svg.*?</svg>)', many.text, re.DOTALL)[1]
        written_in = [re.findall(r"<text[^>]*>([^<]*)</text>", text) for text in (svg, inlined)]
        assert written_in[0] == written_in[1], name
        assert inlined.count("<path") + inlined.count("<use") == svg.count("<path") + svg.count("<use"), name
    assert re.search(r">0\.\d\d\d<", (many.directory / "figures" / "memory.svg").read_text())


def test_the_page_of_many_folds_its_tables(many):
    text = shown(many.text)
    assert "22 stores compared on one machine" in text
    assert text.count(": the other 17") == len(many.operations) + 1
    first = re.search(r"<p class=\"caption\">Read, warm.*?</table>", many.text, re.DOTALL)[0]
    names = re.findall(r'<th scope="row">([^<]+)</th>', first)
    assert names == Tables.load(many.directory).by_time("read-warm", 100_000)[:5]
    assert '<td class="number top"><a href="#cell-memmap-100000-read-warm">' in first
    read = Tables.load(many.directory)
    winners = [read.cell(name, cutoff, "read-warm").outcome for name in names for cutoff in many.cutoffs]
    assert first.count('class="number top"') == sum(outcome in answers.WINNING for outcome in winners) > 0


def test_backends_that_cannot_run_are_on_the_page_with_their_reasons(many, tmp_path):
    text = shown(many.text)
    assert "Backends that can't run here They were asked for and left out, as something is missing on" in text
    assert "this-one there is no tool on the PATH; install <it>" in text
    assert "there is no <code>tool</code> on the PATH; install &lt;it&gt;" in many.text
    assert "that-one no package" in text
    assert "Gaps None: every cell of the backends that can run here has a number." in text
    few = Run.of_many(tmp_path, backends=MANY[:2], cutoffs=(1,)).write().summarise()
    text = shown(few.draw("single_image").page("single_image"))
    assert "Backends that can't run here" not in text
    assert "Gaps None: every cell that was asked for has a number." in text


def test_reasons_of_gaps_may_hold_commands(tmp_path):
    gaps = {("lmdb", 1, "write"): "nothing is there; run `make <it>`"}
    run = Run(tmp_path, cutoffs=(1,), operations=("write", "read-warm"), gaps=gaps).write().summarise()
    text = run.draw("single_image").page("single_image")
    said = "nothing is there; run <code>make &lt;it&gt;</code>"
    assert f"<td>1</td><td>{said}</td>" in text
    assert f"no value: {said}</td>" in text


def test_ties_of_many_are_short(tmp_path):
    run = Run.of_many(tmp_path, cutoffs=(10,), operations=("read-warm",), noise=0.001, seconds=lambda *_: 0.1)
    text = run.write().summarise().draw("single_image").page("single_image")
    sentence = re.search(r'<p class="short">(.*?)</p>', text)[1]
    assert re.search(r"any of 22, such as \S+, \S+ or \S+ to read everything", sentence)
    assert len(sentence) < 200
    assert "and 21 that tie" in shown(text)
    few = Run.of_many(
        tmp_path / "few",
        backends=MANY[:5],
        cutoffs=(10,),
        operations=("read-warm",),
        noise=0.001,
        seconds=lambda *_: 0.1,
    )
    sentence = re.search(
        r'<p class="short">(.*?)</p>', few.write().summarise().draw("single_image").page("single_image")
    )[1]
    names = re.search(r"take (.*?) to read everything", sentence)[1]
    assert set(re.split(", | or ", names)) == set(MANY[:5])


def test_choices_and_lists_in_words():
    names = list("abcdefghi")
    assert wording.any_of(names[:1]) == "a"
    assert wording.any_of(names[:3]) == "a, b or c"
    assert wording.any_of(names[:4]) == "a, b, c or d"
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
