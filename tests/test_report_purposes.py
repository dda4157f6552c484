"""The matrix of what one does with a store: which operation answers, what is missing, and the sentence above it."""

import json
import re
from html import unescape
from itertools import product

import pytest
import yaml
from conftest import CHECKOUT

from scripts.report import purposes, wording
from scripts.report.answers import MEASURES, Answer, Question
from scripts.report.statistics import INTERVAL, Ratio
from tests.report_run import MORE_OPERATIONS, OPERATIONS, Run


def question(name: str, *best: tuple[str, ...]) -> Question:
    """A question with an answer at 10 images, 100 images and so on."""
    answers = [Answer(10**place, names, names[0], None, None) for place, names in enumerate(best, start=1)]
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
    schema = yaml.safe_load((CHECKOUT / "scripts/schemas/config.schema.yaml").read_text())
    known = schema["properties"]["operations"]["items"]["enum"]
    assert set(wording.OPERATIONS) == set(wording.MEANINGS) == set(known) == {*OPERATIONS, *MORE_OPERATIONS}
    assert {name for purpose in purposes.PURPOSES for name in purpose.questions} <= {*known, *MEASURES}
    kinds = {name.removesuffix("-warm").removesuffix("-cold") for name in known}
    assert set(wording.ADDS) == kinds
    assert set(wording.COSTS) <= kinds


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
        assert re.match(r"lmdb (29|30|31)\d ms next hdf5: (1\.9|2\.0)\d . \(.*\) (2\.9|3\.\d)\d? . plain file$", field)
    for field in found["Train shuffled from memory batch-warm"]:
        assert re.match(r"png, lmdb tie .* next hdf5: (3\.9|4\.0|4\.1)\d . \(.*\) .* plain file$", field)


def test_a_tie_says_how_far_apart_its_members_are_and_which_was_disturbed(tmp_path):
    run = Run(tmp_path, ("a", "b"), (10,), ("read-warm",), seconds=lambda *_: 0.1).write()
    noise = json.loads(run.record_path("b", 10, "read-warm").read_text())["noise"]
    run.change(("b", 10, "read-warm"), noise={**noise, "throttle_events": 3})
    page = run.summarise().draw("single_image").page("single_image")
    (field,) = rows(page)["Read everything from memory read-warm"]
    assert re.match(r"a, b † tie 101 ms b: (1\.0\d|0\.9\d+) . \(0\S+ to 1\.\d+\) ", field)


def test_an_answer_against_the_times_says_why(tmp_path):
    """The one took less time, but so did the plain file in its job, by more."""
    run = Run(tmp_path, ("a", "b"), (10,), ("read-warm",), seconds=lambda *_: 0.1).write()
    samples = json.loads(run.record_path("b", 10, "read-warm").read_text())["samples"]
    slower = {"backend": 0.8, "baseline": 0.4}
    changed = [{**one, "seconds": slower[one["subject"]] * one["seconds"]} for one in samples]
    run.change(("b", 10, "read-warm"), samples=changed)
    (field,) = rows(run.summarise().draw("single_image").page("single_image"))["Read everything from memory read-warm"]
    assert re.match(r"a \d+ ms next b: (1\.9|2\.0)\d . \(.*\) , in 8\S+ ms, but the plain file was faster then", field)


def test_who_ties_only_because_of_noise_is_not_recommended():
    ties = {"b": Ratio(1.1, 0.99, 1.2, INTERVAL), "c": Ratio(1.9, 0.7, 4.0, INTERVAL)}
    asked = Question("write", "Write", "fastest", [Answer(10, ("a", "b", "c"), "a", None, None, ties=ties)])
    assert purposes.in_short(purposes.lines([asked])) == "At 10 images take a or b to import once."


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


def test_an_answer_by_ratios_to_the_plain_file_says_so(page, tmp_path):
    """The machine was half as fast in the job of one of them, for its plain file as well."""
    assert ", by ratios" not in page
    run = Run(
        tmp_path,
        backends=("a", "b"),
        cutoffs=(10,),
        operations=("read-warm", "write"),
        seconds=lambda name, cutoff, operation: {"a": 0.2, "b": 0.05}.get(name, 0.01),
    ).write()
    samples = json.loads(run.record_path("a", 10, "read-warm").read_text())["samples"]
    run.change(("a", 10, "read-warm"), samples=[{**one, "seconds": 2 * one["seconds"]} for one in samples])
    text = run.summarise().draw("single_image").page("single_image")
    (field,) = rows(text)["Read everything from memory read-warm"]
    assert re.match(r"b .* next a: (3|4)\.\d+ . \(.*\) , by ratios ", field)
    assert "Their times are compared, <em>by ratios</em>" in text


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
    assert "not known: compressed" in (run.directory / "figures" / "disk_usage.svg").read_text()
    assert "allocated" not in (run.directory / "figures" / "ranking.svg").read_text()


def test_where_most_are_by_ratios_it_is_said_once_and_the_others_are_marked(tmp_path):
    """The machine was slow in the jobs of one backend, apart from one."""
    run = Run(tmp_path, ("a", "b"), (10,), ("write", "read-warm", "read-cold")).write()
    for operation in ("write", "read-warm"):
        samples = json.loads(run.record_path("a", 10, operation).read_text())["samples"]
        run.change(("a", 10, operation), samples=[{**one, "seconds": 2 * one["seconds"]} for one in samples])
    text = run.summarise().draw("single_image").page("single_image")
    assert "Ratios to the plain file are compared" in text
    assert not [field for fields in rows(text).values() for field in fields if ", by ratios" in field]
    assert ", by times" in rows(text)["Read everything from disk read-cold"][0]
