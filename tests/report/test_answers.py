"""The answers, from planted data."""

import json
import re
from itertools import chain

import pytest

from scripts.report import tables
from scripts.report.compare import answers, trends
from scripts.report.compare.results import Results
from scripts.report.compare.trends import BreakEven, Crossover
from scripts.report.rows import TimingRow
from scripts.report.tables import Tables
from scripts.report.ties import DIFFERENT, INTERVAL, TIED, Bounded
from tests.support.planted import OPERATIONS, load, planted, results
from tests.support.report_run import Run, images_of


def question(found: Results, name: str) -> answers.Question:
    return next(question for question in answers.questions(found) if question.name == name)


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


def slow_machine(run: Run, cell: tuple[str, int, str], *, backend: float, baseline: float) -> Run:
    """Make the machine slower while this cell is timed, for the backend and for its reference file."""
    samples = json.loads(run.record_path(*cell).read_text())["samples"]
    for sample in samples:
        sample["seconds"] *= backend if sample["subject"] == "backend" else baseline
    run.change(cell, samples=samples)
    return run


def test_a_ratio_is_the_quotient_of_the_two_times(tmp_path):
    found = planted(tmp_path, {"a": {10: 0.15}, "b": {10: 0.1}})
    ratio = found.ratio("write", 10, "a", "b")
    assert ratio.kind == INTERVAL
    medians = [found.row((name, 10, "write")).median_seconds for name in "ab"]
    assert ratio.value == pytest.approx(medians[0] / medians[1], rel=1e-12)


def test_where_the_machine_was_slower_the_time_is_corrected(tmp_path):
    """In a's job everything took three times as long: a is slower by half, not by more than four times."""
    run = Run(tmp_path, ("a", "b"), (10,), ("write",), seconds=lambda name, n, _: {"a": 0.15, "b": 0.1}.get(name, 1e-3))
    found = load(slow_machine(run.write(), ("a", 10, "write"), backend=3, baseline=3))
    (answer,) = question(found, "write").answers
    assert (answer.best, answer.runner_up) == (("b",), "a")
    assert answer.behind.value == pytest.approx(1.5, rel=0.1)
    assert answer.behind.low > 1
    assert answer.behind.high < 2
    row = found.tables.cell("a", 10, "write")
    assert (row.corrected, row.raw_median_seconds) == (True, pytest.approx(0.45, rel=0.05))
    assert row.median_seconds == pytest.approx(0.15, rel=0.05)


def test_a_time_that_has_decoding_in_it_stays_as_measured(tmp_path):
    """In a's job the reference file alone took 1.3 times as long: that says nothing of a, 95 % of which is decoding."""
    run = Run(tmp_path, ("a", "b"), (10,), ("read-warm",), seconds=lambda name, n, _: 0.1 if name in "ab" else 1e-3)
    slow_machine(run.write(), ("a", 10, "read-warm"), backend=1, baseline=1.3)
    assert load(run).ratio("read-warm", 10, "a", "b").shorter
    for name in "ab":
        run.add_decoding((name, 10, "read-warm"), 0.95)
    found = load(run)
    ratio = found.ratio("read-warm", 10, "a", "b")
    assert ratio.outcome == TIED
    assert (ratio.low, ratio.high) == pytest.approx((1, 1), rel=0.03)
    row = found.tables.cell("a", 10, "read-warm")
    assert (row.corrected, row.median_seconds) == (False, row.raw_median_seconds)
    assert row.decoding_seconds_per_image == pytest.approx(0.0095, rel=0.02)


def test_the_best_leads_though_its_measured_time_is_longer(tmp_path):
    """In b's job everything took three times as long."""
    run = Run(tmp_path, ("a", "b"), (10,), ("write",), seconds=lambda name, n, _: {"a": 0.15, "b": 0.1}.get(name, 1e-3))
    found = load(slow_machine(run.write(), ("b", 10, "write"), backend=3, baseline=3))
    (answer,) = question(found, "write").answers
    assert (answer.best, answer.runner_up) == (("b",), "a")
    assert answer.behind.value == pytest.approx(1.5, rel=0.1)


