"""The matrix of what one does with a store: which operation answers, what is missing, and the sentence above it."""

import json
import re
from html import unescape
from itertools import product

import pytest

from scripts.measure.operations import catalogue
from scripts.report.compare import purposes
from scripts.report.compare.answers import MEASURES, Answer, Question
from scripts.report.tables import Tables
from scripts.report.ties import EXACT, INTERVAL, Ratio
from tests.support.report_run import MORE_OPERATIONS, OPERATIONS, Run


def question(name: str, *best: tuple[str, ...]) -> Question:
    """A question with an answer at 10 images, 100 images and so on."""
    itself = Ratio(1.0, 1.0, 1.0, EXACT)
    answers = [Answer(10**place, names[0], dict.fromkeys(names, itself)) for place, names in enumerate(best, start=1)]
    return Question(name, name, "fastest", answers)


def titles(lines: list[purposes.Line]) -> list[str]:
    return [f"{line.purpose.title} {line.purpose.state}".strip() for line in lines]


def rows(page: str) -> dict[str, list[str]]:
    """The first matrix of a page: the text of each row's fields, by the text of its heading."""
    table = re.search(r'<table class="matrix">(.*?)</table>', page, re.DOTALL)[1]
    found = {}
    for row in re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", table, re.DOTALL):
        heading, *fields = (
            re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text))).strip()
            for text in (row[0], *re.findall(r"<td[^>]*>(.*?)</td>", row[1], re.DOTALL))
        )
        found[heading] = fields
    return found


def test_every_purpose_is_answered_by_an_operation_or_size_that_exists():
    known = catalogue.entries()
    assert set(known) == {*OPERATIONS, *MORE_OPERATIONS}
    assert {name for purpose in purposes.PURPOSES for name in purpose.questions} == {*known, *MEASURES}


def test_the_first_question_that_has_an_answer_answers():
    asked = [question("write", ("a",)), question("write-durable", ("b",)), question("random-warm", ("c",))]
    lines = {f"{line.purpose.title} {line.purpose.state}".strip(): line for line in purposes.lines(asked)}
    assert lines["Import once"].question.name == "write-durable"
    assert lines["Train shuffled from memory"].question.name == "random-warm"
    gap = [question("batch-warm"), question("random-warm", ("c",))]
    (line,) = [line for line in purposes.lines(gap) if line.question]
    assert line.question.name == "random-warm"
    (line,) = [line for line in purposes.lines(gap[:1]) if line.question]
    assert (line.question.name, line.at(10)) == ("batch-warm", None)


def test_what_was_not_measured_says_what_to_add():
    asked = [question("read-warm", ("a",)), question("workers-cold", ("a",))]
    lines = purposes.lines(asked)
    assert titles(lines) == [
        *("Import once", "Read everything from memory", "Read everything from disk", "Train shuffled"),
        *("Many workers from memory", "Many workers from disk", "One image now", "Least disk"),
    ]
    missing = {line.purpose.title: line.missing for line in lines if not line.question}
    assert missing["Train shuffled"] == ("batch-warm", "batch-cold")
    assert missing["Many workers"] == ("workers-warm",)
    assert missing["Import once"] == ("write-durable",)


def test_the_answer_in_short_is_that_of_the_most_images():
    asked = [
        question("write", ("a",), ("b",)),
        question("read-warm", ("a",), ("b",)),
        question("read-cold", ("a",), ("b",)),
        question("batch-warm", ("a",), ("a", "c")),
        question("batch-cold", ("a",), ("b",)),
        question("first-image-warm", ("a",)),
        question("allocated_bytes", ("a",), ("c",)),
    ]
    assert purposes.in_short(purposes.lines(asked)) == (
        "At 100 images take b to import once, to read everything and to train shuffled (from disk); "
        "a or c to train shuffled (from memory); c for least disk."
    )
    assert purposes.in_short(purposes.lines([question("write")])) == ""


TIMES = {
    ("png", "write-durable"): 0.9,
    ("lmdb", "write-durable"): 0.3,
    ("hdf5", "write-durable"): 0.6,
    ("png", "batch-warm"): 0.1,
    ("lmdb", "batch-warm"): 0.1,
    ("hdf5", "batch-warm"): 0.4,
}


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    """A page of planted times; everything else takes a tenth of a second."""
    run = Run(
        tmp_path_factory.mktemp("run"),
        cutoffs=(10, 100),
        operations=("write-durable", "random-warm", "batch-warm"),
        seconds=lambda name, cutoff, operation: TIMES.get((name, operation), 0.1),
    )
    return run.write().summarise().draw("single_image").page("single_image")


def test_the_matrix_names_winner_tie_and_factors(page):
    found = rows(page)
    for field in found["Import once write-durable"]:
        assert re.match(r"lmdb (29|30|31)\d ms next hdf5: (1\.9|2\.0)\d . .* (2\.9|3\.\d)\d? . reference file$", field)
    for field in found["Train shuffled from memory batch-warm"]:
        assert re.match(r"png, lmdb tie .* next hdf5: (3\.9|4\.0|4\.1)\d . \(.*\) .* reference file$", field)


def test_a_tie_says_how_far_apart_its_members_are_and_which_was_disturbed(tmp_path):
    run = Run(tmp_path, ("a", "b"), (10,), ("read-warm",), seconds=lambda *_: 0.1).write()
    noise = json.loads(run.record_path("b", 10, "read-warm").read_text())["noise"]
    run.change(("b", 10, "read-warm"), noise={**noise, "throttle_events": 3})
    page = run.summarise().draw("single_image").page("single_image")
    (field,) = rows(page)["Read everything from memory read-warm"]
    assert re.match(r"a, b † tie 101 ms b: (1\.0\d|0\.9\d+) . \(0\S+ to 1\.\d+\) ", field)


