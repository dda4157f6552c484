"""The answers and the verdicts on the article's claims, from planted data."""

import json
import re

import pytest

from scripts.report import tables
from scripts.report.compare import answers, claims, trends
from scripts.report.compare.results import Results
from scripts.report.compare.trends import BreakEven, Crossover
from scripts.report.estimates import DIFFERENT, INTERVAL
from scripts.report.rows import TimingRow
from scripts.report.tables import Tables
from tests.support.report_run import SIZES, Run, images_of

OPERATIONS = ("write", "read-warm")


def load(run: Run) -> Results:
    """The results of a run as its files are now."""
    read = Tables.load(run.summarise().directory)
    return Results(read, tables.load(TimingRow, run.directory))


def results(run: Run) -> Results:
    return load(run.write())


def planted(tmp_path, times, **more) -> Results:
    """A run whose reads and writes take times[backend][cutoff] seconds."""
    cutoffs = tuple(next(iter(times.values())))
    more = {"operations": OPERATIONS, **more}
    run = Run(tmp_path, tuple(times), cutoffs, seconds=lambda name, n, _: times.get(name, {}).get(n, 1e-3), **more)
    return results(run)


def question(found: Results, name: str) -> answers.Question:
    return next(question for question in answers.questions(found) if question.name == name)


def verdict(found: Results, part: str) -> claims.Verdict:
    return next(verdict for says, verdict in claims.judge(found).items() if part in says)


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
    (crossover, _) = trends.crossovers(found)
    assert (crossover.operation, crossover.overtaking, crossover.overtaken) == ("write", "a", "b")
    assert crossover.low < 10 < crossover.high
    (crossover,) = trends.crossovers_between(found, "write", "b", "a")
    assert (crossover.overtaking, crossover.overtaken) == ("a", "b")


def test_crossings_are_said_in_a_sentence(tmp_path):
    found = planted(tmp_path, {"a": {100: 0.4, 10_000: 0.4}, "b": {100: 0.1, 10_000: 1.6}})
    first, second = (crossover.sentence for crossover in trends.crossovers(found))
    assert re.match(r"Write: a overtakes b at about (9[5-9]0|1,0.0) images ", first)
    assert second.startswith("Read, warm: a overtakes b at about ")
    about = Crossover("write", "a", "b", 3.4, 0.6, 12345.0)
    assert about.sentence == "Write: a overtakes b at about 3 images (between 1 and 12,000)."


def test_no_crossing_without_two_leaders(tmp_path):
    assert trends.crossovers(planted(tmp_path, {"a": {1: 0.1, 10: 0.1}, "b": {1: 0.1, 10: 0.2}})) == []


def test_growth_is_of_all_images_whatever_a_sample_reads(tmp_path):
    """Linear in what is read, so also the operations that read at most so many images are linear in the cutoff."""
    operations = ("read-warm", "random-warm", "first-image-warm")
    cutoffs = (1, 1_000, 10_000, 100_000)
    run = Run(tmp_path, ("a", "b"), cutoffs, operations, seconds=lambda name, n, what: 1e-6 * images_of(n, what))
    found = trends.growths(results(run))
    assert [(growth.backend, growth.operation) for growth in found] == [
        (backend, operation) for operation in operations[:2] for backend in ("a", "b")
    ]
    for growth in found:
        assert growth.cutoffs == cutoffs[1:]
        assert growth.exponent.low < 1 < growth.exponent.high
        assert growth.exponent.high - growth.exponent.low < 0.1


def test_no_growth_of_two_cutoffs(tmp_path):
    assert trends.growths(planted(tmp_path, {"a": {1: 0.1, 1000: 0.1}})) == []


COSTS = {"read-warm": {"a": 1.0, "b": 0.5}, "write-durable": {"a": 3.0, "b": 3.0}, "batch-warm": {"a": 0.02, "b": 0.01}}


