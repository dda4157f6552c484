"""The answers and the verdicts on the article's claims, from planted data."""

import json
import re

import pytest

from scripts.report import answers, claims, tables
from scripts.report.answers import Results
from scripts.report.tables import Tables
from tests.report_run import SIZES, Run

OPERATIONS = ("write", "read-warm")


def results(run: Run) -> Results:
    run.write().summarise()
    read = Tables.load(run.directory)
    return Results(read, tables.read("timings", run.directory / "timings.csv"))


def planted(tmp_path, times, **more) -> Results:
    """A run whose reads and writes take times[backend][cutoff] seconds."""
    cutoffs = tuple(next(iter(times.values())))
    more = {"operations": OPERATIONS, **more}
    run = Run(tmp_path, tuple(times), cutoffs, seconds=lambda name, n, _: times.get(name, {}).get(n, 1e-3), **more)
    return results(run)


def question(found: Results, name: str) -> answers.Question:
    return next(question for question in found.questions() if question.name == name)


def verdict(found: Results, part: str) -> claims.Claim:
    return next(claim for claim in claims.judge(found) if part in claim.says)


def test_winner_runner_up_and_factor(tmp_path):
    found = planted(tmp_path, {"a": {10: 0.3}, "b": {10: 0.1}, "c": {10: 0.2}})
    (answer,) = question(found, "write").answers
    assert (answer.best, answer.leader, answer.runner_up) == (("b",), "b", "c")
    assert answer.behind.low < 2 < answer.behind.high
    assert answer.to_baseline.value == pytest.approx(100, rel=0.1)


def test_a_tie_is_said_as_a_tie(tmp_path):
    found = planted(tmp_path, {"a": {10: 0.3}, "b": {10: 0.1}, "c": {10: 0.1}})
    asked = question(found, "write")
    assert asked.answers[0].best == ("b", "c")
    assert asked.answers[0].runner_up == "a"
    assert answers.lead_sentence(asked) == "b and c tie at 10 images"


def test_where_times_and_ratios_to_the_plain_file_disagree_is_a_tie(tmp_path):
    """In a's job the machine was twice as slow, which its plain file shows."""
    run = Run(tmp_path, ("a", "b"), (10,), ("write",), seconds=lambda name, n, _: {"a": 1.5, "b": 1.0}.get(name, 1e-3))
    record = json.loads(run.write().record_path("a", 10, "write").read_text())
    for sample in record["samples"]:
        sample["seconds"] *= 2 if sample["subject"] == "baseline" else 1
    run.change(("a", 10, "write"), samples=record["samples"])
    (answer,) = question(results(run), "write").answers  # results writes the run anew
    assert answer.best == ("b",)
    run.change(("a", 10, "write"), samples=record["samples"])
    run.summarise()
    read = Tables.load(run.directory)
    (answer,) = question(Results(read, tables.read("timings", run.directory / "timings.csv")), "write").answers
    assert answer.best == ("a", "b")
    assert answer.drift == pytest.approx(2, rel=0.1)


def test_the_answer_in_short(tmp_path):
    found = planted(tmp_path, {"png": {1: 1.0, 10: 1.5}, "hdf5": {1: 0.2, 10: 0.1}, "lmdb": {1: 0.1, 10: 0.2}})
    said = answers.in_short(found, found.questions())
    assert said.startswith("At 10 images the best are: hdf5 in write, read-warm")
    assert re.search(r"png takes 1\d\.\d . to 1\d\.\d . as long as the fastest\.$", said)


def test_long_samples_tie_within_twenty_per_cent(tmp_path):
    found = planted(tmp_path, {"a": {10: 3.0}, "b": {10: 3.5}, "c": {10: 6.0}})
    assert question(found, "write").answers[0].best == ("a", "b")


def test_who_leads_where(tmp_path):
    found = planted(tmp_path, {"a": {1: 0.1, 10: 0.1, 100: 0.1}, "b": {1: 0.05, 10: 0.1, 100: 0.2}})
    assert answers.lead_sentence(question(found, "write")) == (
        "b is fastest at 1 image; a and b tie at 10 images; a is fastest at 100 images"
    )
    assert found.crossings() == [
        "Write: b is faster at 1 image, a from 100 images.",
        "Read, warm: b is faster at 1 image, a from 100 images.",
    ]


def test_no_crossing_without_two_leaders(tmp_path):
    assert planted(tmp_path, {"a": {1: 0.1, 10: 0.1}, "b": {1: 0.1, 10: 0.2}}).crossings() == []


@pytest.mark.parametrize(
    ("leads", "sentence"),
    [
        ([("l", 1), ("l", 100), ("h", 1000)], "l is faster up to 100 images, h from 1,000 images"),
        ([("l", 1), ("h", 10), ("l", 100)], "l is faster at 1 image, h at 10 images, l from 100 images"),
        (
            [("l", 1), ("h", 10), ("h", 50), ("l", 100)],
            "l is faster at 1 image, h from 10 to 50 images, l from 100 images",
        ),
    ],
)
def test_crossing_sentences(leads, sentence):
    assert answers.spans(leads) == sentence


def test_a_gap_has_no_answer_and_breaks_nothing(tmp_path):
    gaps = {("a", 10, "write"): "no room", ("b", 10, "write"): "no room"}
    found = planted(tmp_path, {"a": {10: 0.1}, "b": {10: 0.2}}, gaps=gaps)
    assert question(found, "write").answers == []
    assert question(found, "read-warm").answers[0].best == ("a",)