def test_samples_are_compared_with_the_plain_file_of_their_round(tmp_path):
    """The machine slows down within a job; a first round in the other order and a lost sample change nothing."""
    run = Run(tmp_path, ("a",), (10,), ("write",), noise=0, samples=8).write()
    samples = json.loads(run.record_path("a", 10, "write").read_text())["samples"]
    for order, sample in enumerate(samples):
        slow = 2 ** (order // 2)
        sample["seconds"] = slow * (5.0 if sample["subject"] == "backend" else 1.0)
    samples[4]["state_verified"] = samples[7]["state_verified"] = False
    run.change(("a", 10, "write"), samples=[samples[1], samples[0], *samples[2:]])
    job = load(run).jobs["a", 10, "write"]
    assert job.ratios == [5.0] * 6
    assert (len(job.seconds), len(job.baseline)) == (7, 7)


def test_workers_are_compared_by_the_cells_own_way_of_sharing_the_work(tmp_path):
    found = results(Run(tmp_path, ("png", "lmdb"), (100,), ("workers-warm",)))
    own = found.tables.cell("png", 100, "workers-warm")
    assert own.way == (2, "fork")
    taken = [
        row.seconds
        for row in found.timings
        if (row.backend, row.subject, row.processes, row.start_method) == ("png", "backend", 2, "fork")
    ]
    assert found.jobs["png", 100, "workers-warm"].seconds == taken
    assert len(taken) == 10


def test_long_samples_tie_where_all_of_the_range_is_within_twenty_per_cent(tmp_path):
    found = planted(tmp_path, {"a": {10: 3.0}, "b": {10: 3.3}, "c": {10: 6.0}, "d": {10: 3.55}})
    (answer,) = question(found, "write").answers
    assert (answer.best, answer.undecided, answer.runner_up) == (("a", "b"), ("d",), "c")


def test_who_leads_where(tmp_path):
    found = planted(tmp_path, {"a": {1: 0.1, 10: 0.1, 100: 0.1}, "b": {1: 0.05, 10: 0.1, 100: 0.2}})
    assert answers.lead_sentence(question(found, "write")) == (
        "b is fastest at 1 image; a and b tie at 10 images; a is fastest at 100 images"
    )
    for pair in ("ab", "ba"):
        (crossover,) = trends.crossovers(found, "write", *pair)
        assert (crossover.operation, crossover.overtaking, crossover.overtaken) == ("write", "a", "b")
        assert crossover.at.low < 10 < crossover.at.high


def test_crossings_are_said_in_a_sentence(tmp_path):
    found = planted(tmp_path, {"a": {100: 0.4, 10_000: 0.4}, "b": {100: 0.1, 10_000: 1.6}})
    (crossover,) = trends.crossovers(found, "write", "a", "b")
    assert re.match(r"a overtakes b at about (9[5-9]0|1,0.0) images ", crossover.phrase)
    about = Crossover("write", "a", "b", Bounded(3.4, 1.2, 12345.0))
    assert about.phrase == "a overtakes b at about 3.4 images (between 1.2 and 12,000)"


def test_no_crossing_without_two_leaders(tmp_path):
    found = planted(tmp_path, {"a": {1: 0.1, 10: 0.1}, "b": {1: 0.1, 10: 0.2}})
    assert trends.crossovers(found, "write", "a", "b") == []


def test_growth_is_of_all_images_whatever_a_sample_reads(tmp_path):
    """Linear in what is read, so also the operations that read at most so many images are linear in the cutoff."""
    operations = ("read-warm", "random-warm", "first-image-warm")
    cutoffs = (1, 1_000, 10_000, 100_000)
    run = Run(tmp_path, ("a", "b"), cutoffs, operations, seconds=lambda name, n, what: 1e-6 * images_of(n, what))
    found = trends.growths(results(run))
    assert {operation: list(known) for operation, known in found.items()} == {
        operation: ["a", "b"] for operation in operations[:2]
    }
    for exponent in chain.from_iterable(known.values() for known in found.values()):
        assert exponent.low < 1 < exponent.high
        assert exponent.high - exponent.low < 0.1


def test_no_growth_of_two_cutoffs(tmp_path):
    assert trends.growths(planted(tmp_path, {"a": {1: 0.1, 1000: 0.1}})) == {}


COSTS = {"read-warm": {"a": 1.0, "b": 0.5}, "write-durable": {"a": 3.0, "b": 3.0}, "batch-warm": {"a": 0.02, "b": 0.01}}


def test_break_even_scales_the_epoch_to_all_images(tmp_path):
    """Of 10,000 images a batch sample reads 2,000: an epoch is 0.1 s with a and 0.05 s with b."""
    operations = ("write", "write-durable", "read-warm", "random-warm", "batch-warm")
    run = Run(
        tmp_path, ("a", "b"), (10_000,), operations, seconds=lambda name, _, what: COSTS.get(what, {}).get(name, 1)
    )
    found = trends.break_evens(results(run))
    to_b, to_a = found[10_000]["a", "b"], found[10_000]["b", "a"]
    assert (to_b.conversion, to_b.epoch) == (("read-warm", "write-durable"), "batch-warm")
    assert to_b.epochs.low < 80 < to_b.epochs.high < 120
    assert to_b.epochs.value == pytest.approx(80, rel=0.1)
    assert to_a == BreakEven(None, to_a.conversion, to_a.epoch, DIFFERENT)


def test_converting_does_not_pay_where_only_the_machine_was_slower(tmp_path):
    """Batches from a took twice as long, and so did its reference file."""
    operations = ("write-durable", "read-warm", "batch-warm")
    run = Run(tmp_path, ("a", "b"), (10,), operations, seconds=lambda *_: 1.0).write()
    found = load(slow_machine(run, ("a", 10, "batch-warm"), backend=2, baseline=2))
    assert [pair.epochs for pair in trends.break_evens(found)[10].values()] == [None, None]


def test_a_slower_machine_in_one_job_does_not_change_when_converting_pays(tmp_path):
    """Another store's job says how fast the machine usually is."""
    operations = ("write-durable", "read-warm", "batch-warm")
    run = Run(
        tmp_path, ("a", "b", "c"), (10_000,), operations, seconds=lambda name, _, what: COSTS[what].get(name, 0.02)
    ).write()
    quiet = trends.break_evens(load(run))[10_000]["a", "b"]
    for backend, operation in [("a", "batch-warm"), ("b", "batch-warm"), ("a", "read-warm"), ("b", "write-durable")]:
        slow = slow_machine(run, (backend, 10_000, operation), backend=3, baseline=3)
        found = trends.break_evens(load(slow))[10_000]["a", "b"]
        assert found.epochs.value == pytest.approx(quiet.epochs.value, rel=0.1)
        run.write()


def test_break_even_takes_what_was_measured(tmp_path):
    found = planted(tmp_path, {"a": {10: 0.2}, "b": {10: 0.1}})
    assert {(pair.conversion, pair.epoch) for pair in trends.break_evens(found)[10].values()} == {
        (("read-warm", "write"), "read-warm")
    }
    writes = planted(tmp_path / "writes", {"a": {10: 0.2}, "b": {10: 0.1}}, operations=("write",))
    assert trends.break_evens(writes) == {}


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
    run.change(
        ("b", 10, "read-warm"), samples=[*samples, samples[0], {**samples[1], "seconds": 99.0, "state_verified": False}]
    )
    run.summarise()
    read = Tables.load(tmp_path)
    found = Results(read, tables.load(TimingRow, tmp_path))
    assert found.ratio_if_measured("write", 10, "a", "b") is None
    assert found.ratio_if_measured("read-warm", 10, "a", "b") is not None
    assert len(found.jobs["b", 10, "read-warm"].seconds) == run.samples
    assert 99.0 not in found.jobs["b", 10, "read-warm"].seconds


def test_sizes_tie_within_a_per_cent(tmp_path):
    found = planted(tmp_path, {"png": {100: 0.1}, "hdf5": {100: 0.1}, "hdf6": {100: 0.1}})
    smallest = {name: question(found, name).answers[0].best for name in answers.MEASURES}
    assert smallest["apparent_bytes"] == ("png",)
    assert smallest["allocated_bytes"] == ("hdf5",)
