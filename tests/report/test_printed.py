"""What is printed: each ratio is the quotient of printed times, and nobody looks like a winner who isn't surely one.

Looked for over a whole page and its ranking figure, of a run in which one job met a slow machine, one a reference file
with outliers, and one samples too noisy to decide anything.
"""

import json
import re
from html import unescape

import pytest
from matplotlib.colors import to_hex

from scripts.report import corrections, wording
from scripts.report.compare import answers
from scripts.report.compare.results import Results
from scripts.report.draw import heat, style
from scripts.report.figures import ranking
from scripts.report.rows import TimingRow
from scripts.report.tables import Tables, load
from scripts.report.ties import DIFFERENT, UNDECIDED
from tests.support.report_run import Run

UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
ROUNDING = 0.0125
"""Each of three numbers has three digits: at most half a per cent off, and a tenth or so more for the quotient."""
MICROSECONDS = {"png": 9.0, "lmdb": 4.0, "hdf5": 2.2, "memmap": 1.0}
OPERATIONS = ("write", "read-warm", "batch-warm")
SLOW, JUMPED, NOISY = ("hdf5", 100_000, "read-warm"), ("lmdb", 100_000, "write"), ("hdf5", 100_000, "batch-warm")


def seconds(name: str, cutoff: int, operation: str) -> float:
    """Of one image so many microseconds; of batches hdf5 takes hardly longer than memmap."""
    each = 1.05 if (name, operation) == (NOISY[0], NOISY[2]) else MICROSECONDS.get(name, 0.5)
    return each * 1e-6 * (min(cutoff, 2000) if operation == NOISY[2] else cutoff)