def test_unverified_samples_and_other_groups_do_not_count(tmp_path):
    run = Run(tmp_path, ("a", "b"), (10,), OPERATIONS).write()
    run.change(("a", 10, "write"), measuring_digest="other")
    path = run.record_path("b", 10, "read-warm")
    samples = json.loads(path.read_text())["samples"]
    run.change(("b", 10, "read-warm"), samples=[*samples, {**samples[1], "seconds": 99.0, "state_verified": False}])
    run.summarise()
    read = Tables.load(tmp_path)
    found = Results(read, tables.read("timings", tmp_path / "timings.csv"))
    assert found.ratio("write", 10, "a", "b") is None
    assert found.ratio("read-warm", 10, "a", "b") is not None
    assert len(found.samples["b", 10, "read-warm"]) == run.samples
    assert 99.0 not in found.samples["b", 10, "read-warm"]


def test_sizes_tie_within_a_per_cent(tmp_path):
    found = planted(tmp_path, {"png": {100: 0.1}, "hdf5": {100: 0.1}, "hdf6": {100: 0.1}})
    smallest = {name: question(found, name).answers[0].best for name in answers.MEASURES}
    assert smallest["apparent_bytes"] == ("png",)
    assert smallest["allocated_bytes"] == ("hdf5",)


CROSS = {"png": {1: 0.1, 1000: 1.0}, "lmdb": {1: 0.01, 1000: 0.3}, "hdf5": {1: 0.02, 1000: 0.1}}


@pytest.mark.parametrize(
    ("hdf5", "expected"),
    [({1: 0.02, 1000: 0.1}, "confirmed"), ({1: 0.001, 1000: 0.1}, "refuted"), ({1: 0.01, 1000: 0.1}, "depends")],
)
def test_the_overtaking_claim(tmp_path, hdf5, expected):
    claim = verdict(planted(tmp_path, {**CROSS, "hdf5": hdf5}), "overtakes")
    assert claim.verdict == expected
    assert "at 1,000 images" in claim.evidence


def test_the_overtaking_claim_can_depend_on_the_operation(tmp_path):
    def seconds(name, cutoff, operation):
        return 0.001 if (name, operation) == ("hdf5", "write") else CROSS.get(name, {}).get(cutoff, 1e-3)

    run = Run(tmp_path, tuple(CROSS), (1, 1000), OPERATIONS, seconds=seconds)
    claim = verdict(results(run), "overtakes")
    assert claim.verdict == "depends"
    assert "depends on whether one writes or reads" in claim.evidence


@pytest.mark.parametrize(
    ("lmdb", "expected"),
    [((20480, 4120, 4120), "confirmed"), ((100, 100, 100), "refuted"), ((4000, 100, 9000), "depends")],
)
def test_disk_for_a_single_image(tmp_path, monkeypatch, lmdb, expected):
    monkeypatch.setitem(SIZES, "lmdb", lmdb)
    assert verdict(planted(tmp_path, CROSS), "most disk for a single image").verdict == expected


@pytest.mark.parametrize(
    ("png", "expected"), [((0, 2264, 4097), "depends"), ((0, 500, 500), "confirmed"), ((0, 9000, 9000), "refuted")]
)
def test_disk_of_many_images(tmp_path, monkeypatch, png, expected):
    monkeypatch.setitem(SIZES, "png", png)
    claim = verdict(planted(tmp_path, CROSS), "more disk than PNG")
    assert claim.verdict == expected
    assert ("depends on" in claim.evidence) is (expected == "depends")


def test_the_gap_between_reading_and_writing(tmp_path):
    def seconds(name, cutoff, operation):
        write, read = {"png": (3.0, 1.0), "lmdb": (0.5, 0.1), "hdf5": (0.2, 0.1)}.get(name, (0.1, 0.1))
        return write if operation == "write" else read

    claim = verdict(results(Run(tmp_path, ("png", "lmdb", "hdf5"), (10,), OPERATIONS, seconds=seconds)), "largest gap")
    assert claim.verdict == "depends"
    assert "png 2" in claim.evidence
    assert "seconds or factors" in claim.evidence


@pytest.mark.parametrize(
    ("slowest", "expected", "says"), [(1.0, "depends", "about ten times"), (0.11, "refuted", "hardly")]
)
def test_the_epoch_claim(tmp_path, slowest, expected, says):
    claim = verdict(planted(tmp_path, {"png": {10: slowest}, "hdf5": {10: 0.1}}), "forty minutes")
    assert claim.verdict == expected
    assert says in claim.evidence


def test_small_images_cannot_judge_the_claim_on_large_ones(tmp_path):
    assert verdict(planted(tmp_path, CROSS), "larger images").verdict == "not measured"


def test_what_is_not_measured_says_so_and_why(tmp_path):
    found = {claim.says: claim for claim in claims.judge(planted(tmp_path, {"zarr": {10: 0.1}}))}
    assert len(found) == 10
    assert {claim.verdict for claim in found.values()} == {"not measured"}
    assert all(claim.evidence for claim in found.values())
    assert any("without png, lmdb and hdf5" in claim.evidence for claim in found.values())