def test_a_corrected_time_says_so_and_what_was_measured(tmp_path):
    """The one took less time, but so did the reference file in its job, by more."""
    run = Run(tmp_path, ("a", "b"), (10,), ("read-warm",), seconds=lambda *_: 0.1).write()
    samples = json.loads(run.record_path("b", 10, "read-warm").read_text())["samples"]
    slower = {"backend": 0.8, "baseline": 0.4}
    changed = [{**one, "seconds": slower[one["subject"]] * one["seconds"]} for one in samples]
    run.change(("b", 10, "read-warm"), samples=changed)
    (field,) = rows(run.summarise().draw("single_image").page("single_image"))["Read everything from memory read-warm"]
    assert re.match(r"a \S+ ms corrected, measured 1\d\d ms next b: (1\.9|2\.0)\d . \(", field)


def test_who_is_undecided_is_never_recommended_and_named_only_where_near():
    itself, near = Ratio(1.0, 1.0, 1.0, EXACT), Ratio(1.1, 0.99, 1.2, INTERVAL)
    ratios = {"a": itself, "b": near, "c": Ratio(1.9, 0.7, 4.0, INTERVAL), "d": Ratio(1.01, 0.99, 1.04, INTERVAL)}
    answer = Answer(10, "a", ratios)
    assert (answer.best, answer.undecided, answer.runner_up) == (("a", "d"), ("b", "c"), None)
    asked = Question("write", "Write", "fastest", [answer])
    said = "At 10 images take a or d (perhaps b too: undecided) to import once."
    assert purposes.in_short(purposes.lines([asked])) == said


def test_of_a_first_image_the_time_of_one_is_said(tmp_path):
    run = Run(tmp_path, ("a", "b"), (1000,), ("first-image-warm",), seconds=lambda *_: 2e-3, noise=0)
    page = run.write().summarise().draw("ranking").page("ranking")
    (said,) = rows(page)["One image now from memory first-image-warm"]
    assert said == "whichever is handiest every store needs 2.00 ms at most for one image"


def test_nobody_wins_below_ten_milliseconds(tmp_path):
    """The slowest needs 9 ms for all images, the fastest 1 ms; with 11 ms there is a winner."""
    times = {("a", 100): 1e-3, ("b", 100): 9e-3, ("a", 1000): 1e-3, ("b", 1000): 11e-3}
    run = Run(
        tmp_path,
        ("a", "b"),
        (100, 1000),
        ("read-warm",),
        seconds=lambda name, n, _: times.get((name, n), 1e-3),
        noise=0,
    )
    page = run.write().summarise().draw("ranking", "single_image").page("ranking", "single_image")
    few, many = rows(page)["Read everything from memory read-warm"]
    assert few == "whichever is handiest every store needs 9.00 ms at most for all images"
    assert many.startswith("a 1.00 ms next b: 11.0 ")
    read = Tables.load(tmp_path)
    outcomes = {n: {read.cell(name, n, "read-warm").outcome for name in "ab"} for n in (100, 1000)}
    assert outcomes == {100: {"negligible"}, 1000: {"best", "different"}}


def test_the_ten_milliseconds_are_those_of_all_images(tmp_path):
    """Of 100,000 images 2,000 are drawn in 1 ms: all of them are 50 ms."""
    run = Run(tmp_path, ("a", "b"), (100_000,), ("batch-warm",), seconds=lambda *_: 1e-3, noise=0)
    read = Tables.load(run.write().summarise().directory)
    assert read.cell("a", 100_000, "batch-warm").outcome == "best"


def test_a_quick_page_says_that_quick_leaves_things_out(tmp_path):
    run = Run(tmp_path, cutoffs=(1, 10), operations=("write-durable",), settings={"quick": True}).write()
    page = run.summarise().draw("single_image").page("single_image")
    assert rows(page)["Read everything"] == ["Not measured. A quick run leaves out read-warm , read-cold ."]
    assert "In config.yaml, <code>operations:</code>" not in page


def test_the_matrix_says_what_was_not_measured(page):
    found = rows(page)
    assert found["Read everything"] == ["Not measured. In config.yaml, operations: add read-warm , read-cold ."]
    assert found["Train shuffled from disk"] == ["Not measured. In config.yaml, operations: add batch-cold ."]
    assert found["Least disk allocated size"][1].endswith("raw pixels")
    assert "At 100 images take lmdb to import once;" in page


def test_where_the_file_system_does_not_tell_what_is_allocated_apparent_size_answers(tmp_path):
    run = Run(tmp_path, operations=("write", "read-warm")).write()
    for backend, cutoff in product(run.backends, run.cutoffs):
        run.change_manifest(backend, cutoff, allocated_bytes=0)
    least = rows(run.summarise().draw("single_image").page("single_image"))["Least disk apparent size"]
    assert least[-1].startswith("png 2.26 kB an image")


def test_where_a_store_is_compressed_to_nobody_knows_what_allocated_size_decides_nothing(tmp_path):
    """It may be the smallest of all, so that the others' sizes say nothing about which is."""
    run = Run(tmp_path, operations=("write", "read-warm")).write()
    for cutoff in run.cutoffs:
        run.change_manifest("lmdb", cutoff, allocated_bytes=None, allocation="unknown")
    drawn = run.summarise().draw("single_image", "disk_usage", "ranking")
    page = drawn.page("single_image", "disk_usage", "ranking")
    assert rows(page)["Least disk apparent size"][-1].startswith("png 2.26 kB an image")
    assert "compressed by the file system, which doesn't say to how much" in page
    assert "The file system compresses" in (run.directory / "figures" / "disk_usage.svg").read_text()
    assert "allocated" not in (run.directory / "figures" / "ranking.svg").read_text()