def test_break_even_scales_the_epoch_to_all_images(tmp_path):
    """Of 10,000 images a batch sample reads 2,000: an epoch is 0.1 s with a and 0.05 s with b."""
    operations = ("write", "write-durable", "read-warm", "random-warm", "batch-warm")
    run = Run(
        tmp_path, ("a", "b"), (10_000,), operations, seconds=lambda name, _, what: COSTS.get(what, {}).get(name, 1)
    )
    to_b, to_a = trends.break_evens(results(run))
    assert (to_b.cutoff, to_b.source, to_b.target) == (10_000, "a", "b")
    assert (to_b.conversion, to_b.epoch) == (("read-warm", "write-durable"), "batch-warm")
    assert to_b.epochs.low < 80 < to_b.epochs.high < 120
    assert to_b.epochs.value == pytest.approx(80, rel=0.1)
    assert to_a == BreakEven(10_000, "b", "a", None, to_a.conversion, to_a.epoch, DIFFERENT)


def test_converting_does_not_pay_where_only_the_machine_was_slower(tmp_path):
    """Batches from a took twice as long, and so did its reference file."""
    operations = ("write-durable", "read-warm", "batch-warm")
    run = Run(tmp_path, ("a", "b"), (10,), operations, seconds=lambda *_: 1.0).write()
    found = load(slow_machine(run, ("a", 10, "batch-warm"), backend=2, baseline=2))
    assert [pair.epochs for pair in trends.break_evens(found)] == [None, None]


def test_a_slower_machine_in_one_job_does_not_change_when_converting_pays(tmp_path):
    """Another store's job says how fast the machine usually is."""
    operations = ("write-durable", "read-warm", "batch-warm")
    run = Run(
        tmp_path, ("a", "b", "c"), (10_000,), operations, seconds=lambda name, _, what: COSTS[what].get(name, 0.02)
    ).write()
    quiet = {(pair.source, pair.target): pair for pair in trends.break_evens(load(run))}["a", "b"]
    for backend, operation in [("a", "batch-warm"), ("b", "batch-warm"), ("a", "read-warm"), ("b", "write-durable")]:
        slow = slow_machine(run, (backend, 10_000, operation), backend=3, baseline=3)
        found = {(pair.source, pair.target): pair for pair in trends.break_evens(load(slow))}["a", "b"]
        assert found.epochs.value == pytest.approx(quiet.epochs.value, rel=0.1)
        run.write()


def test_break_even_takes_what_was_measured(tmp_path):
    found = planted(tmp_path, {"a": {10: 0.2}, "b": {10: 0.1}})
    assert {(pair.conversion, pair.epoch) for pair in trends.break_evens(found)} == {
        (("read-warm", "write"), "read-warm")
    }
    writes = planted(tmp_path / "writes", {"a": {10: 0.2}, "b": {10: 0.1}}, operations=("write",))
    assert trends.break_evens(writes) == []


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
    ("slowest", "expected", "says"),
    [(1.0, "depends", "about ten times"), (0.3, "depends", "not ten times"), (0.11, "refuted", "hardly")],
)
def test_the_epoch_claim(tmp_path, slowest, expected, says):
    claim = verdict(planted(tmp_path, {"png": {10: slowest}, "hdf5": {10: 0.1}}), "forty minutes")
    assert claim.verdict == expected
    assert says in claim.evidence


@pytest.mark.parametrize(
    ("png", "lmdb", "expected"),
    [((9.0, 1.0), (0.5, 0.1), "confirmed"), ((0.2, 0.1), (5.0, 0.1), "refuted"), ((0.5, 0.1), (0.51, 0.1), "depends")],
)
def test_the_largest_gap_is_not_a_matter_of_noise(tmp_path, png, lmdb, expected):
    times = {"png": png, "lmdb": lmdb, "hdf5": (0.2, 0.1)}

    def seconds(name, cutoff, operation):
        return times.get(name, (0.1, 0.1))[operation != "write"]

    run = Run(tmp_path, ("png", "lmdb", "hdf5"), (10,), OPERATIONS, seconds=seconds)
    claim = verdict(results(run), "largest gap")
    assert claim.verdict == expected
    assert ("leaves it open" in claim.evidence) is (expected == "depends")


def shared(tmp_path, backend: str, speed_ups: dict[str, float]) -> Results:
    """A run in which two processes read so many times as fast as one, by the way they are started."""
    run = Run(tmp_path, (backend,), (100,), ("workers-warm",), samples=30).write()
    samples = json.loads(run.record_path(backend, 100, "workers-warm").read_text())["samples"]
    for sample in samples:
        faster = speed_ups[sample["start_method"]] / 2**0.9
        sample["seconds"] /= faster if sample["processes"] == 2 else 1
    run.change((backend, 100, "workers-warm"), samples=samples)
    return load(run)