def change(run: Run, cell: tuple[str, int, str], factor) -> None:
    """Multiply each sample of a cell by a factor of its subject and its number among those."""
    samples = json.loads(run.record_path(*cell).read_text())["samples"]
    for place, sample in enumerate(samples):
        sample["seconds"] *= factor(sample["subject"], place // 2)
    run.change(cell, samples=samples)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    made = Run(tmp_path_factory.mktemp("run"), tuple(MICROSECONDS), (10, 100_000), OPERATIONS, seconds=seconds).write()
    change(made, SLOW, lambda *_: 1.7)
    change(made, JUMPED, lambda subject, place: 5.0 if subject == "baseline" and place in (2, 5) else 1.0)
    change(made, NOISY, lambda subject, place: 0.9 + 0.05 * place % 0.3 if subject == "backend" else 1.0)
    return made.summarise().draw("ranking", "single_image")


@pytest.fixture(scope="module")
def tables(run) -> Tables:
    return Tables.load(run.directory)


@pytest.fixture(scope="module")
def page(run) -> str:
    return run.page("ranking", "single_image")


@pytest.fixture(scope="module")
def times(page) -> dict[str, float]:
    """The time (s) that each link to a cell prints, the same in all places."""
    found: dict[str, set[float]] = {}
    for place, number, unit in re.findall(r'<a href="#(cell-[^"]+)">([\d.,]+) (\w+)(?: an image)?</a>', page):
        found.setdefault(place, set()).add(float(number.replace(",", "")) * UNITS[unit])
    assert all(len(values) == 1 for values in found.values())
    return {place: values.pop() for place, values in found.items()}


def fields(page: str) -> list[tuple[str, str]]:
    """The place of the leader's cell and the text of each field of both matrices that has a winner."""
    found = []
    for field in re.findall(r"<td data-at=[^>]*>(.*?)</td>", page, re.DOTALL):
        leader = re.search(r'<a href="#(cell-[^"]+)">', field)
        if leader:
            found.append((leader[1], re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", field)))))
    return found


def test_each_ratio_to_the_best_is_the_quotient_of_two_printed_times(page, times):
    seen = 0
    for leader, text in fields(page):
        _, _, cutoff, operation = leader.split("-", 3)
        for name, ratio in re.findall(rf"(\w+)(?: †)?: (?:undecided, )?([\d.,]+) {wording.TIMES}", text):
            quotient = times[f"cell-{name}-{cutoff}-{operation}"] / times[leader]
            assert float(ratio) == pytest.approx(quotient, rel=ROUNDING), (leader, name, text)
            seen += 1
    assert seen >= 6


def test_each_ratio_to_the_plain_file_is_the_quotient_of_what_is_printed(page):
    rows = re.findall(
        r'<tr id="(cell-[^"]+)">.*?<td>([\d.]+) (\w+)(?: an image)?<small>.*?'
        rf"<td>([\d.]+) (\w+)(?: an image)?<small>([\d.,]+) {wording.TIMES}</small>",
        page,
        re.DOTALL,
    )
    assert len(rows) == 24
    for place, own, unit, plain, plain_unit, ratio in rows:
        quotient = float(own) * UNITS[unit] / (float(plain) * UNITS[plain_unit])
        assert float(ratio) == pytest.approx(quotient, rel=ROUNDING), place


def test_the_ratios_of_the_ranking_are_quotients_of_what_is_printed(tables):
    with style.applied():
        (axes,) = ranking.draw(tables).axes
    texts = {
        (round(text.get_position()[0] - 0.5), round(text.get_position()[1] - 0.5)): text.get_text()
        for text in axes.texts
    }
    names = [label.get_text().removesuffix(" *") for label in axes.get_yticklabels()]
    for x, operation in enumerate(OPERATIONS, start=1):
        number, unit = re.match(r"([\d.]+) (\w+)", texts[x, 0]).groups()
        for y, name in enumerate(names[1:-1], start=1):
            row = tables.cell(name, 100_000, operation)
            ratio = re.match(r"[\d.,]+", texts[x, y])[0]
            quotient = row.seconds_per_image / (float(number) * UNITS[unit])
            assert float(ratio) == pytest.approx(quotient, rel=0.06), (operation, name)
            assert ("?" in texts[x, y]) is (row.outcome == UNDECIDED)


def test_no_element_with_the_winners_class_is_anything_else(page, tables):
    outcomes = {f"cell-{row.backend}-{row.cutoff_images}-{row.operation}": row.outcome for row in tables.measured_rows}
    top = re.findall(r'<td class="number top"><a href="#(cell-[^"]+)">', page)
    other = re.findall(r'<td class="number"><a href="#(cell-[^"]+)">', page)
    assert top
    assert other
    assert {outcomes[place] for place in top} <= set(answers.WINNING)
    assert not {outcomes[place] for place in other} & set(answers.WINNING)
    for field in re.findall(r"<td data-at=[^>]*>(.*?)</td>", page, re.DOTALL):
        leader = re.search(r'<a href="#(cell-[^"]+)">', field)
        if leader:
            _, _, rest = leader[1].split("-", 2)
            best = re.search(r'<span class="best">(.*?)</span>\n', field, re.DOTALL)[1]
            for name in MICROSECONDS:
                winner = outcomes[f"cell-{name}-{rest}"] in answers.WINNING
                assert (re.search(rf"\b{name}\b", re.sub(r"<[^>]+>", " ", best)) is not None) is winner


def test_no_field_of_the_ranking_has_the_winners_colour_and_another_outcome(tables):
    with style.applied():
        (axes,) = ranking.draw(tables).axes
    names = [label.get_text().removesuffix(" *") for label in axes.get_yticklabels()]
    green, hatched = set(), set()
    for patch in axes.patches:
        x, y = round(patch.get_x()), round(patch.get_y())
        if 1 <= x <= len(OPERATIONS) and 1 <= y < len(names) - 1:
            cell = (names[y], 100_000, OPERATIONS[x - 1])
            green |= {cell} if to_hex(patch.get_facecolor()) == heat.BEST else set()
            hatched |= {cell} if patch.get_hatch() else set()
    outcomes = {cell: tables.cell(*cell).outcome for cell in green | hatched}
    assert {outcomes[cell] for cell in green} <= set(answers.WINNING)
    assert {outcomes[cell] for cell in hatched} == {UNDECIDED}
    assert NOISY in hatched


def test_the_time_of_a_slow_job_is_corrected_and_what_was_measured_stands_beside(page, tables):
    row = tables.cell(*SLOW)
    assert row.corrected
    assert row.raw_median_seconds == pytest.approx(1.7 * row.median_seconds, rel=0.03)
    assert f"corrected, measured {wording.seconds(row.raw_median_seconds)}" in page


def test_outliers_of_a_plain_file_leave_nothing_open_and_are_said(page, tables):
    row = tables.cell(*JUMPED)
    assert (row.corrected, row.outcome) == (False, DIFFERENT)
    assert 3.7 < row.ratio_to_best_low < row.ratio_to_best < row.ratio_to_best_high < 4.3
    assert "the reference file took up to 5." in row.disturbances
    assert "in 2 of 10 blocks" in row.disturbances
    assert "effect: " in row.disturbances
    assert unescape(row.disturbances) in unescape(page)


def test_what_is_undecided_says_its_interval_and_what_would_decide_it(page, tables):
    row = tables.cell(*NOISY)
    assert row.outcome == UNDECIDED
    said = wording.undecided(row.ratio_to_best, row.ratio_to_best_low, row.ratio_to_best_high)
    assert f"undecided: {said}" in page
    cells = {name: tables.cell(name, *NOISY[1:]) for name in MICROSECONDS}
    (leader,) = [cell for cell in cells.values() if cell.outcome == answers.BEST]
    command = f"python scripts again {leader.full_cell.name} {row.full_cell.name} --seconds 8"
    assert f"<code>{command}</code>" in page
    assert "<code>budget_seconds</code> (2 here) or <code>minimum_samples</code>" in page


def test_what_would_decide_it_finds_the_results_of_a_quick_run(run, page):
    assert "--seconds 8 --results" not in page
    usual = run.settings
    run.settings = {"quick": True}
    try:
        assert "--seconds 8 --results results/quick</code>" in run.page("ranking", "single_image")
    finally:
        run.settings = usual


def test_times_of_drawn_images_are_those_of_one(page, tables, times):
    """Of 100,000 images 2,000 are drawn: no time of 2,000 is printed under 100,000."""
    row = tables.cell("memmap", 100_000, "batch-warm")
    assert row.images == 2000
    assert times["cell-memmap-100000-batch-warm"] == pytest.approx(row.median_seconds / 2000, rel=0.01)
    total = wording.seconds(row.median_seconds)
    places = re.findall(rf".{{60}}>{re.escape(total)}<", page)
    assert not places
    assert tables.time(row).endswith(" an image")
    assert tables.time(tables.cell("memmap", 100_000, "write")) == wording.seconds(
        tables.cell("memmap", 100_000, "write").median_seconds
    )


def test_at_ten_images_nobody_wins(page, tables):
    assert {row.outcome for row in tables.summary if row.cutoff_images == 10} == {answers.NEGLIGIBLE}
    assert page.count("whichever is handiest</span>") == 2 * len(OPERATIONS)


def test_summary_and_samples_give_the_same_times(run, tables):
    """The page computes ratios from the samples, and prints times from the summary."""
    found = Results(tables, load(TimingRow, run.directory))
    for cell, timed in found.times.items():
        assert timed.estimate.value == tables.cell(*cell).median_seconds
    assert isinstance(found.times[SLOW], corrections.Timed)