@pytest.mark.parametrize(
    ("spawn", "fork", "expected", "says"),
    [
        (1.9, 1.9, "confirmed", "2 processes (spawn) read 1.9"),
        (1.2, 1.1, "refuted", "2 processes (fork) read 1.1"),
        (1.9, 1.1, "depends", "how the processes are started"),
        (1.6, 1.6, "depends", "leaves it open"),
    ],
)
def test_whether_processes_share_an_lmdb(tmp_path, spawn, fork, expected, says):
    claim = verdict(shared(tmp_path, "lmdb", {"spawn": spawn, "fork": fork}), "Ten processes")
    assert claim.verdict == expected
    assert says in claim.evidence
    assert "beside a writer were not measured" in claim.evidence


def test_one_process_alone_shows_nothing_of_sharing(tmp_path):
    run = Run(tmp_path, ("lmdb",), (100,), ("workers-warm",)).write()
    samples = json.loads(run.record_path("lmdb", 100, "workers-warm").read_text())["samples"]
    run.change(("lmdb", 100, "workers-warm"), samples=[sample for sample in samples if sample["processes"] == 1])
    claim = verdict(load(run), "Ten processes")
    assert (claim.verdict, claim.evidence) == ("not measured", "This run has no numbers for it.")


@pytest.mark.parametrize(("spawn", "expected"), [(1.0, "confirmed"), (1.8, "refuted"), (1.2, "depends")])
def test_whether_access_to_hdf5_is_serialised(tmp_path, spawn, expected):
    claim = verdict(shared(tmp_path, "hdf5", {"spawn": spawn}), "serialised")
    assert claim.verdict == expected
    assert "The stores are on ext4." in claim.evidence


def test_a_parallel_file_system_is_no_test_of_that_claim(tmp_path):
    run = Run(tmp_path, ("hdf5",), (100,), ("workers-warm",)).write()
    run.change_manifest("hdf5", 100, file_system={**run.file_system, "type": "lustre"})
    claim = verdict(load(run), "serialised")
    assert (claim.verdict, claim.evidence) == ("not measured", "The stores are on lustre, a parallel file system.")


@pytest.mark.parametrize(
    ("lmdb", "hdf5", "expected"),
    [(3.0, 20.0, "confirmed"), (1.0, 0.5, "depends"), (0.5, 0.5, "refuted"), (1.0, 5.0, "depends")],
)
def test_sequential_and_range_reads(tmp_path, lmdb, hdf5, expected):
    """How many times as long an image takes at random, of 10,000 of which 2,000 are drawn."""
    slower = {"lmdb": lmdb, "hdf5": hdf5}

    def seconds(name, cutoff, operation):
        return 1e-5 * images_of(cutoff, operation) * (slower.get(name, 1) if operation == "random-warm" else 1)

    run = Run(tmp_path, ("lmdb", "hdf5"), (10_000,), ("read-warm", "random-warm"), seconds=seconds)
    claim = verdict(results(run), "Sequential")
    assert claim.verdict == expected
    assert "10,000 images" in claim.evidence


def test_claims_name_the_operations_that_would_measure_them(tmp_path):
    found = planted(tmp_path, CROSS)
    for part, operation in (("Ten processes", "workers-warm"), ("serialised", "workers-warm"), ("Seq", "random-warm")):
        claim = verdict(found, part)
        assert claim.verdict == "not measured"
        assert claim.evidence == f"This run is without {operation}."


def test_small_images_cannot_judge_the_claim_on_large_ones(tmp_path):
    assert verdict(planted(tmp_path, CROSS), "larger images").verdict == "not measured"


def test_what_is_not_measured_says_so_and_why(tmp_path):
    found = claims.judge(planted(tmp_path, {"zarr": {10: 0.1}}))
    assert len(found) == 10
    assert {claim.verdict for claim in found.values()} == {"not measured"}
    assert all(claim.evidence for claim in found.values())
    assert any("without png, lmdb and hdf5" in claim.evidence for claim in found.values())
